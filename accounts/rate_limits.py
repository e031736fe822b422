"""Limits on the calls of a credential, counted in memory.

Each process counts in fixed windows, and allows its share of the limit. The limits are therefore approximate.
"""

import math
import time
from collections import Counter
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from accounts.models import Credential, User


@dataclass
class RateWindow:
    """The number of calls by credential in the current fixed window of `seconds`."""

    seconds: int
    setting: str
    number: int = -1
    calls: Counter[str] = field(default_factory=Counter)
    lock: Lock = field(default_factory=Lock)

    def admit(self, credential: str, now: float) -> bool:
        """Count a call; return whether it is within this process's share of the limit."""
        limit = getattr(settings, self.setting)
        with self.lock:
            if (number := int(now // self.seconds)) != self.number:
                self.number, self.calls = number, Counter()
            self.calls[credential] += 1
            return not limit or self.calls[credential] <= math.ceil(limit / settings.WEB_CONCURRENCY)

    def remaining(self, now: float) -> float:
        """Return the seconds until the window ends."""
        return self.seconds - now % self.seconds


WINDOWS = (RateWindow(60, "API_RATE_PER_MINUTE"), RateWindow(86_400, "API_RATE_PER_DAY"))


def credential_of(request: Any) -> str | None:
    """Return the name that calls are counted by: of the API key, of the application token, or of the user."""
    if isinstance(request.auth, Credential):
        return f"{request.auth._meta.model_name}:{request.auth.pk}"
    return f"user:{request.user.pk}" if isinstance(request.user, User) else None


class CredentialThrottle(BaseThrottle):
    """Refuses calls above `API_RATE_PER_MINUTE` or `API_RATE_PER_DAY` of a credential, with 429."""

    def allow_request(self, request: Request, view: Any) -> bool:
        credential = credential_of(request)
        if credential is None:
            return True
        now = time.time()
        full = [window for window in WINDOWS if not window.admit(credential, now)]
        self.seconds = max((window.remaining(now) for window in full), default=0)
        return not full

    def wait(self) -> float:
        return self.seconds
