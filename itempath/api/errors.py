"""The API's errors, in one shape: `{"msg": "<sentence>", "errors": [{"<field>": {"message": "<sentence>"}}]}`."""

from typing import Any

from rest_framework.exceptions import APIException

Fault = dict[str, dict[str, str]]
RETRY_AFTER = 5  # seconds, for a database that is away


class Unprocessable(APIException):
    """422: arguments or fields that are well-formed and wrong; `faults` has one object for each."""

    status_code = 422
    default_code = "unprocessable"

    def __init__(self, faults: list[Fault]) -> None:
        names = [name for fault in faults for name in fault]
        super().__init__(f"{', '.join(names)}: {'this' if len(names) == 1 else 'these'} cannot be used.")
        self.faults = faults


class PayloadTooLarge(APIException):
    status_code = 413
    default_detail = "The body is too large."
    default_code = "payload_too_large"


class Unavailable(APIException):
    """503: the database cannot be reached, or is locked for longer than a caller can wait."""

    status_code = 503
    default_detail = "The database cannot be reached; try again."
    default_code = "unavailable"
    wait = RETRY_AFTER


def shape(message: str, faults: list[Fault] | None = None) -> dict[str, Any]:
    return {"msg": message, "errors": faults or []}
