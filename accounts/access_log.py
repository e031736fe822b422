"""One log line for every request: who called what, from where, with what result, in what time. Never a query string, never a token."""

import logging
import time
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from accounts.rate_limits import credential_of

logger = logging.getLogger(__name__)

# Names of arguments, percent-encoded and bounded, and whether there was a body: no values.
IGNORED = {"ignored_parameters": "X-Ignored-Parameters", "ignored_body": "X-Ignored-Body"}


class AccessLogMiddleware:
    """Logs each request when it is answered. Health checks do not come here: they would drown the rest."""

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
    """Return the fields of a line; what the call sent and nothing read is named as its answer names it."""
    ignored = {field: response[header] for field, header in IGNORED.items() if header in response}
    return ignored | {
        "method": request.method,
        "path": request.path_info,
        "status": response.status_code,
        "credential": who(request),
        "address": request.META.get("REMOTE_ADDR"),
    }


def who(request: HttpRequest) -> str | None:
    """Return the credential that was used, without asking the database for one."""
    if hasattr(request, "auth"):
        return credential_of(request)
    user = getattr(request, "_cached_user", None)
    return f"user:{user.pk}" if user is not None and user.pk else None
