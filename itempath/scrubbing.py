"""Keeps secrets out of everything that is written about a failure: logs, tracebacks, error mails, DEBUG pages.

What was sealed, opened or entered is remembered for the rest of the request (or command), and every text that goes to a
log or a report has it taken out: raw, URL-quoted, base64, and as HTML, Python and JSON write it.
"""

import base64
import html
import json
import re
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from datetime import UTC, datetime
from logging import LogRecord
from typing import Any
from urllib.parse import quote, quote_plus

from django.http import HttpRequest, QueryDict
from django.utils.safestring import SafeString, mark_safe
from django.views.debug import ExceptionReporter, SafeExceptionReporterFilter
from pythonjsonlogger.orjson import OrjsonFormatter

SHORTEST = 4  # characters; taking shorter ones out would garble every line and hide nothing
MOST = 100
REDACTED = "[secret]"

known: ContextVar[tuple[str, ...]] = ContextVar("known", default=())


def remember(secret: str) -> None:
    """Take `secret` out of everything that is written from here on in this request."""
    if len(secret) >= SHORTEST and secret not in known.get():
        known.set((*known.get(), secret)[-MOST:])


def forget() -> None:
    known.set(())


def forms(secret: str) -> set[str]:
    """Return every way in which a text may hold `secret`: in base64 or not, written once or twice as others write it."""
    raw = secret.encode("utf-8", "surrogatepass")
    encoded = {within(encode, raw, before) for encode in (base64.b64encode, base64.urlsafe_b64encode) for before in range(3)}
    once = {form for text in (secret, *encoded) for form in (text, *written(text))}
    return once | {form for text in once for form in written(text)}


def written(text: str) -> Iterator[str]:
    """Yield `text` as URLs, HTML, Python and JSON write it."""
    raw = text.encode("utf-8", "surrogatepass")
    yield from (quote(raw, safe=""), quote(raw), quote_plus(raw), html.escape(text))
    # Python escapes a single quote only where there are both kinds, of which one may be the neighbour's.
    yield from (repr(text)[1:-1], repr(f"{text}'\"")[1:-4], repr(raw)[2:-1])
    yield from (json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1])


def within(encode: Callable[[bytes], bytes], raw: bytes, before: int) -> str:
    """Return the base64 of `raw` where `before` bytes (modulo 3) precede it, as a user name does in a Basic header.

    The characters at both ends that its neighbours share are left out.
    """
    text = encode(b"\0" * before + raw).decode()
    return text[(before * 8 + 5) // 6 : (before + len(raw)) * 8 // 6]


def scrub(text: str) -> str:
    """Return `text` without the secrets that are remembered."""
    if not known.get():
        return text
    found = {form for secret in known.get() for form in forms(secret)}
    for form in sorted(found, key=len, reverse=True):  # the longest first, of which others are parts
        text = text.replace(form, REDACTED)
    return text


def mask(text: str) -> str:
    """Return what the record of changes says in place of a secret (or its seal)."""
    return "changed" if text not in ("", "None") else text


class ScrubbingFormatter(OrjsonFormatter):
    """Writes a record as one line of JSON, without the secrets that are remembered."""

    def formatTime(self, record: LogRecord, datefmt: str | None = None) -> str:  # noqa: N802  # the name that `logging` calls
        return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        return {name: scrub(value) if isinstance(value, str) else without_secret(value) for name, value in log_data.items()}


def holds_secret(value: Any) -> bool:
    """Say whether `value` shows a secret; what cannot be shown is taken for one."""
    if not known.get():
        return False
    try:
        text = repr(value)
    except Exception:
        return True
    return scrub(text) != text


def without_secret(value: Any) -> Any:
    """Return `value`, or what stands for it: pages break long texts into lines and cut them, so that a part would stay."""
    return REDACTED if isinstance(value, QueryDict) or holds_secret(value) else value


class ReporterFilter(SafeExceptionReporterFilter):
    """Django's own filter, which it switches off for DEBUG pages; form values go by their names, too."""

    hidden_settings = re.compile(f"{SafeExceptionReporterFilter.hidden_settings.pattern}|PRIVATE", re.IGNORECASE)

    def is_active(self, request: HttpRequest | None) -> bool:
        return True

    def get_post_parameters(self, request: HttpRequest | None) -> dict[str, Any]:
        posted = super().get_post_parameters(request)
        return {name: self.cleanse_setting(name, value) for name, value in posted.items()}

    def get_traceback_frame_variables(self, request: Any, tb_frame: Any) -> Any:
        found = super().get_traceback_frame_variables(request, tb_frame)
        return {name: without_secret(value) for name, value in found}.items()


class Reporter(ExceptionReporter):
    """Reports without secrets, whatever frame or message holds them."""

    def get_traceback_data(self) -> dict[str, Any]:
        """Take secrets out of what the exceptions say before it is written as HTML."""
        data: dict[str, Any] = super().get_traceback_data()
        for frame in data["frames"]:
            frame["exc_cause"] = frame["exc_cause"] and scrub(str(frame["exc_cause"]))
        return data | {name: scrub(data[name]) for name in ("exception_value", "exception_notes") if name in data}

    def get_traceback_html(self) -> SafeString:
        return mark_safe(scrub(super().get_traceback_html()))  # noqa: S308  # Django's own page, with texts taken out

    def get_traceback_text(self) -> SafeString:
        return mark_safe(scrub(super().get_traceback_text()))  # noqa: S308
