"""The errors of the two endpoints: pm415's four keys, on these views only."""

import logging
from http import HTTPStatus
from typing import Any

from rest_framework.response import Response

from core.api import handlers
from core.api.arguments import well_formed
from core.middleware import request_id

logger = logging.getLogger(__name__)


def shape(status: int, message: str) -> dict[str, Any]:
    return {
        "statusCode": status,
        "error": HTTPStatus(status).phrase,
        "message": well_formed(message),
        "success": False,
    }


def exception_handler(exc: Exception, context: dict[str, Any]) -> Response:
    """Answer `exc` in pm415's shape; also a bug, which Django's own handler would answer in the registry's."""
    response = handlers.exception_handler(exc, context)
    if response is None:
        logger.error("The view failed", exc_info=exc)
        return Response(
            shape(500, f"The server failed; its log has the details under {request_id.get()}."), status=500
        )
    message = "Authentication required" if response.status_code == 401 else response.data["msg"]
    response.data = shape(response.status_code, message)
    return response
