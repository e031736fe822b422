"""The sequence of versions. Every write of a connection takes the next one."""

import time

from django.db import connections


def advance_version(using: str) -> None:
    """Set the sequence above all stored versions, and above those that a lost database may have given out.

    Rows may come from another database or from a backup, which does not know the last versions. If the
    sequence repeated one of these, a client that has it would be told that nothing has changed. The sequence
    therefore starts at the time in milliseconds, which grows faster than versions are given out.
    """
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT coalesce(max(version), 1) FROM connections_connection")
        largest = max(cursor.fetchone()[0], int(time.time() * 1000))
        if connections[using].vendor == "postgresql":
            cursor.execute(
                "SELECT setval('connections_version', greatest(%s, last_value)) FROM connections_version",
                [largest],
            )
        else:
            cursor.execute("UPDATE connections_version SET value = max(value, %s)", [largest])


def next_version(using: str) -> int:
    """Return a version that was never returned before; on PostgreSQL, not even to a failed transaction."""
    with connections[using].cursor() as cursor:
        if connections[using].vendor == "postgresql":
            cursor.execute("SELECT nextval('connections_version')")
        else:
            cursor.execute("UPDATE connections_version SET value = value + 1 RETURNING value")
        return int(cursor.fetchone()[0])
