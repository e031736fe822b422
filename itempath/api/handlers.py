"""Turns what went wrong into the API's one shape, or a page beside the API, at the edge."""

import logging
import sys
from typing import Any

from django.contrib.admin.exceptions import DisallowedModelAdminLookup, DisallowedModelAdminToField
from django.core.exceptions import BadRequest, RequestDataTooBig
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.log import log_response
from rest_framework.exceptions import NotAuthenticated, NotFound, UnsupportedMediaType, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.views import APIView
from rest_framework.views import exception_handler as drf_exception_handler

from itempath.api.errors import RETRY_AFTER, Fault, PayloadTooLarge, Unavailable, Unprocessable, shape
from itempath.middleware import request_id
from itempath.outages import find_outage, give_up_connection, is_outage

logger = logging.getLogger(__name__)

# In place of what the framework says, which leaves open what to do.
HINTS = {
    NotAuthenticated: "Send the header Authorization: Bearer TOKEN; /api/docs/ says which tokens there are.",
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
    return HINTS.get(type(exc)) or str(detail), []


def describe_fields(data: Any) -> tuple[str, list[Fault]]:
    """Turn DRF's `{field: [sentences]}` into the message and one object per field."""
    fields = data if isinstance(data, dict) else {api_settings.NON_FIELD_ERRORS_KEY: data}
    sentences = {name: " ".join(map(str, texts)) if isinstance(texts, list) else str(texts) for name, texts in fields.items()}
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


def is_api(request: HttpRequest) -> bool:
    return request.path_info.startswith("/api/")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's 400 (a bad Host, say); Django takes a session that could not be stored for the client's fault, too.

    A page repeats only sentences that are meant to be read.
    """
    if outage := find_outage(exception):
        return unavailable(request, outage)
    if is_api(request):
        return JsonResponse(shape("The request is not well-formed."), status=400)
    return page("400.html", 400, sentence=sentence_for(exception))


def sentence_for(exception: Exception) -> str:
    """Return what a page says of a bad request; an empty text for what only the log should know."""
    if isinstance(exception, DisallowedModelAdminLookup | DisallowedModelAdminToField):
        return "The address asks for something that is not offered here."
    return str(exception) if isinstance(exception, BadRequest) else ""


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's 500, called while the error is handled; the request id is what leads to the log.

    An outage comes here from wherever it was raised: a view, its template, or middleware.
    """
    if outage := find_outage(sys.exc_info()[1]):
        return unavailable(request, outage)
    if is_api(request):
        return JsonResponse(shape(f"The server failed; its log has the details under {request_id.get()}."), status=500)
    return page("500.html", 500)


def unavailable(request: HttpRequest, outage: BaseException) -> HttpResponse:
    """503: what a form sent stays with the browser, which sends it again when the page is reloaded."""
    give_up_connection()
    if is_api(request):
        response: HttpResponse = JsonResponse(shape(str(Unavailable.default_detail)), status=503)
    else:
        response = page("503.html", 503, sent=request.method not in ("GET", "HEAD"))
    response["Retry-After"] = str(RETRY_AFTER)
    log_response("The database cannot serve: %s", outage, response=response, request=request, logger=logger)
    return response


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return page("403_csrf.html", 403)


def page(template: str, status: int, **context: Any) -> HttpResponse:
    """Answer with a page that needs its template alone: context processors may ask the database."""
    body = render_to_string(template, {"request_id": request_id.get(), **context})
    return HttpResponse(body, status=status, headers={"Cache-Control": "no-store"})
