"""Events that an operator wants to find later: failed logins, lock-outs, refused bearers. One log line each.

None of them holds a password, a bearer, or a user name that nobody has: people type their password into the wrong
field.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from cachetools import TTLCache
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework_simplejwt.exceptions import TokenError

from accounts.models import User

logger = logging.getLogger(__name__)

# Refused bearers of one address that are logged in a minute. The access log has a line for each call: a flood of them
# would only hide the other events.
LOGGED_PER_MINUTE = 10

refused: TTLCache[str, int] = TTLCache(maxsize=10_000, ttl=60)
lock = Lock()


def log_failed_login(name: str, address: str) -> None:
    known = User.objects.filter(username=name).exists()
    logger.warning("A login failed", extra={"user_name": name if known else None, "address": address})


def log_lock_out(kind: str, address: str, *, failures: int, seconds: int) -> None:
    """Log that a window of `kind` (`user`, `address` or `pair`) is full."""
    logger.warning("Logins are locked for %s s after %s failures", seconds, failures, extra={"window": kind, "address": address})


@contextmanager
def refusal_logged(bearer: str | bytes, request: Request) -> Iterator[None]:
    """Log that `bearer` is refused, if what happens inside refuses it."""
    try:
        yield
    except (AuthenticationFailed, TokenError) as refusal:
        raw = bearer.encode("utf-8", "surrogatepass") if isinstance(bearer, str) else bearer
        log_refused_bearer(raw, request.META.get("REMOTE_ADDR", ""), sentence_of(refusal))
        raise


def sentence_of(refusal: AuthenticationFailed | TokenError) -> str:
    detail = getattr(refusal, "detail", refusal)
    return str(detail["detail"] if isinstance(detail, dict) else detail)


def log_refused_bearer(bearer: bytes, address: str, reason: str) -> None:
    with lock:
        count = refused.get(address, 0) + 1
        refused[address] = count
    if count <= LOGGED_PER_MINUTE:
        kind = "JSON web token" if bearer.count(b".") == 2 else "API key"
        logger.warning("A bearer was refused: %s", reason, extra={"kind": kind, "address": address})
