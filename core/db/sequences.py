"""The sequences that give ids to rows: moved on after an import, and used ahead for a bulk insert."""

from django.db import connection
from django.db.models import Model

from core.db.bulk import quoted

ADVANCE_SEQUENCE = """
SELECT setval(
    sequence,
    greatest(coalesce(pg_sequence_last_value(sequence), 1), (SELECT max({column}) FROM {table}))
)
FROM (SELECT pg_get_serial_sequence(%s, %s)::regclass AS sequence) AS found
"""


def advance_sequences(*models: type[Model]) -> None:
    """Advance the sequences of these tables, so that new rows get ids above all existing ones.

    A sequence is never lowered, because an id must not be given twice. SQLite's AUTOINCREMENT advances by
    itself.
    """
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        for model in models:
            table, column = model._meta.db_table, str(model._meta.pk.column)
            statement = ADVANCE_SEQUENCE.format(table=quoted(table), column=quoted(column))
            cursor.execute(statement, [table, column])


def reserve_ids(model: type[Model], count: int) -> list[int]:
    """Return `count` new ids, in rising order, for rows that this transaction inserts.

    On SQLite the ids are free because only one transaction writes at a time. The insert then moves
    AUTOINCREMENT past them.
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
