"""The answers of `/healthz` and `/readyz`: by address, in plain HTTP, at little cost, in every state."""

import contextlib
import http.client
import json
import logging
import sqlite3
import subprocess
import time
from urllib.parse import urlsplit

import psycopg
import pytest
from django.core.management import call_command
from django.db import OperationalError, connection
from django.db.migrations.executor import MigrationExecutor
from django.test import Client

from itempath import health
from itempath.models import Installation
from tests.conftest import until
from tests.itempath.server.test_faults import postgresql, small_disk  # noqa: F401  # fixtures

PATHS = ("/healthz", "/readyz")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("host", ["10.42.0.7:8000", "[fd00::7]:8000", "evil.example.com", "", "a b"])
def test_any_host_will_do(path, host, db, client):
    answer = client.get(path, HTTP_HOST=host)
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert answer["X-Request-ID"]


@pytest.mark.parametrize("path", PATHS)
def test_plain_http_is_not_redirected(path, db, settings):
    settings.SECURE_SSL_REDIRECT = True
    client = Client()
    assert client.get(path).status_code == 200
    assert client.get("/admin/login/").status_code == 301


def test_probes_have_no_session_and_no_line_in_the_log(db, client, caplog):
    client.cookies["sessionid"] = "x" * 32
    with caplog.at_level(logging.INFO):
        for path in PATHS:
            assert not client.get(path).cookies
    assert caplog.records == []


def test_a_probe_costs_little(db, client, django_assert_max_num_queries):
    """The plan of the migrations is cached, as it would be most of the cost."""
    client.get("/readyz")
    # Tables, migrations, key proof, a write, and the statements of its transaction.
    with django_assert_max_num_queries(8):
        client.get("/readyz")


def test_a_probe_costs_a_fraction_of_planning_migrations(db, client):
    def cost(call) -> float:
        call()
        start = time.process_time()
        for _ in range(20):
            call()
        return time.process_time() - start

    def plan():
        executor = MigrationExecutor(connection)
        executor.migration_plan(executor.loader.graph.leaf_nodes())

    assert cost(health.list_faults) * 2 < cost(plan)


def test_a_probe_writes(db, client):
    before = Installation.objects.get()
    client.get("/readyz")
    after = Installation.objects.get()
    assert after.probed_at > before.probed_at
    assert after.uid == before.uid
    Installation.objects.all().delete()
    assert client.get("/readyz").status_code == 200
    assert Installation.objects.count() == 1


@pytest.mark.parametrize(
    "error", ["attempt to write a readonly database", "database or disk is full", "disk I/O error"]
)
def test_not_ready_when_nothing_can_be_written(error, db, client, monkeypatch, caplog):
    def fail() -> None:
        raise OperationalError(error)

    monkeypatch.setattr(Installation, "probe", fail)
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"status": "unavailable"})
    assert f"Not ready: the database cannot be written ({error})" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_not_ready_without_its_tables(client, caplog):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE workitems_link RENAME TO workitems_lost")
    try:
        assert client.get("/readyz").status_code == 503
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE workitems_lost RENAME TO workitems_link")
    assert "1 tables are missing, such as workitems_link" in caplog.text
    assert client.get("/readyz").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_a_probe_leaves_the_connection_as_it_was(client):
    """Commits wait for the disk and for locks again."""
    if connection.vendor != "sqlite":
        pytest.skip("on PostgreSQL what the probe sets ends with its transaction")
    client.get("/readyz")
    with connection.cursor() as cursor:
        found = [cursor.execute(f"PRAGMA {name}").fetchone()[0] for name in ("synchronous", "busy_timeout")]
    assert found == [2, 3000]


@pytest.mark.django_db(transaction=True)
def test_a_flush_leaves_the_site_ready(client):
    call_command("flush", verbosity=0, interactive=False)
    assert client.get("/readyz").status_code == 200


def probe(server, path="/readyz"):
    connection = http.client.HTTPConnection(urlsplit(server.base).netloc, timeout=30)
    try:
        connection.request("GET", path, headers={"Host": "10.42.0.7"})
        answer = connection.getresponse()
        return answer.status, json.load(answer)["status"]
    finally:
        connection.close()


END_OTHERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'
"""
READY, NOT_READY = (200, "ok"), (503, "unavailable")


@pytest.fixture
def sqlite_server(new_server, tmp_path):
    file = tmp_path / "registry.sqlite3"
    return new_server(DATABASE_URL=f"sqlite:///{file}", HTTPS="1"), file


@pytest.mark.live
def test_an_import_in_progress_is_ready_and_is_not_waited_for(sqlite_server):
    server, file = sqlite_server
    assert probe(server) == READY
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        start = time.monotonic()
        assert {probe(server) for _ in range(10)} == {READY}
        assert time.monotonic() - start < 3  # a single write that waits for its lock would take 3 seconds


@pytest.mark.live
def test_a_database_that_is_lost_while_the_server_runs(sqlite_server, tmp_path):
    server, file = sqlite_server
    assert probe(server) == READY
    with contextlib.closing(sqlite3.connect(file)) as other, other:
        other.execute("PRAGMA foreign_keys = OFF")
        other.execute("DROP TABLE logs_connectionlog")
    assert probe(server) == NOT_READY
    assert probe(server, "/healthz") == READY
    assert "1 tables are missing, such as logs_connectionlog" in (tmp_path / "errors-0.log").read_text()


@pytest.mark.live
def test_a_full_disk_is_not_ready(small_disk, new_server, tmp_path):  # noqa: F811
    server = new_server(DATABASE_URL=f"sqlite:///{small_disk / 'registry.sqlite3'}")
    assert {probe(server) for _ in range(3)} == {READY}  # from now on, the write-ahead log has unused space
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4096)
    assert probe(server) == NOT_READY
    assert "the disk of the database is full" in (tmp_path / "errors-0.log").read_text()
    filler.unlink()
    assert probe(server) == READY


@pytest.mark.live
def test_a_read_only_file_system_is_not_ready(small_disk, new_server, tmp_path):  # noqa: F811
    server = new_server(DATABASE_URL=f"sqlite:///{small_disk / 'registry.sqlite3'}")
    # The first call, which opens the database, comes afterwards.
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    assert probe(server) == NOT_READY
    assert "Not ready: the database can" in (tmp_path / "errors-0.log").read_text()
    assert probe(server, "/healthz") == READY
    subprocess.run(["mount", "-o", "remount,rw", small_disk], check=True)
    assert until(lambda: probe(server) == READY)


@pytest.mark.live
def test_a_replica_is_not_ready(postgresql, new_server, tmp_path):  # noqa: F811
    server = new_server(DATABASE_URL=postgresql.url)
    assert probe(server) == READY
    with psycopg.connect(postgresql.url, autocommit=True) as admin:
        admin.execute("ALTER DATABASE postgres SET default_transaction_read_only = on")
        admin.execute(END_OTHERS)
        until(lambda: probe(server) == NOT_READY)
        assert (
            "the database cannot be written (cannot execute UPDATE in a read-only transaction)"
            in (tmp_path / "errors-0.log").read_text()
        )
        admin.execute("SET default_transaction_read_only = off")
        admin.execute("ALTER DATABASE postgres RESET default_transaction_read_only")
        admin.execute(END_OTHERS)
    until(lambda: probe(server) == READY)


@pytest.mark.live
def test_a_row_that_is_locked_on_postgresql_is_ready(postgresql, new_server):  # noqa: F811
    server = new_server(DATABASE_URL=postgresql.url)
    with psycopg.connect(postgresql.url) as other:
        other.execute("SELECT * FROM itempath_installation FOR UPDATE")
        start = time.monotonic()
        assert {probe(server) for _ in range(3)} == {READY}
        assert time.monotonic() - start < 3
