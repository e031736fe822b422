"""Bearers that were bearers a moment ago: a client that polls costs no query for who it is.

Each process remembers for itself. A change of a user, a role or a credential makes this process forget at once and the
others within `PERIOD`, which keeps the contract's five seconds for a revocation.
"""

import time
from threading import Lock
from typing import Any

from cachetools import TTLCache
from django.conf import settings
from django.db import transaction
from django.db.models.signals import m2m_changed, post_delete, post_save

from accounts.models import ApiKey, ApplicationToken, Credential, User

PERIOD = 4  # seconds
CACHE_SIZE = 10_000  # bearers

bearers: TTLCache[bytes, tuple[User, Any]] = TTLCache(maxsize=CACHE_SIZE, ttl=PERIOD)
lock = Lock()


def get(bearer: bytes) -> tuple[User, Any] | None:
    """Return the user and the token or record of a bearer that was bearers before and has not expired since."""
    with lock:
        found = bearers.get(bearer)
    return found if found is not None and is_valid(found[1]) else None


def is_valid(auth: Any) -> bool:
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
    """Forget now, and at the commit: until then, another thread recognises bearers as they were."""
    clear()
    transaction.on_commit(clear)


def clear_on_changes() -> None:
    for model in (User, ApiKey, ApplicationToken):
        post_save.connect(clear_after_change, sender=model)
        post_delete.connect(clear_after_change, sender=model)
    m2m_changed.connect(clear_after_change, sender=User.groups.through)
