"""One log line for each failed login, lock-out and refused bearer.

No line has a password, a bearer, or a user name that no user has: users may type their password into the
field of the name. The number of lines a minute is limited, and the next line says how many were left out. The
access log still has a line for each of these calls.
"""

import logging
import re
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.tokens import UntypedToken

from accounts.addresses import client_network
from accounts.jwt import MAX_TOKEN_LENGTH
from accounts.models import ApiKey, User

logger = logging.getLogger(__name__)

# Lines about one kind of event that a process writes in a minute, for all clients together.
MAX_LINES_PER_MINUTE = 300

TOKEN_TYPES = ("access", "refresh", "application")
TOKEN_ID = re.compile(r"[0-9a-f]{32}")


@dataclass
class LineBudget:
    """The number of lines in this minute, by client, and of those left out, for one kind of event."""

    per_client: int
    minute: int = -1
    lines: Counter[str] = field(default_factory=Counter)
    left_out: int = 0
    lock: Lock = field(default_factory=Lock)

    def admits(self, address: str) -> bool:
        """Count a line; return whether it may be written."""
        client = client_network(address)
        with self.lock:
            if (minute := int(time.time() // 60)) != self.minute:
                self.minute, self.lines = minute, Counter()
            if self.lines[client] >= self.per_client or self.lines.total() >= MAX_LINES_PER_MINUTE:
                self.left_out += 1
                return False
            self.lines[client] += 1
            return True

    def take_left_out(self) -> int:
        """Return the number of lines left out since the last call, and reset it."""
        with self.lock:
            left_out, self.left_out = self.left_out, 0
        return left_out

    def clear(self) -> None:
        self.minute, self.left_out = -1, 0


failed = LineBudget(30)  # as many failures as `login_throttle` allows to a client
locked, refused = LineBudget(10), LineBudget(10)


def log_failed_login(name: str, address: str) -> None:
    if failed.admits(address):
        write(failed, "A login failed", {"user_name": name_of_user(name), "address": address})


def log_lock_out(kind: str, name: str, address: str, *, failures: int, seconds: int) -> None:
    """Log that a window of `kind` (`user`, `address` or `pair`) is full."""
    if locked.admits(address):
        message = f"Logins are locked for {seconds} s after {failures} failures"
        write(locked, message, {"window": kind, "user_name": name_of_user(name), "address": address})


def write(budget: LineBudget, message: str, fields: dict[str, Any]) -> None:
    left_out = budget.take_left_out()
    logger.warning("%s", message, extra=fields | ({"left_out": left_out} if left_out else {}))


def name_of_user(text: str) -> str | None:
    """Return the stored name of the user whom `text` names; `None` if there is none."""
    user = User.objects.find(text)
    return user.username if user else None


@contextmanager
def refusal_logged(bearer: str | bytes, request: Request) -> Iterator[None]:
    """Log that `bearer` was refused if the block raises `AuthenticationFailed` or `TokenError`."""
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
    if refused.admits(address):
        fields = describe_token(bearer) if bearer.count(b".") == 2 else describe_key(bearer)
        write(refused, f"A bearer was refused: {reason}", fields | {"address": address})


def describe_token(bearer: bytes) -> dict[str, str]:
    """Return the type and the id that a token claims, if they have the form of the registry's own.

    The signature is not verified, so the claims may be any text.
    """
    claims = read_claims(bearer)
    token_type, token_id = str(claims.get("token_type")), str(claims.get("jti"))
    return {
        "kind": "JSON web token",
        **({"token_type": token_type} if token_type in TOKEN_TYPES else {}),
        **({"token_id": token_id} if TOKEN_ID.fullmatch(token_id) else {}),
    }


def read_claims(bearer: bytes) -> dict[str, Any]:
    if len(bearer) > MAX_TOKEN_LENGTH:
        return {}
    try:
        return UntypedToken(bearer, verify=False).payload  # type: ignore[arg-type]  # it takes bytes
    except (TokenError, RecursionError):
        return {}


def describe_key(bearer: bytes) -> dict[str, str]:
    """Return the prefix of a stored key. Of any other text nothing is logged: it may be a password."""
    if len(bearer) > MAX_TOKEN_LENGTH:
        return {"kind": "API key"}
    key = ApiKey.objects.filter(digest=ApiKey.digest_of(bearer.decode("utf-8", "surrogateescape"))).first()
    return {"kind": "API key", **({"prefix": key.prefix} if key else {})}
