"""Writes the results of checks. The number of SQL statements does not grow with the number of results."""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connections, transaction
from django.db.models import QuerySet

from connections.versions import next_version
from core.db.bulk import insert_instances
from core.db.lookups import id_list
from core.db.sequences import reserve_ids
from logs.models import ConnectionLog

UPDATE = """
UPDATE {table} SET
    status = result.status,
    last_check = result.checked_at,
    latest_log_id = result.log_id,
    latest_connection = CASE WHEN result.status = 1 THEN result.checked_at ELSE latest_connection END,
    version = %s
FROM {results}
WHERE {table}.id = result.id
"""
RESULTS = {
    "postgresql": """
        unnest(%s::bigint[], %s::smallint[], %s::timestamptz[], %s::bigint[])
        AS result(id, status, checked_at, log_id)
    """,
    "sqlite": """(
        SELECT
            json_extract(value, '$[0]') AS id,
            json_extract(value, '$[1]') AS status,
            json_extract(value, '$[2]') AS checked_at,
            json_extract(value, '$[3]') AS log_id
        FROM json_each(%s)
    ) AS result""",
}


class LockedRow(NamedTuple):
    """What the locked row of a connection says before a batch is written."""

    app_id: int | None
    last_check: datetime | None


def record_results(queryset: QuerySet[Any], results: list[ConnectionLog]) -> list[ConnectionLog]:
    """See `ConnectionQuerySet.record`."""
    with transaction.atomic(using=queryset.db):
        rows = lock_rows(queryset, {result.connection_id for result in results})
        written = [result for result in results if result.connection_id in rows]
        if written:
            insert_logs(written, rows)
            update_rows(queryset, newest_results(written, rows))
    return written


def lock_rows(queryset: QuerySet[Any], ids: set[int]) -> dict[int, LockedRow]:
    """Lock the rows of the connections that are still there, in the order of their ids.

    Without the lock, two writers could both believe that theirs is the newest result. The order keeps two
    batches from waiting for each other.
    """
    rows = queryset.filter(pk__in=id_list(ids, queryset.db)).order_by("pk").select_for_update(no_key=True)
    return {pk: LockedRow(*row) for pk, *row in rows.values_list("pk", "app_id", "last_check")}


def insert_logs(results: list[ConnectionLog], rows: dict[int, LockedRow]) -> None:
    """Insert the results as log entries, with new ids in their order, under the app of their connection."""
    for result, pk in zip(results, reserve_ids(ConnectionLog, len(results)), strict=True):
        result.pk = pk
        result.app_id = rows[result.connection_id].app_id
    insert_instances(ConnectionLog, results)


def newest_results(results: Iterable[ConnectionLog], rows: dict[int, LockedRow]) -> list[ConnectionLog]:
    """Return the newest result of each connection, but for those that are older than what its row says."""
    newest: dict[int, ConnectionLog] = {}
    for result in results:
        known = newest.get(result.connection_id)
        since = known.creation_date if known else rows[result.connection_id].last_check
        if since is None or result.creation_date >= since:
            newest[result.connection_id] = result
    return list(newest.values())


def update_rows(queryset: QuerySet[Any], results: list[ConnectionLog]) -> None:
    """Write what results say into their connections, with one version for all of them."""
    if not results:
        return
    database = connections[queryset.db]
    rows = [
        (result.connection_id, result.status, moment_for(result, database), result.pk) for result in results
    ]
    statement = UPDATE.format(table=queryset.model._meta.db_table, results=RESULTS[database.vendor])
    with database.cursor() as cursor:
        cursor.execute(statement, [next_version(queryset.db), *parameters(rows, database.vendor)])


def moment_for(result: ConnectionLog, database: Any) -> Any:
    """Return the moment of a result in the form that the database's driver takes."""
    return database.ops.adapt_datetimefield_value(result.creation_date)


def parameters(rows: list[tuple[Any, ...]], vendor: str) -> list[Any]:
    """Return the parameters for rows: an array for each column on PostgreSQL, JSON on SQLite."""
    return (
        [list(column) for column in zip(*rows, strict=True)] if vendor == "postgresql" else [json.dumps(rows)]
    )
