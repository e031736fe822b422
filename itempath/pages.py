"""Middleware for pages alone: calls of the API have bearers and no session, and go past it."""

import logging
import time
from functools import partial
from typing import Any

from csp.constants import UNSAFE_EVAL
from csp.middleware import CSPMiddleware, PolicyParts
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.middleware import AuthenticationMiddleware, get_user
from django.contrib.auth.models import AnonymousUser
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.backends.base import SessionBase, UpdateError
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.exceptions import BadRequest
from django.core.paginator import InvalidPage
from django.db import DataError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.deprecation import MiddlewareMixin
from django.utils.functional import SimpleLazyObject

from accounts.models import User
from itempath.api.handlers import bad_request
from itempath.patience import if_convenient

logger = logging.getLogger(__name__)

# When a session was logged in and last used, in seconds since the epoch.
LOGGED_IN, LAST_USED = "logged_in", "last_used"


class OnPages(MiddlewareMixin):
    """Leaves out what would be a tenth of the cost of a small call."""

    def __call__(self, request: HttpRequest) -> Any:
        return self.get_response(request) if request.path_info.startswith("/api/") else super().__call__(request)


class ContentSecurityPolicy(CSPMiddleware):
    """Tells browsers what a page may load and run. Answers that are no pages go without: they load nothing."""

    def __call__(self, request: HttpRequest) -> Any:
        response: Any = self.get_response(request)  # no server here is asynchronous
        if response.get("Content-Type", "").startswith("text/html"):
            return self.process_response(request, response)
        return response

    def get_policy_parts(self, request: HttpRequest, response: HttpResponseBase, report_only: bool = False) -> PolicyParts:
        """Let the admin's own scripts evaluate the expressions that Alpine.js keeps in its pages."""
        parts = super().get_policy_parts(request, response, report_only)
        if request.path_info.startswith("/admin/") and response.status_code < 400:
            parts.update = {"script-src": [UNSAFE_EVAL]}
        return parts


class Unusable(OnPages):
    """Answers 400 with a sentence where an address holds what no database takes."""

    def process_request(self, request: HttpRequest) -> None:
        if "\0" in request.path_info or "%00" in request.META.get("QUERY_STRING", ""):
            raise BadRequest("The address holds a NUL character, and no text here has one.")

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Take the database's or a paginator's word for it. Anything else that fails is a bug."""
        if request.path_info.startswith("/api/") or not isinstance(exception, DataError | OverflowError | InvalidPage):
            return None
        logger.warning("Refused: %s: %s", type(exception).__name__, exception)
        return bad_request(request, BadRequest("A number or a text in the address is too large."))


class Sessions(OnPages, SessionMiddleware):
    """Django's sessions."""


def write_interval() -> float:
    """Return the seconds between two writes of the last use, so that not every page writes."""
    return min(60, settings.SESSION_IDLE_SECONDS / 10)


def note_use(session: SessionBase, now: int) -> None:
    """Write the last use, or skip it if the database is busy: a page that only reads must not wait for a writer."""
    modified = session.modified
    session[LAST_USED] = now
    with if_convenient():
        try:
            session.save()
        except UpdateError:
            session.flush()  # it was logged out in this moment
            return
    session.modified = modified


def begin_session(sender: Any, request: HttpRequest, **kwargs: Any) -> None:
    """Start both clocks with the login."""
    request.session[LOGGED_IN] = request.session[LAST_USED] = int(time.time())


def current_user(request: HttpRequest) -> User | AnonymousUser:
    """Return the user of a session; end it some hours after its login, and sooner if nobody used it."""
    session, now = request.session, int(time.time())
    if SESSION_KEY in session:
        logged_in, last_used = session.get(LOGGED_IN, 0), session.get(LAST_USED, 0)
        if now >= min(logged_in + settings.SESSION_COOKIE_AGE, last_used + settings.SESSION_IDLE_SECONDS):
            session.flush()
        elif now - last_used >= write_interval():
            note_use(session, now)
    return get_user(request)


class Users(OnPages, AuthenticationMiddleware):
    """The user of a session that has not ended; looked up when a page asks for them."""

    def process_request(self, request: HttpRequest) -> None:
        request.user = SimpleLazyObject(partial(current_user, request))  # type: ignore[assignment]  # as Django does it


class Messages(OnPages, MessageMiddleware):
    """What the admin says after a change."""
