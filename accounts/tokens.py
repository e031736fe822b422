"""The JSON web tokens of users: Simple JWT's, with what the contract asks beyond them."""

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
