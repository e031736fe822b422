"""Keeps secrets out of everything that is written about a failure: logs, tracebacks, error mails, DEBUG pages.

What was sealed, opened or entered is remembered for the rest of the request (or command), and every text that goes to a
log or a report has it taken out: raw, URL-quoted, base64, and as HTML, Python and JSON write it.
"""

import base64
import html
import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import cached_property
from logging import LogRecord
from threading import Lock
from typing import Any
from urllib.parse import quote, quote_plus

from django.conf import settings
from django.http import HttpRequest, QueryDict
from django.utils.safestring import SafeString, mark_safe
from django.views.debug import ExceptionReporter, SafeExceptionReporterFilter
from pythonjsonlogger.orjson import OrjsonFormatter

MIN_LENGTH = 4  # characters; taking shorter ones out would garble every line and hide nothing
# Characters of a secret that are sought first, in every form; all of it is sought only where they were found.
PREFIX_LENGTH = 64
MAX_LENGTH = (
    10_000  # characters of a secret whose end is found; what follows the start of a longer one is cut
)
MAX_SECRETS = 5_000  # secrets; while more are remembered, nothing of a text is written
MAX_TEXT = 1_000_000  # characters of a text that is searched; a longer one is not written
REDACTED = "[secret]"
# What a line of the log has.
LINE_FORMAT: dict[str, Any] = {
    "fmt": "{asctime}{levelname}{name}{message}{request_id}",
    "style": "{",
    "rename_fields": {"asctime": "time", "levelname": "level", "name": "logger"},
}


class Secret:
    """A text to take out. Its forms are made once, and those of a long one as a whole only when they are needed."""

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def starts(self) -> set[str]:
        return encodings(self.text[:PREFIX_LENGTH])

    @cached_property
    def wholes(self) -> list[str]:
        """Every form of the whole secret, the longest first; none of one that is too long."""
        return sorted(encodings(self.text), key=len, reverse=True) if len(self.text) <= MAX_LENGTH else []

    def end(self, text: str, place: int, start: str) -> int | None:
        """Return where the secret ends that begins in `text` with `start`; `None` if the rest is not there."""
        if len(self.text) <= PREFIX_LENGTH:
            return place + len(start)
        return next((place + len(whole) for whole in self.wholes if text.startswith(whole, place)), None)


class KnownSecrets:
    """The secrets of one request, in an index: the cost of a search grows with the text, not with their number."""

    def __init__(self) -> None:
        self.secrets: dict[str, Secret] = {}
        self.new: list[Secret] = []
        self.starts: dict[str, list[Secret]] = {}
        # The lengths of the starts, by the characters that they begin with.
        self.lengths: dict[str, set[int]] = {}
        self.lock = Lock()

    def add(self, text: str) -> None:
        with self.lock:
            if text not in self.secrets and len(self.secrets) <= MAX_SECRETS:
                self.secrets[text] = Secret(text)
                self.new.append(self.secrets[text])

    def index(self) -> None:
        """Make the forms of what was added, which most requests never need."""
        with self.lock:
            for secret in self.new:
                for start in secret.starts:
                    self.starts.setdefault(start, []).append(secret)
                    self.lengths.setdefault(start[:MIN_LENGTH], set()).add(len(start))
            self.new = []

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield where in `text` secrets begin and end, in order; they may overlap.

        A part of a long secret ends with the text: how much more of it follows is not known.
        """
        ends: dict[Secret, int] = {}
        for place, start in self.found(text):
            for secret in self.starts[start]:
                end = secret.end(text, place, start)
                if end is None and place < ends.get(secret, 0):
                    continue  # a long secret that repeats its start, as it was found before
                ends[secret] = len(text) if end is None else end
                yield place, ends[secret]

    def found(self, text: str) -> Iterator[tuple[int, str]]:
        """Yield each place in `text` where a start stands, and the start."""
        lengths = self.lengths
        for place in [place for place in range(len(text)) if text[place : place + MIN_LENGTH] in lengths]:
            for length in lengths[text[place : place + MIN_LENGTH]]:
                if (start := text[place : place + length]) in self.starts:
                    yield place, start

    def redact(self, text: str) -> str:
        if len(text) > MAX_TEXT or len(self.secrets) > MAX_SECRETS:
            return REDACTED
        self.index()
        parts, done = [], 0
        for begin, end in merged(self.spans(text)):
            parts += [text[done:begin], REDACTED]
            done = end
        return "".join([*parts, text[done:]])


def merged(spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield `spans`, which come in order, and make those that overlap one: no secret leaves a rest beside another."""
    begin = end = -1
    for place, until in spans:
        if place >= end and end >= 0:
            yield begin, end
        if place >= end:
            begin = place
        end = max(end, until)
    if end >= 0:
        yield begin, end


known: ContextVar[KnownSecrets | None] = ContextVar("known", default=None)


def add(secret: str) -> None:
    """Take `secret` out of everything that is written from here on in this request."""
    if len(secret) < MIN_LENGTH:
        return
    if (secrets := known.get()) is None:
        known.set(secrets := KnownSecrets())
    secrets.add(secret)


def clear() -> None:
    known.set(None)


def encodings(secret: str) -> set[str]:
    """Return every way in which a text may hold `secret`: in base64 or not, written once or twice as others write it."""
    raw = secret.encode("utf-8", "surrogatepass")
    encoded = {
        within(encode, raw, before)
        for encode in (base64.b64encode, base64.urlsafe_b64encode)
        for before in range(3)
    }
    once = {form for text in (secret, *encoded) for form in (text, *written(text))}
    return once | {form for text in once for form in written(text)}


def written(text: str) -> Iterator[str]:
    """Yield `text` as URLs, HTML, Python and JSON write it."""
    raw = text.encode("utf-8", "surrogatepass")
    yield from (quote(raw, safe=""), quote(raw), quote_plus(raw), html.escape(text))
    # Python escapes a single quote only where there are both kinds, of which one may be the neighbour's.
    yield from (repr(text)[1:-1], repr(f"{text}'\"")[1:-4], repr(raw)[2:-1], repr(raw + b"'\"")[2:-4])
    yield from (json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1])


def within(encode: Callable[[bytes], bytes], raw: bytes, before: int) -> str:
    """Return the base64 of `raw` where `before` bytes (modulo 3) precede it, as a user name does in a Basic header.

    The characters at both ends that its neighbours share are left out.
    """
    text = encode(b"\0" * before + raw).decode()
    return text[(before * 8 + 5) // 6 : (before + len(raw)) * 8 // 6]


def redact(text: str) -> str:
    """Return `text` without the secrets that are remembered."""
    secrets = known.get()
    return text if secrets is None else secrets.redact(text)


def mask(text: str) -> str:
    """Return what the record of changes says in place of a secret (or its seal)."""
    return "changed" if text not in ("", "None") else text


class RedactingFormatter(OrjsonFormatter):
    """Writes a record as one line of JSON, without the secrets that are remembered."""

    def formatTime(self, record: LogRecord, datefmt: str | None = None) -> str:  # the name that `logging` calls
        return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        return {
            name: redact(value) if isinstance(value, str) else without_secret(value)
            for name, value in log_data.items()
        }


def holds_secret(value: Any) -> bool:
    """Say whether `value` shows a secret; what cannot be shown is taken for one."""
    if known.get() is None:
        return False
    try:
        text = repr(value)
    except Exception:
        return True
    return redact(text) != text


def without_secret(value: Any) -> Any:
    """Return `value`, or what stands for it: pages break long texts into lines and cut them, so that a part would stay."""
    return REDACTED if isinstance(value, QueryDict) or holds_secret(value) else value


class ReporterFilter(SafeExceptionReporterFilter):
    """Django's own filter, which it switches off for DEBUG pages; form values go by their names, too."""

    # The last two stand in the environment of a request, where other servers put all of the process's own.
    hidden_settings = re.compile(
        f"{SafeExceptionReporterFilter.hidden_settings.pattern}|PRIVATE|DATABASE_URL|CSRF_COOKIE$",
        re.IGNORECASE,
    )

    def is_active(self, request: HttpRequest | None) -> bool:
        return True

    def get_safe_cookies(self, request: HttpRequest | None) -> dict[str, str]:
        """Return the cookies' names: whoever has the value of one has the session."""
        return dict.fromkeys(getattr(request, "COOKIES", {}), self.cleansed_substitute)

    def get_post_parameters(self, request: HttpRequest | None) -> dict[str, Any]:
        posted = super().get_post_parameters(request)
        return {name: self.cleanse_setting(name, value) for name, value in posted.items()}

    def get_traceback_frame_variables(self, request: Any, tb_frame: Any) -> Any:
        found = super().get_traceback_frame_variables(request, tb_frame)
        return {name: without_secret(value) for name, value in found}.items()


def hidden_texts(values: dict[str, Any]) -> Iterator[str]:
    """Yield the texts in (nested) settings that `ReporterFilter` hides for their names."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from hidden_texts(value)
        elif value and isinstance(value, str) and ReporterFilter.hidden_settings.search(name):
            yield value


def installation_secrets() -> list[str]:
    """Return the secrets of the settings, which a frame of a library may hold under any name."""
    return [settings.SECRET_KEY, *settings.CONNECTION_SECRET_KEYS, *hidden_texts(settings.DATABASES)]


def request_secrets(request: HttpRequest | None) -> list[str]:
    """Return what stands for the caller: the session and the bearer."""
    if request is None:
        return []
    return [*request.COOKIES.values(), *request.META.get("HTTP_AUTHORIZATION", "").split()[1:]]


class Reporter(ExceptionReporter):
    """Reports without secrets, whatever frame or message holds them."""

    def __init__(self, request: HttpRequest | None, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, *args, **kwargs)
        for secret in (*installation_secrets(), *request_secrets(request)):
            add(secret)

    def get_traceback_data(self) -> dict[str, Any]:
        """Take secrets out of what the exceptions say before it is written as HTML."""
        data: dict[str, Any] = super().get_traceback_data()
        for frame in data["frames"]:
            frame["exc_cause"] = frame["exc_cause"] and redact(str(frame["exc_cause"]))
        return data | {
            name: redact(data[name]) for name in ("exception_value", "exception_notes") if name in data
        }

    def get_traceback_html(self) -> SafeString:
        return mark_safe(redact(super().get_traceback_html()))  # Django's own page, with texts taken out

    def get_traceback_text(self) -> SafeString:
        return mark_safe(redact(super().get_traceback_text()))
