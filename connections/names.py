"""Name keys, by which the names of connections are compared.

A name has the same key in any letter case, and however its accents are encoded.
"""

import unicodedata
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

BATCH = 2000


def name_key(name: str) -> str:
    """Return the name key, which all spellings of a name have in common."""
    in_lower_case = unicodedata.normalize("NFC", name).casefold()
    return unicodedata.normalize("NFC", in_lower_case)


def fill_name_keys(connection: BaseDatabaseWrapper) -> None:
    """Give a name key to connections without one: old rows, and rows that come from an old dump."""
    with connection.cursor() as cursor:
        last = 0
        while rows := read_names(cursor, last):
            cursor.executemany(
                "UPDATE connections_connection SET name_key = %s WHERE id = %s",
                [(name_key(name), pk) for pk, name in rows],
            )
            last = rows[-1][0]


def read_names(cursor: Any, after: int) -> list[tuple[int, str]]:
    """Return ids and names without a name key: up to `BATCH` of them, above the id `after`."""
    cursor.execute(
        "SELECT id, name FROM connections_connection WHERE name_key = '' AND id > %s ORDER BY id LIMIT %s",
        [after, BATCH],
    )
    return list(cursor.fetchall())
