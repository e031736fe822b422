"""Sequences after rows came in with ids of their own."""

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
