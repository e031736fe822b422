"""Limits on failed logins, counted exactly across all processes in a sliding window of 15 minutes.

At most 10 failures are allowed for a user name from one address, so that another client's guesses do not lock
a user out; 100 for a user name from all addresses; and 30 from one address for all user names.

An attempt is stored as pending before the password is checked, with the rows of its windows locked. After the
check it becomes a failure, or is removed. If the pending attempts could fill a window, a further attempt is
refused with a wait of one second. So concurrent attempts are counted exactly, none waits in the server, and
successful logins never use up the limit.
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

WINDOW_SECONDS = 15 * 60
PAIR_LIMIT = 10
USER_LIMIT = 100
ADDRESS_LIMIT = 30
# An attempt that is pending for longer belonged to a process that was killed, and counts as a failure.
PENDING_TIMEOUT = 30  # seconds
CLEANUP_BATCH_SIZE = 100  # windows

TOO_MANY_FAILURES = "Too many failed logins."
TOO_MANY_AT_ONCE = "Too many logins at once with this user name or from this address."


def digest(text: str) -> str:
    """Return a keyed digest of `text`, so that user names are not stored.

    Users may type their password into the field of the name. Without the key, a digest cannot be tested
    against guesses.
    """
    value = text.encode("utf-8", "surrogatepass")
    return salted_hmac("accounts.login_throttle", value, algorithm="sha256").hexdigest()[:32]


class Attempt:
    """One login attempt, counted in the windows of its user name, of its address, and of the two together."""

    def __init__(self, username: str, address: str) -> None:
        user, network = digest(username), client_network(address)
        self.id = uuid4().hex
        self.username, self.address = username, address
        self.limits = {
            LoginWindow.pair_key(user, digest(network)): PAIR_LIMIT,
            LoginWindow.user_key(user): USER_LIMIT,
        }
        if network:  # clients that come through a Unix socket have none
            self.limits[f"address:{network}"] = ADDRESS_LIMIT
        self.failed = True

    def start(self) -> None:
        """Store the attempt as pending. Raises `Throttled`, with the seconds to wait, if a window is full."""
        # Most refusals happen in this first check, which takes no lock, so that many guesses do not block
        # other writers.
        self.require_room(list(LoginWindow.objects.filter(key__in=self.limits)), time.time())
        self.store_pending()

    @transaction.atomic
    def store_pending(self) -> None:
        now = time.time()
        windows = self.lock_windows()
        self.require_room(windows, now)
        for window in windows:
            window.pending[self.id] = now
            window.save()

    def require_room(self, windows: list[LoginWindow], now: float) -> None:
        """Raise `Throttled` if one of `windows` is full, or its pending attempts could fill it."""
        for window in windows:
            drop_expired(window, now)
        limits = [(window, self.limits[window.key]) for window in windows]
        # A full window has room again when the oldest failure that fills it expires.
        full = [window.failures[-limit] for window, limit in limits if len(window.failures) >= limit]
        if full:
            raise Throttled(wait=max(full) + WINDOW_SECONDS - now, detail=TOO_MANY_FAILURES)
        if any(len(window.failures) + len(window.pending) >= limit for window, limit in limits):
            raise Throttled(wait=1, detail=TOO_MANY_AT_ONCE)

    @transaction.atomic
    def finish(self) -> None:
        """Remove the pending attempt, and count a failure if it failed."""
        now = time.time()
        for window in self.lock_windows():
            window.pending.pop(
                self.id, None
            )  # before `drop_expired`, which would count a slow check as abandoned
            drop_expired(window, now)
            window.failures += [now] * self.failed
            window.save()
            if self.failed and len(window.failures) == self.limits[window.key]:
                self.log_lock_out(window)
        # Last, and without waiting for locks, so that two attempts cannot wait for each other.
        remove_expired_windows()

    def log_lock_out(self, window: LoginWindow) -> None:
        failures = len(window.failures)
        log_lock_out(window.kind, self.username, self.address, failures=failures, seconds=WINDOW_SECONDS)

    def lock_windows(self) -> list[LoginWindow]:
        """Return the windows, created where they are missing, and locked in the order of their keys.

        One statement creates and locks them, so that no other process can remove one in between.
        """
        LoginWindow.objects.bulk_create(
            [LoginWindow(key=key) for key in sorted(self.limits)],
            update_conflicts=True,
            unique_fields=["key"],
            update_fields=["updated_at"],
        )
        return list(LoginWindow.objects.filter(key__in=self.limits).order_by("key"))


def drop_expired(window: LoginWindow, now: float) -> None:
    """Remove failures from before the window, and turn abandoned attempts into failures."""
    abandoned = [id for id, since in window.pending.items() if since < now - PENDING_TIMEOUT]
    failures = sorted([*window.failures, *(window.pending.pop(id) for id in abandoned)])
    window.failures = [moment for moment in failures if moment > now - WINDOW_SECONDS]


def remove_expired_windows() -> None:
    """Remove windows without recent failures; at most `CLEANUP_BATCH_SIZE`, because a login waits for it.

    Windows that are locked are skipped: another attempt is about to count in them.
    """
    expired = LoginWindow.objects.filter(updated_at__lt=timezone.now() - timedelta(seconds=WINDOW_SECONDS))
    locked = expired.select_for_update(skip_locked=True).values_list("pk", flat=True)[:CLEANUP_BATCH_SIZE]
    LoginWindow.objects.filter(pk__in=list(locked)).delete()


@contextmanager
def login_attempt(username: str, address: str) -> Iterator[Attempt]:
    """Count a failed login, unless the block sets `failed` of the attempt to false.

    Raises `Throttled` before the block if a limit is reached.
    """
    attempt = Attempt(username, address)
    attempt.start()
    try:
        yield attempt
    finally:
        attempt.finish()
