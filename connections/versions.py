"""The sequence of versions. Every write of a connection gives it the next one."""

import time

from django.db import connections


def advance_version(using: str) -> None:
    """Set the sequence above all stored versions, and above all that a lost database gave out.

    Rows may come from another database or from a backup. If the sequence continued from theirs, it would
    repeat versions that clients know, and these would be told that what they hold is current. The time in
    milliseconds grows faster than versions are given out.
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
