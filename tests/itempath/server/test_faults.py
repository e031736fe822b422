"""Real faults: a database that stops, is locked or has a full disk, and a server process that is killed."""

import asyncio
import contextlib
import glob
import http.client
import json
import os
import pwd
import shutil
import signal
import sqlite3
import subprocess
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.conftest import children, free_port, until

pytestmark = pytest.mark.live

UNREACHABLE = {"msg": "The database cannot be reached; try again.", "errors": []}
SECONDS_OF_LOAD = 60 if os.environ.get("CI_SERVERS") else 8


def ask(server, path="/api/connections?limit=2", method="GET", body=None):
    """Return the status, the parsed body and the seconds that one call took."""
    start = time.monotonic()
    connection = http.client.HTTPConnection(urlsplit(server.base).netloc, timeout=30)
    headers = {"Authorization": f"Bearer {server.key}", "Content-Type": "application/json"}
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        text = answer.read()
        return answer.status, json.loads(text), time.monotonic() - start
    finally:
        connection.close()


def login(server):
    body = json.dumps({"username": "admin", "password": server.admin_password})
    return ask(server, "/api/users/login", "POST", body)


class PostgreSQL:
    """A PostgreSQL server that a test may stop."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self.folder, self.programs, self.port = folder, programs, free_port()
        self.run(
            "initdb", "-U", "registry", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"
        )

    @property
    def url(self) -> str:
        return f"postgresql://registry@127.0.0.1:{self.port}/postgres"

    def run(self, program, *words):
        command = [str(self.programs / program), "-D", str(self.folder / "data"), *words]
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            command = ["runuser", "-u", "postgres", "--", *command]
        subprocess.run(command, check=True, cwd=self.folder, stdout=subprocess.DEVNULL, timeout=60)

    def start(self):
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder}"
        self.run("pg_ctl", "-w", "-l", str(self.folder / "log"), "-o", options, "start")

    def stop(self, mode="immediate"):
        self.run("pg_ctl", "-w", "-m", mode, "stop")


@pytest.fixture
def postgresql(tmp_path_factory):
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin")) or [os.path.dirname(shutil.which("pg_ctl") or "")]
    if not found[-1]:
        message = "needs PostgreSQL's programs (pg_ctl, initdb)"
        pytest.fail(message) if os.environ.get("CI_SERVERS") else pytest.skip(message)
    # The user postgres must be able to read the folder; it cannot read pytest's own.
    folder = Path(subprocess.check_output(["mktemp", "-d", "/tmp/registry-pg-XXXXXX"], text=True).strip())
    if os.geteuid() == 0:
        os.chown(folder, *pwd.getpwnam("postgres")[2:4])
    cluster = PostgreSQL(folder, Path(found[-1]))
    cluster.start()
    yield cluster
    with contextlib.suppress(subprocess.CalledProcessError):  # the test left it stopped
        cluster.stop()
    shutil.rmtree(folder, ignore_errors=True)


def test_a_database_that_stops_under_load_and_comes_back(postgresql, new_server):
    server = new_server(DATABASE_URL=postgresql.url, WEB_CONCURRENCY="2", LOG_LEVEL="CRITICAL")
    answers, done = [], threading.Event()

    def load():
        while not done.is_set():
            answers.append((time.monotonic(), *ask(server)))

    clients = [threading.Thread(target=load) for _ in range(4)]
    for client in clients:
        client.start()
    until(lambda: len(answers) > 40)
    postgresql.stop()
    until(lambda: [answer for answer in answers if answer[1] == 503])
    postgresql.start()
    back = time.monotonic()
    until(lambda: [answer for answer in answers if answer[0] > back and answer[1] == 200], seconds=5)
    time.sleep(1)
    done.set()
    for client in clients:
        client.join()

    assert {status for _, status, _, _ in answers} == {200, 503}
    assert all([record["id"] for record in body] == [1, 2] for _, status, body, _ in answers if status == 200)
    assert all(
        body == {"msg": "The database cannot be reached; try again.", "errors": []}
        for _, status, body, _ in answers
        if status == 503
    )
    assert max(took for _, _, _, took in answers) < 5
    assert answers[-1][1] == 200


def test_a_database_that_is_away_when_the_first_call_comes(postgresql, new_server):
    server = new_server(DATABASE_URL=postgresql.url)
    postgresql.stop()
    status, _, took = ask(server)
    assert (status, took < 5) == (503, True)
    assert ask(server, "/readyz")[0] == 503
    assert ask(server, "/healthz")[0] == 200


def test_a_table_that_is_locked_on_postgresql(postgresql, new_server):
    server = new_server(DATABASE_URL=postgresql.url, LOG_LEVEL="CRITICAL")
    with psycopg.connect(postgresql.url) as other:
        other.execute("LOCK TABLE connections_connection")
        status, body, took = ask(server)
        assert (status, body, took < 5) == (503, UNREACHABLE, True)
    assert ask(server)[0] == 200


@pytest.fixture
def sqlite_server(new_server, tmp_path):
    file = tmp_path / "registry.sqlite3"
    return new_server(DATABASE_URL=f"sqlite:///{file}"), file


def test_a_long_writer_on_sqlite(sqlite_server):
    server, file = sqlite_server
    writer = sqlite3.connect(file, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    status, body, took = ask(server)  # writes the last use of the key, but does not wait for it
    assert (status, len(body), took < 1) == (200, 2, True)
    status, body, took = login(server)
    assert (status, body["errors"], took < 5) == (503, [], True)
    writer.execute("ROLLBACK")
    writer.close()
    assert login(server)[0] == 200


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "small"
    folder.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder], check=False, capture_output=True
    ).returncode:
        message = "needs the right to mount a small file system"
        pytest.fail(message) if os.environ.get("CI_SERVERS") else pytest.skip(message)
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_full_disk(small_disk, new_server):
    server = new_server(DATABASE_URL=f"sqlite:///{small_disk / 'registry.sqlite3'}")
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4096)
    # A login writes its attempt. The first few may still fit into unused space of the write-ahead log.
    status, body, _ = until(
        lambda: next((answer for answer in (login(server) for _ in range(20)) if answer[0] != 200), None), 60
    )
    assert (status, body["msg"]) == (503, "The database cannot be reached; try again.")
    assert ask(server)[0] == 200
    filler.unlink()
    assert login(server)[0] == 200
    assert ask(server)[0] == 200


def test_a_killed_process_is_replaced(new_server):
    server = new_server(WEB_CONCURRENCY="2")
    workers = children(server.process.pid)
    assert len(workers) == 2
    for worker in workers:
        os.kill(worker, signal.SIGKILL)
    until(lambda: len(set(children(server.process.pid)) - set(workers)) == 2)
    until(lambda: answers(server))
    assert ask(server)[0] == 200


def answers(server):
    try:
        return ask(server)[0] == 200
    except OSError:
        return False


def test_migrations_that_are_not_applied(new_server):
    server = new_server(LOG_LEVEL="CRITICAL")
    assert server.manage("migrate", "logs", "zero").returncode == 0
    status, body, _ = ask(server)
    assert (status, body["msg"]) == (503, "The database cannot be reached; try again.")
    assert ask(server, "/readyz")[0] == 503
    assert ask(server, "/healthz")[0] == 200


def test_a_wrong_key(new_server):
    server = new_server()
    code = (
        "from connections.models import Connection; c = Connection.objects.get(pk=1); "
        "c.set_secret('password', 'p'); c.save()"
    )
    assert server.manage("shell", "-v0", "-c", code).returncode == 0
    wrong = new_server(DATABASE_URL=server.environment["DATABASE_URL"], CONNECTION_SECRET_KEYS="A" * 43 + "=")
    assert ask(wrong, "/readyz")[0] == 503
    assert ask(wrong)[0] == 200
    found = wrong.manage("check_secrets")
    assert found.returncode == 1
    assert "Connection 1 (PowerPick), password: The key" in found.stdout


def test_many_clients_at_once(new_server):
    """1000 clients with idle connections, and 100 that call without pause."""
    server = new_server(LOG_LEVEL="CRITICAL")
    results = asyncio.run(crowd(server))
    assert len(results) > 100
    assert set(results) == {200}


async def crowd(server):
    host, port = urlsplit(server.base).netloc.split(":")
    headers = f"Host: {host}:{port}\r\nAuthorization: Bearer {server.key}\r\n"
    request = f"GET /api/connections?limit=1 HTTP/1.1\r\n{headers}\r\n".encode()

    async def call(reader, writer):
        writer.write(request)
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r")[0])
        await reader.readexactly(length)
        return int(head.split()[1])

    async def ask_on(deadline):
        reader, writer = await asyncio.open_connection(host, port)
        found = [await call(reader, writer)]
        while time.monotonic() < deadline:
            found.append(await call(reader, writer))
        writer.close()
        return found

    idle = [await asyncio.open_connection(host, port) for _ in range(1000)]
    results = [await call(*connection) for connection in idle[::50]]
    deadline = time.monotonic() + SECONDS_OF_LOAD
    for found in await asyncio.gather(*(ask_on(deadline) for _ in range(100))):
        results += found
    for reader, writer in idle:
        # Like every HTTP client, open a new connection if the server closed the idle one.
        again = (reader, writer) if not reader.at_eof() else await asyncio.open_connection(host, port)
        results.append(await call(*again))
        for each in {writer, again[1]}:
            each.close()
    return results
