"""Many rows: 100,000 in a full run, fewer in a quick one. Pages, plans and answers are the same."""

import json
import os
from datetime import UTC, datetime
from itertools import islice
from random import Random

import pytest
from auditlog.models import LogEntry
from django.db import connection, transaction

from bench.dataset import connection as make_record
from connections.exporting import export_records
from connections.importing import import_records
from connections.models import App, Connection, Integration
from logs.models import ConnectionLog
from tests.core.api import FIELDS, ids

pytestmark = pytest.mark.django_db

ROWS = 100_000 if os.environ.get("CI_SERVERS") else 2_500
PAGE = ROWS // 5


def dataset():
    rng = Random(1)
    return (make_record(number, rng) for number in range(1, ROWS + 1))


@pytest.fixture(scope="module")
def many(django_db_setup, django_db_blocker):
    """The dataset, imported once for all tests of this file."""
    with django_db_blocker.unblock():
        import_records(dataset())
        yield
        with transaction.atomic():  # a connection and its latest log point at each other
            for model in (Integration, ConnectionLog, Connection, App, LogEntry):
                model.objects.all()._raw_delete(
                    "default"
                )  # without signals, which write a record of each change


def walk(api, field, direction, between=lambda: None):
    """Return the ids of all pages, one after the other."""
    found, number = [], 0
    while page := ids(
        api.get("/api/connections", {"orderby": f"{field}:{direction}", "limit": PAGE, "page": number})
    ):
        found += page
        number += 1
        between()
    return found


@pytest.mark.parametrize("field", FIELDS)
def test_paging_visits_each_row_once_while_rows_are_added_and_checked_at_the_far_end(field, many, api):
    late = datetime(9999, 1, 1, tzinfo=UTC)
    texts = dict.fromkeys(("name", "url", "username"), "\U0010fffd") | {
        "type": "REST",
        "authentication": "No Authentication",
    }
    latest = dict.fromkeys(("creation_date", "latest_connection", "last_check"), late)
    app = App.objects.create(id=2**62, name="the last")

    def add_and_check():
        # Sorts behind every row of the dataset, by whichever field; then a check of it is recorded.
        flags = {"password_exists": True, "token_exists": True, "status": 1, "integration_count": 10**6}
        added = Connection.objects.create(app=app, **texts, **latest, **flags)
        added.latest_log = ConnectionLog.objects.create(
            connection=added, status=1, description="Connection test complete"
        )
        added.last_check = late
        added.save(update_fields=["latest_log", "last_check"])

    found = walk(api, field, "asc", add_and_check)
    original = [pk for pk in found if pk <= ROWS]
    assert len(original) == ROWS
    assert len(found) == len(set(found))


def test_descending_pages_visit_each_row_once(many, api):
    found = walk(api, "lastCheck", "desc")
    assert len(found) == len(set(found)) == ROWS


def test_an_export_is_the_import_again(many):
    expected = (json.dumps(record) for record in dataset())
    assert all(line == record for line, record in zip(export_records(), expected, strict=True))


def test_a_second_itempath_beside_the_first(many):
    first = list(islice(dataset(), 10))
    summary = import_records(first, id_offset=10**9)
    assert summary.created == 10
    shown = [json.loads(line) for line in export_records()][-10:]
    assert [record["id"] - 10**9 for record in shown] == [record["id"] for record in first]
    assert [record["appId"] - 10**9 for record in shown] == [record["appId"] for record in first]
    logs = [(record["latestLog"] or {}).get("id") for record in shown]
    assert logs == [record["latestLog"] and record["latestLog"]["id"] + 10**9 for record in first]


@pytest.fixture
def long_log(many):
    """One connection with a long log."""
    chosen = Connection.objects.get(pk=1)
    entries = (
        ConnectionLog(connection=chosen, status=1, description="Connection test complete")
        for _ in range(ROWS)
    )
    ConnectionLog.objects.bulk_create(entries, batch_size=5000)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


PAGES = [
    "/api/connections?limit=20",
    "/api/connections?limit=20&orderby=name",
    "/api/connections/1",
    "/admin/connections/connection/",
    "/admin/connections/connection/1/change/",
]


@pytest.mark.parametrize("path", PAGES)
def test_the_length_of_the_log_does_not_matter(
    path, long_log, api, admin_client, django_assert_max_num_queries
):
    client = admin_client if path.startswith("/admin/") else api
    with django_assert_max_num_queries(20) as captured:
        assert client.get(path).status_code == 200
    for query in captured.captured_queries:
        if "logs_connectionlog" in query["sql"]:
            assert_no_scan(query["sql"])


def assert_no_scan(sql):
    """Look at the plan: the log is entered by an index, never read through."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {'QUERY PLAN ' if connection.vendor == 'sqlite' else ''}{sql}")
        plan = "\n".join(str(row[-1]) for row in cursor.fetchall())
    assert "Seq Scan on logs_connectionlog" not in plan, plan
    assert "SCAN logs_connectionlog" not in plan, plan
