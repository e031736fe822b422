"""A cache of authenticated bearers, so that the calls of a client that polls cost no query for its user.

Each process has its own. A change of a user, a role or a credential clears the cache of the process that
makes it at once; in other processes, entries expire after `TTL`. So a revocation takes effect within the five
seconds that the API promises.
"""

import time
from threading import Lock
from typing import Any

from cachetools import TTLCache
from django.conf import settings
from django.db import transaction
from django.db.models.signals import m2m_changed, post_delete, post_save

from accounts.models import ApiKey, ApplicationToken, Credential, User

TTL = 4  # seconds
CACHE_SIZE = 10_000  # bearers

bearers: TTLCache[bytes, tuple[User, Any]] = TTLCache(maxsize=CACHE_SIZE, ttl=TTL)
lock = Lock()


def get(bearer: bytes) -> tuple[User, Any] | None:
    """Return the user, and the token or record, of a cached bearer; `None` if missing or expired."""
    with lock:
        found = bearers.get(bearer)
    return found if found is not None and is_valid(found[1]) else None


def is_valid(auth: Any) -> bool:
    """Return whether a cached token or record has not expired since it was cached."""
    if isinstance(auth, Credential):
        return auth.state() == "in use"
    return bool(auth["exp"] + settings.SIMPLE_JWT["LEEWAY"] > time.time())


def put(bearer: bytes, user: User, auth: Any) -> None:
    with lock:
        bearers[bearer] = (user, auth)


def clear() -> None:
    with lock:
        bearers.clear()


def clear_after_change(**kwargs: Any) -> None:
    """Clear the cache now and after the commit: until then, another thread may cache the old state again."""
    clear()
    transaction.on_commit(clear)


def clear_on_changes() -> None:
    """Connect the signals that clear the cache."""
    for model in (User, ApiKey, ApplicationToken):
        post_save.connect(clear_after_change, sender=model)
        post_delete.connect(clear_after_change, sender=model)
    m2m_changed.connect(clear_after_change, sender=User.groups.through)
