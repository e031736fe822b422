"""A request id for every answer and every log line."""

import logging
import re
from collections.abc import Callable
from contextvars import ContextVar
from random import getrandbits
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware

from core import redaction

SANE_ID = re.compile(r"[A-Za-z0-9._:+/=@-]{1,128}")

request_id: ContextVar[str] = ContextVar("request_id", default="-")


def current_request_id() -> str:
    """Return the id of the request that this thread serves, `-` outside one."""
    return request_id.get()


class RequestIdMiddleware:
    """Keep the caller's `X-Request-ID` if it is sane, make one otherwise, and send it back."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        sent = request.META.get("HTTP_X_REQUEST_ID", "")
        redaction.clear()
        request_id.set(sent if SANE_ID.fullmatch(sent) else f"{getrandbits(128):032x}")
        response = self.get_response(request)
        response["X-Request-ID"] = request_id.get()
        return response


class CompressionMiddleware(GZipMiddleware):
    """Leaves alone what has its `Vary` header already and goes to a client that takes no gzip, as most programs do."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> Any:
        if response.get("Vary") == "Accept-Encoding" and "gzip" not in request.META.get(
            "HTTP_ACCEPT_ENCODING", ""
        ):
            return response
        return super().process_response(request, response)


class RequestIdFilter(logging.Filter):
    """Add the running request's id to each log record."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = request_id.get()
        return True
