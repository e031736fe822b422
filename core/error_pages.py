"""Django's error handlers. They answer in the API's error shape below `/api/`, and with a page elsewhere."""

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
    """Answer 400, for example to a `Host` that is not allowed. The page shows only messages meant for users.

    Answer 503 if an outage of the database is behind it: Django treats a session that it could not store as a
    bad request.
    """
    if outage := find_outage(exception):
        return unavailable(request, outage)
    if is_api(request):
        return JsonResponse(shape("The request is not well-formed."), status=400)
    return page("400.html", 400, sentence=sentence_for(exception))


def sentence_for(exception: Exception) -> str:
    """Return the sentence that the page shows; an empty text if the message is for the log only."""
    if isinstance(exception, DisallowedModelAdminLookup | DisallowedModelAdminToField):
        return "The address asks for something that is not offered here."
    return str(exception) if isinstance(exception, BadRequest) else ""


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer 500 with the request id, by which an operator finds the error in the log.

    Django calls this while it handles the exception. An outage of the database, wherever it was raised, is
    answered with 503 here: in a view, in a template that is rendered later, or in middleware.
    """
    if outage := find_outage(sys.exc_info()[1]):
        return unavailable(request, outage)
    if is_api(request):
        return JsonResponse(
            shape(f"The server failed; its log has the details under {request_id.get()}."), status=500
        )
    return page("500.html", 500)


def unavailable(request: HttpRequest, outage: BaseException) -> HttpResponse:
    """Answer 503. To a form, the page says that a reload sends it again: the browser still has its values."""
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
    """Return a page. It is rendered without context processors, because those may query the database."""
    body = render_to_string(template, {"request_id": request_id.get(), **context})
    return HttpResponse(body, status=status, headers={"Cache-Control": "no-store"})
