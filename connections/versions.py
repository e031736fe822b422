"""The one sequence that numbers the states of all connections."""

import time

from django.db import connections


def advance_version(using: str) -> None:
    """Let the next version be above all that are there, and all that a lost database gave out before.

    Rows may come in from another database, or from a backup: counting on from it, a client would be told that
    what it holds is current. Milliseconds run ahead of any sequence.
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
    """Return a number that was never returned before, also not to a transaction that was rolled back (on PostgreSQL)."""
    with connections[using].cursor() as cursor:
        if connections[using].vendor == "postgresql":
            cursor.execute("SELECT nextval('connections_version')")
        else:
            cursor.execute("UPDATE connections_version SET value = value + 1 RETURNING value")
        return int(cursor.fetchone()[0])
