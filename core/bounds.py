"""Limits on the length of a request's parts, enforced before the caller is authenticated.

Django and Python parse some parts in a time that grows with the square of their length. Without the limits,
one request of an unauthenticated client could keep a process busy for minutes.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from django.http import HttpRequest, HttpResponse, JsonResponse

from core.api.errors import shape

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

MAX_HEADERS_LENGTH = 65_536  # characters in the values of all headers together
MAX_PATH_LENGTH = 2_048  # characters; the registry's own paths have fewer than a quarter of them
MAX_CONTENT_TYPE_LENGTH = 255  # characters
MAX_QUERY_LENGTH = 8_192  # characters
MAX_ANONYMOUS_BODY = 65_536  # bytes; the longest password, percent-encoded, has 50,000
# Bytes. Many small parts cost much time, and the pages for anonymous users send no multipart forms.
MAX_ANONYMOUS_MULTIPART = 16_384

# The list calls below this path take up to 64 kB of arguments in the query.
LONG_QUERY_PATH = "/api/connections"


def bound_requests(application: "WSGIApplication") -> "WSGIApplication":
    """Return `application` behind the limits, so that parsing takes time linear in the length."""

    def bounded(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if headers_length(environ) > MAX_HEADERS_LENGTH:
            start_response("431 Request Header Fields Too Large", [("Content-Type", "application/json")])
            return [b'{"msg":"The headers are too large.","errors":[]}']
        environ["PATH_INFO"] = bound_path(environ["PATH_INFO"])
        if "CONTENT_TYPE" in environ:
            environ["CONTENT_TYPE"] = bound_content_type(environ["CONTENT_TYPE"])
        if "\\" in environ.get("HTTP_COOKIE", ""):
            environ["HTTP_COOKIE"] = drop_escaped(environ["HTTP_COOKIE"])
        return application(environ, start_response)

    return bounded


def headers_length(environ: "WSGIEnvironment") -> int:
    """Return the number of characters in the values of all headers."""
    return sum(len(value) for name, value in environ.items() if name.startswith("HTTP_"))


def bound_path(path: str) -> str:
    """Return `path` cut to `MAX_PATH_LENGTH`, with bytes that are no UTF-8 replaced.

    Nothing exists at a path that has to be changed, neither before nor after, so the answer stays 404.
    """
    path = path[:MAX_PATH_LENGTH]
    if path.isascii():
        return path
    return path.encode("latin-1").decode("utf-8", "replace").encode().decode("latin-1")


def bound_content_type(content_type: str) -> str:
    """Return `content_type`, or an empty text if it is too long or has parameters in the syntax of RFC 2231.

    Django raises an error where such a parameter is malformed.
    """
    return "" if len(content_type) > MAX_CONTENT_TYPE_LENGTH or "*" in content_type else content_type


def drop_escaped(cookies: str) -> str:
    """Return `cookies` without those that contain a backslash. None of this product's cookies does.

    Python up to 3.11.9 unescapes a cookie in a time that grows with the square of its length (CVE-2024-7592).
    """
    return ";".join(cookie for cookie in cookies.split(";") if "\\" not in cookie)


class BoundsMiddleware:
    """Refuses queries that are too long, and large forms of users who are not logged in."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if is_long_query(request):
            return refuse(request, 414, "The query is too long.")
        if is_large_form(request) and not request.user.is_authenticated:
            return refuse(request, 413, "The body is too large.")
        return self.get_response(request)


def is_long_query(request: HttpRequest) -> bool:
    too_long = len(request.META.get("QUERY_STRING", "")) > MAX_QUERY_LENGTH
    return too_long and not request.path_info.startswith(LONG_QUERY_PATH)


def is_large_form(request: HttpRequest) -> bool:
    """Return whether a page gets a large form. The API limits its bodies itself, after authentication."""
    multipart = (request.content_type or "").startswith("multipart/")
    limit = MAX_ANONYMOUS_MULTIPART if multipart else MAX_ANONYMOUS_BODY
    return length_of(request) > limit and not request.path_info.startswith("/api/")


def length_of(request: HttpRequest) -> int:
    """Return the length of the body in bytes that the request states; 0 if it states none or no number."""
    length = request.META.get("CONTENT_LENGTH") or "0"
    return int(length) if length.isdecimal() and len(length) < 19 else 0


def refuse(request: HttpRequest, status: int, message: str) -> HttpResponse:
    if request.path_info.startswith("/api/"):
        return JsonResponse(shape(message), status=status)
    return HttpResponse(message, status=status, content_type="text/plain")
