"""What a server process says from its first moment on, as lines of JSON on standard error.

Django sets up logging when it has read its settings. What comes before that, and what Python and libraries print by
themselves (tracebacks, warnings, the refusal of a command), goes through the stream of this module. A terminal shows it
as it is.
"""

import io
import logging
import sys
from typing import Any, TextIO

from django.conf import settings

from core.middleware import RequestIdFilter
from core.redaction import LINE_FORMAT, RedactingFormatter

# Granian's own loggers: of the server, and of its access log, which this product replaces.
GRANIAN = ("_granian", "granian.access")

# What every line of the log begins with.
LOGGED = '{"time":'


class JsonLines(io.TextIOBase):
    """Passes lines of JSON on, and writes any other text as the message of one."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.formatter = RedactingFormatter(**LINE_FORMAT)
        self.pending = ""

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self.stream.fileno()

    def write(self, text: str) -> int:
        if text.startswith(LOGGED):
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
        level = logging.WARNING if "WARNINGS:" in text and "ERRORS:" not in text else logging.ERROR
        record = logging.LogRecord("stderr", level, __file__, 0, text, None, None)
        RequestIdFilter().filter(record)
        return self.formatter.format(record)


def is_complete(text: str) -> bool:
    """Return whether nothing more belongs to `text`: a traceback comes in pieces, its error last."""
    *_, last = text.removesuffix("\n").split("\n")
    return text.endswith("\n") and not last.startswith(" ") and not last.rstrip().endswith(":")


def log_as_json() -> None:
    """Let this process write JSON to standard error, unless that is a terminal."""
    if not sys.stderr.isatty() and not isinstance(sys.stderr, JsonLines):
        sys.stderr = JsonLines(sys.stderr)


def make_handler() -> logging.Handler:
    """Return the handler of a process that Granian started: its logging is set up first, with this."""
    log_as_json()
    logging.captureWarnings(True)
    return logging.StreamHandler()


def granian_log_config() -> dict[str, Any]:
    """Return what Granian takes as `log_dictconfig`, or as the JSON of `--log-config`."""
    config: dict[str, Any] = settings.LOGGING
    handlers = {
        name: {
            "()": f"{__name__}.make_handler",
            "filters": handler["filters"],
            "formatter": handler["formatter"],
        }
        for name, handler in config["handlers"].items()
    }
    loggers = config["loggers"] | {name: {"handlers": [], "propagate": True} for name in GRANIAN}
    return config | {"handlers": handlers, "loggers": loggers}
