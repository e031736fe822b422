"""What a call costs: queries, rows, bytes and memory as counts, Python calls as ratios to plain DRF.

No machine and no other load changes these. A ratio is measured in one process, so a release of Django or DRF
that calls more functions changes both of its sides.
"""

import cProfile
import gc
import pstats
import subprocess
import sys
import tracemalloc
import weakref
from typing import Any

import pytest
from django.db import connection
from rest_framework import serializers
from rest_framework.test import APIRequestFactory, force_authenticate
from rest_framework.viewsets import ReadOnlyModelViewSet

from connections.api.views import ConnectionViewSet
from connections.models import Connection
from core.api.list_queries import cache
from logs.models import ConnectionLog
from tests.conftest import ROOT
from tests.core.api import FIELDS, PATH, ids

ROWS = 2500


@pytest.fixture
def many(db) -> None:
    Connection.objects.bulk_create(
        Connection(
            id=number,
            name=f"Connection {number}",
            type="REST",
            url=f"https://host{number}.example.com",
            username="reader",
        )
        for number in range(1, ROWS + 1)
    )
    ConnectionLog.objects.bulk_create(
        ConnectionLog(
            id=number, connection_id=number, status=1, description="Connection test complete", time=0.25
        )
        for number in range(1, ROWS + 1)
    )
    with connection.cursor() as cursor:
        cursor.execute("UPDATE connections_connection SET latest_log_id = id")


def count_calls(call) -> int:
    """Return how many functions `call` calls once the caches are filled."""
    call(), call()
    profile = cProfile.Profile()
    profile.runcall(call)
    return int(vars(pstats.Stats(profile))["total_calls"])


class PlainLogSerializer(serializers.ModelSerializer[Any]):
    class Meta:
        model = ConnectionLog
        fields = ["id", "creation_date", "status", "description", "error", "app_id", "time"]


class PlainSerializer(serializers.ModelSerializer[Any]):
    latest_log = PlainLogSerializer()

    class Meta:
        model = Connection
        fields = [*FIELDS.values(), "latest_log"]


class PlainViewSet(ReadOnlyModelViewSet[Any]):
    """The same resource as DRF's tutorial writes it."""

    queryset = Connection.objects.select_related("latest_log").order_by("id")
    serializer_class = PlainSerializer
    filter_backends = ()


@pytest.fixture
def ask(reader):
    """Return a function that calls a viewset, as a router binds it, and renders the answer."""

    def ask_view(view, query="", limit=None, **path):
        rows = {} if limit is None else {"queryset": view.queryset[:limit]}
        request = APIRequestFactory().get(f"{PATH}{query}")
        force_authenticate(request, reader)
        response = view.as_view({"get": "retrieve" if path else "list"}, **rows)(request, **path)
        return response.render() if hasattr(response, "render") else response

    return ask_view


def test_a_show_calls_less_than_plain_drf(ask, many):
    ours, plain = (
        count_calls(lambda view=view: ask(view, pk="7")) for view in (ConnectionViewSet, PlainViewSet)
    )
    assert ours < 0.12 * plain  # 0.085 on SQLite, 0.095 on PostgreSQL when it was written


def test_a_row_of_a_page_calls_less_than_in_plain_drf(ask, many):
    def calls_for_rows(call) -> int:
        """Return the calls for 1,000 rows: the difference between two pages."""
        few, more = (count_calls(lambda limit=limit: call(limit)) for limit in (100, 1100))
        return more - few

    ours = calls_for_rows(lambda limit: ask(ConnectionViewSet, f"?limit={limit}"))
    plain = calls_for_rows(lambda limit: ask(PlainViewSet, limit=limit))
    # SQLite has no booleans: Django converts each of them. Measured: 0.0022 and 0.0097.
    assert ours < plain * (0.004 if connection.vendor == "postgresql" else 0.015)


def test_a_list_that_is_not_modified_builds_no_record(api, many):
    tag = api.get(f"{PATH}?limit=1000")["ETag"]
    full = count_calls(lambda: api.get(f"{PATH}?limit=1000"))
    not_modified = count_calls(lambda: api.get(f"{PATH}?limit=1000", headers={"If-None-Match": tag}))
    assert not_modified * 1.5 < full


class Counted:
    """Counts the rows that come out of the database."""

    def __init__(self, monkeypatch) -> None:
        from core.api.statements import Statement

        self.rows, batches = 0, Statement.batches

        def counted(statement):
            for batch in batches(statement):
                self.rows += len(batch)
                yield batch

        monkeypatch.setattr(Statement, "batches", counted)


@pytest.mark.parametrize(
    ("query", "rows"),
    [("limit=20", 21), ("limit=20&page=3&orderby=-name", 21), ("limit=20000", ROWS), ("name=none", 0)],
)
def test_a_page_reads_its_rows_and_one_more(query, rows, api, many, monkeypatch):
    counted = Counted(monkeypatch)
    api.get(f"{PATH}?{query}")
    assert counted.rows == rows


def test_the_bytes_of_a_page(api, many):
    """No key more than the contract has, no space, no escape."""
    body = api.get(f"{PATH}?limit=100").content
    assert len(body) == len(body.decode())
    assert len(body) / 100 == pytest.approx(539, rel=0.01)


def test_a_large_page_takes_little_more_memory_than_its_text(api, many):
    api.get(f"{PATH}?limit=20000")
    tracemalloc.start()
    try:
        body = api.get(f"{PATH}?limit=20000").content
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # One batch of rows and records, and the text in parts and as a whole.
    assert peak < 2.5 * len(body) + 3_000_000


def test_an_answer_is_gone_when_it_was_sent(api, many):
    """Not only when the garbage collector comes: large ones would add up."""
    request = APIRequestFactory().get(PATH, **api._credentials)
    gc.disable()
    try:
        answer = ConnectionViewSet.as_view({"get": "list"})(request)
        assert answer.status_code == 200
        gone = weakref.ref(answer)
        del answer
        assert gone() is None
    finally:
        gc.enable()


@pytest.fixture
def compiled(monkeypatch):
    """Return a list that grows with each queryset that is compiled."""
    from core.api.statements import Statement

    found, of = [], Statement.of
    monkeypatch.setattr(Statement, "of", lambda queryset: found.append(queryset) or of(queryset))
    return found


def test_the_same_page_is_compiled_once(api, many, compiled):
    for _ in range(3):
        assert len(ids(api.get(f"{PATH}?limit=7&page=1&status=0"))) == 7
    assert len(compiled) == 1


def test_a_page_by_a_word_for_a_date_is_compiled_anew(api, many, compiled):
    """In a query string the word may be escaped, and in a body, too."""
    for query in (
        "creationDate=[lt]now",
        "creationDate=[lt]%6Eow",
        "lastCheck=[gte]LastWeek",
        "creationDate=[or]today;yesterday",
    ):
        for _ in range(2):
            api.get(f"{PATH}?{query}")
    for _ in range(2):
        api.generic("GET", PATH, '{"creationDate": "[lt]\\u006eow"}', content_type="application/json")
    assert len(compiled) == 8 + 2


def test_arguments_of_any_source_make_pages_of_their_own(api, many):
    """What a page was planned for is all that its arguments are read from."""
    body = {"content_type": "application/json"}
    assert ids(api.get(PATH, {"limit": 1})) == [1]
    assert ids(api.generic("GET", f"{PATH}?limit=1", '{"page": 1}', **body)) == [2]
    assert ids(api.generic("GET", f"{PATH}?limit=1", '{"page": 2}', **body)) == [3]
    assert api.get(f"{PATH}?limit=1&colour=red")["X-Ignored-Parameters"] == "colour"
    assert api.get(f"{PATH}?limit=1&colour=red", headers={"Prefer": "handling=strict"}).status_code == 422
    assert api.get(f"{PATH}?limit=1&colour=red").status_code == 200


def test_long_arguments_are_not_cached(api, many):
    cache.clear()
    api.get(PATH, {"name": f"[or]{'x;' * 1000}"})
    assert len(cache) == 0
    api.get(PATH, {"name": f"[or]{'x;' * 10}"})
    assert len(cache) == 1


# Those of other systems belong to the checks of connections; PostgreSQL's comes with DRF and the theme.
DRIVERS = {
    "MySQLdb",
    "pymysql",
    "pyodbc",
    "pymssql",
    "oracledb",
    "ibm_db",
    "pika",
    "redis",
    "paho",
    "celery",
    "kombu",
    "tqdm",
    "ijson",
    "playwright",
}


def test_a_web_worker_loads_no_driver_that_it_does_not_need():
    code = (
        "import sys, itempath.wsgi, itempath.urls; print(*{name.partition('.')[0] for name in sys.modules})"
    )
    loaded = set(subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True).split())
    assert "django" in loaded
    assert not loaded & DRIVERS
