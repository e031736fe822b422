"""`ConnectionQuerySet.record`: the results of checks, a batch at a time."""

from datetime import UTC, datetime, timedelta
from threading import Thread

import pytest
from django.db import connection as database
from django.db import connections
from django.test.utils import CaptureQueriesContext

from connections.models import App, Connection
from logs.models import ConnectionLog

NOON = datetime(2026, 5, 7, 12, tzinfo=UTC)


def make(count: int, **fields) -> list[Connection]:
    rows = (Connection(name=f"Connection {n}", type="REST", **fields) for n in range(count))
    return Connection.objects.bulk_create(rows)


def result(connection: Connection, status: int = 1, minutes: int = 0, **fields) -> ConnectionLog:
    said = {"description": "Connection test complete"} if status else {"error": "It did not answer."}
    moment = NOON + timedelta(minutes=minutes)
    return ConnectionLog(
        connection=connection, status=status, creation_date=moment, time=0.25, **said | fields
    )


def test_it_works(db):
    app = App.objects.create(name="WMS")
    [connection] = make(1, app=app)
    [log] = Connection.objects.record([result(connection)])
    log, now = ConnectionLog.objects.get(), Connection.objects.get()
    assert (log.connection_id, log.status, log.description, log.error) == (
        connection.pk, 1, "Connection test complete", None,
    )  # fmt: skip
    assert (log.creation_date, log.time, log.app_id) == (NOON, 0.25, app.pk)
    assert (now.status, now.last_check, now.latest_connection, now.latest_log) == (1, NOON, NOON, log)
    assert now.version > connection.version


def test_a_failure_leaves_the_latest_connection_alone(db):
    [connection] = make(1)
    Connection.objects.record([result(connection)])
    [log] = Connection.objects.record([result(connection, status=0, minutes=5)])
    now = Connection.objects.get()
    assert (now.status, now.latest_connection, now.last_check) == (0, NOON, NOON + timedelta(minutes=5))
    assert now.latest_log_id == log.pk


def test_a_result_that_comes_late_is_only_logged(db):
    [connection] = make(1)
    [newest] = Connection.objects.record([result(connection, status=0, minutes=5)])
    before = Connection.objects.get()
    Connection.objects.record([result(connection, minutes=4)])
    now = Connection.objects.get()
    assert ConnectionLog.objects.count() == 2
    assert (now.status, now.latest_log_id, now.latest_connection) == (0, newest.pk, None)
    assert now.version == before.version


def test_the_newest_of_a_batch_counts_in_whatever_order(db):
    one, other = make(2)
    batch = [result(one, 0, 3), result(other, 1, 1), result(one, 1, 9), result(one, 0, 6)]
    Connection.objects.record(batch)
    one.refresh_from_db()
    assert (one.status, one.latest_log_id, one.last_check) == (1, batch[2].pk, NOON + timedelta(minutes=9))
    assert [log.pk for log in batch] == sorted(log.pk for log in batch)
    assert ConnectionLog.objects.count() == 4


def test_a_batch_says_what_its_results_say_one_by_one(db):
    one, other, third = make(3)
    batch = [
        *(result(one, 1, 0), result(one, 0, 5)),  # it passed, then it failed
        *(result(other, 0, 5), result(other, 1, 0)),  # the one that passed came late
        *(result(third, 1, 2), result(third, 0, 5), result(third, 1, 4)),
    ]
    Connection.objects.record(batch)
    for record, connected in ((one, 0), (other, None), (third, 2)):
        record.refresh_from_db()
        moment = None if connected is None else NOON + timedelta(minutes=connected)
        assert (record.status, record.latest_connection) == (0, moment)
        assert record.last_check == NOON + timedelta(minutes=5)


def test_of_two_at_the_same_moment_the_later_written_counts(db):
    [connection] = make(1)
    Connection.objects.record([result(connection, 1)])
    Connection.objects.record([result(connection, 0)])
    assert Connection.objects.get().status == 0


def test_a_connection_that_is_gone_is_left_out(db):
    kept, gone = make(2)
    pk = gone.pk
    gone.delete()
    gone.pk = pk
    assert [log.connection_id for log in Connection.objects.record([result(gone), result(kept)])] == [kept.pk]
    assert Connection.objects.record([result(gone)]) == []
    assert ConnectionLog.objects.count() == 1


def test_nothing_is_no_statement_but_the_transaction_and_its_look(db, django_assert_max_num_queries):
    with django_assert_max_num_queries(3):
        assert Connection.objects.record([]) == []


# Lock the rows, reserve ids for the log entries, insert the entries, take a version, update the connections.
STATEMENTS = 5


@pytest.mark.parametrize("size", [1, 100, 3_000])
def test_the_number_of_statements_does_not_grow(size, db):
    rows = make(size)
    with CaptureQueriesContext(database) as queries:
        Connection.objects.record([result(row, status=row.pk % 2) for row in rows])
    sent = [query["sql"] for query in queries if "SAVEPOINT" not in query["sql"]]
    assert len(sent) == STATEMENTS
    assert Connection.objects.exclude(latest_log=None).count() == size
    assert len(set(Connection.objects.values_list("version", flat=True))) == 1  # one for the batch


def test_an_edit_meanwhile_is_kept(db):
    [connection] = make(1)
    stale = Connection.objects.get()
    Connection.objects.filter(pk=connection.pk).update(name="Renamed")
    Connection.objects.record([result(stale)])
    assert Connection.objects.get().name == "Renamed"


def test_a_check_is_no_edit(db):
    make(1)
    Connection.objects.update(demo=True)
    Connection.objects.record([result(Connection.objects.get())])
    assert Connection.objects.get().demo


def test_ids_go_on_after_entries_that_brought_theirs(db):
    [connection] = make(1)
    ConnectionLog.objects.create(pk=500, connection=connection, status=1)
    if database.vendor == "postgresql":  # imports move the sequence along, SQLite follows by itself
        with database.cursor() as cursor:
            cursor.execute("SELECT setval('logs_connectionlog_id_seq', 500)")
    [log] = Connection.objects.record([result(connection)])
    assert log.pk == 501
    assert ConnectionLog.objects.create(connection=connection, status=1).pk == 502


@pytest.mark.skipif(database.vendor == "sqlite", reason="SQLite has one writer at a time")
@pytest.mark.django_db(transaction=True)
def test_two_writers_at_once_lose_nothing():
    rows = make(50)

    def write(minutes: int) -> None:
        try:
            for _ in range(5):
                order = rows if minutes % 2 else rows[::-1]
                Connection.objects.record([result(row, status=minutes % 2, minutes=minutes) for row in order])
        finally:
            connections.close_all()

    writers = [Thread(target=write, args=(minutes,)) for minutes in (1, 2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert ConnectionLog.objects.count() == 2 * 5 * 50
    newest = {(row.status, row.last_check, row.latest_log.creation_date) for row in Connection.objects.all()}
    moment = NOON + timedelta(minutes=2)
    assert newest == {(0, moment, moment)}
