"""The sequences that give ids to rows: advanced after an import, and reserved from for a bulk insert."""

from django.db import connection
from django.db.models import Model

from core.db.bulk import quoted

FOLLOW = """
SELECT setval(sequence, greatest(coalesce(pg_sequence_last_value(sequence), 1), (SELECT max({column}) FROM {table})))
FROM (SELECT pg_get_serial_sequence(%s, %s)::regclass AS sequence) AS found
"""


def advance_sequences(*models: type[Model]) -> None:
    """Let new rows get ids above all that are there. Never lowers a sequence, so that no id is given out twice.

    SQLite's AUTOINCREMENT follows by itself.
    """
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        for model in models:
            table, column = model._meta.db_table, str(model._meta.pk.column)
            cursor.execute(FOLLOW.format(table=quoted(table), column=quoted(column)), [table, column])


def reserve_ids(model: type[Model], count: int) -> list[int]:
    """Return `count` new ids for rows that are inserted in this transaction, in rising order.

    On SQLite they are free only because a transaction that writes is the only one; the insert moves its
    AUTOINCREMENT along.
    """
    table, column = model._meta.db_table, str(model._meta.pk.column)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            sequence = "SELECT nextval(pg_get_serial_sequence(%s, %s)) FROM generate_series(1, %s)"
            cursor.execute(sequence, [quoted(table), column, count])
            return [pk for (pk,) in cursor.fetchall()]
        cursor.execute("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = %s", [table])
        last = cursor.fetchone()[0]
    return list(range(last + 1, last + 1 + count))
