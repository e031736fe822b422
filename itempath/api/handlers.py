"""Turns what went wrong into the API's one shape, at the edge."""

import logging
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError, ProgrammingError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views import defaults
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.views import APIView
from rest_framework.views import exception_handler as drf_exception_handler

from itempath.api.errors import Fault, PayloadTooLarge, Unavailable, Unprocessable, shape
from itempath.middleware import request_id

logger = logging.getLogger(__name__)

# PostgreSQL's codes for an undefined column and an undefined table.
NOT_MIGRATED = ("42703", "42P01")


def exception_handler(exc: Exception, context: dict[str, Any]) -> Response | None:
    """Answer `exc` in the one shape; `None` leaves a bug to the 500 handler."""
    if is_outage(exc):
        logger.error("The database cannot serve: %s", exc)
        exc = Unavailable()
    if isinstance(exc, RequestDataTooBig):
        exc = PayloadTooLarge()
    response = drf_exception_handler(exc, context)
    if response is None:
        return None
    if isinstance(exc, ValidationError):
        response.status_code = Unprocessable.status_code
    response.data = shape(*describe(exc, response.data))
    return response


def is_outage(exc: Exception) -> bool:
    """Say whether the database is away, locked, full, or not migrated yet; any other error of it is a bug."""
    if isinstance(exc, ProgrammingError):
        return getattr(exc.__cause__, "sqlstate", None) in NOT_MIGRATED
    return isinstance(exc, OperationalError | InterfaceError)


def describe(exc: Exception, data: Any) -> tuple[str, list[Fault]]:
    if isinstance(exc, Unprocessable):
        return str(exc.detail), exc.faults
    if isinstance(exc, ValidationError):
        return describe_fields(data)
    detail = data.get("detail") if isinstance(data, dict) else data
    return str(detail), []


def describe_fields(data: Any) -> tuple[str, list[Fault]]:
    """Turn DRF's `{field: [sentences]}` into the message and one object per field."""
    fields = data if isinstance(data, dict) else {api_settings.NON_FIELD_ERRORS_KEY: data}
    sentences = {name: " ".join(map(str, texts)) if isinstance(texts, list) else str(texts) for name, texts in fields.items()}
    general = sentences.pop(api_settings.NON_FIELD_ERRORS_KEY, None)
    fault = Unprocessable([{name: {"message": text}} for name, text in sentences.items()])
    return general or str(fault.detail), fault.faults


class UnknownPath(APIView):
    """Any path below `/api/` that nothing serves: 404 in JSON, to anyone and for every method."""

    authentication_classes = ()
    permission_classes = ()
    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        raise NotFound


def is_api(request: HttpRequest) -> bool:
    return request.path_info.startswith("/api/")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's 400 (a bad Host, say), in JSON below `/api/`."""
    if is_api(request):
        return JsonResponse(shape("The request is not well-formed."), status=400)
    return defaults.bad_request(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's 500, in JSON below `/api/`; the request id is what leads to the log."""
    if is_api(request):
        return JsonResponse(shape(f"The server failed; its log has the details under {request_id.get()}."), status=500)
    return defaults.server_error(request)
