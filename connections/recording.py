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
    latest_connection = coalesce(result.connected_at, latest_connection),
    version = %s
FROM {results}
WHERE {table}.id = result.id
"""
RESULTS = {
    "postgresql": """
        unnest(%s::bigint[], %s::smallint[], %s::timestamptz[], %s::bigint[], %s::timestamptz[])
        AS result(id, status, checked_at, log_id, connected_at)
    """,
    "sqlite": """(
        SELECT
            json_extract(value, '$[0]') AS id,
            json_extract(value, '$[1]') AS status,
            json_extract(value, '$[2]') AS checked_at,
            json_extract(value, '$[3]') AS log_id,
            json_extract(value, '$[4]') AS connected_at
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
            update_rows(queryset, new_states(written, rows).values())
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


class NewState(NamedTuple):
    """What the results of a batch say of one connection: the newest one, and when it last passed."""

    newest: ConnectionLog
    connected_at: datetime | None


def new_states(results: Iterable[ConnectionLog], rows: dict[int, LockedRow]) -> dict[int, NewState]:
    """Return the new state of each connection, as if its results were written one after the other.

    A result that is older than what is recorded before it changes nothing.
    """
    states: dict[int, NewState] = {}
    for result in results:
        before = states.get(result.connection_id)
        since = before.newest.creation_date if before else rows[result.connection_id].last_check
        if since is None or result.creation_date >= since:
            connected_at = before.connected_at if before else None
            passed_at = result.creation_date if result.status else connected_at
            states[result.connection_id] = NewState(result, passed_at)
    return states


def update_rows(queryset: QuerySet[Any], states: Iterable[NewState]) -> None:
    """Write the new states of connections, with one version for all of them."""
    database = connections[queryset.db]
    rows = [row_of(state, database) for state in states]
    if not rows:
        return
    statement = UPDATE.format(table=queryset.model._meta.db_table, results=RESULTS[database.vendor])
    with database.cursor() as cursor:
        cursor.execute(statement, [next_version(queryset.db), *parameters(rows, database.vendor)])


def row_of(state: NewState, database: Any) -> tuple[Any, ...]:
    """Return the values of a new state in the form that the database's driver takes."""
    log, moment = state.newest, database.ops.adapt_datetimefield_value
    return log.connection_id, log.status, moment(log.creation_date), log.pk, moment(state.connected_at)


def parameters(rows: list[tuple[Any, ...]], vendor: str) -> list[Any]:
    """Return the parameters for rows: an array for each column on PostgreSQL, JSON on SQLite."""
    return (
        [list(column) for column in zip(*rows, strict=True)] if vendor == "postgresql" else [json.dumps(rows)]
    )
