"""Django's PostgreSQL backend, asked less often whether the server is still there."""

import time

from django.db.backends.postgresql import base

# Seconds for which a connection that has just answered is taken to be well.
TRUST = 1.0


class DatabaseWrapper(base.DatabaseWrapper):
    """Checks the health of a connection that was idle, not of one that answered within the last second.

    Django asks before every request, which is a fifth of what a small one costs.
    """

    health_check_enabled: bool
    health_check_done: bool
    checked_at = 0.0

    def close_if_health_check_failed(self) -> None:
        if not self.health_check_enabled or self.health_check_done:
            return
        now = time.monotonic()
        if now - self.checked_at >= TRUST:
            super().close_if_health_check_failed()
            self.checked_at = now
        # Once a request, trusted or checked: Django asks again at the end of a transaction, where the check's own
        # query would begin another one.
        self.health_check_done = True
