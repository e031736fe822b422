"""Middleware for pages. Calls of the API have a bearer and no session, so they need none of it."""

import logging

from csp.constants import UNSAFE_EVAL
from csp.middleware import CSPMiddleware, PolicyParts
from django.contrib.messages.middleware import MessageMiddleware
from django.core.exceptions import BadRequest
from django.core.paginator import InvalidPage
from django.db import DataError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from core.error_pages import bad_request
from core.speed import HTMLOnly, PagesOnly

logger = logging.getLogger(__name__)


class ContentSecurityPolicy(HTMLOnly, CSPMiddleware):
    """Sends the Content-Security-Policy with HTML pages. Other answers load nothing and need none."""

    def get_policy_parts(
        self, request: HttpRequest, response: HttpResponseBase, report_only: bool = False
    ) -> PolicyParts:
        """Allow `eval` on pages of the admin: Alpine.js evaluates the expressions in their attributes."""
        parts = super().get_policy_parts(request, response, report_only)
        if request.path_info.startswith("/admin/") and response.status_code < 400:
            parts.update = {"script-src": [UNSAFE_EVAL]}
        return parts


class BadAddressMiddleware(PagesOnly):
    """Answers 400 to an address with a value that the database refuses."""

    def process_request(self, request: HttpRequest) -> None:
        if "\0" in request.path_info or "%00" in request.META.get("QUERY_STRING", ""):
            raise BadRequest("The address holds a NUL character, and no text here has one.")

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Answer 400 if the database or a paginator refused a value. Any other exception is a bug."""
        refused = isinstance(exception, DataError | OverflowError | InvalidPage)
        if request.path_info.startswith("/api/") or not refused:
            return None
        logger.warning("Refused: %s: %s", type(exception).__name__, exception)
        return bad_request(request, BadRequest("A number or a text in the address is too large."))


class Messages(PagesOnly, MessageMiddleware):
    """Django's messages, such as the one that the admin shows after a change."""
