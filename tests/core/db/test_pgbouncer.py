"""The registry behind a real PgBouncer in transaction mode."""

import json
import os
import re
import shutil
import subprocess
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.cookiejar import CookieJar
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from tests.conftest import Server, free_port

pytestmark = pytest.mark.live

LIMITS = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
# With one session for all clients, each process uses the session that others used before.
CONFIGURATION = """
[databases]
* = host={host} port={port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {own}
unix_socket_dir =
auth_type = trust
auth_file = {folder}/users
pool_mode = transaction
default_pool_size = 1
logfile = {folder}/log
"""
# From 1.21 on, PgBouncer supports prepared statements. This switches them off.
PLAIN = "max_prepared_statements = 0\n"


@pytest.fixture(scope="module")
def pgbouncer() -> Iterator[str]:
    """Run PgBouncer in front of the suite's PostgreSQL; give `USER@HOST:PORT` of it."""
    if not os.environ["DATABASE_URL"].startswith("postgres"):
        pytest.skip("the suite runs on SQLite")
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if program is None:
        message = "pgbouncer is not installed"
        raise AssertionError(message) if os.environ.get("CI_SERVERS") else pytest.skip.Exception(message)
    server = conninfo_to_dict(os.environ["DATABASE_URL"])
    folder, own = Path(tempfile.mkdtemp(prefix="registry-pgbouncer-")), free_port()
    where = {
        "host": server.get("host", "127.0.0.1"),
        "port": server.get("port", 5432),
        "own": own,
        "folder": folder,
    }
    plain = PLAIN if version_of(program) >= (1, 21) else ""
    (folder / "pgbouncer.ini").write_text(CONFIGURATION.format(**where) + plain)
    (folder / "users").write_text(f'"{server["user"]}" ""\n')
    command = [program, str(folder / "pgbouncer.ini")]
    if os.geteuid() == 0:  # PgBouncer refuses to run as root
        shutil.chown(folder, "nobody")
        command[1:1] = ["-u", "nobody"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"{server['user']}@127.0.0.1:{own}"
    try:
        wait_for(f"postgresql://{address}/{server['dbname']}", process, folder)
        yield address
    finally:
        process.terminate()
        process.wait(20)
        shutil.rmtree(folder)


def version_of(program: str) -> tuple[int, ...]:
    shown = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    return tuple(int(part) for part in shown.split()[1].split("."))


def wait_for(url: str, process: "subprocess.Popen[bytes]", folder) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        try:
            psycopg.connect(url).close()
            return
        except psycopg.OperationalError:
            time.sleep(0.1)
    raise AssertionError(
        (folder / "log").read_text() if (folder / "log").exists() else "PgBouncer does not start"
    )


@pytest.fixture
def pooled(pgbouncer, new_database, new_server) -> Iterator[Server]:
    """A server of two processes. Its database role has timeouts in this database."""
    direct = new_database()
    user, name = pgbouncer.partition("@")[0], direct.rpartition("/")[2]
    with psycopg.connect(direct, autocommit=True) as database:
        for limit in LIMITS:
            database.execute(f'ALTER ROLE "{user}" IN DATABASE "{name}" SET {limit} = \'30s\'')
    yield new_server(DATABASE_URL=f"postgresql://{pgbouncer}/{name}?pgbouncer=true", WEB_CONCURRENCY="2")
    with psycopg.connect(direct, autocommit=True) as database:
        database.execute(f'ALTER ROLE "{user}" IN DATABASE "{name}" RESET ALL')


def get(server: Server, path: str, token: str = "") -> tuple[int, bytes]:
    request = urllib.request.Request(
        server.base + path, headers={"Authorization": f"Bearer {token or server.key}"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.status, answer.read()


def read_all(server: Server) -> None:
    """Read the API with many clients at once, and often enough for the driver to prepare statements."""
    paths = [
        "/api/connections",
        "/api/connections/1",
        "/api/connections?type=REST&orderby=-name",
        "/api/connections?countOnly=true",
    ]
    with ThreadPoolExecutor(8) as pool:
        assert {status for status, _ in pool.map(lambda path: get(server, path), paths * 40)} == {200}


def log_in(server: Server) -> urllib.request.OpenerDirector:
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
    post(server, opener, "/admin/login/", username="admin", password=server.admin_password, next="/admin/")
    return opener


def post(server: Server, opener: urllib.request.OpenerDirector, path: str, **fields: str) -> str:
    """Submit the form of a page; return the page that follows."""
    page = opener.open(server.base + path, timeout=30).read().decode()
    fields["csrfmiddlewaretoken"] = re.findall(r'csrfmiddlewaretoken" value="(\w+)"', page)[0]
    with opener.open(server.base + path, urllib.parse.urlencode(fields).encode(), timeout=30) as answer:
        return str(answer.read().decode())


def test_everything_works_behind_pgbouncer(pooled, tmp_path):
    read_all(pooled)
    body = json.dumps({"username": "admin", "password": pooled.admin_password}).encode()
    login = urllib.request.Request(
        f"{pooled.base}/api/users/login", body, {"Content-Type": "application/json"}
    )
    assert json.load(urllib.request.urlopen(login, timeout=30))["login"] is True
    opener = log_in(pooled)
    fields = {
        "name": "Pooled",
        "type": "REST",
        "authentication": "Basic Authentication",
        "url": "https://erp.example.com",
        "verify_certificate": "on",
        "new_password": "correct horse battery",
    }
    page = post(pooled, opener, "/admin/connections/connection/add/", **fields)
    assert "Pooled" in page
    records = [{"id": number, "name": f"C{number}", "type": "REST"} for number in range(1000, 3500)]
    (tmp_path / "records.json").write_text(json.dumps(records))
    done = pooled.manage("import_connections", str(tmp_path / "records.json"))
    assert (done.returncode, done.stdout.splitlines()[0]) == (
        0,
        "2500 records: 2500 created, 0 overwritten, 0 skipped.",
    ), done.stderr
    done = pooled.manage("export_connections")
    assert len(json.loads(done.stdout)) == 2501, done.stderr
    done = pooled.manage("check_secrets")
    assert done.returncode == 0, done.stderr
    # A new token, because the import revoked the key of the examples.
    token = pooled.manage("issue_token", "jobs", "--role", "reader").stdout.strip()
    assert get(pooled, "/api/connections?countOnly=true", token) == (200, b'{"count":2501}')
    assert '"level":"ERROR"' not in (tmp_path / "errors-0.log").read_text()


def test_the_limits_of_the_role_hold(pooled):
    shown = pooled.manage("shell", "-v0", "-c", SHOW_LIMITS)
    assert [line for line in shown.stdout.splitlines() if line.startswith("limit")] == ["limit 30s"] * 3, (
        shown.stderr
    )


SHOW_LIMITS = f"""
from django.db import connection
with connection.cursor() as cursor:
    for name in {LIMITS}:
        cursor.execute(f"SHOW {{name}}")
        print("limit", cursor.fetchone()[0])
"""


def test_a_role_without_limits_is_told(pgbouncer, new_database, new_server):
    name = new_database().rpartition("/")[2]
    server = new_server(DATABASE_URL=f"postgresql://{pgbouncer}/{name}?pgbouncer=true")
    done = server.manage("check", "--database", "default")
    assert (done.returncode, "itempath.W010" in done.stderr) == (0, True), done.stderr
