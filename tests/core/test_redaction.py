"""Redaction of secrets in every encoding, in log lines, tracebacks and reports."""

import base64
import html
import json
import logging
import sys
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from django.http import HttpRequest, QueryDict
from django.test import RequestFactory

from connections.models import Connection
from core import redaction
from core.redaction import (
    MAX_SECRET_LENGTH,
    MAX_SECRETS,
    MAX_TEXT_LENGTH,
    MIN_SECRET_LENGTH,
    PREFIX_LENGTH,
    REDACTED,
    RedactingFormatter,
    Reporter,
    add,
    clear,
    mask,
    redact,
)
from tests.canaries import CANARIES, MARK, found

pytestmark = pytest.mark.any_database

SECRET_TEXTS = [
    *CANARIES.values(),
    *(
        f"{MARK} plain",
        f"{MARK}\"double\"'single'",
        f"{MARK}<b>&amp;",
        f"{MARK}/a+b=c?d#e%20 f",
        f"{MARK}ü日🚚",
        f"{MARK}\\n\n\t\x01\x7f",
    ),
]
ENCODINGS = {
    "raw": str,
    "URL-quoted": quote,
    "URL-quoted, slashes too": lambda text: quote(text, safe=""),
    "form-encoded": quote_plus,
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "URL-safe base64": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
    "Basic header": lambda text: base64.b64encode(f"me:{text}".encode()).decode(),
    "Basic header, longer name": lambda text: base64.b64encode(f"user:{text}".encode()).decode(),
    "Basic header, longest name": lambda text: base64.b64encode(f"users:{text}:more".encode()).decode(),
    "HTML": html.escape,
    "Python": repr,
    "Python in HTML": lambda text: html.escape(repr(text)),
    "bytes": lambda text: repr(text.encode()),
    "in a dict": lambda text: repr({"password": text, "more": [text]}),
    "JSON": json.dumps,
    "JSON with all letters": lambda text: json.dumps({"password": text}, ensure_ascii=False),
    "URL": lambda text: f"https://me:{quote(text, safe='')}@erp.example.com/",
}


@pytest.fixture(autouse=True)
def nothing_known():
    clear()
    yield
    clear()


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("text", SECRET_TEXTS)
def test_a_secret_is_redacted_in_every_encoding(text, encoding):
    line = f"before {ENCODINGS[encoding](text)} after"
    assert found(line), "the canary must be there to be taken out"
    add(text)
    redacted = redact(line)
    assert found(redacted) == []
    assert REDACTED in redacted
    assert (redacted[:7], redacted[-6:]) == ("before ", " after")


def test_other_texts_stay():
    add("hunter2")
    assert redact("hunter3 met hunter") == "hunter3 met hunter"


def test_short_texts_are_not_taken_out():
    add("x" * (MIN_SECRET_LENGTH - 1))
    add("")
    assert redact("xxx and nothing") == "xxx and nothing"


def test_a_secret_that_contains_another_is_redacted_whole():
    add("hunter2")
    add("hunter2-and-more")
    assert redact("hunter2-and-more, hunter2") == f"{REDACTED}, {REDACTED}"


def test_many_secrets_are_redacted():
    for number in range(1000):
        add(f"secret-{number:04}")
    assert redact("secret-0999 secret-0950") == f"{REDACTED} {REDACTED}"


# Characters that every encoding changes, each in its own way.
HARD_CHARACTERS = "\"'<>\\é"


def long_secret(length: int) -> str:
    return f"{MARK}{HARD_CHARACTERS * length}"[: length - len(MARK)] + MARK


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("length", [63, 64, 65, 1_000, MAX_SECRET_LENGTH])
def test_a_long_secret_is_taken_out_whole(length, encoding):
    text = long_secret(length)
    add(text)
    assert redact(f"{ENCODINGS[encoding](text)} and {ENCODINGS[encoding](text)} end").endswith(" end")
    redacted = redact(f"before {ENCODINGS[encoding](text)} after")
    assert found(redacted) == []
    assert (redacted[:7], redacted[-6:]) == ("before ", " after")
    assert len(redacted) < 100


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("length", [MAX_SECRET_LENGTH + 1, 100_000])
def test_a_text_is_cut_where_a_secret_begins_that_is_too_long(length, encoding):
    text = long_secret(length)
    add(text)
    redacted = redact(f"before {ENCODINGS[encoding](text)} after")
    assert found(redacted) == []
    assert redacted.startswith("before ")
    assert redacted.endswith(REDACTED)


def test_a_part_of_a_long_secret_is_cut_with_what_follows():
    text = long_secret(1_000)
    add(text)
    assert redact(f"before {text[:500]}... after") == f"before {REDACTED}"
    assert redact(f"before {text[:PREFIX_LENGTH]} after") == f"before {REDACTED}"


def test_a_secret_that_repeats_itself_leaves_the_rest_of_the_line():
    add(f"{MARK} " * 400)
    assert redact(f"before {f'{MARK} ' * 400}after") == f"before {REDACTED}after"


def test_secrets_that_overlap_leave_no_rest():
    add("abcdefgh")
    add("efghijkl")
    assert redact("-abcdefghijkl-") == f"-{REDACTED}-"
    assert redact("-abcdefghefghijkl-") == f"-{REDACTED}{REDACTED}-"


def test_with_too_many_secrets_no_text_is_written():
    for number in range(MAX_SECRETS + 1):
        add(f"secret-{number:06}")
    assert redact("secret-000000 and secret-999999") == REDACTED


def test_a_text_that_is_too_long_is_not_written():
    assert redact("x" * (MAX_TEXT_LENGTH + 1)) == "x" * (MAX_TEXT_LENGTH + 1)
    add("hunter2")
    assert redact("x" * (MAX_TEXT_LENGTH + 1)) == REDACTED


def test_each_private_header_is_taken_out_alone():
    Connection().set_secret("private_headers", f"X-Key: {MARK}\nX-Other: {MARK}-other-secret")
    assert redact(f"{MARK} / {MARK}-other-secret / X-Other") == f"{REDACTED} / {REDACTED} / X-Other"


@pytest.fixture
def encoded(monkeypatch):
    """The lengths of the texts whose encodings were computed."""
    lengths: list[int] = []
    compute = redaction.encodings
    monkeypatch.setattr(redaction, "encodings", lambda text: lengths.append(len(text)) or compute(text))
    return lengths


def test_the_encodings_of_a_prefix_are_computed_once(encoded):
    for number in range(100):
        add(long_secret(4_096) + str(number))
    add("short one")
    assert encoded == []  # no text was redacted yet
    for _ in range(10):
        formatted("POST /api/users/login", path="/api/users/login", status=404)
    assert sorted(encoded) == [9] + [PREFIX_LENGTH] * 100


def test_a_long_secret_is_encoded_only_after_its_prefix_was_found(encoded):
    text = long_secret(4_096)
    add(text)
    for _ in range(10):
        assert redact(f"password {text}!") == f"password {REDACTED}!"
    assert encoded == [PREFIX_LENGTH, 4_096]


def test_the_next_request_starts_with_nothing(client, db):
    add("healthz")
    client.get("/healthz")
    assert redact("healthz") == "healthz"


@pytest.mark.parametrize(
    ("text", "masked"), [("v1.a.b", "changed"), ("hunter2", "changed"), ("", ""), ("None", "None")]
)
def test_the_mask_of_a_secret_in_the_audit(text, masked):
    assert mask(text) == masked


def formatted(message: str, *args: Any, **extra: Any) -> str:
    formatter = RedactingFormatter("%(message)s")
    record = logging.LogRecord("name", logging.ERROR, __file__, 1, message, args, extra.pop("exc_info", None))
    for name, value in extra.items():
        setattr(record, name, value)
    return formatter.format(record)


@pytest.mark.parametrize("text", SECRET_TEXTS)
def test_a_log_line_holds_no_secret(text):
    add(text)
    lines = [
        formatted(f"sent {text}"),
        formatted("sent %s to %r", text, {"password": text}),
        formatted("sent", headers={"Authorization": text}, stack_info=f"Stack: {text!r}"),
    ]
    assert [found(line) for line in lines] == [[], [], []]
    assert all(REDACTED in line for line in lines)


@pytest.mark.parametrize("text", SECRET_TEXTS)
def test_a_traceback_in_the_log_holds_no_secret(text):
    add(text)
    try:
        raise_from(text)
    except RuntimeError:
        line = formatted("failed", exc_info=sys.exc_info())
    assert "RuntimeError" in line
    assert found(line) == []


def raise_from(text: str) -> None:
    """Raise an error that has the secret in its message, and in the message and a note of its cause."""
    try:
        raise ValueError(text)
    except ValueError as error:
        error.add_note(f"note {text}")
        raise RuntimeError(f"again {text!r}, and {json.dumps({'password': text})}") from error


# Reports: DEBUG pages and error mails


def report(request: HttpRequest | None, *, is_email: bool) -> str:
    kind, error, trace = sys.exc_info()
    reporter = Reporter(request, kind, error, trace, is_email)
    return f"{reporter.get_traceback_html()}\n{reporter.get_traceback_text()}"


class Holder:
    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return f"Holder({self.text!r})"


class Broken:
    def __repr__(self) -> str:
        raise ValueError("no repr")


def fail_with(text: str) -> None:
    plain, raw, nested, held = text, text.encode(), {"deep": [{"password": text}]}, Holder(text)
    quoted, encoded, broken = quote(text, safe=""), base64.b64encode(f"user:{text}".encode()), Broken()
    raise RuntimeError(f"{plain} {raw!r} {nested} {held} {quoted} {encoded!r} {type(broken)}")


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize("is_email", [True, False])
@pytest.mark.parametrize(
    "text", [*SECRET_TEXTS, f"{MARK} " * 400, MARK * 400, "\n".join(f"{MARK} line {n}" for n in range(200))]
)
def test_a_report_holds_no_secret(text, is_email, debug, settings):
    """Nor a part of a long one, which a page would cut."""
    settings.DEBUG = debug
    add(text)
    try:
        fail_with(text)
    except RuntimeError:
        written = report(RequestFactory().get("/"), is_email=is_email)
    assert "fail_with" in written
    assert found(written) == []
    assert found(html.unescape(written)) == []


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize(
    "name",
    ["new_password", "new_token", "new_private_key", "new_private_headers", "password1", "old_password"],
)
def test_a_form_that_was_not_read_yet_is_not_reported(name, debug, settings):
    """The redaction does not know a secret before the form reads it. The name of its field hides it."""
    settings.DEBUG = debug
    request = RequestFactory().post("/", {name: CANARIES["password"], "name": "shown"})
    try:
        posted = request.POST
        raise ValueError(f"failed with {len(posted)} fields")
    except ValueError:
        written = report(request, is_email=False) + report(request, is_email=True)
    assert found(written) == []
    assert "shown" in written


def test_a_form_in_a_variable_is_not_reported(settings):
    settings.DEBUG = True
    try:
        data = QueryDict(f"scope={MARK}")
        raise ValueError(len(data))
    except ValueError:
        assert found(report(None, is_email=False)) == []


def test_a_report_still_tells_what_helps(settings):
    settings.DEBUG = True
    add("hunter2")
    try:
        helpful = "the shelf number 17"
        raise ValueError(f"no such shelf: {len(helpful)}")
    except ValueError:
        written = report(None, is_email=False)
    assert "the shelf number 17" in written
    assert "no such shelf: 19" in written
