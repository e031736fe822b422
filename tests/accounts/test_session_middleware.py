"""The Content-Security-Policy of pages, and the two time limits of a session."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.contrib import admin
from django.contrib.sessions.models import Session
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from tests.pages import CONNECTIONS, browser, make_connection, make_superuser, page_of

# The Content-Security-Policy


def policy_of(answer) -> dict[str, list[str]]:
    parts = (part.split() for part in answer.get("Content-Security-Policy", "").split(";") if part)
    return {name: sources for name, *sources in parts}


STRICT_POLICY = {
    "default-src": ["'none'"],
    "script-src": ["'self'"],
    "style-src": ["'self'", "'unsafe-inline'"],
    "font-src": ["'self'"],
    "img-src": ["'self'", "data:"],
    "connect-src": ["'self'"],
    "object-src": ["'none'"],
    "base-uri": ["'none'"],
    "frame-ancestors": ["'none'"],
    "form-action": ["'self'"],
}
# Alpine.js evaluates the attributes of the admin's pages.
ADMIN_POLICY = STRICT_POLICY | {"script-src": ["'self'", "'unsafe-eval'"]}


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/api/docs/",
        "/api/docs",
        "/admin/nothing/",
        "/admin/connections/connection/?name__regex=x",
    ],
)
def test_a_page_that_is_no_page_of_the_admin_may_run_nothing_of_its_own(path, db):
    assert policy_of(browser(make_superuser()).get(path)) == STRICT_POLICY


def test_a_form_without_its_token_is_answered_with_the_policy(db):
    assert (
        policy_of(Client(enforce_csrf_checks=True).post("/admin/login/", {"username": "x"})) == STRICT_POLICY
    )


def test_every_page_of_the_admin_has_the_policy(db):
    client, record = browser(make_superuser()), make_connection()
    paths = ["/admin/", "/admin/password_change/", page_of(record), f"{CONNECTIONS}{record.pk}/delete/"]
    for model in admin.site._registry:
        paths.append(reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"))
    assert [path for path in paths if policy_of(client.get(path, follow=True)) != ADMIN_POLICY] == []
    assert policy_of(Client().get("/admin/login/")) == ADMIN_POLICY


@pytest.mark.parametrize("path", ["/api/connections", "/api/nothing", "/healthz", "/readyz"])
def test_other_answers_have_no_policy(path, db):
    assert policy_of(Client().get(path)) == {}


def test_no_page_has_scripts_in_it(db):
    """The policy would not let them run."""
    client, record = browser(make_superuser()), make_connection()
    for path in ("/admin/login/", CONNECTIONS, page_of(record), "/api/docs/", "/nothing"):
        text = client.get(path, follow=True).content.decode()
        assert [tag for tag in text.split("<script")[1:] if " src=" not in tag.partition(">")[0]] == []


# The session

LOGIN = datetime(2026, 5, 7, 8, 0, tzinfo=UTC)


def after(minutes: float):
    return time_machine.travel(LOGIN + timedelta(minutes=minutes), tick=False)


@pytest.fixture
def client(db) -> Client:
    with after(0):
        return browser(make_superuser())


def is_in(client: Client, minutes: float) -> bool:
    with after(minutes):
        return client.get("/admin/password_change/").status_code == 200


def test_a_session_that_is_idle_ends(client):
    assert is_in(client, 59)
    assert is_in(client, 118)
    assert not is_in(client, 179)
    assert not is_in(client, 60)
    assert not Session.objects.exists()


def test_a_session_ends_hours_after_its_login_however_it_is_used(client):
    assert all(is_in(client, minutes) for minutes in range(0, 12 * 60, 30))
    assert is_in(client, 12 * 60 - 1)
    assert not is_in(client, 12 * 60)


def test_a_new_login_restarts_both_limits(client):
    user = make_superuser_again()
    assert all(is_in(client, minutes) for minutes in range(0, 11 * 60, 30))
    with after(11 * 60):
        client.force_login(user)
    assert all(is_in(client, minutes) for minutes in range(11 * 60, 22 * 60, 30))


def make_superuser_again():
    from accounts.models import User

    return User.objects.get(username="root")


@pytest.mark.parametrize(("hours", "minutes", "lasts"), [(1, 600, 60), (100, 5, 5), (24, 120, 120)])
def test_both_limits_can_be_set(hours, minutes, lasts, client, settings):
    settings.SESSION_COOKIE_AGE, settings.SESSION_IDLE_SECONDS = hours * 3600, minutes * 60
    assert is_in(client, lasts - 0.5)
    with after(0):
        client.force_login(make_superuser_again())
    assert not is_in(client, lasts)


def test_a_session_without_a_login_time_has_ended(client):
    with after(0):
        session = client.session
        del session["logged_in"]
        session.save()
    assert not is_in(client, 1)


def writes(client: Client, minutes: float) -> list[str]:
    with after(minutes), CaptureQueriesContext(connection) as queries:
        assert client.get("/admin/password_change/").status_code == 200
    return [each["sql"] for each in queries.captured_queries if each["sql"].startswith("UPDATE")]


def test_a_use_is_written_once_a_minute(client):
    assert [len(writes(client, minutes)) for minutes in (0, 0.5, 0.9, 1, 1.5, 1.9, 2)] == [
        0,
        0,
        0,
        1,
        0,
        0,
        1,
    ]


def test_with_a_short_limit_uses_are_written_more_often(client, settings):
    settings.SESSION_IDLE_SECONDS = 60
    assert [len(writes(client, seconds / 60)) for seconds in (5, 6, 10, 12)] == [0, 1, 0, 1]
    assert not is_in(client, 72 / 60)


def test_a_page_that_reads_waits_for_no_writer(client, monkeypatch):
    """Nor does it fail if the session cannot be written: the use is written with a later page."""

    def locked(*args, **kwargs):
        raise OperationalError("database is locked")

    monkeypatch.setattr("django.contrib.sessions.backends.db.SessionStore.save", locked)
    assert is_in(client, 30)
    monkeypatch.undo()
    assert is_in(client, 59)


def test_logging_out_ends_it_at_once(client):
    with after(5):
        client.post("/admin/logout/")
    assert not is_in(client, 5)


def test_without_a_login_there_is_no_session(db):
    client = Client()
    assert client.get("/admin/login/").status_code == 200
    assert "sessionid" not in client.cookies
    assert not Session.objects.exists()
