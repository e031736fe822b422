"""The environ that the application gets for a request, and how its response reaches the server."""

import os
from io import BytesIO
from types import SimpleNamespace
from typing import Any

import pytest

from itempath.server.environ import FileResponse, Response, make_environ

pytestmark = pytest.mark.any_database


def scope(*headers: tuple[str, str], **fields: str) -> Any:
    plain = {
        "http_version": "1.1",
        "server": "127.0.0.1:8000",
        "client": "127.0.0.1:50000",
        "scheme": "http",
        "method": "GET",
        "path": "/",
        "query_string": "",
        "authority": None,
    }
    return SimpleNamespace(**{**plain, **fields}, headers=dict_of(headers))


def dict_of(headers: tuple[tuple[str, str], ...]) -> Any:
    return SimpleNamespace(items=lambda: list(headers))


@pytest.mark.parametrize(
    ("headers", "name", "value"),
    [
        ([("x-request-id", "7")], "HTTP_X_REQUEST_ID", "7"),
        ([("content-type", "application/json")], "CONTENT_TYPE", "application/json"),
        ([("accept", "a"), ("accept", "b")], "HTTP_ACCEPT", "a,b"),
        ([("cookie", "a=1"), ("cookie", "b=2")], "HTTP_COOKIE", "a=1; b=2"),
        ([("x_forwarded_for", "203.0.113.7")], "HTTP_X_FORWARDED_FOR", None),
        (
            [("x-forwarded-for", "192.0.2.1"), ("x_forwarded_for", "203.0.113.7")],
            "HTTP_X_FORWARDED_FOR",
            "192.0.2.1",
        ),
        ([("content_length", "9")], "CONTENT_LENGTH", None),
        ([], "HTTP_HOST", ""),
    ],
)
def test_headers(headers, name, value):
    assert make_environ(scope(*headers), b"").get(name) == value


def test_the_parts_of_a_request():
    fields = {
        "method": "get",
        "path": "/é",
        "query_string": "a=%20&ü",
        "client": "[2001:db8::1]:443",
        "server": "[::1]:8000",
    }
    environ = make_environ(scope(**fields), b"{}")
    shown = (
        "REQUEST_METHOD",
        "PATH_INFO",
        "QUERY_STRING",
        "REMOTE_ADDR",
        "SERVER_NAME",
        "SERVER_PORT",
        "CONTENT_LENGTH",
    )
    assert [environ[name] for name in shown] == ["get", "/Ã©", "a=%20&Ã¼", "2001:db8::1", "::1", "8000", "2"]
    assert environ["wsgi.input"].read() == b"{}"


def test_nothing_of_the_process_environment_is_in_it():
    """Error pages show the environ of a request; the environment of the process holds keys."""
    assert not os.environ.keys() & make_environ(scope(), b"").keys()


class Proto:
    """Granian's methods for a response. Records which one was called, and with what."""

    def __init__(self) -> None:
        self.sent: tuple[Any, ...] = ()

    def response_bytes(self, *args: Any) -> None:
        self.sent = ("bytes", *args)

    def response_file(self, *args: Any) -> None:
        self.sent = ("file", *args)


def sent(body: Any) -> tuple[Any, ...]:
    response, proto = Response(), Proto()
    response.start("200 OK", [("A", "b")])
    response.send(proto, body)  # type: ignore[arg-type]  # it has the methods that are used
    return proto.sent


def test_an_answer_goes_out_in_one_piece():
    assert sent([b"a", b"b"]) == ("bytes", 200, [("A", "b")], b"ab")


def test_a_file_goes_out_by_its_path(tmp_path):
    file = tmp_path / "page.css"
    file.write_bytes(b"x")
    with file.open("rb") as opened:
        assert sent(FileResponse(opened)) == ("file", 200, [("A", "b")], str(file))


def test_what_is_no_file_of_the_disk_goes_out_as_bytes():
    assert sent(FileResponse(BytesIO(b"abc"), 2))[-1] == b"abc"
