"""Sessions and their users. Calls of the API have a bearer and no session, so they skip this middleware."""

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
from core.speed import PagesOnly

logger = logging.getLogger(__name__)

# Keys of a session: when it was logged in and when it was last used, in seconds since the epoch.
LOGGED_IN, LAST_USED = "logged_in", "last_used"


class Sessions(PagesOnly, SessionMiddleware):
    """Django's sessions."""


def write_interval() -> float:
    """Return the least seconds between two writes of the last use, so that not every page writes."""
    return min(60, settings.SESSION_IDLE_SECONDS / 10)


def note_use(session: SessionBase, now: int) -> None:
    """Write the last use. Skip it if the database is busy: a page that reads must not wait for a writer."""
    modified = session.modified
    session[LAST_USED] = now
    with best_effort():
        try:
            session.save()
        except UpdateError:
            session.flush()  # the session was logged out meanwhile
            return
    session.modified = modified


def begin_session(sender: Any, request: HttpRequest, **kwargs: Any) -> None:
    """Store the time of the login in the session."""
    request.session[LOGGED_IN] = request.session[LAST_USED] = int(time.time())


def current_user(request: HttpRequest) -> User | AnonymousUser:
    """Return the user of the session. End a session that is too old, or was idle for too long."""
    session, now = request.session, int(time.time())
    if SESSION_KEY in session:
        logged_in, last_used = session.get(LOGGED_IN, 0), session.get(LAST_USED, 0)
        if now >= min(logged_in + settings.SESSION_COOKIE_AGE, last_used + settings.SESSION_IDLE_SECONDS):
            session.flush()
        elif now - last_used >= write_interval():
            note_use(session, now)
    return get_user(request)


class Users(PagesOnly, AuthenticationMiddleware):
    """Sets `request.user` to the user of the session. The user is loaded when a page first needs it."""

    def process_request(self, request: HttpRequest) -> None:
        request.user = SimpleLazyObject(partial(current_user, request))  # type: ignore[assignment]  # as Django does it
