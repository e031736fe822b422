"""Fixtures for all tests: users of each role, API clients, and the server as a real process."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from django.conf import settings
from rest_framework.test import APIClient

from accounts import bearer_cache, security_log
from accounts.models import ApiKey, User
from accounts.roles import Role
from core.api import list_queries

ROOT = Path(__file__).resolve().parent.parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests with servers first. They take longest, and at the end few processes would share them."""
    items.sort(key=lambda item: item.get_closest_marker("live") is None)


def make_user(name: str, role: Role = Role.NONE, **fields) -> User:
    user = User.objects.create_user(name, password="correct horse battery", **fields)
    user.set_role(role)
    return user


@pytest.fixture(scope="session")
def django_db_modify_db_settings(request):
    """Give each process of the suite a database of its own, by a suffix to the name.

    The databases of SQLite are in memory and need none; pytest-django knows that of Django's own backend
    only.
    """
    if not settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"):
        request.getfixturevalue("django_db_modify_db_settings_parallel_suffix")


@pytest.fixture(autouse=True)
def quick_hashing(settings):
    """Hash passwords with one round instead of a million."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def quick_clients(settings):
    """Look for static files when they are requested, so that a new client need not list them all."""
    settings.WHITENOISE_AUTOREFRESH = True


@pytest.fixture(autouse=True)
def clear_caches():
    """Clear what a process caches, so that no test sees the bearers or pages of another."""
    bearer_cache.clear()
    for budget in (security_log.failed, security_log.locked, security_log.refused):
        budget.clear()
    list_queries.cache.clear()


@pytest.fixture
def reader(db) -> User:
    return make_user("reader", Role.READER)


@pytest.fixture
def operator(db) -> User:
    return make_user("operator", Role.OPERATOR)


@pytest.fixture
def manager(db) -> User:
    return make_user("manager", Role.MANAGER)


@pytest.fixture
def stranger(db) -> User:
    return make_user("stranger")


@pytest.fixture
def application(db) -> User:
    return make_user("application", Role.READER, type=User.Type.APPLICATION)


@pytest.fixture
def bearer() -> Callable[[User | str], APIClient]:
    """Return a function that makes an API client for a user, by a new API key, or for a raw bearer."""

    def client_of(who: User | str) -> APIClient:
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {ApiKey.issue(who) if isinstance(who, User) else who}")
        return client

    return client_of


@pytest.fixture
def api(reader: User, bearer: Callable[[User | str], APIClient]) -> APIClient:
    """An API client of `reader`."""
    return bearer(reader)


@dataclass
class Server:
    """A running `manage.py serve` and the lines that it printed."""

    process: subprocess.Popen[str]
    base: str
    environment: dict[str, str]
    printed: list[str]

    @property
    def curl_line(self) -> str:
        return next(line for line in self.printed if line.startswith("curl "))

    @property
    def key(self) -> str:
        return self.curl_line.split("Bearer ")[1].split('"')[0]

    @property
    def admin_password(self) -> str:
        return next(line for line in self.printed if "password" in line).split("password ")[1].split()[0]

    def manage(self, *words: str, **options) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "manage.py", *words]
        return subprocess.run(
            command,
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            **options,
        )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(base: str, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 90  # the machine may be busy with other tests
    while time.monotonic() < deadline:
        assert process.poll() is None, f"the server ended with {process.returncode}"
        try:
            urllib.request.urlopen(f"{base}/healthz", timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("the server does not answer")


def children(pid: int) -> list[int]:
    """Return the ids of the server processes, without Python's resource tracker."""
    found = subprocess.run(
        ["ps", "-ww", "--ppid", str(pid), "-o", "pid=,args="], capture_output=True, text=True, check=False
    ).stdout
    return [
        int(line.split()[0])
        for line in found.splitlines()
        if "resource_tracker" not in line and "defunct" not in line
    ]


def until(condition: Callable[[], Any], seconds: float = 20) -> Any:
    """Wait until `condition` returns something true, and return that."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)
    return found


def start_server(environment: dict[str, str], log: Path) -> Server:
    environment = {**os.environ, "DEMO": "1", "PORT": str(free_port()), **environment}
    with log.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "serve"],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    base = f"http://127.0.0.1:{environment['PORT']}"
    try:
        wait_for(base, process)
    except AssertionError:
        process.kill()
        process.communicate()
        raise
    assert process.stdout is not None
    printed: list[str] = []
    while not (printed and printed[-1].startswith("curl ")):
        printed.append(process.stdout.readline().rstrip("\n"))
    return Server(process, base, environment, printed)


def stop_server(server: Server) -> None:
    server.process.send_signal(signal.SIGTERM)
    server.process.wait(20)
    assert server.process.stdout is not None
    server.process.stdout.close()


@contextmanager
def running_server(database: str, folder: Path) -> Iterator[Server]:
    """Run a server on `database` during the block. Its log goes to `folder`."""
    server = start_server({"DATABASE_URL": database}, folder / "errors.log")
    try:
        yield server
    finally:
        stop_server(server)


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory) -> Iterator[Callable[[], str]]:
    """Return a function that creates a database of the suite's kind and returns its DATABASE_URL.

    The database is empty, or a copy of the one that is passed.
    """
    admin_url = os.environ["DATABASE_URL"]
    names: list[str] = []

    def make(template: str = "") -> str:
        if settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"):
            file = tmp_path_factory.mktemp("database") / "live.sqlite3"
            if template:
                shutil.copy(template.removeprefix("sqlite:///"), file)
            return f"sqlite:///{file}"
        names.append(f"registry_live_{uuid4().hex[:12]}")
        with psycopg.connect(admin_url, autocommit=True) as database:
            database.execute(
                f'CREATE DATABASE "{names[-1]}" TEMPLATE "{template.rpartition("/")[2] or "template1"}"'
            )
        return f"{admin_url.rpartition('/')[0]}/{names[-1]}"

    yield make
    for name in names:
        with psycopg.connect(admin_url, autocommit=True) as database:
            database.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(scope="session")
def new_database(empty_database) -> Callable[[], str]:
    """Return a function that creates a migrated, empty database. The migrations run only once."""

    @cache
    def migrated() -> str:
        url: str = empty_database()
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "-v0"],
            cwd=ROOT,
            env={**os.environ, "DATABASE_URL": url},
            check=True,
        )
        return url

    return lambda: empty_database(template=migrated())


@pytest.fixture(scope="session")
def server(new_database, tmp_path_factory) -> Iterator[Server]:
    """A server with the example data, for tests that only read."""
    with running_server(new_database(), tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
def new_server(new_database, tmp_path) -> Iterator[Callable[..., Server]]:
    """Return a function that starts a server, with a new database unless it is passed one."""
    running: list[Server] = []

    def start(**environment: str) -> Server:
        if "DATABASE_URL" not in environment:
            environment["DATABASE_URL"] = new_database()
        running.append(start_server(environment, tmp_path / f"errors-{len(running)}.log"))
        return running[-1]

    yield start
    for each in running:
        stop_server(each)


@pytest.fixture
def curl() -> Callable[..., str]:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")

    def run(line: str, **variables: str) -> str:
        done = subprocess.run(
            ["bash", "-c", line],
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
