"""One log line for each request: the credential, the path, the client's address, the status and the duration.

A line never has a query string or a token.
"""

import logging
import time
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from accounts.rate_limits import credential_of

logger = logging.getLogger(__name__)

# Headers of the answer that are logged, by their field in the line. They have names of arguments, but no
# values.
IGNORED = {"ignored_parameters": "X-Ignored-Parameters", "ignored_body": "X-Ignored-Body"}


class AccessLogMiddleware:
    """Logs each request when it is answered. Health checks are answered before it, and not logged."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        start = time.perf_counter()
        response = self.get_response(request)
        if logger.isEnabledFor(logging.INFO):
            milliseconds = round((time.perf_counter() - start) * 1000, 1)
            logger.info("request", extra=describe(request, response) | {"milliseconds": milliseconds})
        return response


def describe(request: HttpRequest, response: HttpResponse) -> dict[str, object]:
    """Return the fields of a log line, with the ignored parts of the request as the answer names them."""
    ignored = {field: response[header] for field, header in IGNORED.items() if header in response}
    return ignored | {
        "method": request.method,
        "path": request.path_info,
        "status": response.status_code,
        "credential": used_credential(request),
        "address": request.META.get("REMOTE_ADDR"),
    }


def used_credential(request: HttpRequest) -> str | None:
    """Return the credential of the request, or the user whom a page has loaded. Does no query."""
    if hasattr(request, "auth"):
        return credential_of(request)
    user = getattr(request, "_cached_user", None)
    return f"user:{user.pk}" if user is not None and user.pk else None
