"""What of a request is refused or cut for its length, before anyone knows who calls.

Django and Python take a time that grows with the square of the length for some of it: a stranger's one request could
keep a process for minutes.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from django.http import HttpRequest, HttpResponse, JsonResponse

from core.api.errors import shape

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

MAX_HEADERS = 65_536  # characters of the values of all headers
MAX_PATH = 2_048  # characters; no path of the registry has a quarter of them
MAX_CONTENT_TYPE = 255
MAX_QUERY = 8_192  # characters, but for lists of the API, which take up to 64 kB of arguments
MAX_ANONYMOUS_BODY = 65_536  # bytes; the longest password, percent-encoded, has 50,000
MAX_ANONYMOUS_MULTIPART = (
    16_384  # bytes; its many small parts are dear, and no page without an account sends it
)

LONG_QUERIES = "/api/connections"


def bound_requests(application: "WSGIApplication") -> "WSGIApplication":
    """Return `application` with requests that Django reads in no more time than their length takes."""

    def bounded(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if sum(len(value) for name, value in environ.items() if name.startswith("HTTP_")) > MAX_HEADERS:
            start_response("431 Request Header Fields Too Large", [("Content-Type", "application/json")])
            return [b'{"msg":"The headers are too large.","errors":[]}']
        environ["PATH_INFO"] = bound_path(environ["PATH_INFO"])
        if "CONTENT_TYPE" in environ:
            environ["CONTENT_TYPE"] = bound_content_type(environ["CONTENT_TYPE"])
        if "\\" in environ.get("HTTP_COOKIE", ""):
            environ["HTTP_COOKIE"] = drop_escaped(environ["HTTP_COOKIE"])
        return application(environ, start_response)

    return bounded


def bound_path(path: str) -> str:
    """Return a path that is UTF-8 and no longer than `MAX_PATH`; one that was not names nothing, nor does what is left."""
    path = path[:MAX_PATH]
    if path.isascii():
        return path
    return path.encode("latin-1").decode("utf-8", "replace").encode().decode("latin-1")


def bound_content_type(content_type: str) -> str:
    """Return a media type that Django can read: one with parameters of RFC 2231 may be none, and raises in its hands."""
    return "" if len(content_type) > MAX_CONTENT_TYPE or "*" in content_type else content_type


def drop_escaped(cookies: str) -> str:
    """Return `cookies` without those that have a backslash, which none of ours has.

    See CVE-2024-7592: to take it out costs Python, up to 3.11.9, the square of the cookie's length.
    """
    return ";".join(cookie for cookie in cookies.split(";") if "\\" not in cookie)


class BoundsMiddleware:
    """Refuse queries and forms that only someone with an account may send so long."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if len(request.META.get("QUERY_STRING", "")) > MAX_QUERY and not request.path_info.startswith(
            LONG_QUERIES
        ):
            return refuse(request, 414, "The query is too long.")
        if is_large_form(request) and not request.user.is_authenticated:
            return refuse(request, 413, "The body is too large.")
        return self.get_response(request)


def is_large_form(request: HttpRequest) -> bool:
    """Say whether a page gets a large form; the API reads its bodies itself, and knows who calls before."""
    multipart = (request.content_type or "").startswith("multipart/")
    limit = MAX_ANONYMOUS_MULTIPART if multipart else MAX_ANONYMOUS_BODY
    return length_of(request) > limit and not request.path_info.startswith("/api/")


def length_of(request: HttpRequest) -> int:
    """Return the length of the body in bytes, as it was announced."""
    length = request.META.get("CONTENT_LENGTH") or "0"
    return int(length) if length.isdecimal() and len(length) < 19 else 0


def refuse(request: HttpRequest, status: int, message: str) -> HttpResponse:
    if request.path_info.startswith("/api/"):
        return JsonResponse(shape(message), status=status)
    return HttpResponse(message, status=status, content_type="text/plain")
