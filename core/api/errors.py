"""The API's errors. All have one shape:

{"msg": "<sentence>", "errors": [{"<field>": {"message": "<sentence>"}}]}
"""

from typing import Any

from rest_framework.exceptions import APIException

Fault = dict[str, dict[str, str]]
# What `msg` repeats: faults, and characters of a name. `errors` has them all.
MAX_FAULTS_SHOWN, MAX_NAME_LENGTH = 10, 40
# Seconds after which a client should come back when the database cannot be reached.
RETRY_AFTER = 5


class Unprocessable(APIException):
    """422: arguments or fields whose values cannot be used. `faults` has one object for each."""

    status_code = 422
    default_code = "unprocessable"

    def __init__(self, faults: list[Fault], message: str = "") -> None:
        super().__init__(message or summarize(faults))
        self.faults = faults


class Conflict(APIException):
    """409: the write is well-formed, and records that others stored do not allow it."""

    status_code = 409
    default_code = "conflict"


def summarize(faults: list[Fault]) -> str:
    """Return one message that names the faults. Most clients log nothing else."""
    sentences = [f"{shorten(name)}: {said['message']}" for fault in faults for name, said in fault.items()]
    more = len(sentences) - MAX_FAULTS_SHOWN
    return " ".join(sentences[:MAX_FAULTS_SHOWN] + [f"And {more} more."] * (more > 0))


def shorten(name: str) -> str:
    return name if len(name) <= MAX_NAME_LENGTH else f"{name[:MAX_NAME_LENGTH]}..."


class PayloadTooLarge(APIException):
    status_code = 413
    default_detail = "The body is too large."
    default_code = "payload_too_large"


class Unavailable(APIException):
    """503: the database cannot be reached, or is locked for longer than a client can wait."""

    status_code = 503
    default_detail = "The database cannot be reached; try again."
    default_code = "unavailable"
    wait = RETRY_AFTER


def shape(message: str, faults: list[Fault] | None = None) -> dict[str, Any]:
    return {"msg": message, "errors": faults or []}
