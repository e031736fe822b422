"""The cost of each parser grows at most with the length of its worst texts, up to 64,000 characters."""

import io
import json
import re
import time
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_address
from typing import Any

import pytest
from django.core.exceptions import SuspiciousOperation, ValidationError
from django.core.handlers.wsgi import WSGIHandler
from django.http import QueryDict
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from connections.addresses.parsing import parse_address, parse_endpoint
from connections.headers import parse_headers
from connections.import_schema import ImportedConnection
from connections.importing import first_line, read_records
from connections.secrets.holder import is_placeholder, values_of
from core import redaction
from core.api import list_queries
from core.api.arguments import (
    Arguments,
    argument,
    body_arguments,
    header_list,
    query_arguments,
    split_operator,
)
from core.api.dates import is_relative_date, parse_moment
from core.api.filters import BooleanFilter, IntegerFilter, MomentFilter, NumberFilter, TextFilter
from core.api.http import matches_etag
from core.api.ordering import OrderingBackend
from core.bounds import bound_requests
from core.db.lookups import fold
from core.import_schema import refuse_unstorable
from core.importing import ImportRefused
from core.proxies import find_client, find_scheme, read_address, read_network, trust_proxies
from tests.core.api import PATH, store
from workitems.import_schema import require_key, require_username
from workitems.importing import read_file
from workitems.link_commands import LinkChange, parse_id, parse_ids

SIZES = (1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000)
# The cost of a text may exceed that of linear growth by this factor. Quadratic growth exceeds it 64 times at
# the end.
MARGIN = 5
# Seconds that a text of 1,000 characters counts as at least, as a few microseconds cannot be measured
# exactly.
MIN_COST = 40e-6
REFUSALS = (
    ValueError,
    ValidationError,
    SuspiciousOperation,
    APIException,
    ImportRefused,
    KeyError,
    RecursionError,
)


def cost(call: Callable[[], Any]) -> float:
    """Return the processor time of `call` in seconds, the best of several measurable series."""
    best, repeats = float("inf"), 1
    for _ in range(3):
        spent = 0.0
        while spent < 0.001:
            start = time.process_time()
            for _ in range(repeats):
                call()
            spent = time.process_time() - start
            best = min(best, spent / repeats)
            repeats = min(repeats * 4, 4096) if spent < 0.001 else repeats
    return best


def quietly(parse: Callable[[str], Any], text: str) -> Callable[[], None]:
    def call() -> None:
        with suppress(*REFUSALS):  # a refusal has a cost, too
            parse(text)

    return call


def first_excess(parse: Callable[[str], Any], make: Callable[[int], str]) -> tuple[int, float] | None:
    """Return the first size that costs too much, and by which factor; `None` if none does.

    Other load on the machine may disturb a measurement, so three of them must exceed the limit.
    """
    base = max(cost(quietly(parse, make(SIZES[0]))), MIN_COST)
    for size in SIZES[1:]:
        allowed = base * MARGIN * size / SIZES[0]
        call = quietly(parse, make(size))
        if all(cost(call) > allowed for _ in range(3)):
            return size, cost(call) / allowed
    return None


def assert_linear(parse: Callable[[str], Any], make: Callable[[int], str]) -> None:
    assert first_excess(parse, make) is None


def repeated(unit: str, before: str = "", after: str = "") -> Callable[[int], str]:
    """Return a function that makes a text of a given length, filled with `unit`."""
    return lambda size: (
        f"{before}{(unit * (size // len(unit) + 1))[: size - len(before) - len(after)]}{after}"
    )


def many(count: Callable[[int], int], part: str, join: str) -> Callable[[int], str]:
    """Return a function that makes a text of a given length from `count` parts, each filled up with `x`."""

    def make(size: int) -> str:
        number = count(size)
        return join.join(f"{part}{'x' * max(size // number - len(part), 1)}" for _ in range(number))

    return make


# The characters with a meaning for one of the parsers, alone and in combination. The ends make the whole text
# invalid.
UNITS = [
    *" \t,;:=[]{}()<>/\\\"'@.%&+-_*?#0aé\n\r\0",
    "[]",
    "][",
    "a:",
    ":a",
    "a=",
    "=;",
    "%4",
    "%41",
    '\\"',
    "\\'",
    "//",
    "/a",
    "a/",
]
UNITS += [
    "a.",
    "@a",
    "a@",
    ": ",
    " :",
    ", ",
    "{}",
    "[[]",
    '""',
    '";',
    "0-",
    "0:",
    "]:",
    "]:0",
    "\r\n",
    "\\u00e9",
    "&amp;",
    "é,",
]
ENDS = ["", "\0", "\n", "]", "x", '"']
STARTS = ["", "a:", "[", "x[", '"', "handling", "jdbc:oracle:thin:", "0", "2026-05-01T"]

PEER = ip_address("127.0.0.1")
SMALL: dict[str, Callable[[str], Any]] = {
    "name of an argument": lambda text: argument(text, ""),
    "query string": query_arguments,
    "preference": lambda text: Arguments.of(request_with(HTTP_PREFER=text)),
    "header of names": lambda text: header_list(text.split(",")),
    "tag": lambda text: matches_etag(request_with(HTTP_IF_NONE_MATCH=text), 'W/"0123456789abcdef01234567"'),
    "text filter": lambda text: TextFilter("name").condition(text),
    "integer filter": lambda text: IntegerFilter("id").condition(text),
    "number filter": lambda text: NumberFilter("time").condition(text),
    "moment filter": lambda text: MomentFilter("creation_date").condition(text),
    "boolean filter": lambda text: BooleanFilter("status").condition(text),
    "words for dates": is_relative_date,
    "moment": parse_moment,
    "order": lambda text: OrderingBackend().terms(Arguments([argument("orderby", text)]), {}),
    "letter case": fold,
    "headers of a connection": parse_headers,
    "address": parse_address,
    "test endpoint": parse_endpoint,
    "placeholder": is_placeholder,
    "values of private headers": lambda text: values_of("private_headers", text),
    "line of an error": lambda text: first_line(ValueError(text)),
    "storable text": refuse_unstorable,
    "id of a link": parse_id,
    "ids of a link": lambda text: parse_ids(text.split(",")),
    "API key of an import": require_key,
    "user name of an import": require_username,
    "forwarded for": lambda text: find_client(PEER, text, (read_network("127.0.0.0/8"),)),
    "forwarded proto": find_scheme,
    "address of a peer": lambda text: read_address.__wrapped__(text),
    "form": lambda text: QueryDict(text.encode("utf-8", "replace")),
}


def request_with(**headers: Any) -> Request:
    return Request(APIRequestFactory().get("/", **headers))


@pytest.mark.any_database
@pytest.mark.parametrize("name", SMALL)
def test_a_parser_takes_no_more_time_than_the_text_is_longer(name):
    """Each unit is tried alone first, then the most expensive ones with every start and end."""
    parse = SMALL[name]
    costs = {unit: cost(quietly(parse, repeated(unit)(2_000))) for unit in UNITS}
    costliest = sorted(UNITS, key=lambda unit: costs[unit], reverse=True)[:3]
    sieve = [(unit, start, end) for unit in UNITS for start in STARTS for end in ENDS]
    found = {each: cost_once(quietly(parse, repeated(*each)(2_000))) for each in sieve}
    worst = sorted(found, key=lambda each: found[each], reverse=True)[:4]
    for unit, start, end in [*((unit, "", "") for unit in costliest), *worst]:
        excess = first_excess(parse, repeated(unit, start, end))
        assert excess is None, (unit, start, end, excess)


def cost_once(call: Callable[[], Any]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def body(parse: Callable[[bytes], Any]) -> Callable[[str], Any]:
    return lambda text: parse(text.encode("utf-8", "surrogatepass"))


def import_of(text: str) -> None:
    for record in read_records(io.BufferedReader(io.BytesIO(text.encode("utf-8", "surrogatepass")))):
        ImportedConnection.model_validate(record)


LISTS = '"items": [], "initiatives": [], "bugs": [], "backlogs": [], "delete": false'
JSON = {
    "brackets in a name": repeated("[", '{"', '": 1}'),
    "deep lists": repeated("["),
    "deep objects": repeated('{"a":'),
    "many keys": lambda size: json.dumps({f"{number:06}": 1 for number in range(size // 13)}),
    "one key again and again": repeated('"a":1,', "{", '"a":1}'),
    "a long list": repeated('"1",', '{"id": [', '"1"]}'),
    "lists in a list": repeated("[],", '{"id": [', "[]]}"),
    "a long number": repeated("1", '{"id": ', "}"),
    "a long fraction": repeated("1", '{"id": 0.', "}"),
    "a long exponent": repeated("1", '{"id": 1e', "}"),
    "long numbers": lambda size: f'{{"id": [{",".join(["1" * 400] * (size // 401))}]}}',
    "escapes": repeated("\\u00e9", '{"id": "', '"}'),
    "surrogates": repeated("\\ud800", '{"id": "', '"}'),
    "blanks": repeated(" ", "{", "}"),
    "a text without end": repeated("a", '{"id": "'),
    "backslashes": repeated("\\", '{"id": "'),
    "1,000 arguments": many(lambda size: min(1_000, size // 8), '"a":"', '",'),
    "250 conditions": lambda size: json.dumps({"name": [f"[like]{'x' * (size // 250)}"] * 250}),
    "values": lambda size: json.dumps({"name": f"[or]{'x;' * (size // 2)}"}),
    "ids": lambda size: (
        f'{{"items": [{",".join(f"{number:05}" for number in range(10_000, 10_000 + size // 7))}]}}'
    ),
    "addresses": repeated("a:", '[{"id": 1, "name": "x", "type": "REST", "url": "', '"}]'),
    "records": repeated('{"id": 1, "name": "x", "type": "REST"},', "[", "1]"),
    "lists in an array": repeated("[],", "[", "1]"),
}
READERS: dict[str, Callable[[str], Any]] = {
    "arguments": body(body_arguments),
    "links": body(LinkChange.parse),
    "import": import_of,
    "import of work items": body(read_file),
}


@pytest.mark.any_database
@pytest.mark.parametrize("text", JSON)
@pytest.mark.parametrize("reader", READERS)
def test_a_reader_of_json_takes_no_more_time_than_the_text_is_longer(reader, text):
    assert_linear(READERS[reader], JSON[text])


HEADERS = {
    "cookie of escapes": ("HTTP_COOKIE", repeated("\\", 'a="', '"')),
    "cookie of octal escapes": ("HTTP_COOKIE", repeated("\\101", 'a="', '"')),
    "many cookies": ("HTTP_COOKIE", repeated("a=;")),
    "type with parameters": ("CONTENT_TYPE", repeated(";", 'a/b;a="')),
    "type with escapes": ("CONTENT_TYPE", repeated("\\;", 'a/b;a="')),
    "type with numbered parameters": (
        "CONTENT_TYPE",
        lambda size: "a/b;" + "".join(f"a*{n}*=x;" for n in range(size // 8)),
    ),
    "path of no letters": ("PATH_INFO", repeated("\xe9", "/")),
    "path of the admin": ("PATH_INFO", repeated("/", "/admin/r/", "a")),
    "path of the admin with a line": ("PATH_INFO", repeated("a/", "/admin/r/", "\n")),
    "path of a connection": ("PATH_INFO", repeated("/change", "/admin/connections/connection/")),
    "path of work items": ("PATH_INFO", repeated("0", "/api/connections/")),
    "host": ("HTTP_HOST", repeated("a.")),
    "host of numbers": ("HTTP_HOST", repeated(":", "[")),
    "origin": ("HTTP_ORIGIN", repeated("[", "https://")),
    "bearer": ("HTTP_AUTHORIZATION", repeated(".", "Bearer ")),
    "scheme": ("HTTP_AUTHORIZATION", repeated(" ", "Bearer", "x")),
    "compression": ("HTTP_ACCEPT_ENCODING", repeated("gzip,")),
    "condition": ("HTTP_IF_MODIFIED_SINCE", repeated("1:")),
    "range": ("HTTP_RANGE", repeated("1", "bytes=")),
    "request id": ("HTTP_X_REQUEST_ID", repeated("a", "", " ")),
    "addresses": ("HTTP_X_FORWARDED_FOR", repeated("1.2.3.4,")),
    "media types": ("HTTP_ACCEPT", repeated('a/b;a="', "json")),
}
ENVIRON = {
    **{
        "SCRIPT_NAME": "",
        "PATH_INFO": "/admin/login/",
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
    },
    **{
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REQUEST_METHOD": "GET",
        "HTTP_HOST": "localhost",
        "REMOTE_ADDR": "127.0.0.1",
    },
    **{"wsgi.url_scheme": "http", "wsgi.errors": io.StringIO()},
}


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_header_or_a_path_takes_no_more_time_than_it_is_longer(header, method, db):
    """The request passes everything that a request without an account passes."""
    application = trust_proxies(bound_requests(WSGIHandler()), ["127.0.0.1"])
    name, make = HEADERS[header]

    def call(text: str) -> None:
        environ = {**ENVIRON, "REQUEST_METHOD": method, "wsgi.input": io.BytesIO(), name: text}
        answer = application(environ, lambda *words: lambda content: None)
        b"".join(answer)
        answer.close()

    assert_linear(call, make)


@pytest.mark.parametrize(
    "text", ["1,000 arguments", "250 conditions", "values", "brackets in a name", "many keys"]
)
def test_a_call_takes_no_more_time_than_its_arguments_are_longer(text, api):
    store([{"id": 1, "appId": None, "name": "x", "type": "REST"}])

    def call(sent: str) -> None:
        list_queries.cache.clear()  # short arguments are cached, and cost nothing the second time
        api.generic("GET", PATH, sent, content_type="application/json")

    assert_linear(call, JSON[text])


@pytest.mark.any_database
@pytest.mark.parametrize("unit", UNITS)
def test_a_line_of_the_log_takes_no_more_time_than_it_is_longer(unit):
    redaction.add("a" * 4_096)
    redaction.add("\"'<>\\é" * 600)
    assert_linear(redaction.redact, repeated(unit))
    redaction.clear()


# The faster replacements of patterns that took quadratic time match the same texts.

NAMED_OPERATOR = re.compile(r"(.*?)(\[[^\]]*\])", re.DOTALL)
HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*:[ \t]*([^\x00-\x08\x0a-\x1f]*?)[ \t]*")


@pytest.mark.any_database
@given(st.text("[]ab\n", max_size=12))
def test_an_operator_is_split_from_its_name_as_the_pattern_did(spelling):
    match = NAMED_OPERATOR.fullmatch(spelling)
    assert split_operator(spelling) == ((match[1], match[2]) if match else (spelling, ""))


@pytest.mark.any_database
@given(st.text("ab: \t\0\x0b\xa0é", max_size=12))
def test_a_header_is_read_as_the_pattern_did(text):
    lines = [line.strip(" \t") for line in text.split("\n") if line.strip()]
    matches = [HEADER.fullmatch(line) for line in lines]
    if None in matches:
        with pytest.raises(ValidationError):
            parse_headers(text)
    else:
        assert parse_headers(text) == [{"name": match[1], "value": match[2]} for match in matches if match]
