"""The pages that a user sees when the database is locked, full or unreachable, and when the server fails."""

import contextlib
import http.cookiejar
import re
import sqlite3
import urllib.error
import urllib.parse
import urllib.request

import pytest
from django.contrib.messages.storage.fallback import FallbackStorage
from django.contrib.sessions.backends.db import SessionStore
from django.db import DatabaseError, InternalError, OperationalError
from django.http import HttpResponse
from django.template.response import TemplateResponse
from django.test import Client
from django.urls import path
from psycopg.errors import ReadOnlySqlTransaction

from core import error_pages
from itempath.urls import urlpatterns as real_urls
from tests.itempath.server.test_faults import postgresql, small_disk  # noqa: F401  # fixtures
from tests.pages import CONNECTIONS, browser, filled, make_connection, make_superuser, page_of, reread

LOCKED = OperationalError("database is locked")
HEADERS = {"HTTP_X_REQUEST_ID": "job-7"}


def fail(error):
    def failing(*args, **kwargs):
        raise error

    return failing


def caused(error: DatabaseError, cause: BaseException) -> DatabaseError:
    error.__cause__ = cause
    return error


def damaged() -> DatabaseError:
    cause = sqlite3.DatabaseError("database disk image is malformed")
    cause.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return caused(DatabaseError(str(cause)), cause)


class Lazy:
    """A value whose query runs, and fails, when a template renders it."""

    def __str__(self) -> str:
        raise LOCKED


handler400, handler500 = "core.error_pages.bad_request", "core.error_pages.server_error"
ERRORS = {
    "locked": LOCKED,
    "replica": caused(
        InternalError("cannot execute UPDATE in a read-only transaction"), ReadOnlySqlTransaction()
    ),
    "damaged": damaged(),
    "bug": ValueError("a bug"),
}
urlpatterns = [
    *(path(f"fails/{name}", fail(error)) for name, error in ERRORS.items()),
    *(path(f"api/fails/{name}", fail(error)) for name, error in ERRORS.items()),
    path("fails/in-template", lambda request: TemplateResponse(request, "404.html", {"request_id": Lazy()})),
    path("fine", lambda request: HttpResponse("fine")),
    *real_urls,
]


@pytest.fixture
def pages(settings) -> Client:
    settings.ROOT_URLCONF = __name__
    return Client(raise_request_exception=False)


def is_page(answer, status: int) -> bool:
    return (
        answer.status_code == status
        and answer["Content-Type"].startswith("text/html")
        and b"failure.css" in answer.content
    )


@pytest.mark.parametrize("name", ["locked", "replica", "damaged", "in-template"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_an_outage_is_a_page_with_retry_after(name, method, pages, caplog):
    answer = getattr(pages, method)(f"/fails/{name}", **HEADERS)
    assert is_page(answer, 503)
    assert (answer["Retry-After"], answer["Cache-Control"]) == ("5", "no-store")
    text = answer.content.decode()
    assert "job-7" in text
    assert ("reload this page to send it again" in text) is (method == "post")
    assert "<script" not in text
    (line,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert "The database cannot serve: " in line.getMessage()
    assert line.exc_info is None  # one line; a traceback would add nothing


@pytest.mark.parametrize(
    ("method", "error"),
    [
        ("django.middleware.common.CommonMiddleware.process_request", LOCKED),
        ("django.contrib.sessions.middleware.SessionMiddleware.process_request", LOCKED),
        ("django.contrib.sessions.middleware.SessionMiddleware.process_response", LOCKED),
        ("django.contrib.messages.middleware.MessageMiddleware.process_response", LOCKED),
    ],
)
def test_an_outage_in_middleware_is_the_same_page(method, error, pages, monkeypatch):
    monkeypatch.setattr(method, fail(error))
    assert is_page(pages.get("/fine"), 503)


def test_an_outage_in_middleware_is_json_for_the_api(pages, monkeypatch):
    monkeypatch.setattr("django.middleware.common.CommonMiddleware.process_request", fail(LOCKED))
    answer = pages.get("/api/connections")
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert answer.json() == {"msg": "The database cannot be reached; try again.", "errors": []}


def test_a_bug_is_a_page_with_the_request_id(pages):
    answer = pages.get("/fails/bug", **HEADERS)
    assert is_page(answer, 500)
    assert b"job-7" in answer.content
    assert b"a bug" not in answer.content
    assert pages.get("/api/fails/bug", **HEADERS).json()["msg"].endswith("under job-7.")


def test_pages_of_failures_ask_no_database(pages):
    # Without the `db` fixture, a query fails the test.
    pages.cookies["sessionid"] = "x" * 32
    assert is_page(pages.get("/fails/locked"), 503)
    assert is_page(pages.get("/fails/bug"), 500)
    assert is_page(pages.get("/fine", HTTP_HOST="evil.example.com"), 400)


def test_a_form_without_its_csrf_token_is_a_page(db):
    answer = Client(enforce_csrf_checks=True).post("/admin/login/", {"username": "ann"}, **HEADERS)
    assert is_page(answer, 403)
    assert b"job-7" in answer.content


def test_a_session_that_cannot_be_stored_is_no_fault_of_the_client(db, monkeypatch):
    """Django itself would answer 400, as if the session had been deleted."""
    client = browser(make_superuser(), raise_request_exception=False)
    monkeypatch.setattr("django.db.models.Model.save", fail(LOCKED))
    monkeypatch.setattr(
        FallbackStorage, "update", lambda self, response: self.request.session.update({"touched": True})
    )
    answer = client.get("/admin/login/")
    assert (answer.status_code, client.cookies["sessionid"].value) == (503, client.session.session_key)


def test_a_session_that_cannot_be_read_stays(db, monkeypatch):
    client = browser(make_superuser(), raise_request_exception=False)
    key = client.session.session_key
    with monkeypatch.context() as broken:
        broken.setattr(SessionStore, "_get_session_from_db", fail(LOCKED))
        assert is_page(client.get(CONNECTIONS), 503)
    assert client.cookies["sessionid"].value == key
    assert client.get(CONNECTIONS).status_code == 200


@pytest.mark.parametrize(
    "method", ["connections.models.Connection.save", "auditlog.models.LogEntryManager.log_create"]
)
def test_a_save_that_fails_saves_nothing(method, db, monkeypatch):
    client = browser(make_superuser(), raise_request_exception=False)
    connection = make_connection()
    form = filled(client.get(page_of(connection)), name="renamed")
    with monkeypatch.context() as broken:
        broken.setattr(method, fail(LOCKED))
        assert is_page(client.post(page_of(connection), form), 503)
    assert reread(connection).name == "ERP"
    assert client.post(page_of(connection), form).status_code == 302
    assert reread(connection).name == "renamed"


def test_names_of_the_handlers():
    """Django imports the handlers by these names."""
    assert (handler400, handler500) == (
        f"{error_pages.__name__}.bad_request",
        f"{error_pages.__name__}.server_error",
    )


class Browser:
    """A browser of the live server. `log_in` logs in as the admin of the example data."""

    def __init__(self, server) -> None:
        self.server = server
        self.opener = urllib.request.build_opener(
            urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        )

    def open(self, address: str, **data: str):
        """Return the status, the headers and the text of a page, or of the answer to its form with `data`."""
        body = urllib.parse.urlencode(data).encode() if data else None
        try:
            with self.opener.open(self.server.base + address, body, timeout=30) as answer:
                return answer.status, answer.headers, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers, error.read().decode()

    def log_in(self):
        token = re.search('csrfmiddlewaretoken" value="(.*?)"', self.open("/admin/login/")[2])
        assert token is not None
        fields = {
            "username": "admin",
            "password": self.server.admin_password,
            "csrfmiddlewaretoken": token[1],
            "next": CONNECTIONS,
        }
        return self.open("/admin/login/", **fields)


def is_unavailable(answer) -> bool:
    status, headers, text = answer
    return (
        status == 503
        and headers["Retry-After"] == "5"
        and "failure.css" in text
        and headers["X-Request-ID"] in text
    )


@pytest.mark.live
def test_pages_while_sqlite_is_locked(new_server, tmp_path):
    server = new_server(DATABASE_URL=f"sqlite:///{tmp_path / 'registry.sqlite3'}")
    user = Browser(server)
    with contextlib.closing(sqlite3.connect(tmp_path / "registry.sqlite3", isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        assert is_unavailable(user.log_in())
        writer.execute("ROLLBACK")
        assert user.log_in()[0] == 200
        writer.execute("BEGIN IMMEDIATE")
        assert user.open(CONNECTIONS)[0] == 200  # reads go on
        assert is_unavailable(user.log_in())
        writer.execute("ROLLBACK")
    assert user.open(CONNECTIONS)[0] == 200


@pytest.mark.live
def test_pages_while_the_disk_is_full(small_disk, new_server):  # noqa: F811
    server = new_server(DATABASE_URL=f"sqlite:///{small_disk / 'registry.sqlite3'}")
    user, filler = Browser(server), small_disk / "filler"
    assert user.log_in()[0] == 200
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4096)
    answers = [user.log_in() for _ in range(20)]
    assert any(map(is_unavailable, answers))
    assert {answer[0] for answer in answers} <= {200, 503}
    filler.unlink()
    assert user.log_in()[0] == 200


@pytest.mark.live
def test_pages_while_postgresql_is_away(postgresql, new_server):  # noqa: F811
    server = new_server(DATABASE_URL=postgresql.url)
    user = Browser(server)
    assert user.log_in()[0] == 200
    postgresql.stop()
    assert is_unavailable(user.open(CONNECTIONS))
    assert is_unavailable(user.open("/admin/"))
    assert user.open("/admin/nothing/")[0] in (404, 503)
    postgresql.start()
    assert user.open(CONNECTIONS)[0] == 200
