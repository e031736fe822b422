"""The WSGI application that the server process loads."""

import gc
import os
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
    """Return a body, or one byte more of it than what is taken: Django then refuses it as too large.

    The rest is read and dropped. The server closes the connection on a body that nobody read, and a client that is
    still sending sees a broken pipe instead of the answer.
    """
    body = stream.read(settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)
    chunks = MOST_DRAINED // CHUNK if len(body) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE else 0
    while chunks and stream.read(CHUNK):
        chunks -= 1
    return body


def collect_body(application: "WSGIApplication") -> "WSGIApplication":
    """Read a request's body first, and say how long it is, without which Django takes one in chunks for empty."""

    def collected(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if environ.get("CONTENT_LENGTH", "0") != "0" or environ.get("HTTP_TRANSFER_ENCODING"):
            with waiting():
                body = read_body(environ["wsgi.input"])
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
gc.freeze()
gc.set_threshold(50_000, 20, 20)
