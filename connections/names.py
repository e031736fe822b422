"""Names of connections are equal in any letter case, and however their accents are encoded."""

import unicodedata
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

BATCH = 2000


def name_key(name: str) -> str:
    """Return the key of a name, which is the same for all its spellings."""
    folded = unicodedata.normalize("NFC", name).casefold()
    return unicodedata.normalize("NFC", folded)


def fill_name_keys(connection: BaseDatabaseWrapper) -> None:
    """Give a key to connections without one: rows that are older than the keys or come from an old dump."""
    with connection.cursor() as cursor:
        last = 0
        while rows := read_names(cursor, last):
            cursor.executemany(
                "UPDATE connections_connection SET name_key = %s WHERE id = %s",
                [(name_key(name), pk) for pk, name in rows],
            )
            last = rows[-1][0]


def read_names(cursor: Any, after: int) -> list[tuple[int, str]]:
    """Return the next ids and names without a key, above the id `after`, so that each row is read once."""
    cursor.execute(
        "SELECT id, name FROM connections_connection WHERE name_key = '' AND id > %s ORDER BY id LIMIT %s",
        [after, BATCH],
    )
    return list(cursor.fetchall())
