"""Writes that are skipped when the database is busy, such as the last use of a key."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import InternalError, OperationalError, connection

logger = logging.getLogger(__name__)

BUSY_TIMEOUT = 50  # milliseconds


@contextmanager
def best_effort() -> Iterator[None]:
    """Skip the writes inside, with a line in the log, if the database is locked, full or a read-only replica.

    For writes that go along with a read: a read must not wait for another process that writes.
    """
    try:
        set_busy_timeout(BUSY_TIMEOUT)
        yield
    except (OperationalError, InternalError) as error:  # InternalError: all transactions are read-only
        logger.warning("Not recorded: %s", error)
    finally:
        set_busy_timeout(settings.DATABASES["default"]["OPTIONS"].get("timeout", 0) * 1000)


def set_busy_timeout(milliseconds: int) -> None:
    """Set how long SQLite waits for its one write lock. PostgreSQL has no such lock."""
    if connection.vendor == "sqlite":
        connection.ensure_connection()
        connection.connection.execute(f"PRAGMA busy_timeout = {milliseconds:d}")
