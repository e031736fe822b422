"""Middleware for pages alone: calls of the API have bearers and no session, and go past it."""

from typing import Any

from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest
from django.utils.deprecation import MiddlewareMixin


class OnPages(MiddlewareMixin):
    """Leaves out what would be a tenth of the cost of a small call."""

    def __call__(self, request: HttpRequest) -> Any:
        return self.get_response(request) if request.path_info.startswith("/api/") else super().__call__(request)


class Sessions(OnPages, SessionMiddleware):
    """Django's sessions."""


class Users(OnPages, AuthenticationMiddleware):
    """The user of a session."""


class Messages(OnPages, MessageMiddleware):
    """What the admin says after a change."""
