"""Writes that are worth no wait."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import InternalError, OperationalError, connection

logger = logging.getLogger(__name__)

BUSY_TIMEOUT = 50  # milliseconds


@contextmanager
def best_effort() -> Iterator[None]:
    """Give up on what is written inside, with a line in the log, if the database is locked, full or a replica.

    For what a reader writes on the way, such as the last use of a key: a read must not wait for a writer.
    """
    try:
        set_busy_timeout(BUSY_TIMEOUT)
        yield
    except (OperationalError, InternalError) as error:  # the second where all transactions are read-only
        logger.warning("Not recorded: %s", error)
    finally:
        set_busy_timeout(settings.DATABASES["default"]["OPTIONS"].get("timeout", 0) * 1000)


def set_busy_timeout(milliseconds: int) -> None:
    """Say how long SQLite waits for a lock; PostgreSQL's readers wait for nobody."""
    if connection.vendor == "sqlite":
        connection.ensure_connection()
        connection.connection.execute(f"PRAGMA busy_timeout = {milliseconds:d}")
