from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.http import HttpRequest

from accounts.models import User
from accounts.throttle import login_attempt
from itempath.scrubbing import remember


class ThrottledModelBackend(ModelBackend):
    """Django's own backend behind the login limits: for the API, Simple JWT's views and the admin alike."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> User | None:
        """Return the user, or `None`. Raises `Throttled` after too many failures."""
        if request is None or username is None or password is None:
            return None
        remember(password)
        with login_attempt(username, request.META.get("REMOTE_ADDR", "")) as attempt:
            user = super().authenticate(request, username, password, **kwargs)
            attempt.failed = user is None
        return user if isinstance(user, User) else None
