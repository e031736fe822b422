"""Turns every error of an API call into the API's one shape, at the edge."""

import logging
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.urls import reverse
from rest_framework.exceptions import NotAuthenticated, NotFound, UnsupportedMediaType, ValidationError
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.views import APIView
from rest_framework.views import exception_handler as drf_exception_handler

from core.api.errors import Fault, PayloadTooLarge, Unavailable, Unprocessable, shape
from core.api.model_errors import api_error_of, api_names
from core.db.outages import give_up_connection, is_outage

logger = logging.getLogger(__name__)

SEND_BEARER = "Send the header Authorization: Bearer TOKEN; /api/docs/ says which tokens there are."
# What to do, where the framework's own message does not say it: by the class of the error or by its message.
HINTS = {
    NotAuthenticated: SEND_BEARER,
    "Authorization header must contain two space-delimited values": SEND_BEARER,
    "Token has wrong type": "Token has wrong type: calls take an access token, an application token or an API"
    " key; only /api/users/refresh takes a refresh token.",
    UnsupportedMediaType: "Send the body as JSON, with the header Content-Type: application/json.",
}


def exception_handler(exc: Exception, context: dict[str, Any]) -> Response | None:
    """Answer an error in the API's shape. Return `None` for a bug, which Django's 500 handler answers."""
    if is_outage(exc):
        logger.error("The database cannot serve: %s", exc)
        give_up_connection()
        exc = Unavailable()
    if context["request"].method not in SAFE_METHODS:
        exc = api_error_of(exc, names_of_fields(context["view"])) or exc
    if isinstance(exc, RequestDataTooBig):
        exc = PayloadTooLarge()
    response = drf_exception_handler(exc, context)
    if response is None:
        return None
    if isinstance(exc, ValidationError):
        response.status_code = Unprocessable.status_code
    response.data = shape(*describe(exc, response.data))
    return response


def names_of_fields(view: Any) -> dict[str, str]:
    """Return the API's names of the fields of a view's model, where the view has a serializer."""
    serializer_class = getattr(view, "serializer_class", None)
    return api_names(serializer_class) if serializer_class else {}


def describe(exc: Exception, data: Any) -> tuple[str, list[Fault]]:
    if isinstance(exc, Unprocessable):
        return str(exc.detail), exc.faults
    if isinstance(exc, ValidationError):
        return describe_fields(data)
    detail = data.get("detail") if isinstance(data, dict) else data
    return HINTS.get(type(exc)) or HINTS.get(str(detail)) or str(detail), []


def describe_fields(data: Any) -> tuple[str, list[Fault]]:
    """Turn DRF's `{field: [sentences]}` into a message and one object for each field."""
    fields = data if isinstance(data, dict) else {api_settings.NON_FIELD_ERRORS_KEY: data}
    sentences = {
        name: " ".join(map(str, texts)) if isinstance(texts, list) else str(texts)
        for name, texts in fields.items()
    }
    general = sentences.pop(api_settings.NON_FIELD_ERRORS_KEY, None)
    fault = Unprocessable([{name: {"message": text}} for name, text in sentences.items()])
    return general or str(fault.detail), fault.faults


class ApiRoot(APIView):
    """Tells anyone where the API is described."""

    authentication_classes = ()
    permission_classes = ()
    schema = None

    def get(self, request: Request) -> Response:
        return Response({name: request.build_absolute_uri(reverse(name)) for name in ("docs", "schema")})


class UnknownPath(APIView):
    """Answers 404 in JSON for every path below `/api/` that nothing else serves."""

    authentication_classes = ()
    permission_classes = ()
    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        raise NotFound("Nothing is at this path; /api/docs/ describes those there are.")
