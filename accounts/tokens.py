"""The access and refresh tokens of users: those of Simple JWT, which can also end before they expire."""

from typing import Any

from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.tokens import AccessToken as SimpleAccessToken
from rest_framework_simplejwt.tokens import RefreshToken as SimpleRefreshToken

from accounts.jwt import BoundedToken
from accounts.models import User

STAMP = "stamp"
ENDED = "Token has ended with its user's password or activity"

__all__ = ["AccessToken", "RefreshToken"]


class StampedToken(BoundedToken):
    """A token that ends when its user gets a new password or becomes inactive."""

    @classmethod
    def for_user(cls, user: Any) -> Any:
        token = super().for_user(user)
        token[STAMP] = user.token_stamp()
        return token

    def find_user(self) -> User | None:
        """Return the user of the token, active or not; `None` if there is none.

        Raises `TokenError` if the user is active, but the token has ended.
        """
        user = User.objects.with_rank().filter(pk=self["user_id"]).first()
        if user is not None and user.is_active and self.get(STAMP) != user.token_stamp():
            raise TokenError(ENDED)
        return user

    def owner(self) -> User:
        """Return the active user of the token. Raises `TokenError` without one, or if the token has ended."""
        user = self.find_user()
        if user is None or not user.is_active:
            raise TokenError(ENDED)
        return user


class AccessToken(StampedToken, SimpleAccessToken):
    """A bearer for calls of the API, valid for some minutes."""


class RefreshToken(StampedToken, SimpleRefreshToken):
    """A bearer that gets new access tokens. They have the same stamp."""

    access_token_class = AccessToken
