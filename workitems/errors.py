"""The errors of the two endpoints. They have pm415's four keys, unlike those of the registry."""

import logging
from http import HTTPStatus
from typing import Any

from rest_framework.response import Response

from core.api import handlers
from core.api.arguments import well_formed
from core.middleware import request_id

logger = logging.getLogger(__name__)


def shape(status: int, message: str) -> dict[str, Any]:
    """Return the body of an error in pm415's shape."""
    return {
        "statusCode": status,
        "error": HTTPStatus(status).phrase,
        "message": well_formed(message),
        "success": False,
    }


def exception_handler(exc: Exception, context: dict[str, Any]) -> Response:
    """Return the answer to `exc` in pm415's shape.

    An unexpected exception is answered here, too: Django's own handler would give it the registry's shape.
    """
    response = handlers.exception_handler(exc, context)
    if response is None:
        logger.error("The view failed", exc_info=exc)
        message = f"The server failed; its log has the details under {request_id.get()}."
        return Response(shape(500, message), status=500)
    message = "Authentication required" if response.status_code == 401 else response.data["msg"]
    response.data = shape(response.status_code, message)
    return response
