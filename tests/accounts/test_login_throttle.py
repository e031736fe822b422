import json
import sqlite3
import time
import unicodedata
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from io import StringIO
from threading import Barrier
from typing import Any

import pytest
import time_machine
from django.contrib.auth import authenticate
from django.core.management import CommandError, call_command
from django.db import connection, connections, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.login_throttle import (
    ADDRESS_LIMIT,
    PAIR_LIMIT,
    PENDING_TIMEOUT,
    USER_LIMIT,
    WINDOW_SECONDS,
    Attempt,
    login_attempt,
)
from accounts.models import LoginWindow
from accounts.roles import Role
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


# The ways to log in. Each returns `in`, `wrong` or `throttled`.


def api_login(name: str, password: str) -> str:
    return {200: "in", 404: "wrong", 429: "throttled"}[log_in(name, password).status_code]


def token_login(name: str, password: str) -> str:
    return {200: "in", 401: "wrong", 429: "throttled"}[log_in(name, password, "/api/token").status_code]


def admin_login(name: str, password: str) -> str:
    answer = Client().post("/admin/login/?next=/admin/", {"username": name, "password": password})
    if answer.status_code == 302:
        return "in"
    return "throttled" if "Too many failed logins" in answer.content.decode() else "wrong"


LOGINS = [api_login, token_login, admin_login]
Login = Callable[[str, str], str]


@pytest.mark.parametrize("name", ["reader", "nobody"])
def test_ten_failures_per_user_name_and_address(name, reader, clock):
    fail(PAIR_LIMIT, name)
    answer = log_in(name)
    assert answer.status_code == 429
    assert answer["Retry-After"] == str(WINDOW_SECONDS)
    assert list(answer.json()) == ["msg", "errors"]


def test_guesses_from_another_address_lock_nobody_out(reader):
    fail(PAIR_LIMIT, address="203.0.113.7")
    assert log_in("reader", address="203.0.113.7").status_code == 429
    assert log_in("reader", address="10.0.0.9").status_code == 200


def test_a_hundred_failures_per_user_name(reader, clock):
    for number in range(USER_LIMIT // PAIR_LIMIT):
        fail(PAIR_LIMIT, address=f"10.0.0.{number}")
    answer = log_in("reader", address="10.1.1.1")
    assert (answer.status_code, answer["Retry-After"]) == (429, str(WINDOW_SECONDS))
    assert log_in("operator", "wrong", address="10.1.1.1").status_code == 404


# Pairs of addresses that count as one client, and pairs that count as two.
SAME_CLIENT = [
    ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9"),
    ("::ffff:192.0.2.1", "192.0.2.1"),
    ("fe80::1%eth0", "fe80::2"),
    ("", "unknown"),
]
DIFFERENT_CLIENTS = [
    ("192.0.2.1", "192.0.2.2"),
    ("2001:db8:1:2::1", "2001:db8:1:3::1"),
    ("192.0.2.1", "2001:db8::1"),
]


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [*((*pair, True) for pair in SAME_CLIENT), *((*pair, False) for pair in DIFFERENT_CLIENTS)],
)
def test_which_addresses_are_one_client(first, second, same, reader):
    fail(PAIR_LIMIT, address=first)
    assert log_in("reader", address=second).status_code == (429 if same else 200)


def test_clients_without_an_address_share_no_limit_of_their_own(reader):
    assert statuses(((f"name-{number}", "wrong") for number in range(ADDRESS_LIMIT + 1)), address="") == [
        404
    ] * (ADDRESS_LIMIT + 1)


def test_an_attempt_does_not_wait_for_others(reader):
    others = [Attempt("reader", "127.0.0.1") for _ in range(PAIR_LIMIT)]
    for other in others:
        other.start()
    answer = log_in("reader")
    assert (answer.status_code, answer["Retry-After"]) == (429, "1")
    others[0].failed = False
    others[0].finish()
    assert log_in("reader").status_code == 200


def test_the_login_page_says_that_there_are_too_many_at_once(admin):
    for _ in range(PAIR_LIMIT):
        Attempt("admin", "127.0.0.1").start()
    page = Client().post("/admin/login/", {"username": "admin", "password": PASSWORD}).content.decode()
    assert "Too many logins at once" in page
    assert "Too many failed logins" not in page


def test_a_slow_success_is_no_failure(db, clock):
    attempt = Attempt("reader", "127.0.0.1")
    attempt.start()
    clock.shift(PENDING_TIMEOUT + 1)
    attempt.failed = False
    attempt.finish()
    assert not any(window.failures for window in LoginWindow.objects.all())


@pytest.mark.parametrize("name", ["x" * 151, "x" * 60_000])
@pytest.mark.parametrize("path", ["/api/users/login", "/api/token"])
def test_a_name_that_is_too_long_is_no_attempt(name, path, db):
    answer = log_in(name, path=path)
    assert (answer.status_code, [list(fault) for fault in answer.json()["errors"]]) == (422, [["username"]])
    assert not LoginWindow.objects.exists()


@pytest.mark.parametrize("path", ["/api/users/login", "/api/token"])
def test_a_password_that_is_too_long_is_no_attempt(path, reader):
    answer = log_in("reader", "x" * 4097, path=path)
    assert (answer.status_code, [list(fault) for fault in answer.json()["errors"]]) == (422, [["password"]])
    assert not LoginWindow.objects.exists()
    assert log_in("reader", "x" * 4096, path=path).status_code in (401, 404)


@pytest.mark.parametrize("field", ["username", "password"])
def test_the_admin_takes_no_longer_ones(field, db):
    data = {"username": "admin", "password": "x", field: "x" * 5000}
    page = Client().post("/admin/login/?next=/admin/", data)
    assert page.status_code == 200
    assert field in page.context["form"].errors
    assert not LoginWindow.objects.exists()


def test_no_backend_call_accepts_longer_ones(reader, rf):
    request = rf.post("/")
    assert authenticate(request, username="reader", password="x" * 4097) is None
    assert authenticate(request, username="x" * 151, password="x") is None
    assert not LoginWindow.objects.exists()


@pytest.mark.parametrize("login", ["/api/users/login", "/api/token"])
def test_the_limit_comes_before_the_password(login, reader, monkeypatch):
    fail(PAIR_LIMIT)
    monkeypatch.setattr("accounts.backends.redaction.add", fail_on_password)
    assert log_in("reader", path=login).status_code == 429


def fail_on_password(password):
    raise AssertionError("the password was looked at")


def test_a_name_in_another_form_of_unicode_is_one_name(db):
    make_user(unicodedata.normalize("NFC", "jürgen"), Role.READER)
    assert log_in(unicodedata.normalize("NFD", "jürgen")).status_code == 200
    fail(PAIR_LIMIT, unicodedata.normalize("NFD", "jürgen"))
    assert log_in(unicodedata.normalize("NFC", "jürgen")).status_code == 429


def test_a_name_that_could_not_be_normalized_logs_in_as_it_is_stored(db):
    nfc, nfd = (unicodedata.normalize(form, "jürgen") for form in ("NFC", "NFD"))
    make_user(nfc)
    other = make_user("other")
    other.set_password("another horse battery")
    other.save()
    type(other).objects.filter(pk=other.pk).update(username=nfd)
    assert statuses([(nfc, PASSWORD), (nfd, "another horse battery"), (nfd, PASSWORD)]) == [200, 200, 404]


def events(caplog) -> list[tuple[str, Any, Any]]:
    return [
        (record.message, getattr(record, "user_name", None), getattr(record, "address", None))
        for record in caplog.records
    ]


def test_failures_and_lock_outs_are_logged(reader, caplog):
    fail(PAIR_LIMIT - 1, address="192.0.2.1")
    assert set(events(caplog)) == {("A login failed", "reader", "192.0.2.1")}
    caplog.clear()
    fail(1, address="192.0.2.1")
    locked = f"Logins are locked for {WINDOW_SECONDS} s after {PAIR_LIMIT} failures"
    assert events(caplog) == [(locked, "reader", "192.0.2.1"), ("A login failed", "reader", "192.0.2.1")]
    caplog.clear()
    log_in("reader", address="192.0.2.1")
    assert events(caplog) == []  # refusals are in the access log only


def test_a_name_that_nobody_has_is_not_logged(db, caplog):
    fail(1, "hunter2hunter2")
    assert events(caplog) == [("A login failed", None, "127.0.0.1")]
    assert "hunter2" not in caplog.text


def test_a_flood_from_many_addresses_does_not_drown_the_log(db, clock, caplog, monkeypatch):
    monkeypatch.setattr("accounts.security_log.MAX_LINES_PER_MINUTE", 5)
    for number in range(12):
        fail(1, f"name-{number}", address=f"10.0.0.{number}")
    assert len(events(caplog)) == 5
    clock.shift(60)
    fail(1, "nobody")
    assert (len(events(caplog)), caplog.records[-1].left_out) == (6, 7)


def unlock(name: str) -> str:
    out = StringIO()
    call_command("unlock_login", name, stdout=out)
    return out.getvalue()


def test_unlock_login(reader, operator):
    for number in range(USER_LIMIT // PAIR_LIMIT):
        fail(PAIR_LIMIT, address=f"10.0.0.{number}")
    fail(PAIR_LIMIT, "operator")
    assert "100 failed logins of reader are forgotten." in unlock("reader")
    assert log_in("reader", address="10.0.0.1").status_code == 200
    assert log_in("operator").status_code == 429
    assert unlock("reader") == "No failed login of reader was counted.\n"


def test_unlock_login_takes_a_name_in_any_form(db):
    make_user(unicodedata.normalize("NFC", "jürgen"), Role.READER)
    fail(PAIR_LIMIT, unicodedata.normalize("NFC", "jürgen"))
    assert "10 failed logins" in unlock(unicodedata.normalize("NFD", "jürgen"))
    assert log_in(unicodedata.normalize("NFC", "jürgen")).status_code == 200


def test_unlock_login_of_nobody(db):
    with pytest.raises(CommandError, match=r"There is no user nobody\."):
        unlock("nobody")


def test_many_past_windows_are_removed_bit_by_bit(reader, clock):
    LoginWindow.objects.bulk_create(
        LoginWindow(key=f"pair:{number}", updated_at=START) for number in range(250)
    )
    clock.shift(WINDOW_SECONDS + 1)
    with CaptureQueriesContext(connection) as captured:
        fail(1)
    assert LoginWindow.objects.count() == 250 - 100 + 3
    assert not [query for query in captured if len(query["sql"]) > 5000]


def test_other_names_are_not_locked_out(reader, operator):
    fail(PAIR_LIMIT)
    assert statuses([("reader", PASSWORD), ("operator", PASSWORD), ("Reader", "wrong")]) == [429, 200, 404]


def test_thirty_failures_per_address(reader, clock):
    assert statuses((f"name-{number}", "wrong") for number in range(ADDRESS_LIMIT)) == [404] * ADDRESS_LIMIT
    answer = log_in("reader")
    assert (answer.status_code, answer["Retry-After"]) == (429, str(WINDOW_SECONDS))
    assert statuses([("reader", PASSWORD)], address="10.0.0.9") == [200]


def test_refused_attempts_are_no_failures(reader, clock):
    fail(PAIR_LIMIT)
    assert set(statuses([("reader", "wrong")] * ADDRESS_LIMIT)) == {429}
    # Otherwise a client that is locked out of one name would lock out its whole address.
    assert statuses([("nobody", "wrong")]) == [404]
    clock.shift(WINDOW_SECONDS + 1)
    assert statuses([("reader", PASSWORD)]) == [200]


def test_successes_neither_count_nor_reset_failures(reader):
    assert set(statuses([("reader", PASSWORD)] * (ADDRESS_LIMIT + 1))) == {200}
    fail(PAIR_LIMIT - 1)
    assert statuses([("reader", PASSWORD), ("reader", "wrong"), ("reader", PASSWORD)]) == [200, 404, 429]


def test_bad_requests_are_no_failures(reader):
    assert {log_in("reader", "").status_code for _ in range(ADDRESS_LIMIT + 1)} == {422}
    assert statuses([("reader", PASSWORD)]) == [200]


def test_the_window_slides(reader, clock):
    fail(1)
    clock.shift(60)
    fail(PAIR_LIMIT - 1)
    clock.move_to(START + timedelta(seconds=WINDOW_SECONDS - 1))
    answer = log_in("reader")
    assert (answer.status_code, answer["Retry-After"]) == (429, "1")
    clock.shift(2)
    # The first failure has left the window, the nine later ones have not.
    assert statuses([("reader", PASSWORD), ("reader", "wrong"), ("reader", PASSWORD)]) == [200, 404, 429]
    assert 55 <= int(log_in("reader")["Retry-After"]) <= 60


def test_retry_after_is_kept(reader, clock):
    fail(PAIR_LIMIT)
    clock.shift(100.5)
    clock.shift(int(log_in("reader")["Retry-After"]))
    assert statuses([("reader", PASSWORD)]) == [200]


def test_a_killed_process_is_a_failure(reader, clock):
    # The attempts are never finished: their process ended while the password was being checked.
    for _ in range(PAIR_LIMIT):
        Attempt("reader", "127.0.0.1").start()
    clock.shift(PENDING_TIMEOUT + 1)
    assert statuses([("reader", PASSWORD)]) == [429]
    clock.shift(WINDOW_SECONDS)
    assert statuses([("reader", PASSWORD)]) == [200]


def test_an_exception_is_a_failure(db):
    with pytest.raises(RuntimeError), login_attempt("reader", "127.0.0.1"):
        raise RuntimeError
    assert sorted(len(window.failures) for window in LoginWindow.objects.all()) == [1, 1, 1]
    assert not any(window.pending for window in LoginWindow.objects.all())


def test_user_names_are_not_kept(reader):
    # Users may type their password into the field of the name.
    fail(1, "hunter2hunter2")
    assert "hunter2" not in str(list(LoginWindow.objects.values()))


def test_past_windows_are_removed(db, clock):
    fail(3, "nobody")
    clock.shift(WINDOW_SECONDS + 1)
    fail(1, "someone")
    assert {len(window.failures) for window in LoginWindow.objects.all()} == {1}
    assert LoginWindow.objects.count() == 3


@pytest.mark.parametrize("login", LOGINS)
def test_the_limit_of_each_way_to_log_in(login: Login, admin):
    assert [login("admin", "wrong") for _ in range(PAIR_LIMIT)] == ["wrong"] * PAIR_LIMIT
    assert [each("admin", PASSWORD) for each in LOGINS] == ["throttled"] * len(LOGINS)


@pytest.mark.parametrize("login", LOGINS)
def test_successes_of_each_way_to_log_in(login: Login, admin):
    assert {login("admin", PASSWORD) for _ in range(PAIR_LIMIT + 1)} == {"in"}


def test_all_ways_to_log_in_share_the_windows(admin):
    for number in range(PAIR_LIMIT):
        assert LOGINS[number % len(LOGINS)]("admin", "wrong") == "wrong"
    assert [each("admin", PASSWORD) for each in LOGINS] == ["throttled"] * len(LOGINS)


def test_retry_after_of_simple_jwts_view(reader, clock):
    fail(PAIR_LIMIT)
    answer = log_in("reader", path="/api/token")
    assert (answer.status_code, answer["Retry-After"], answer.json()["errors"]) == (
        429,
        str(WINDOW_SECONDS),
        [],
    )


@pytest.fixture
def shared_database(transactional_db, tmp_path, monkeypatch) -> None:
    """Give the test's database to other threads, as those of a server have it.

    SQLite's test database is in memory, where a locked table is an error without a wait. So new connections
    get a copy in a file.
    """
    make_user("reader", Role.READER)
    if connection.vendor == "sqlite":
        file = tmp_path / "copy.sqlite3"
        with closing(sqlite3.connect(file)) as copy:
            connection.connection.backup(copy)
        monkeypatch.setitem(
            connections.settings, "default", connections.settings["default"] | {"NAME": str(file)}
        )


def at_once(count: int, call: Callable[[int], int]) -> Counter[int]:
    """Run `call` in `count` threads at once, and return the number of each answer."""
    barrier = Barrier(count)

    def run(number: int) -> int:
        barrier.wait(30)
        try:
            return call(number)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(count) as pool:
        return Counter(pool.map(run, range(count)))


def log_in_persistently(name: str, password: str = PASSWORD) -> int:
    """Log in, and again as long as the answer is to wait for a second, while other attempts are checked."""
    deadline = time.monotonic() + 60
    while (answer := log_in(name, password)).get("Retry-After") == "1":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return int(answer.status_code)


# With more threads, a login on a busy machine would wait too long for SQLite's one write lock.
THREADS = 16


@pytest.mark.usefixtures("shared_database")
def test_parallel_failures_are_counted_exactly():
    assert at_once(THREADS, lambda number: log_in_persistently("reader", "wrong")) == {
        404: PAIR_LIMIT,
        429: THREADS - PAIR_LIMIT,
    }


@pytest.mark.usefixtures("shared_database")
def test_parallel_failures_of_one_address_are_counted_exactly(monkeypatch):
    monkeypatch.setattr("accounts.login_throttle.ADDRESS_LIMIT", 12)
    answers = at_once(THREADS, lambda number: log_in_persistently(f"name-{number}", "wrong"))
    assert answers == {404: 12, 429: THREADS - 12}


@pytest.mark.usefixtures("shared_database")
def test_parallel_successes_are_never_counted():
    assert at_once(THREADS, lambda number: log_in_persistently("reader")) == {200: THREADS}
    assert not any(window.failures for window in LoginWindow.objects.all())


@pytest.mark.usefixtures("shared_database")
def test_successes_beside_failures():
    # With one failure less than the limit, a login that is refused because of pending attempts must succeed
    # later.
    answers = at_once(
        THREADS,
        lambda number: log_in_persistently("reader", "wrong" if number < PAIR_LIMIT - 1 else PASSWORD),
    )
    assert answers == {404: PAIR_LIMIT - 1, 200: THREADS + 1 - PAIR_LIMIT}


@pytest.mark.usefixtures("shared_database")
def test_a_window_that_counts_again_is_not_removed_as_past():
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    first, second = Attempt("reader", "10.0.0.1"), Attempt("other", "10.0.0.2")
    LoginWindow.objects.bulk_create(LoginWindow(key=key) for key in first.limits)
    LoginWindow.objects.update(updated_at=timezone.now() - timedelta(seconds=WINDOW_SECONDS + 1))
    with transaction.atomic():
        windows = first.lock_windows()
        assert at_once(1, lambda number: second.finish() or 1) == {1: 1}
        for window in windows:
            window.failures.append(time.time())
            window.save()
    assert {key: len(LoginWindow.objects.get(key=key).failures) for key in first.limits} == dict.fromkeys(
        first.limits, 1
    )


def post(url: str, body: dict[str, str]) -> tuple[int, str | None]:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return int(answer.status), None
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, refusal.headers["Retry-After"]


@pytest.mark.live
def test_exact_across_server_processes(new_server):
    server = new_server(WEB_CONCURRENCY="2")

    url = f"{server.base}/api/users/login"

    def attempt(password: str) -> int:
        body = {"username": "admin", "password": password}
        status, wait = post(url, body)
        while wait in ("1", "5"):  # others' passwords are being checked, or the database is busy
            status, wait = post(url, body)
        return status

    assert at_once(12, lambda number: attempt(server.admin_password)) == {200: 12}
    assert at_once(THREADS, lambda number: attempt("wrong")) == {404: PAIR_LIMIT, 429: THREADS - PAIR_LIMIT}
    assert attempt(server.admin_password) == 429
