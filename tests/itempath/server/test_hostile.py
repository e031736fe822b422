"""Requests of badly written clients to the real server get JSON: 4xx or the right list, never 5xx."""

import http.client
import json
from urllib.parse import quote, urlsplit

import pytest

pytestmark = pytest.mark.live

EVERYTHING = [1, 2, 3, 4, 5, 6, 7]


@pytest.fixture
def call(server):
    """Return a function that sends a request and returns status, headers and the parsed body."""

    def send(method="GET", path="/api/connections", body=None, **headers):
        connection = http.client.HTTPConnection(urlsplit(server.base).netloc, timeout=60)
        sent = {
            "Authorization": f"Bearer {server.key}",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        try:
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        if text:
            assert answer.headers["Content-Type"] == "application/json"
        return answer.status, answer.headers, json.loads(text) if text else None

    return send


def ids(answer):
    status, _, body = answer
    assert status == 200, body
    return [record["id"] for record in body]


def test_more_than_1000_arguments(call):
    assert ids(call(path="/api/connections?" + "&".join(["x=1"] * 1000))) == EVERYTHING
    assert call(path="/api/connections?" + "&".join(["x=1"] * 1001))[0] == 400


@pytest.mark.parametrize("megabytes", [3, 10])
def test_large_bodies(call, megabytes):
    body = json.dumps({"username": "x" * megabytes * 1_000_000, "password": "y"})
    assert ids(call(body=body)) == EVERYTHING
    assert call("POST", "/api/users/login", body, Content_Type="application/json")[0] == 413
    assert call("POST", body=body)[0] == 405


def test_a_url_of_60_kb(call):
    assert ids(call(path=f"/api/connections?colour={'x' * 60_000}")) == EVERYTHING
    assert ids(call(path=f"/api/connections?name={'x' * 60_000}")) == []
    assert ids(call(path=f"/api/connections?name=[like]{'x' * 60_000}")) == []
    assert call(path=f"/api/connections/{'1' * 60_000}")[0] == 404


@pytest.mark.parametrize("sent", ["%0A", "%E2%98%83", quote("☃"), "%F0%9F%98%80"])
def test_odd_characters_are_ordinary(call, sent):
    assert ids(call(path=f"/api/connections?name={sent}")) == []
    assert ids(call(path=f"/api/connections?{sent}=1")) == EVERYTHING


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("name=%00", 422),
        ("name=%FF%FE", 400),
        ("%FF%FE=1", 400),
        ("name=%ED%A0%80", 400),
        ("%ED%B0%80=1", 400),
    ],
)
def test_what_is_no_text_is_refused(call, query, status):
    assert call(path=f"/api/connections?{query}")[0] == status


def test_a_nul_in_a_name_names_nothing(call):
    status, headers, body = call(path="/api/connections?%00=1")
    assert (status, len(body), headers["X-Ignored-Parameters"]) == (200, 7, "%00")


@pytest.mark.parametrize("body", ['{"name": "\\ud800"}', '{"\\ud800": 1}', '{"id": ["\\udfff"]}'])
def test_lone_surrogates_in_a_body(call, body):
    assert call(body=body)[0] == 422


@pytest.mark.parametrize("text", ["\\ud800", "\\u0000", "x\\ud800y"])
def test_login_takes_only_text(call, text):
    status, _, body = call(
        "POST",
        "/api/users/login",
        f'{{"username": "{text}", "password": "x"}}',
        Content_Type="application/json",
    )
    assert status == 422
    assert [list(fault) for fault in body["errors"]] == [["username"]]


def test_nested_brackets(call):
    assert ids(call(body="[" * 100_000)) == EVERYTHING
    assert ids(call(body='{"a":' * 10_000)) == EVERYTHING
    assert call("POST", "/api/users/login", "[" * 60_000, Content_Type="application/json")[0] == 400
    assert call("POST", "/api/users/login", "[" * 100_000, Content_Type="application/json")[0] == 413


@pytest.mark.parametrize("name", ["id", "appId", "status", "integrationCount", "limit", "page"])
@pytest.mark.parametrize("number", ["9" * 400, "-" + "9" * 400, str(10**30)])
def test_huge_integers(call, name, number):
    assert call(path=f"/api/connections?{name}={number}")[0] == 422
    assert call(body=f'{{"{name}": {number}}}')[0] == 422
    assert call(path=f"/api/connections/{number}")[0] == 404


@pytest.mark.parametrize("value", ["[or]1;x;3", "[nor]1;;3", "[or]1;2.5", "[or]"])
def test_a_list_with_one_bad_member(call, value):
    status, _, body = call(path=f"/api/connections?id={quote(value)}")
    assert (status, [list(fault) for fault in body["errors"]]) == (422, [["id"]])


@pytest.mark.parametrize(
    "text",
    [
        "0001-01-01T00:00:00+05:00",
        "9999-12-31T23:59:59-05:00",
        "2026-02-30",
        "2026-W01",
        "2026-13-01",
        "0000-01-01",
    ],
)
def test_dates_that_are_none(call, text):
    assert call(path=f"/api/connections?creationDate={quote('[gt]' + text)}")[0] == 422


@pytest.mark.parametrize(
    ("text", "found"), [("0001-01-01T05:00:00+05:00", EVERYTHING), ("9999-12-31T18:59:59-05:00", [])]
)
def test_dates_at_the_edges(call, text, found):
    assert ids(call(path=f"/api/connections?creationDate={quote('[gt]' + text)}")) == found


def test_the_form_of_the_answer_is_not_asked_for(call):
    assert ids(call(path="/api/connections?format=csv")) == EVERYTHING
    assert ids(call(Accept="text/csv")) == EVERYTHING


def test_unknown_methods_and_paths(call):
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        status, headers, body = call(method, "/api/connections/1", "{}", Content_Type="application/json")
        assert (status, headers["Allow"], body["errors"]) == (405, "GET, HEAD, OPTIONS", [])
    for path in (
        "/api/nothing",
        "/api/connections/x",
        "/api/connections/-1",
        "/api/connections/1/2",
        "/api/%00",
        "/api/connections/%E2%98%83",
    ):
        assert call(path=path)[0] == 404, path
    assert call("BREW")[0] == 405


@pytest.mark.parametrize(
    "header",
    [
        "Bearer",
        "Bearer ",
        "Bearer a b",
        "Basic YTpi",
        "Bearer \xff\xfe",
        "Bearer " + "x" * 8000,
        "Bearer a.b.c",
        "",
    ],
)
def test_odd_credentials(call, header):
    status, headers, _ = call(Authorization=header)
    assert (status, headers["WWW-Authenticate"]) == (401, "Bearer")


@pytest.mark.parametrize("length", ["-1", "x", "99999999999999999999"])
def test_odd_content_lengths(server, length):
    connection = http.client.HTTPConnection(urlsplit(server.base).netloc, timeout=20)
    connection.putrequest("GET", "/api/connections?limit=1")
    connection.putheader("Authorization", f"Bearer {server.key}")
    connection.putheader("Content-Length", length)
    connection.endheaders()
    try:
        status = connection.getresponse().status
    except (http.client.RemoteDisconnected, TimeoutError, ConnectionResetError):
        status = 400  # the server closed the connection, as this is not HTTP
    connection.close()
    assert status in (200, 400, 413)


def test_chunked_bodies_are_bodies(server):
    connection = http.client.HTTPConnection(urlsplit(server.base).netloc, timeout=20)
    headers = {"Authorization": f"Bearer {server.key}", "Content-Type": "application/json"}
    connection.request(
        "GET", "/api/connections", iter([b'{"count', b'Only": true}']), headers, encode_chunked=True
    )
    assert json.load(connection.getresponse()) == {"count": 7}
    connection.request("POST", "/api/users/login", iter([b'{"username": "x"}']), headers, encode_chunked=True)
    answer = connection.getresponse()
    assert (answer.status, [list(fault) for fault in json.load(answer)["errors"]]) == (422, [["password"]])
    connection.request("POST", "/api/users/login", iter([b"x" * 65_536] * 40), headers, encode_chunked=True)
    answer = connection.getresponse()
    assert (answer.status, json.load(answer)["errors"]) == (413, [])
    connection.close()
