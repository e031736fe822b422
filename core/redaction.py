"""Keeps secrets out of all that is written about a failure: logs, tracebacks, error mails, DEBUG pages.

Code that encrypts, decrypts or receives a secret adds it here for the rest of the request or command. Every
text that goes to a log or a report then has these secrets replaced by `REDACTED`. A secret is also recognized
URL-quoted, in base64, and escaped as HTML, Python and JSON escape it.
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

# Shorter texts are not redacted: to replace them would garble every line and hide nothing.
MIN_SECRET_LENGTH = 4  # characters
# A text is searched for the encodings of a secret's first characters. The encodings of the whole secret are
# made and compared only where those were found.
PREFIX_LENGTH = 64  # characters
# The end of a longer secret is not searched for: the text is cut where such a secret begins.
MAX_SECRET_LENGTH = 10_000  # characters
MAX_SECRETS = 5_000  # while a request has more, its texts are replaced as a whole
MAX_TEXT_LENGTH = 1_000_000  # characters; a longer text is not searched, but replaced as a whole
REDACTED = "[secret]"
# The fields of a log line.
LINE_FORMAT: dict[str, Any] = {
    "fmt": "{asctime}{levelname}{name}{message}{request_id}",
    "style": "{",
    "rename_fields": {"asctime": "time", "levelname": "level", "name": "logger"},
}


class Secret:
    """A text to redact. Its encodings are computed once, and those of a long text only when needed."""

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def prefix_encodings(self) -> set[str]:
        """The encodings of the first `PREFIX_LENGTH` characters."""
        return encodings(self.text[:PREFIX_LENGTH])

    @cached_property
    def full_encodings(self) -> list[str]:
        """The encodings of the whole secret, the longest first; empty if it exceeds `MAX_SECRET_LENGTH`."""
        if len(self.text) > MAX_SECRET_LENGTH:
            return []
        return sorted(encodings(self.text), key=len, reverse=True)

    def find_end(self, text: str, index: int, prefix: str) -> int | None:
        """Return the index in `text` after the secret whose encoded `prefix` stands at `index`.

        Return `None` if the rest of the secret does not follow, or the secret is too long to look for its
        end.
        """
        if len(self.text) <= PREFIX_LENGTH:
            return index + len(prefix)
        ends = (index + len(each) for each in self.full_encodings if text.startswith(each, index))
        return next(ends, None)


class SecretIndex:
    """The secrets of one request, indexed by their prefixes.

    The cost of a search grows with the length of the text, not with the number of secrets.
    """

    def __init__(self) -> None:
        self.secrets: dict[str, Secret] = {}
        # Added, but not indexed yet.
        self.pending: list[Secret] = []
        self.by_prefix: dict[str, list[Secret]] = {}
        # The lengths of the encoded prefixes, by their first `MIN_SECRET_LENGTH` characters.
        self.prefix_lengths: dict[str, set[int]] = {}
        self.lock = Lock()

    def add(self, text: str) -> None:
        with self.lock:
            if text not in self.secrets and len(self.secrets) <= MAX_SECRETS:
                self.secrets[text] = Secret(text)
                self.pending.append(self.secrets[text])

    def index_pending(self) -> None:
        """Index what was added. Done before a search, because most requests never write a text to redact."""
        with self.lock:
            for secret in self.pending:
                for prefix in secret.prefix_encodings:
                    self.by_prefix.setdefault(prefix, []).append(secret)
                    self.prefix_lengths.setdefault(prefix[:MIN_SECRET_LENGTH], set()).add(len(prefix))
            self.pending = []

    def find_spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield the start and end index of each secret in `text`, sorted by start. Spans may overlap.

        Where `text` has the prefix of a long secret without the rest, the span extends to the end of the
        text: it is unknown how much more of the secret follows.
        """
        ends: dict[Secret, int] = {}
        for index, prefix in self.find_prefixes(text):
            for secret in self.by_prefix[prefix]:
                end = secret.find_end(text, index, prefix)
                if end is None and index < ends.get(secret, 0):
                    continue  # the secret repeats its own prefix, inside the span that was found before
                ends[secret] = len(text) if end is None else end
                yield index, ends[secret]

    def find_prefixes(self, text: str) -> Iterator[tuple[int, str]]:
        """Yield each index in `text` at which an encoded prefix stands, and that prefix."""
        lengths = self.prefix_lengths
        # A comprehension, which is the quickest way through a text that mostly has no prefix.
        candidates = [
            index for index in range(len(text)) if text[index : index + MIN_SECRET_LENGTH] in lengths
        ]
        for index in candidates:
            for length in lengths[text[index : index + MIN_SECRET_LENGTH]]:
                if (prefix := text[index : index + length]) in self.by_prefix:
                    yield index, prefix

    def redact(self, text: str) -> str:
        if len(text) > MAX_TEXT_LENGTH or len(self.secrets) > MAX_SECRETS:
            return REDACTED
        self.index_pending()
        parts, done = [], 0
        for start, end in merge_spans(self.find_spans(text)):
            parts += [text[done:start], REDACTED]
            done = end
        return "".join([*parts, text[done:]])


def merge_spans(spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield `spans`, sorted by start, with overlapping ones merged, so that each is replaced once."""
    merged: tuple[int, int] | None = None
    for start, end in spans:
        if merged is None or start >= merged[1]:
            if merged is not None:
                yield merged
            merged = (start, end)
        else:
            merged = (merged[0], max(merged[1], end))
    if merged is not None:
        yield merged


current_secrets: ContextVar[SecretIndex | None] = ContextVar("current_secrets", default=None)


def add(secret: str) -> None:
    """Redact `secret` in everything that this request or command writes from now on."""
    if len(secret) < MIN_SECRET_LENGTH:
        return
    if (secrets := current_secrets.get()) is None:
        current_secrets.set(secrets := SecretIndex())
    secrets.add(secret)


def clear() -> None:
    """Remove the secrets of this request or command, so that they are redacted no longer."""
    current_secrets.set(None)


def encodings(secret: str) -> set[str]:
    """Return the forms in which a text may contain `secret`: plain or in base64, each escaped up to twice."""
    raw = secret.encode("utf-8", "surrogatepass")
    in_base64 = {
        base64_within(encode, raw, preceding)
        for encode in (base64.b64encode, base64.urlsafe_b64encode)
        for preceding in range(3)
    }
    once = {form for text in (secret, *in_base64) for form in (text, *escapes(text))}
    return once | {form for text in once for form in escapes(text)}


def escapes(text: str) -> Iterator[str]:
    """Yield `text` as URLs, HTML, Python and JSON escape it."""
    raw = text.encode("utf-8", "surrogatepass")
    yield from (quote(raw, safe=""), quote(raw), quote_plus(raw), html.escape(text))
    # Python escapes a single quote only in a text that has both kinds of quotes, and text around the secret
    # may have the other kind.
    yield from (repr(text)[1:-1], repr(f"{text}'\"")[1:-4], repr(raw)[2:-1], repr(raw + b"'\"")[2:-4])
    yield from (json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1])


def base64_within(encode: Callable[[bytes], bytes], raw: bytes, preceding: int) -> str:
    """Return the base64 of `raw` inside a longer value, after `preceding` bytes modulo 3.

    In a Basic header the user name precedes the password. The first and the last character are left out where
    they also encode bits of the bytes around `raw`.
    """
    text = encode(b"\0" * preceding + raw).decode()
    return text[(preceding * 8 + 5) // 6 : (preceding + len(raw)) * 8 // 6]


def redact(text: str) -> str:
    """Return `text` with the secrets of this request or command replaced."""
    secrets = current_secrets.get()
    return text if secrets is None else secrets.redact(text)


def mask(text: str) -> str:
    """Return what the audit shows in place of a secret or its ciphertext."""
    return "changed" if text not in ("", "None") else text


class RedactingFormatter(OrjsonFormatter):
    """Formats a log record as one line of JSON, with secrets redacted."""

    def formatTime(self, record: LogRecord, datefmt: str | None = None) -> str:  # noqa: N802  # `logging` calls it
        return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        return {
            name: redact(value) if isinstance(value, str) else hide_secret(value)
            for name, value in log_data.items()
        }


def shows_secret(value: Any) -> bool:
    """Return whether the `repr` of `value` contains a secret, or raises an error."""
    if current_secrets.get() is None:
        return False
    try:
        text = repr(value)
    except Exception:
        return True
    return redact(text) != text


def hide_secret(value: Any) -> Any:
    """Return `value`, or `REDACTED` in place of a form or of anything that shows a secret.

    The whole value is replaced, because an error page wraps and cuts long values: a part of a secret would be
    left that no search recognizes.
    """
    return REDACTED if isinstance(value, QueryDict) or shows_secret(value) else value


class ReporterFilter(SafeExceptionReporterFilter):
    """Django's own filter, but active on DEBUG pages too, and hiding form values by their names as well.

    A request's environment may hold the whole environment of the process, with settings such as
    `DATABASE_URL`: some WSGI servers put it there.
    """

    hidden_settings = re.compile(
        f"{SafeExceptionReporterFilter.hidden_settings.pattern}|PRIVATE|DATABASE_URL|CSRF_COOKIE$",
        re.IGNORECASE,
    )

    def is_active(self, request: HttpRequest | None) -> bool:
        return True

    def get_safe_cookies(self, request: HttpRequest | None) -> dict[str, str]:
        """Return the cookies with hidden values: that of the session cookie gives access to the session."""
        return dict.fromkeys(getattr(request, "COOKIES", {}), self.cleansed_substitute)

    def get_post_parameters(self, request: HttpRequest | None) -> dict[str, Any]:
        posted = super().get_post_parameters(request)
        return {name: self.cleanse_setting(name, value) for name, value in posted.items()}

    def get_traceback_frame_variables(self, request: Any, tb_frame: Any) -> Any:
        found = super().get_traceback_frame_variables(request, tb_frame)
        return {name: hide_secret(value) for name, value in found}.items()


def hidden_texts(values: dict[str, Any]) -> Iterator[str]:
    """Yield the texts in settings, nested ones too, that `ReporterFilter` hides because of their names."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from hidden_texts(value)
        elif value and isinstance(value, str) and ReporterFilter.hidden_settings.search(name):
            yield value


def installation_secrets() -> list[str]:
    """Return the secrets in the settings. A library may keep one in a variable of any name."""
    return [settings.SECRET_KEY, *settings.CONNECTION_SECRET_KEYS, *hidden_texts(settings.DATABASES)]


def request_secrets(request: HttpRequest | None) -> list[str]:
    """Return what identifies the caller: the values of the cookies, and the bearer."""
    if request is None:
        return []
    return [*request.COOKIES.values(), *request.META.get("HTTP_AUTHORIZATION", "").split()[1:]]


class Reporter(ExceptionReporter):
    """Reports an exception with the secrets redacted in every variable and message."""

    def __init__(self, request: HttpRequest | None, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, *args, **kwargs)
        for secret in (*installation_secrets(), *request_secrets(request)):
            add(secret)

    def get_traceback_data(self) -> dict[str, Any]:
        """Redact the messages of the exceptions before they are written as HTML."""
        data: dict[str, Any] = super().get_traceback_data()
        for frame in data["frames"]:
            frame["exc_cause"] = frame["exc_cause"] and redact(str(frame["exc_cause"]))
        return data | {
            name: redact(data[name]) for name in ("exception_value", "exception_notes") if name in data
        }

    def get_traceback_html(self) -> SafeString:
        return mark_safe(redact(super().get_traceback_html()))  # noqa: S308  # Django's own page, redacted

    def get_traceback_text(self) -> SafeString:
        return mark_safe(redact(super().get_traceback_text()))  # noqa: S308
