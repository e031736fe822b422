"""Django's own error handlers: the API's shape below `/api/`, a page everywhere else."""

import logging
import sys
from typing import Any

from django.contrib.admin.exceptions import DisallowedModelAdminLookup, DisallowedModelAdminToField
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.utils.log import log_response

from core.api.errors import RETRY_AFTER, Unavailable, shape
from core.db.outages import find_outage, give_up_connection
from core.middleware import request_id

logger = logging.getLogger(__name__)


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
        return JsonResponse(
            shape(f"The server failed; its log has the details under {request_id.get()}."), status=500
        )
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
