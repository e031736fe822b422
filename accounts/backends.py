from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from accounts.login_throttle import login_attempt
from accounts.models import MAX_PASSWORD_LENGTH, MAX_USERNAME_LENGTH, User
from accounts.security_log import log_failed_login
from core import redaction


class ThrottledModelBackend(ModelBackend):
    """Django's backend behind the login limits, used by the API, by Simple JWT's views and by the admin."""

    @sensitive_variables("password")
    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> User | None:
        """Return the user, or `None` if the login fails.

        Raises `Throttled` after too many failures, before the password is checked.
        """
        if request is None or username is None or password is None:
            return None
        if len(username) > MAX_USERNAME_LENGTH or len(password) > MAX_PASSWORD_LENGTH:
            return None
        address = request.META.get("REMOTE_ADDR", "")
        with login_attempt(User.normalize_username(username), address) as attempt:
            redaction.add(password)
            user = super().authenticate(request, username, password, **kwargs)
            attempt.failed = user is None
        if not isinstance(user, User):
            log_failed_login(username, address)
            return None
        return user
