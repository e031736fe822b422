"""Failed logins: at most 10 per user name and 30 per address in any 15 minutes, exact across processes.

An attempt is first entered as pending, under the lock of its windows' rows, and becomes a failure or nothing when the
password has been checked. Where pending attempts could still fill a window, the next one waits for them: a guess more
can neither slip in beside them nor can logins that succeed shut others out.
"""

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import uuid4

from django.db import transaction
from django.utils import timezone
from rest_framework.exceptions import Throttled

from accounts.models import LoginWindow

PERIOD = 15 * 60  # seconds
USER_LIMIT = 10
ADDRESS_LIMIT = 30
# A password check that has not ended by then belonged to a process that was killed, and counts as a failure.
PENDING_FOR = 30  # seconds
PATIENCE = 5  # seconds to wait for pending attempts
PAUSE = 0.05  # seconds


class Attempt:
    """One login attempt, entered in the windows of its user name and its address."""

    def __init__(self, username: str, address: str) -> None:
        digest = hashlib.sha256(username.encode("utf-8", "surrogatepass")).hexdigest()
        self.id = uuid4().hex
        self.limits = {f"address:{address}"[:80]: ADDRESS_LIMIT, f"user:{digest}": USER_LIMIT}
        self.failed = True

    def enter(self) -> None:
        """Wait for a place in both windows. Raises `Throttled` with the seconds until there is one."""
        deadline = time.monotonic() + PATIENCE
        while not self.claim():
            if time.monotonic() > deadline:
                raise Throttled(wait=1)
            time.sleep(PAUSE)

    @transaction.atomic
    def claim(self) -> bool:
        """Enter the attempt as pending; return `False` where pending ones must end first."""
        now = time.time()
        windows = self.lock(now)
        for window in windows:
            if len(window.failures) >= self.limits[window.key]:
                raise Throttled(wait=window.failures[-self.limits[window.key]] + PERIOD - now)
        if any(len(window.failures) + len(window.pending) >= self.limits[window.key] for window in windows):
            return False
        for window in windows:
            window.pending[self.id] = now
            window.save()
        return True

    @transaction.atomic
    def leave(self) -> None:
        """Make the pending attempt a failure, or nothing."""
        now = time.time()
        LoginWindow.objects.filter(updated_at__lt=timezone.now() - timedelta(seconds=PERIOD)).delete()
        for window in self.lock(now):
            window.pending.pop(self.id, None)
            window.failures += [now] * self.failed
            window.save()

    def lock(self, now: float) -> list[LoginWindow]:
        """Return the two windows, locked in one order, without what is past."""
        LoginWindow.objects.bulk_create([LoginWindow(key=key) for key in self.limits], ignore_conflicts=True)
        windows = list(LoginWindow.objects.select_for_update().filter(key__in=self.limits).order_by("key"))
        for window in windows:
            abandoned = [id for id, since in window.pending.items() if since < now - PENDING_FOR]
            window.failures = sorted([*window.failures, *(window.pending.pop(id) for id in abandoned)])
            window.failures = [moment for moment in window.failures if moment > now - PERIOD]
        return windows


@contextmanager
def login_attempt(username: str, address: str) -> Iterator[Attempt]:
    """Count what happens inside as a failed login, unless it sets `failed` to false. Raises `Throttled`."""
    attempt = Attempt(username, address)
    attempt.enter()
    try:
        yield attempt
    finally:
        attempt.leave()
