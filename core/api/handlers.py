"""Turns every error of an API call into the API's one shape, at the edge."""

import logging
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.urls import reverse
from rest_framework.exceptions import NotAuthenticated, NotFound, UnsupportedMediaType, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.views import APIView
from rest_framework.views import exception_handler as drf_exception_handler

from core.api.errors import Fault, PayloadTooLarge, Unavailable, Unprocessable, shape
from core.db.outages import give_up_connection, is_outage

logger = logging.getLogger(__name__)

# In place of what the framework says, which leaves open what to do.
SEND_BEARER = "Send the header Authorization: Bearer TOKEN; /api/docs/ says which tokens there are."
HINTS = {
    NotAuthenticated: SEND_BEARER,
    "Authorization header must contain two space-delimited values": SEND_BEARER,
    "Token has wrong type": "Token has wrong type: calls take an access token, an application token or an API"
    " key; only /api/users/refresh takes a refresh token.",
    UnsupportedMediaType: "Send the body as JSON, with the header Content-Type: application/json.",
}


def exception_handler(exc: Exception, context: dict[str, Any]) -> Response | None:
    """Answer `exc` in the one shape; `None` leaves a bug to the 500 handler."""
    if is_outage(exc):
        logger.error("The database cannot serve: %s", exc)
        give_up_connection()
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


def describe(exc: Exception, data: Any) -> tuple[str, list[Fault]]:
    if isinstance(exc, Unprocessable):
        return str(exc.detail), exc.faults
    if isinstance(exc, ValidationError):
        return describe_fields(data)
    detail = data.get("detail") if isinstance(data, dict) else data
    return HINTS.get(type(exc)) or HINTS.get(str(detail)) or str(detail), []


def describe_fields(data: Any) -> tuple[str, list[Fault]]:
    """Turn DRF's `{field: [sentences]}` into the message and one object per field."""
    fields = data if isinstance(data, dict) else {api_settings.NON_FIELD_ERRORS_KEY: data}
    sentences = {
        name: " ".join(map(str, texts)) if isinstance(texts, list) else str(texts)
        for name, texts in fields.items()
    }
    general = sentences.pop(api_settings.NON_FIELD_ERRORS_KEY, None)
    fault = Unprocessable([{name: {"message": text}} for name, text in sentences.items()])
    return general or str(fault.detail), fault.faults


class ApiRoot(APIView):
    """Says to anyone where the API is described."""

    authentication_classes = ()
    permission_classes = ()
    schema = None

    def get(self, request: Request) -> Response:
        return Response({name: request.build_absolute_uri(reverse(name)) for name in ("docs", "schema")})


class UnknownPath(APIView):
    """Any path below `/api/` that nothing serves: 404 in JSON, to anyone and for every method."""

    authentication_classes = ()
    permission_classes = ()
    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        raise NotFound("Nothing is at this path; /api/docs/ describes those there are.")
