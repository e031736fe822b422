"""The JSON web tokens that know no model: `accounts.models` makes application tokens with them."""

from datetime import timedelta
from typing import Any

from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.tokens import Token

MAX_TOKEN = 4096  # characters; ours have some 300


class BoundedToken(Token):
    """A token that costs little to refuse."""

    def __init__(self, token: Any = None, verify: bool = True) -> None:
        if token is not None and len(token) > MAX_TOKEN:
            raise TokenError("Token is too long")
        try:
            super().__init__(token, verify)
        except RecursionError as error:  # JSON that is nested too deep
            raise TokenError("Token is invalid") from error


class ApplicationJWT(BoundedToken):
    """A token without `exp`; it stands as long as its record does."""

    token_type = "application"  # a name, not a secret
    lifetime = timedelta()

    def set_exp(self, *args: Any, **kwargs: Any) -> None:
        """Set none."""

    def check_exp(self, *args: Any, **kwargs: Any) -> None:
        """Check none: the record is looked up on every use."""
