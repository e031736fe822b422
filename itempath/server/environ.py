"""A request and an answer between Granian's RSGI and WSGI (PEP 3333)."""

import sys
from collections.abc import Iterable
from functools import lru_cache
from io import BytesIO
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment
    from granian._granian import RSGIHTTPProtocol
    from granian.rsgi import Scope

Headers = list[tuple[str, str]]
# How several lines of one header become one value; all others are joined by commas (RFC 9110, 5.3; RFC 9113, 8.2.3).
JOINTS = {"HTTP_COOKIE": "; "}


@lru_cache(maxsize=512)
def variable_name(header: str) -> str:
    """Return the name of a header in the environ; an empty text for one that is dropped.

    A header whose name has an underscore would be taken for the one with a hyphen: `X_Forwarded_For` could stand in
    for what a proxy wrote into `X-Forwarded-For`.
    """
    if "_" in header:
        return ""
    name = header.replace("-", "_").upper()
    return name if name in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{name}"


def as_latin1(text: str) -> str:
    """Return `text` as WSGI carries it: its bytes in UTF-8, each as one character."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("latin-1")


def split_address(address: str) -> tuple[str, str]:
    """Return the host and the port of `host:port` or `[host]:port`."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), port


def make_environ(scope: "Scope", body: bytes) -> "WSGIEnvironment":
    """Return the environ of a request whose whole body is `body`."""
    server, port = split_address(scope.server)
    environ: WSGIEnvironment = {
        "SCRIPT_NAME": "",
        "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
        "SERVER_NAME": server,
        "SERVER_PORT": port,
        "REMOTE_ADDR": split_address(scope.client)[0],
        "REQUEST_METHOD": scope.method,
        "PATH_INFO": as_latin1(scope.path),
        "QUERY_STRING": as_latin1(scope.query_string),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.scheme,
        "wsgi.input": BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": FileAnswer,
    }
    add_headers(environ, scope.headers.items())
    environ.setdefault("HTTP_HOST", scope.authority or "")
    if body:
        # Django takes a body in chunks, which says no length, for an empty one.
        environ["CONTENT_LENGTH"] = str(len(body))
    return environ


def add_headers(environ: "WSGIEnvironment", headers: Iterable[tuple[str, str]]) -> None:
    for header, value in headers:
        name = variable_name(header)
        if not name:
            continue
        environ[name] = f"{environ[name]}{JOINTS.get(name, ',')}{value}" if name in environ else value


class FileAnswer:
    """The body of an answer that is a file: the server reads it from the disk while the client takes it.

    See PEP 3333, "Optional Platform-Specific File Handling".
    """

    def __init__(self, file: IO[bytes], block_size: int = 65_536) -> None:
        self.file = file
        self.block_size = block_size

    @property
    def path(self) -> str:
        """The path of a file that is sent as a whole; an empty text for a part of one, or for no file of the disk."""
        name = getattr(self.file, "name", "")
        return name if isinstance(name, str) else ""

    def __iter__(self) -> Iterable[bytes]:
        while block := self.file.read(self.block_size):
            yield block

    def close(self) -> None:
        self.file.close()


class Response:
    """What an application says with `start_response`, and then sends."""

    def __init__(self) -> None:
        self.status = 500
        self.headers: Headers = []

    def start(self, status: str, headers: Headers, exc_info: Any = None) -> Any:
        self.status, self.headers = int(status[:3]), headers

    def send(self, proto: "RSGIHTTPProtocol", body: Any) -> None:
        """Hand the answer to the server, in one piece or as the path of a file: a slow client then keeps no thread."""
        if isinstance(body, FileAnswer) and body.path:
            proto.response_file(self.status, self.headers, body.path)
        else:
            proto.response_bytes(self.status, self.headers, b"".join(body))
