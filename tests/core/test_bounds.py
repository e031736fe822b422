"""Limits on the length of what an unauthenticated client sends."""

import io
import json
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_started
from django.db import close_old_connections

from core.bounds import (
    MAX_ANONYMOUS_BODY,
    MAX_ANONYMOUS_MULTIPART,
    MAX_HEADERS_LENGTH,
    MAX_PATH_LENGTH,
    MAX_QUERY_LENGTH,
    bound_requests,
)
from tests.core.api import PATH, refused
from tests.pages import browser, make_superuser


def call(method="GET", path="/api/connections", **environ):
    """Return the status and the body of the answer to a request with these WSGI variables."""
    started = []
    common = {
        "SCRIPT_NAME": "",
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
    }
    streams = {"wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(b""), "wsgi.errors": io.StringIO()}
    sent = {
        **common,
        **streams,
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "HTTP_HOST": "localhost",
        "REMOTE_ADDR": "127.0.0.1",
    }
    # The handler would close the connection of the test, and end its transaction.
    request_started.disconnect(close_old_connections)
    try:
        answer = bound_requests(WSGIHandler())(
            {**sent, **environ}, lambda status, headers, error=None: started.append(status)
        )
    finally:
        request_started.connect(close_old_connections)
    return int(started[0][:3]), b"".join(answer)


@pytest.mark.parametrize(("length", "status"), [(MAX_HEADERS_LENGTH - 100, 401), (MAX_HEADERS_LENGTH, 431)])
def test_the_length_of_headers(length, status, db):
    found, body = call(HTTP_X_ANYTHING="x" * length)
    assert found == status
    assert list(json.loads(body)) == ["msg", "errors"]


@pytest.mark.parametrize("prefix", ["/api/", "/api/connections/", "/admin/r/", "/static/", "/"])
@pytest.mark.parametrize("unit", ["a", "/", "a/", "1", "\xe9", "\xc3\xa9", "\n"])
def test_a_path_that_is_too_long_is_not_found(prefix, unit, db):
    status, body = call(path=prefix + unit * 60_000)
    may_be_an_id = (prefix, unit) == ("/api/connections/", "1")
    assert status == (401 if may_be_an_id else 404)
    assert prefix.startswith("/api/") == body.startswith(b'{"msg"')
    assert len(body) < MAX_PATH_LENGTH


def test_a_path_in_utf_8_arrives_as_it_is(db):
    assert call(path="/api/connections/\xc3\xbc/7")[0] == 401


@pytest.mark.parametrize("path", ["/admin/r/1/1/", "/admin/r/", "/admin/r/1"])
def test_the_redirect_to_a_record_does_not_exist(path, client, db):
    assert client.get(path).status_code == 404


@pytest.mark.parametrize(
    "content_type",
    [
        "a/b; a*=zz''x",
        "a/b; a*0*=utf-8''x",
        "a/b; a*0=x",
        "a" * 60_000,
        "a/b;" * 9_000,
        'a/b;a="' + ";" * 60_000,
    ],
)
def test_a_content_type_that_cannot_be_parsed_is_ignored(content_type, db):
    assert call(CONTENT_TYPE=content_type)[0] == 401
    body = {"wsgi.input": io.BytesIO(b"{}"), "CONTENT_LENGTH": "2"}
    status, answer = call("POST", "/api/users/login", CONTENT_TYPE=content_type, **body)
    assert (status, len(answer) < 200) == (415, True)


def test_a_session_works_beside_a_cookie_with_escapes(db):
    client = browser(make_superuser())
    session = client.cookies["sessionid"].value
    for cookies in (f'x="a\\"b"; sessionid={session}', f'sessionid={session}; x="\\101"'):
        assert call(path="/admin/connections/connection/", HTTP_COOKIE=cookies)[0] == 200


@pytest.mark.parametrize(("length", "status"), [(MAX_QUERY_LENGTH, 200), (MAX_QUERY_LENGTH + 1, 414)])
@pytest.mark.parametrize("path", ["/admin/login/", "/api/docs/", "/api/schema/"])
def test_the_length_of_a_query(path, length, status, client, db):
    answer = client.get(f"{path}?{'x' * length}")
    assert answer.status_code == status
    if status == 414 and path.startswith("/api/"):
        assert refused(answer, 414) == {}


def test_a_list_call_takes_long_arguments(api):
    assert api.get(f"{PATH}?name={'x' * 60_000}").status_code == 200


FORMS = {
    "application/x-www-form-urlencoded": MAX_ANONYMOUS_BODY,
    "multipart/form-data; boundary=b": MAX_ANONYMOUS_MULTIPART,
}


@pytest.mark.parametrize(("content_type", "limit"), FORMS.items())
@pytest.mark.parametrize(
    "path", ["/admin/login/", "/admin/connections/connection/add/", "/admin/logout/", "/nothing"]
)
def test_a_form_without_an_account(path, content_type, limit, client, db):
    client.cookies["csrftoken"] = "a" * 32
    assert client.post(path, b"x" * limit, content_type=content_type).status_code != 413
    assert client.post(path, b"x" * (limit + 1), content_type=content_type).status_code == 413
    client.cookies["sessionid"] = "made-up"
    assert client.post(path, b"x" * (limit + 1), content_type=content_type).status_code == 413


def test_a_form_with_an_account_may_be_large(db):
    answer = browser(make_superuser()).post("/admin/connections/app/add/", {"name": "x" * 200_000})
    assert answer.status_code == 200
    assert b"at most 255 characters" in answer.content


@pytest.mark.parametrize(
    "path", ["/api/users/login", "/api/token", "/api/token/refresh", "/api/token/verify"]
)
def test_json_without_an_account(path, client, db):
    for padding, status in ((MAX_ANONYMOUS_BODY - 2, 422), (MAX_ANONYMOUS_BODY, 413)):
        answer = client.post(path, b"{" + b" " * padding + b"}", content_type="application/json")
        assert answer.status_code == status
        refused(answer, status)


@pytest.mark.live
def test_the_server_answers_costly_requests_at_once(server):
    """Each of these requests once took seconds or minutes. The timeout is long enough for a busy machine."""
    connection = HTTPConnection(urlsplit(server.base).netloc, timeout=10)
    requests = [
        ("/api/connections", {"Cookie": 'a="' + "\\" * 60_000 + '"'}, 401),
        ("/api/connections", {"Content-Type": 'a/b;a="' + ";" * 60_000}, 401),
        ("/api/connections", {"Content-Type": "a/b; a*=zz''x"}, 401),
        (f"/admin/r/{'/' * 60_000}a", {}, 404),
        (f"/admin/r/{'a/' * 30_000}%0A", {}, 404),
        (f"/{'%E9' * 20_000}", {}, 404),
        ("/api/connections", {"X-Anything": "x" * 100_000}, 431),
    ]
    for path, headers, status in requests:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == status
    connection.close()
