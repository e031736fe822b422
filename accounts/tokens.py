"""The JSON web tokens: Simple JWT's, with what the contract asks beyond them."""

from datetime import timedelta
from typing import Any

from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.tokens import AccessToken, Token
from rest_framework_simplejwt.tokens import RefreshToken as SimpleRefreshToken

from accounts.models import ApplicationToken, User

STAMP = "stamp"

__all__ = ["AccessToken", "ApplicationJWT", "RefreshToken"]


class RefreshToken(SimpleRefreshToken):
    """A refresh token that ends with the password or the activity of its user."""

    no_copy_claims = (*SimpleRefreshToken.no_copy_claims, STAMP)  # type: ignore[assignment]  # typed as a tuple of five

    @classmethod
    def for_user(cls, user: Any) -> Any:
        token = super().for_user(user)
        token[STAMP] = user.token_stamp()
        return token

    def owner(self) -> User:
        """Return the user whom the token still stands for. Raises `TokenError` if there is none."""
        user = User.objects.with_rank().filter(pk=self["user_id"], is_active=True).first()
        if user is None or self.get(STAMP) != user.token_stamp():
            raise TokenError("Token has ended with its user's password or activity")
        return user


class ApplicationJWT(Token):
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
