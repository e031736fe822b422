"""Middleware for pages alone: calls of the API have bearers and no session, and go past it."""

import logging
import time
from functools import partial
from typing import Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.middleware import AuthenticationMiddleware, get_user
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.base import SessionBase, UpdateError
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from accounts.models import User
from core.db.best_effort import best_effort
from core.page_middleware import PagesOnly

logger = logging.getLogger(__name__)

# When a session was logged in and last used, in seconds since the epoch.
LOGGED_IN, LAST_USED = "logged_in", "last_used"


class Sessions(PagesOnly, SessionMiddleware):
    """Django's sessions."""


def write_interval() -> float:
    """Return the seconds between two writes of the last use, so that not every page writes."""
    return min(60, settings.SESSION_IDLE_SECONDS / 10)


def note_use(session: SessionBase, now: int) -> None:
    """Write the last use, or skip it if the database is busy: a page that only reads must not wait for a writer."""
    modified = session.modified
    session[LAST_USED] = now
    with best_effort():
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


class Users(PagesOnly, AuthenticationMiddleware):
    """The user of a session that has not ended; looked up when a page asks for them."""

    def process_request(self, request: HttpRequest) -> None:
        request.user = SimpleLazyObject(partial(current_user, request))  # type: ignore[assignment]  # as Django does it
