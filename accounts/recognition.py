"""Bearers that were recognised a moment ago: a client that polls costs no query for who it is.

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
MOST = 10_000  # bearers

recognised: TTLCache[bytes, tuple[User, Any]] = TTLCache(maxsize=MOST, ttl=PERIOD)
lock = Lock()


def recall(bearer: bytes) -> tuple[User, Any] | None:
    """Return the user and the token or record of a bearer that was recognised before and has not expired since."""
    with lock:
        found = recognised.get(bearer)
    return found if found is not None and holds(found[1]) else None


def holds(auth: Any) -> bool:
    if isinstance(auth, Credential):
        return auth.state() == "in use"
    return bool(auth["exp"] + settings.SIMPLE_JWT["LEEWAY"] > time.time())


def remember(bearer: bytes, user: User, auth: Any) -> None:
    with lock:
        recognised[bearer] = (user, auth)


def forget() -> None:
    with lock:
        recognised.clear()


def forget_change(**kwargs: Any) -> None:
    """Forget now, and at the commit: until then, another thread recognises bearers as they were."""
    forget()
    transaction.on_commit(forget)


def forget_on_changes() -> None:
    for model in (User, ApiKey, ApplicationToken):
        post_save.connect(forget_change, sender=model)
        post_delete.connect(forget_change, sender=model)
    m2m_changed.connect(forget_change, sender=User.groups.through)
