import json
import sqlite3
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
import time_machine
from django.db import connection, connections
from django.test import Client

from accounts.models import LoginWindow
from accounts.roles import Role
from accounts.throttle import ADDRESS_LIMIT, PENDING_FOR, PERIOD, USER_LIMIT, Attempt, login_attempt
from tests.conftest import make_user

PASSWORD = "correct horse battery"
START = datetime(2026, 5, 7, 13, 30, tzinfo=UTC)


@pytest.fixture
def clock():
    with time_machine.travel(START, tick=False) as traveller:
        yield traveller


@pytest.fixture
def admin(db):
    return make_user("admin", is_staff=True, is_superuser=True)


def log_in(name: str, password: str = PASSWORD, path: str = "/api/users/login", address: str = "127.0.0.1"):
    body = json.dumps({"username": name, "password": password})
    return Client().post(path, body, content_type="application/json", REMOTE_ADDR=address)


def statuses(attempts: Iterable[tuple[str, str]], **where: str) -> list[int]:
    return [log_in(name, password, **where).status_code for name, password in attempts]


def fail(times: int, name: str = "reader", **where: str) -> None:
    assert statuses([(name, "wrong")] * times, **where) == [404] * times


# The ways in; each says what became of the attempt.


def api_login(name: str, password: str) -> str:
    return {200: "in", 404: "wrong", 429: "throttled"}[log_in(name, password).status_code]


def token_login(name: str, password: str) -> str:
    return {200: "in", 401: "wrong", 429: "throttled"}[log_in(name, password, "/api/token").status_code]


def admin_login(name: str, password: str) -> str:
    answer = Client().post("/admin/login/?next=/admin/", {"username": name, "password": password})
    if answer.status_code == 302:
        return "in"
    return "throttled" if "Too many failed logins" in answer.content.decode() else "wrong"


DOORS = [api_login, token_login, admin_login]
Door = Callable[[str, str], str]


@pytest.mark.parametrize("name", ["reader", "nobody"])
def test_ten_failures_per_user_name(name, reader, clock):
    fail(USER_LIMIT, name)
    answer = log_in(name, PASSWORD, address="10.0.0.9")
    assert answer.status_code == 429
    assert answer["Retry-After"] == str(PERIOD)
    assert list(answer.json()) == ["msg", "errors"]


def test_other_names_are_not_shut_out(reader, operator):
    fail(USER_LIMIT)
    assert statuses([("reader", PASSWORD), ("operator", PASSWORD), ("Reader", "wrong")]) == [429, 200, 404]


def test_thirty_failures_per_address(reader, clock):
    assert statuses((f"name-{number}", "wrong") for number in range(ADDRESS_LIMIT)) == [404] * ADDRESS_LIMIT
    answer = log_in("reader")
    assert (answer.status_code, answer["Retry-After"]) == (429, str(PERIOD))
    assert statuses([("reader", PASSWORD)], address="10.0.0.9") == [200]


def test_refused_attempts_are_no_failures(reader, clock):
    fail(USER_LIMIT)
    assert set(statuses([("reader", "wrong")] * ADDRESS_LIMIT)) == {429}
    # Or whoever is shut out of one name would shut out the whole address.
    assert statuses([("nobody", "wrong")]) == [404]
    clock.shift(PERIOD + 1)
    assert statuses([("reader", PASSWORD)]) == [200]


def test_successes_neither_count_nor_forgive(reader):
    assert set(statuses([("reader", PASSWORD)] * (ADDRESS_LIMIT + 1))) == {200}
    fail(USER_LIMIT - 1)
    assert statuses([("reader", PASSWORD), ("reader", "wrong"), ("reader", PASSWORD)]) == [200, 404, 429]


def test_bad_requests_are_no_failures(reader):
    assert {log_in("reader", "").status_code for _ in range(ADDRESS_LIMIT + 1)} == {422}
    assert statuses([("reader", PASSWORD)]) == [200]


def test_the_window_slides(reader, clock):
    fail(1)
    clock.shift(60)
    fail(USER_LIMIT - 1)
    clock.move_to(START + timedelta(seconds=PERIOD - 1))
    answer = log_in("reader")
    assert (answer.status_code, answer["Retry-After"]) == (429, "1")
    clock.shift(2)
    # The first failure has left the window, the nine later ones have not.
    assert statuses([("reader", PASSWORD), ("reader", "wrong"), ("reader", PASSWORD)]) == [200, 404, 429]
    assert 55 <= int(log_in("reader")["Retry-After"]) <= 60


def test_retry_after_is_kept(reader, clock):
    fail(USER_LIMIT)
    clock.shift(100.5)
    clock.shift(int(log_in("reader")["Retry-After"]))
    assert statuses([("reader", PASSWORD)]) == [200]


def test_a_killed_process_is_a_failure(reader, clock):
    # Each attempt is entered and never left: its process ended while the password was being checked.
    for _ in range(USER_LIMIT):
        Attempt("reader", "127.0.0.1").enter()
    clock.shift(PENDING_FOR + 1)
    assert statuses([("reader", PASSWORD)]) == [429]
    clock.shift(PERIOD)
    assert statuses([("reader", PASSWORD)]) == [200]


def test_an_exception_is_a_failure(db):
    with pytest.raises(RuntimeError), login_attempt("reader", "127.0.0.1"):
        raise RuntimeError
    assert sorted(len(window.failures) for window in LoginWindow.objects.all()) == [1, 1]
    assert not any(window.pending for window in LoginWindow.objects.all())


def test_user_names_are_not_kept(reader):
    # People type their password into the wrong field.
    fail(1, "hunter2hunter2")
    assert "hunter2" not in str(list(LoginWindow.objects.values()))


def test_past_windows_are_removed(db, clock):
    fail(3, "nobody")
    clock.shift(PERIOD + 1)
    fail(1, "someone")
    assert {len(window.failures) for window in LoginWindow.objects.all()} == {1}
    assert LoginWindow.objects.count() == 2


@pytest.mark.parametrize("door", DOORS)
def test_the_limit_behind_each_door(door: Door, admin):
    assert [door("admin", "wrong") for _ in range(USER_LIMIT)] == ["wrong"] * USER_LIMIT
    assert [each("admin", PASSWORD) for each in DOORS] == ["throttled"] * len(DOORS)


@pytest.mark.parametrize("door", DOORS)
def test_successes_behind_each_door(door: Door, admin):
    assert {door("admin", PASSWORD) for _ in range(USER_LIMIT + 1)} == {"in"}


def test_all_doors_share_the_windows(admin):
    for number in range(USER_LIMIT):
        assert DOORS[number % len(DOORS)]("admin", "wrong") == "wrong"
    assert [each("admin", PASSWORD) for each in DOORS] == ["throttled"] * len(DOORS)


def test_retry_after_of_simple_jwts_view(reader, clock):
    fail(USER_LIMIT)
    answer = log_in("reader", path="/api/token")
    assert (answer.status_code, answer["Retry-After"], answer.json()["errors"]) == (429, str(PERIOD), [])


@pytest.fixture
def shared_database(transactional_db, tmp_path, monkeypatch) -> None:
    """Let other threads have the test's database as a server's threads have theirs.

    SQLite's test database is in memory, where a lock is an error at once: new connections get a copy in a file.
    """
    make_user("reader", Role.READER)
    if connection.vendor == "sqlite":
        file = tmp_path / "copy.sqlite3"
        with closing(sqlite3.connect(file)) as copy:
            connection.connection.backup(copy)
        monkeypatch.setitem(connections.settings, "default", connections.settings["default"] | {"NAME": str(file)})


def at_once(count: int, call: Callable[[int], int]) -> Counter[int]:
    """Run `call` in `count` threads that start together, and count the answers."""
    barrier = Barrier(count)

    def run(number: int) -> int:
        barrier.wait(30)
        try:
            return call(number)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(count) as pool:
        return Counter(pool.map(run, range(count)))


@pytest.mark.usefixtures("shared_database")
def test_parallel_failures_are_counted_exactly():
    assert at_once(40, lambda number: log_in("reader", "wrong").status_code) == {404: USER_LIMIT, 429: 40 - USER_LIMIT}


@pytest.mark.usefixtures("shared_database")
def test_parallel_failures_of_one_address_are_counted_exactly():
    answers = at_once(40, lambda number: log_in(f"name-{number}", "wrong").status_code)
    assert answers == {404: ADDRESS_LIMIT, 429: 40 - ADDRESS_LIMIT}


@pytest.mark.usefixtures("shared_database")
def test_parallel_successes_are_never_refused():
    assert at_once(40, lambda number: log_in("reader").status_code) == {200: 40}


@pytest.mark.usefixtures("shared_database")
def test_successes_beside_failures():
    # One failure short of the limit: what waits for the others' passwords must get in after them.
    answers = at_once(30, lambda number: log_in("reader", "wrong" if number < USER_LIMIT - 1 else PASSWORD).status_code)
    assert answers == {404: USER_LIMIT - 1, 200: 31 - USER_LIMIT}


def post(url: str, body: dict[str, str]) -> int:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code


@pytest.mark.live
def test_exact_across_server_processes(new_server):
    server = new_server(WEB_CONCURRENCY="2")

    def attempt(password: str) -> int:
        return post(f"{server.base}/api/users/login", {"username": "admin", "password": password})

    assert at_once(12, lambda number: attempt(server.admin_password)) == {200: 12}
    assert at_once(40, lambda number: attempt("wrong")) == {404: USER_LIMIT, 429: 40 - USER_LIMIT}
    assert attempt(server.admin_password) == 429
