"""`manage.py backup` and `manage.py restore` on SQLite: what they do and what they refuse."""

import base64
import contextlib
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from connections.secrets.encryption import key_id
from tests.conftest import ROOT, children, free_port, until, wait_for
from tests.environment import KEY
from tests.itempath.server.test_faults import small_disk  # noqa: F401  # a fixture

pytestmark = pytest.mark.any_database

OTHER_KEY = base64.urlsafe_b64encode(b"o" * 32).decode()
FILL = "from connections.demo import load_demo; load_demo()"
COUNT = "from connections.models import Connection; print(Connection.objects.count())"
EMPTY = (
    "from logs.models import *; from connections.models import *; Integration.objects.all().delete(); "
    "Connection.objects.update(latest_log=None); ConnectionLog.objects.all().delete(); "
    "Connection.objects.all().delete()"
)


class Registry:
    """An installation with an SQLite database in a folder, driven by its commands."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.file = folder, folder / "registry.sqlite3"
        self.environment = {**os.environ, "DATABASE_URL": f"sqlite:///{self.file}"}

    def command(self, *words: object) -> list[str]:
        return [sys.executable, str(ROOT / "manage.py"), *map(str, words)]

    def manage(self, *words: object, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*words),
            cwd=self.folder,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def ok(self, *words: object, **environment: str) -> str:
        done = self.manage(*words, **environment)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def refusal(self, *words: object, **environment: str) -> str:
        """Return the one line that refuses a command."""
        done = self.manage(*words, **environment)
        assert (done.returncode, done.stdout) == (1, ""), done.stdout
        (line,) = done.stderr.splitlines()
        return line

    def shell(self, code: str) -> str:
        return self.ok("shell", "-v0", "-c", code).strip()

    def execute(self, statement: str, file: Path | None = None) -> list[tuple[object, ...]]:
        with contextlib.closing(sqlite3.connect(file or self.file)) as database, database:
            return database.execute(statement).fetchall()

    def files(self) -> set[str]:
        return {path.name for path in self.folder.iterdir()} - {f"{self.file.name}-lock"}


@pytest.fixture(scope="module")
def template(tmp_path_factory) -> Path:
    registry = Registry(tmp_path_factory.mktemp("template"))
    registry.ok("migrate", "-v0")
    registry.shell(FILL)
    return registry.file


@pytest.fixture
def registry(template, tmp_path) -> Registry:
    folder = tmp_path / "installation"
    folder.mkdir()
    shutil.copy(template, folder)
    (folder / template.name).rename(folder / "registry.sqlite3")
    return Registry(folder)


def test_a_backup_says_what_it_holds_and_what_it_needs(registry):
    line = registry.ok("backup", "b.sqlite3")
    needed = f"To restore it, CONNECTION_SECRET_KEYS must have the key {key_id(KEY)}:"
    assert line.startswith(f"b.sqlite3 holds 7 connections. {needed}")
    assert stat.S_IMODE((registry.folder / "b.sqlite3").stat().st_mode) == 0o600
    assert registry.files() == {"registry.sqlite3", "b.sqlite3"}
    code = (
        "from connections.models import Connection; c = Connection.objects.get(pk=2); "
        "c.set_secret('token', 't'); c.save()"
    )
    registry.ok("shell", "-v0", "-c", code, CONNECTION_SECRET_KEYS=OTHER_KEY)
    done = registry.manage("backup", "c.sqlite3")
    assert all(key_id(key) in done.stdout for key in (KEY, OTHER_KEY))
    assert "Not among CONNECTION_SECRET_KEYS" in done.stderr
    assert key_id(OTHER_KEY) in done.stderr
    assert not any(key in done.stdout + done.stderr for key in (KEY, OTHER_KEY))


@pytest.mark.parametrize(
    ("target", "named"),
    [
        ("taken", "is there already"),
        ("dangling", "is there already"),
        ("folder", "is there already"),
        ("registry.sqlite3", "is there already"),
        ("nowhere/b.sqlite3", "No such file or directory"),
    ],
)
def test_a_backup_overwrites_nothing(target, named, registry):
    (registry.folder / "taken").write_text("mine")
    (registry.folder / "dangling").symlink_to("nothing")
    (registry.folder / "folder").mkdir()
    before = registry.files()
    assert named in registry.refusal("backup", target)
    assert registry.files() == before
    assert (registry.folder / "taken").read_text() == "mine"


def test_a_backup_without_a_database_is_refused(tmp_path):
    registry = Registry(tmp_path)
    assert "There is no database at" in registry.refusal("backup", "b.sqlite3")
    assert registry.files() == set()


def test_a_backup_of_a_damaged_database_is_refused(registry):
    content = bytearray(registry.file.read_bytes())
    content[40_000:120_000] = b"x" * 80_000
    registry.file.write_bytes(content)
    registry.refusal("backup", "b.sqlite3")
    assert registry.files() == {"registry.sqlite3"}


def test_a_backup_is_of_one_moment_while_others_write(registry):
    """Each writer adds an app and a connection in one transaction: no backup has one without the other."""
    registry.execute("CREATE TABLE pairs (a, b)")
    registry.execute("PRAGMA journal_mode = WAL")
    done = threading.Event()

    def write():
        with contextlib.closing(sqlite3.connect(registry.file, timeout=30, isolation_level=None)) as database:
            while not done.is_set():
                database.execute("BEGIN IMMEDIATE")
                database.execute("INSERT INTO pairs VALUES (1, NULL)")
                database.execute("INSERT INTO pairs VALUES (NULL, 1)")
                database.execute("COMMIT")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        counts = []
        for number in range(3):
            registry.ok("backup", f"{number}.sqlite3")
            counts += registry.execute(
                "SELECT count(a), count(b) FROM pairs", registry.folder / f"{number}.sqlite3"
            )
    finally:
        done.set()
        writer.join()
    assert all(first == second for first, second in counts)
    assert counts[0] < counts[-1]


def test_a_full_disk_leaves_no_half_backup(small_disk, registry):  # noqa: F811
    with (small_disk / "filler").open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4096)
    with (small_disk / "filler").open("r+b") as file:
        file.truncate((small_disk / "filler").stat().st_size - 100_000)
    assert "database or disk is full" in registry.refusal("backup", small_disk / "b.sqlite3")
    assert [path.name for path in small_disk.iterdir()] == ["filler"]


def test_a_backup_that_is_killed_leaves_nothing_under_the_name(registry):
    registry.execute("CREATE TABLE large (content)")
    registry.execute(
        "INSERT INTO large WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200) "
        "SELECT zeroblob(500000) FROM n"
    )
    process = subprocess.Popen(
        registry.command("backup", "b.sqlite3"), cwd=registry.folder, env=registry.environment
    )
    partial = until(lambda: list(registry.folder.glob(".b.sqlite3.*")) or process.poll() is not None)
    process.kill()
    process.wait()
    assert partial
    assert not (registry.folder / "b.sqlite3").exists()


def test_a_restore_brings_back_what_was(registry):
    registry.ok("backup", "b.sqlite3")
    registry.shell(EMPTY)
    assert registry.shell(COUNT) == "0"
    first, second = registry.ok("restore", "b.sqlite3").splitlines()
    assert second == "7 connections are restored from b.sqlite3."
    assert registry.shell(COUNT) == "7"
    previous = Path(first.removeprefix("The previous database is ").partition(";")[0])
    assert registry.execute("SELECT count(*) FROM connections_connection", previous) == [(0,)]
    assert {stat.S_IMODE(path.stat().st_mode) for path in (registry.file, previous)} == {0o600}
    assert registry.execute("PRAGMA integrity_check") == [("ok",)]


def test_a_restore_in_the_place_of_nothing(registry):
    registry.ok("backup", "b.sqlite3")
    registry.file.unlink()
    (registry.folder / "registry.sqlite3-wal").write_bytes(b"of the lost one")
    assert registry.ok("restore", "b.sqlite3") == "7 connections are restored from b.sqlite3.\n"
    assert registry.shell(COUNT) == "7"
    assert b"of the lost one" in [path.read_bytes() for path in registry.folder.glob("registry-before-*-wal")]


def test_a_write_ahead_log_that_was_left_goes_with_its_database(registry):
    """A killed server leaves changes in the write-ahead log that are not in the database file yet."""
    registry.ok("backup", "b.sqlite3")
    script = (
        "import sqlite3, sys, os; d = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "d.execute('PRAGMA journal_mode=WAL'); d.execute('PRAGMA wal_autocheckpoint=0');"
        "d.execute('CREATE TABLE late AS SELECT * FROM auditlog_logentry');"
        "d.execute('UPDATE connections_connection SET username = \\'late\\''); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", script, registry.file], check=False)
    assert (registry.folder / "registry.sqlite3-wal").stat().st_size
    first, *_ = registry.ok("restore", "b.sqlite3").splitlines()
    previous = Path(first.removeprefix("The previous database is ").partition(";")[0])
    late = "SELECT count(*) FROM connections_connection WHERE username = 'late'"
    assert registry.execute(late, previous) == [(7,)]
    assert registry.execute(late) == [(0,)]
    assert registry.execute("PRAGMA integrity_check") == [("ok",)]


def test_a_damaged_database_is_replaced_and_kept(registry):
    registry.ok("backup", "b.sqlite3")
    registry.file.write_bytes(b"garbage" * 1000)
    first, *_ = registry.ok("restore", "b.sqlite3").splitlines()
    previous = Path(first.removeprefix("The previous database is ").partition(";")[0])
    assert previous.read_bytes() == b"garbage" * 1000
    assert registry.shell(COUNT) == "7"


def foreign(file: Path) -> None:
    file.unlink()
    with contextlib.closing(sqlite3.connect(file)) as database, database:
        database.execute("CREATE TABLE recipes (name)")


def newer(file: Path) -> None:
    with contextlib.closing(sqlite3.connect(file)) as database, database:
        database.execute(
            "INSERT INTO django_migrations (app, name, applied) VALUES ('logs', '0099_later', '2030-01-01')"
        )


def broken_index(file: Path) -> None:
    with contextlib.closing(sqlite3.connect(file)) as database, database:
        database.execute("PRAGMA writable_schema = ON")
        database.execute("DELETE FROM sqlite_master WHERE name = 'connection_by_name'")


def other_installation(file: Path) -> None:
    with contextlib.closing(sqlite3.connect(file)) as database, database:
        database.execute(f"UPDATE itempath_installation SET uid = '{'1' * 32}'")


@pytest.mark.parametrize(
    ("spoil", "environment", "named"),
    [
        (lambda file: file.unlink(), {}, "is not there"),
        (lambda file: file.write_bytes(b"garbage"), {}, "is no backup of this product"),
        (lambda file: file.write_bytes(b""), {}, "is no backup of this product"),
        (lambda file: os.truncate(file, 100_000), {}, "is no backup of this product, or a damaged one"),
        (foreign, {}, "is no backup of this product"),
        (broken_index, {}, "is damaged"),
        (newer, {}, "comes from a newer version: it has the migration logs.0099_later."),
        (
            lambda file: None,
            {"CONNECTION_SECRET_KEYS": OTHER_KEY},
            f"needs the key {key_id(KEY)}, and CONNECTION_SECRET_KEYS has",
        ),
        (
            other_installation,
            {"INSTALLATION_ID": "2" * 32},
            "is of the installation 11111111-1111-1111-1111-111111111111",
        ),
    ],
    ids=["missing", "garbage", "empty", "truncated", "foreign", "index", "newer", "keys", "installation"],
)
def test_what_is_no_backup_of_this_installation_is_refused(spoil, environment, named, registry):
    registry.ok("backup", "b.sqlite3")
    spoil(registry.folder / "b.sqlite3")
    before = registry.file.read_bytes()
    line = registry.refusal("restore", "b.sqlite3", **environment)
    assert named in line
    assert line.endswith("Nothing was changed.")
    assert registry.file.read_bytes() == before
    assert registry.files() <= {"registry.sqlite3", "b.sqlite3"}


def test_the_database_is_no_backup_of_itself(registry):
    assert "is the database itself" in registry.refusal("restore", registry.file.name)


def test_an_older_backup_is_migrated(registry):
    registry.ok("backup", "b.sqlite3")
    backup = registry.folder / "b.sqlite3"
    registry.execute("DROP TABLE itempath_installation", backup)
    registry.execute("DELETE FROM django_migrations WHERE app = 'itempath'", backup)
    registry.ok("restore", "b.sqlite3", INSTALLATION_ID="2" * 32)
    assert registry.execute("SELECT uid FROM itempath_installation") == [("2" * 32,)]


def test_a_restore_refuses_what_another_program_has_open(registry):
    registry.ok("backup", "b.sqlite3")
    with contextlib.closing(sqlite3.connect(registry.file)) as other:
        other.execute("PRAGMA journal_mode = WAL")
        other.execute("SELECT count(*) FROM connections_app").fetchone()
        assert "has" in (line := registry.refusal("restore", "b.sqlite3"))
        assert "open; stop it first." in line


@pytest.mark.live
@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_restore_refuses_while_a_server_runs(processes, registry):
    registry.ok("backup", "b.sqlite3")
    port = free_port()
    environment = registry.environment | {"PORT": str(port), "WEB_CONCURRENCY": processes}
    server = subprocess.Popen(
        registry.command("serve"),
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        wait_for(f"http://127.0.0.1:{port}", server)  # without a query of the database so far
        workers = children(server.pid)
        assert "A server or a command has" in registry.refusal("restore", "b.sqlite3")
    finally:
        server.kill()
        server.wait()
        for worker in workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)
    # The lock of a killed server is gone.
    assert until(lambda: registry.manage("restore", "b.sqlite3").returncode == 0)


def test_a_restore_refuses_while_a_command_runs(registry):
    registry.ok("backup", "b.sqlite3")
    code = (
        "from connections.models import Connection; print(Connection.objects.count(), flush=True); "
        "import time; time.sleep(60)"
    )
    command = registry.command("shell", "-v0", "-c", code)
    with subprocess.Popen(
        command, cwd=ROOT, env=registry.environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "7\n"
        assert "A server or a command has" in registry.refusal("restore", "b.sqlite3")
        process.kill()
    registry.ok("restore", "b.sqlite3")


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_postgresql_has_programs_of_its_own(command, registry):
    line = registry.refusal(command, "b.sqlite3", DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")
    assert all(program in line for program in ("pg_dump", "pg_restore"))
