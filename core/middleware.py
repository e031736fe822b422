"""The request id in every answer and log line."""

import logging
import re
from collections.abc import Callable
from contextvars import ContextVar
from uuid import uuid4

from django.http import HttpRequest, HttpResponse

from core import redaction

VALID_REQUEST_ID = re.compile(r"[A-Za-z0-9._:+/=@-]{1,128}")

request_id: ContextVar[str] = ContextVar("request_id", default="-")


def current_request_id() -> str:
    """Return the id of the request that this thread handles; `-` outside of a request."""
    return request_id.get()


class RequestIdMiddleware:
    """Takes the request id from a valid `X-Request-ID`, or makes a new one, and sends it with the answer."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        sent = request.META.get("HTTP_X_REQUEST_ID", "")
        redaction.clear()
        request_id.set(sent if VALID_REQUEST_ID.fullmatch(sent) else uuid4().hex)
        response = self.get_response(request)
        response["X-Request-ID"] = request_id.get()
        return response


class RequestIdFilter(logging.Filter):
    """Adds the id of the current request to each log record."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = request_id.get()
        return True
