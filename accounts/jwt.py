"""JSON web tokens that do not depend on the models, which import from here."""

from datetime import timedelta
from typing import Any

from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.tokens import Token

MAX_TOKEN_LENGTH = 4096  # characters; the registry's own tokens have about 300


class BoundedToken(Token):
    """A token that is refused before it is parsed if it is too long, and where it is nested too deeply."""

    def __init__(self, token: Any = None, verify: bool = True) -> None:
        if token is not None and len(token) > MAX_TOKEN_LENGTH:
            raise TokenError("Token is too long")
        try:
            super().__init__(token, verify)
        except RecursionError as error:  # from deeply nested JSON
            raise TokenError("Token is invalid") from error


class ApplicationJWT(BoundedToken):
    """An application token. It has no `exp`: its record in the database says until when it is valid."""

    token_type = "application"  # noqa: S105  # the type of the token, not a secret
    lifetime = timedelta()

    def set_exp(self, *args: Any, **kwargs: Any) -> None:
        """Set no expiry."""

    def check_exp(self, *args: Any, **kwargs: Any) -> None:
        """Check no expiry: that of the record is checked on every use."""
