"""How the OpenAPI description names the bearers."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension


class BearerScheme(OpenApiAuthenticationExtension):
    target_class = "accounts.authentication.BearerAuthentication"
    name = "bearer"
    description = "An access token, an application token or an API key."

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": self.description}


class RefreshScheme(BearerScheme):
    target_class = "accounts.authentication.RefreshAuthentication"
    name = "refreshToken"
    description = "The refresh token that a login answered."
