"""Turns everything that a server process writes to standard error into lines of JSON.

Django sets up logging when it has read its settings. Earlier output, and what Python and libraries print
themselves, such as tracebacks, warnings and the error of a command, passes through the stream of this module.
On a terminal, standard error stays as it is.
"""

import io
import logging
import sys
from typing import Any, TextIO

from django.conf import settings

from core.middleware import RequestIdFilter
from core.redaction import LINE_FORMAT, RedactingFormatter

# The loggers of Granian: for the server, and for its access log, which this product replaces by its own.
GRANIAN_LOGGERS = ("_granian", "granian.access")

# The beginning of every line that is JSON already.
JSON_START = '{"time":'


class JsonLines(io.TextIOBase):
    """A text stream that passes lines of JSON on and writes other text as the message of such a line."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.formatter = RedactingFormatter(**LINE_FORMAT)
        self.pending = ""

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self.stream.fileno()

    def write(self, text: str) -> int:
        if text.startswith(JSON_START):
            self.flush()
            self.stream.write(text)
        else:
            self.pending += text
            if is_complete(self.pending):
                self.flush()
        return len(text)

    def flush(self) -> None:
        text, self.pending = self.pending.strip(), ""
        if text:
            self.stream.write(self.line(text) + "\n")
        self.stream.flush()

    def line(self, text: str) -> str:
        """Return a log line with `text`. Its level is ERROR, or WARNING for warnings of system checks."""
        level = logging.WARNING if "WARNINGS:" in text and "ERRORS:" not in text else logging.ERROR
        record = logging.LogRecord("stderr", level, __file__, 0, text, None, None)
        RequestIdFilter().filter(record)
        return self.formatter.format(record)


def is_complete(text: str) -> bool:
    """Return whether `text` is a whole message. A traceback comes in pieces; its last line is the error."""
    *_, last = text.removesuffix("\n").split("\n")
    return text.endswith("\n") and not last.startswith(" ") and not last.rstrip().endswith(":")


def log_as_json() -> None:
    """Make this process write JSON to standard error, unless that is a terminal."""
    if not sys.stderr.isatty() and not isinstance(sys.stderr, JsonLines):
        sys.stderr = JsonLines(sys.stderr)


def make_handler() -> logging.Handler:
    """Return the log handler of a server process. Granian calls this first in every new process."""
    log_as_json()
    logging.captureWarnings(True)
    return logging.StreamHandler()


def granian_log_config() -> dict[str, Any]:
    """Return the logging configuration for Granian's `log_dictconfig`."""
    config: dict[str, Any] = settings.LOGGING
    handlers = {
        name: {
            "()": f"{__name__}.make_handler",
            "filters": handler["filters"],
            "formatter": handler["formatter"],
        }
        for name, handler in config["handlers"].items()
    }
    loggers = config["loggers"] | {name: {"handlers": [], "propagate": True} for name in GRANIAN_LOGGERS}
    return config | {"handlers": handlers, "loggers": loggers}
