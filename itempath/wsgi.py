"""The WSGI application that the server process loads."""

import os
from collections.abc import Iterable
from io import BytesIO
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from granian.utils.proxies import wrap_wsgi_with_proxy_headers

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "itempath.settings")

CHUNK = 65_536  # bytes
MOST_DRAINED = 64 * 1_048_576  # bytes


def drain_body(application: "WSGIApplication") -> "WSGIApplication":
    """Read what the application left of a request's body.

    The server closes the connection on a body that nobody read, and a client that is still sending sees a broken pipe
    instead of the answer.
    """

    def drained(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        answer = application(environ, start_response)
        if environ.get("CONTENT_LENGTH") or environ.get("HTTP_TRANSFER_ENCODING"):
            chunks, rest = MOST_DRAINED // CHUNK, environ.get("wsgi.rest") or environ["wsgi.input"]
            while chunks and rest.read(CHUNK):
                chunks -= 1
        return answer

    return drained


def measure_body(application: "WSGIApplication") -> "WSGIApplication":
    """Give a body that comes in chunks its length, without which Django takes it for empty. Node and Java send such."""

    def measured(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if environ.get("HTTP_TRANSFER_ENCODING") and not environ.get("CONTENT_LENGTH"):
            # One byte more than what is taken: Django then refuses it as too large.
            body = environ["wsgi.input"].read(settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)
            environ |= {"wsgi.rest": environ["wsgi.input"], "wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        return application(environ, start_response)

    return measured


# Only these peers may say who the client is; from anyone else X-Forwarded-* stays unread.
application = drain_body(measure_body(wrap_wsgi_with_proxy_headers(get_wsgi_application(), settings.TRUSTED_PROXIES)))
