"""Django's PostgreSQL backend, with fewer health checks, and with the limit of a statement's parameters."""

import time
from collections.abc import Iterable, Sequence
from typing import Any

from django.db.backends.postgresql import base, features, operations

from core.db.postgresql.limits import as_startup_options

# Seconds for which a connection that passed a check is not checked again.
HEALTH_CHECK_INTERVAL = 1.0


class DatabaseFeatures(features.DatabaseFeatures):
    """The limit of a statement's parameters, which the protocol counts in 16 bits.

    It is a little lower, so that a statement may have some beside those that are counted.
    """

    max_query_params = 65_500


class DatabaseOperations(operations.DatabaseOperations):
    """Splits bulk writes and deletions by that limit, as Django does on SQLite."""

    def bulk_batch_size(self, fields: Sequence[Any], objs: Iterable[Any]) -> int:
        """Return how many objects one statement may take, with a parameter for each of `fields`."""
        return DatabaseFeatures.max_query_params // max(len(fields), 1)


class DatabaseWrapper(base.DatabaseWrapper):
    """Checks the health of a connection at most once a second.

    Django checks it before every request, at a fifth of the cost of a small one.
    """

    features_class = DatabaseFeatures
    ops_class = DatabaseOperations
    health_check_enabled: bool
    health_check_done: bool
    checked_at = 0.0

    def get_connection_params(self) -> dict[str, Any]:
        return as_startup_options(super().get_connection_params())

    def close_if_health_check_failed(self) -> None:
        if not self.health_check_enabled or self.health_check_done:
            return
        now = time.monotonic()
        if now - self.checked_at >= HEALTH_CHECK_INTERVAL:
            super().close_if_health_check_failed()
            self.checked_at = now
        # Set also where the check was skipped: otherwise Django would check at the end of a transaction, and
        # the query of the check would begin another one.
        self.health_check_done = True
