"""The JSON web tokens: Simple JWT's, with what the contract asks beyond them."""

from datetime import timedelta
from typing import Any

from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.tokens import AccessToken as SimpleAccessToken
from rest_framework_simplejwt.tokens import RefreshToken as SimpleRefreshToken
from rest_framework_simplejwt.tokens import Token

from accounts.models import ApplicationToken, User

STAMP = "stamp"
# Characters; ours have some 300.
MAX_TOKEN = 4096
ENDED = "Token has ended with its user's password or activity"

__all__ = ["AccessToken", "ApplicationJWT", "RefreshToken"]


class BoundedToken(Token):
    """A token that costs little to refuse."""

    def __init__(self, token: Any = None, verify: bool = True) -> None:
        if token is not None and len(token) > MAX_TOKEN:
            raise TokenError("Token is too long")
        try:
            super().__init__(token, verify)
        except RecursionError as error:  # JSON that is nested too deep
            raise TokenError("Token is invalid") from error


class StampedToken(BoundedToken):
    """A token that ends with the password or the activity of its user."""

    @classmethod
    def for_user(cls, user: Any) -> Any:
        token = super().for_user(user)
        token[STAMP] = user.token_stamp()
        return token

    def find_user(self) -> User | None:
        """Return the user whom the token names, active or not; `None` if there is none.

        Raises `TokenError` if the token has ended before its user did.
        """
        user = User.objects.with_rank().filter(pk=self["user_id"]).first()
        if user is not None and user.is_active and self.get(STAMP) != user.token_stamp():
            raise TokenError(ENDED)
        return user

    def owner(self) -> User:
        """Return the active user whom the token still stands for. Raises `TokenError` if there is none."""
        user = self.find_user()
        if user is None or not user.is_active:
            raise TokenError(ENDED)
        return user


class AccessToken(StampedToken, SimpleAccessToken):
    """Opens the API for some minutes."""


class RefreshToken(StampedToken, SimpleRefreshToken):
    """Gets new access tokens, which take its stamp along."""

    access_token_class = AccessToken


class ApplicationJWT(BoundedToken):
    """A token without `exp`; it stands as long as its record does."""

    token_type = "application"  # noqa: S105  # a name, not a secret
    lifetime = timedelta()

    def set_exp(self, *args: Any, **kwargs: Any) -> None:
        """Set none."""

    def check_exp(self, *args: Any, **kwargs: Any) -> None:
        """Check none: the record is looked up on every use."""

    def record(self) -> ApplicationToken:
        """Return the token's record with its user. Raises `TokenError` if it was revoked, has expired or is gone."""
        record: ApplicationToken | None = ApplicationToken.objects.usable().with_user().filter(jti=self["jti"]).first()
        if record is None:
            raise TokenError("Token was revoked or has expired")
        return record
