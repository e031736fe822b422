"""Advancing sequences after rows were inserted with ids of their own."""

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
