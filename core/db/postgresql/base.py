"""Django's PostgreSQL backend: asked less often whether the server is there, aware of how many parameters it takes."""

import time
from collections.abc import Iterable, Sequence
from typing import Any

from django.db.backends.postgresql import base, features, operations

from core.db.postgresql.limits import as_startup_options

# Seconds for which a connection that has just answered is taken to be well.
HEALTH_CHECK_INTERVAL = 1.0


class DatabaseFeatures(features.DatabaseFeatures):
    """Parameters that are bound by the server are counted in 16 bits of its protocol; a few are left to the rest."""

    max_query_params = 65_500


class DatabaseOperations(operations.DatabaseOperations):
    """Splits what Django writes or deletes in bulk by that limit, as Django does on SQLite."""

    def bulk_batch_size(self, fields: Sequence[Any], objs: Iterable[Any]) -> int:
        """Return how many objects of so many fields one statement may carry."""
        return DatabaseFeatures.max_query_params // max(len(fields), 1)


class DatabaseWrapper(base.DatabaseWrapper):
    """Checks the health of a connection at most once a second.

    Django asks before every request, which is a fifth of what a small one costs.
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
        # Once a request, trusted or checked: Django asks again at the end of a transaction, where the check's own
        # query would begin another one.
        self.health_check_done = True
