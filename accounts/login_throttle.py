"""Failed logins are counted, exactly across processes, over any 15 minutes.

At most 10 for a user name from one address, so that a stranger's guesses keep nobody else out; 100 for a user name from
all addresses; and 30 from one address for all user names.

An attempt is first entered as pending, under the lock of its windows' rows, and becomes a failure or nothing when the
password has been checked. Where pending attempts could still fill a window, another one is refused for a second: no
guess is checked beyond the limit, and nobody waits in the server. Successful logins never use up the limit.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import uuid4

from django.db import transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac
from rest_framework.exceptions import Throttled

from accounts.addresses import client_network
from accounts.models import LoginWindow
from accounts.security_log import log_lock_out

PERIOD = 15 * 60  # seconds
PAIR_LIMIT = 10
USER_LIMIT = 100
ADDRESS_LIMIT = 30
# A password check that has not ended by then belonged to a process that was killed, and counts as a failure.
PENDING_FOR = 30  # seconds
CLEANED_AT_ONCE = 100  # windows


TOO_MANY_FAILURES = "Too many failed logins."
TOO_MANY_AT_ONCE = "Too many logins at once with this user name or from this address."


def digest(text: str) -> str:
    """Return a digest that nobody can search for guesses: people type their password into the wrong field."""
    value = text.encode("utf-8", "surrogatepass")
    return salted_hmac("accounts.login_throttle", value, algorithm="sha256").hexdigest()[:32]


class Attempt:
    """One login attempt, entered in the windows of its user name, its address, and the two together."""

    def __init__(self, username: str, address: str) -> None:
        user, network = digest(username), client_network(address)
        self.id = uuid4().hex
        self.username, self.address = username, address
        self.limits = {
            LoginWindow.pair_key(user, digest(network)): PAIR_LIMIT,
            LoginWindow.user_key(user): USER_LIMIT,
        }
        if network:  # all clients of a Unix socket have none
            self.limits[f"address:{network}"] = ADDRESS_LIMIT
        self.failed = True

    def enter(self) -> None:
        """Enter the attempt as pending. Raises `Throttled` with the seconds until there is room in each window."""
        # Most refusals end here, without a lock: a flood of guesses holds no other writer up.
        self.require_room(list(LoginWindow.objects.filter(key__in=self.limits)), time.time())
        self.claim()

    @transaction.atomic
    def claim(self) -> None:
        now = time.time()
        windows = self.lock()
        self.require_room(windows, now)
        for window in windows:
            window.pending[self.id] = now
            window.save()

    def require_room(self, windows: list[LoginWindow], now: float) -> None:
        counted = [(window, self.limits[window.key]) for window in windows]
        for window in windows:
            drop_past(window, now)
        waits = [
            window.failures[-limit] + PERIOD - now
            for window, limit in counted
            if len(window.failures) >= limit
        ]
        if waits:
            raise Throttled(wait=max(waits), detail=TOO_MANY_FAILURES)
        if any(len(window.failures) + len(window.pending) >= limit for window, limit in counted):
            raise Throttled(wait=1, detail=TOO_MANY_AT_ONCE)

    @transaction.atomic
    def leave(self) -> None:
        """Make the pending attempt a failure, or nothing."""
        now = time.time()
        for window in self.lock():
            window.pending.pop(self.id, None)  # first: a check that took long is no abandoned one
            drop_past(window, now)
            window.failures += [now] * self.failed
            window.save()
            if self.failed and len(window.failures) == self.limits[window.key]:
                log_lock_out(
                    window.kind, self.username, self.address, failures=len(window.failures), seconds=PERIOD
                )
        remove_past_windows()  # last: it waits for nobody, so no two attempts can wait for each other

    def lock(self) -> list[LoginWindow]:
        """Return the windows, made where they are missing, and locked in one order.

        One statement makes and locks them: none can be removed in between, and its failures with it.
        """
        LoginWindow.objects.bulk_create(
            [LoginWindow(key=key) for key in sorted(self.limits)],
            update_conflicts=True,
            unique_fields=["key"],
            update_fields=["updated_at"],
        )
        return list(LoginWindow.objects.filter(key__in=self.limits).order_by("key"))


def drop_past(window: LoginWindow, now: float) -> None:
    """Forget failures that are older than the period, and make failures of attempts that were abandoned."""
    abandoned = [id for id, since in window.pending.items() if since < now - PENDING_FOR]
    failures = sorted([*window.failures, *(window.pending.pop(id) for id in abandoned)])
    window.failures = [moment for moment in failures if moment > now - PERIOD]


def remove_past_windows() -> None:
    """Remove some of the windows in which nothing counts any more: as many as a login can wait for.

    A window that another attempt has locked is about to count again, and is left alone.
    """
    past = LoginWindow.objects.filter(updated_at__lt=timezone.now() - timedelta(seconds=PERIOD))
    locked = past.select_for_update(skip_locked=True).values_list("pk", flat=True)[:CLEANED_AT_ONCE]
    LoginWindow.objects.filter(pk__in=list(locked)).delete()


@contextmanager
def login_attempt(username: str, address: str) -> Iterator[Attempt]:
    """Count what happens inside as a failed login, unless it sets `failed` to false. Raises `Throttled`."""
    attempt = Attempt(username, address)
    attempt.enter()
    try:
        yield attempt
    finally:
        attempt.leave()
