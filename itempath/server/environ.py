"""Translation between Granian's RSGI and WSGI (PEP 3333), of requests and of responses."""

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
# Separators between the values of a header that comes several times. The default is a comma (RFC 9110, 5.3;
# for cookies RFC 9113, 8.2.3).
SEPARATORS = {"HTTP_COOKIE": "; "}


@lru_cache(maxsize=512)
def variable_name(header: str) -> str:
    """Return the name of a header in the environ; an empty text for a header that is dropped.

    Headers with an underscore are dropped: in the environ, a client's `X_Forwarded_For` could not be told
    from the `X-Forwarded-For` of a proxy.
    """
    if "_" in header:
        return ""
    name = header.replace("-", "_").upper()
    return name if name in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{name}"


def as_latin1(text: str) -> str:
    """Return `text` as WSGI represents it: each byte of its UTF-8 encoding as one character."""
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
        "wsgi.file_wrapper": FileResponse,
    }
    add_headers(environ, scope.headers.items())
    environ.setdefault("HTTP_HOST", scope.authority or "")
    if body:
        # Django takes a body without a Content-Length, such as a chunked one, for an empty body.
        environ["CONTENT_LENGTH"] = str(len(body))
    return environ


def add_headers(environ: "WSGIEnvironment", headers: Iterable[tuple[str, str]]) -> None:
    for header, value in headers:
        name = variable_name(header)
        if not name:
            continue
        environ[name] = f"{environ[name]}{SEPARATORS.get(name, ',')}{value}" if name in environ else value


class FileResponse:
    """The body of a response that is a file. The server reads it from the disk as the client receives it.

    See PEP 3333, "Optional Platform-Specific File Handling".
    """

    def __init__(self, file: IO[bytes], block_size: int = 65_536) -> None:
        self.file = file
        self.block_size = block_size

    @property
    def path(self) -> str:
        """The path of a file on the disk that is sent whole; an empty text for anything else."""
        name = getattr(self.file, "name", "")
        return name if isinstance(name, str) else ""

    def __iter__(self) -> Iterable[bytes]:
        while block := self.file.read(self.block_size):
            yield block

    def close(self) -> None:
        self.file.close()


class Response:
    """The status and headers that an application passes to `start_response`, and the sending of the body."""

    def __init__(self) -> None:
        self.status = 500
        self.headers: Headers = []

    def start(self, status: str, headers: Headers, exc_info: Any = None) -> Any:
        self.status, self.headers = int(status[:3]), headers

    def send(self, proto: "RSGIHTTPProtocol", body: Any) -> None:
        """Hand the response to Granian, whole or as a path, so that a slow client occupies no thread."""
        if isinstance(body, FileResponse) and body.path:
            proto.response_file(self.status, self.headers, body.path)
        else:
            proto.response_bytes(self.status, self.headers, b"".join(body))
