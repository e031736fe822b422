"""Middleware for pages alone: API calls have bearers and no session, and skip it."""

import logging
from typing import Any

from csp.constants import UNSAFE_EVAL
from csp.middleware import CSPMiddleware, PolicyParts
from django.contrib.messages.middleware import MessageMiddleware
from django.core.exceptions import BadRequest
from django.core.paginator import InvalidPage
from django.db import DataError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.deprecation import MiddlewareMixin

from core.error_pages import bad_request

logger = logging.getLogger(__name__)


class PagesOnly(MiddlewareMixin):
    """Leaves out what would be a tenth of the cost of a small call."""

    def __call__(self, request: HttpRequest) -> Any:
        return (
            self.get_response(request) if request.path_info.startswith("/api/") else super().__call__(request)
        )


class ContentSecurityPolicy(CSPMiddleware):
    """Tells browsers what a page may load and run. Answers that are no pages go without: they load nothing."""

    def __call__(self, request: HttpRequest) -> Any:
        response: Any = self.get_response(request)  # no server here is asynchronous
        if response.get("Content-Type", "").startswith("text/html"):
            return self.process_response(request, response)
        return response

    def get_policy_parts(
        self, request: HttpRequest, response: HttpResponseBase, report_only: bool = False
    ) -> PolicyParts:
        """Let the admin's own scripts evaluate the expressions that Alpine.js keeps in its pages."""
        parts = super().get_policy_parts(request, response, report_only)
        if request.path_info.startswith("/admin/") and response.status_code < 400:
            parts.update = {"script-src": [UNSAFE_EVAL]}
        return parts


class BadAddressMiddleware(PagesOnly):
    """Answers 400 with a sentence where an address holds what no database takes."""

    def process_request(self, request: HttpRequest) -> None:
        if "\0" in request.path_info or "%00" in request.META.get("QUERY_STRING", ""):
            raise BadRequest("The address holds a NUL character, and no text here has one.")

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Take the database's or a paginator's word for it. Anything else that fails is a bug."""
        if request.path_info.startswith("/api/") or not isinstance(
            exception, DataError | OverflowError | InvalidPage
        ):
            return None
        logger.warning("Refused: %s: %s", type(exception).__name__, exception)
        return bad_request(request, BadRequest("A number or a text in the address is too large."))


class Messages(PagesOnly, MessageMiddleware):
    """What the admin says after a change."""
