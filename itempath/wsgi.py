"""The WSGI application that the server process loads."""

import gc
import os
import time
from collections.abc import Iterable
from io import BytesIO
from typing import IO, TYPE_CHECKING

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from granian.utils.proxies import wrap_wsgi_with_proxy_headers

from itempath.stalls import waiting

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "itempath.settings")

CHUNK = 65_536  # bytes
MOST_DRAINED = 64 * 1_048_576  # bytes


def read_body(stream: IO[bytes]) -> bytes:
    """Return a body, or one byte more of it than what is taken: Django then refuses it as too large."""
    with waiting():
        body = stream.read(settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)
    if len(body) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
        drain(stream)
    return body


def drain(stream: IO[bytes]) -> None:
    """Read and drop the rest of a body, for a while.

    The server closes the connection on a body that nobody read, and a client that is still sending sees a broken pipe
    instead of the answer.
    """
    chunks, end = MOST_DRAINED // CHUNK, time.monotonic() + settings.BODY_TIMEOUT / 2
    with waiting():
        while chunks and time.monotonic() < end and stream.read(CHUNK):
            chunks -= 1


def fault_of(environ: "WSGIEnvironment", body: bytes) -> str:
    """Return why a body cannot be used, as the status of an answer; nothing if it can.

    The server hands over the part of a body that came before its client went away like a whole one: a form without its
    last fields would empty them. In chunks a part cannot be told, and only programs send such, JSON to the API.
    """
    if length := environ.get("CONTENT_LENGTH"):
        return "" if len(body) >= min(int(length), settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1) else "400 Bad Request"
    return "" if environ["PATH_INFO"].startswith("/api/") else "411 Length Required"


def collect_body(application: "WSGIApplication") -> "WSGIApplication":
    """Read a request's body first, and say how long it is, without which Django takes one in chunks for empty."""

    def collected(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if environ.get("CONTENT_LENGTH", "0") == "0" and not environ.get("HTTP_TRANSFER_ENCODING"):
            return application(environ, start_response)
        body = read_body(environ["wsgi.input"])
        if fault := fault_of(environ, body):
            start_response(fault, [("Content-Type", "application/json")])
            return [b'{"msg":"The body did not come whole.","errors":[]}']
        environ |= {"wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        return application(environ, start_response)

    return collected


def answer_whole(application: "WSGIApplication") -> "WSGIApplication":
    """Hand the server the answer in one piece: a client that reads slowly then keeps no thread."""

    def whole(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        answer = application(environ, start_response)
        try:
            return list(answer)
        finally:
            if hasattr(answer, "close"):
                answer.close()

    return whole


application: "WSGIApplication" = get_wsgi_application()
if settings.TRUSTED_PROXIES:  # only these peers may say who the client is; from anyone else X-Forwarded-* stays unread
    application = wrap_wsgi_with_proxy_headers(application, settings.TRUSTED_PROXIES)
application = answer_whole(collect_body(application))

# What is loaded stays: the collector need not look at it again, nor at each thousand records of a large page.
gc.collect()
gc.freeze()
gc.set_threshold(50_000, 20, 20)
