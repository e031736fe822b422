"""The arguments of a GET call, from its query string and, as ItemPath documents it, from its JSON body."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, quote, urlencode

from django.http import HttpRequest
from rest_framework.exceptions import ParseError
from rest_framework.request import Request

from core.api.errors import Unprocessable
from core.api.spelling import correct, known_name

MAX_ARGUMENTS = 1000
# Bytes. A larger body is ignored, like any other body that is not a JSON object.
MAX_BODY = 65_536
# Stands for a body that is too large to be read. It is not JSON, so it is ignored like one.
TOO_LARGE = b"\0"
STRICT = re.compile(r'(?:^|[,;])\s*handling\s*=\s*"?strict"?\s*(?:[,;]|$)', re.IGNORECASE)


class Argument(NamedTuple):
    """One `name=value` of a call.

    `creationDate[gte]=2026` has the spelling `creationDate[gte]`, the name `creationdate`, which is always in
    lower case, the operator `[gte]` and the text `2026`.
    """

    spelling: str
    name: str
    operator: str
    text: str

    @property
    def value(self) -> str:
        """The value in ItemPath's form, with the operator before the text: `[gte]2026`."""
        return self.operator + self.text


def argument(spelling: str, text: str) -> Argument:
    name, operator = split_operator(spelling)
    if not operator[1:-1].isalpha():  # the brackets of `type[]` and `id[0]` hold no operator
        name, operator = spelling, ""
    return Argument(spelling, name.lower(), operator, text)


def split_operator(spelling: str) -> tuple[str, str]:
    """Return the two parts of `name[operator]`. The second is empty unless the text ends with a bracket."""
    # Without a regular expression: one would try each opening bracket in turn, and take a minute for 60,000.
    opening = spelling.find("[", spelling.rfind("]", 0, -1) + 1) if spelling.endswith("]") else -1
    return (spelling, "") if opening < 0 else (spelling[:opening], spelling[opening:])


class Arguments:
    """All arguments of a call, those of them that are known, and the faults that were found.

    Filters, order and page each `take` the names that they know, and `refuse` the values that they cannot
    use. `check` then raises one error that names every fault.
    """

    def __init__(
        self, pairs: Iterable[Argument], *, strict: bool = False, ignores_body: bool = False
    ) -> None:
        self.pairs = list(pairs)
        self.named: dict[str, list[Argument]] = {}
        for pair in self.pairs:
            self.named.setdefault(pair.name, []).append(pair)
        self.strict = strict
        self.ignores_body = ignores_body
        self.known: dict[str, str] = {}  # by their names in lower case
        self.faults: dict[str, dict[str, str]] = {}

    @classmethod
    def of(cls, request: Request) -> "Arguments":
        """Read the arguments of `request`. The query string wins over the body.

        Raises `ParseError` (400) if the query string is not well-formed.
        """
        query_string, content, preference = raw_arguments(request._request)
        query = query_arguments(query_string)
        named = {pair.name for pair in query}
        read = body_arguments(content)
        body = [pair for pair in read or () if pair.name not in named]
        if len(query) + len(body) > MAX_ARGUMENTS:
            raise ParseError(f"More than {MAX_ARGUMENTS} arguments.")
        return cls(
            query + body, strict=bool(STRICT.search(preference)), ignores_body=bool(content) and read is None
        )

    def take(self, name: str) -> list[Argument]:
        """Return every argument called `name`, in any letter case. The name is known from here on."""
        lowered = name.lower()
        self.known[lowered] = name
        return self.named.get(lowered, [])

    def get(self, name: str, default: str | None = None) -> str | None:
        """Return the text of the last argument called `name`, as the widget of a plain filter asks for it."""
        pairs = self.take(name)
        return pairs[-1].value if pairs else default

    def take_control(self, name: str) -> list[Argument]:
        """As `take`, for an argument that takes no operator: `page[gt]` is misspelt."""
        return [pair for pair in self.take(name) if not pair.operator]

    def refuse(self, pair: Argument, message: str) -> None:
        """Note what is wrong with an argument. The first fault of a name counts."""
        self.faults.setdefault(pair.name, {pair.spelling: message})

    def ignored(self) -> list[str]:
        """Return the names that nothing knows, as the client spelt them, each once."""
        return list(dict.fromkeys(pair.spelling for pair in self.pairs if not self.is_known(pair)))

    def is_known(self, pair: Argument) -> bool:
        return pair.name in self.known and not (pair.operator and pair.name in CONTROLS)

    def check(self) -> None:
        """Raise `Unprocessable` (422) if an argument was refused or is misspelt.

        Where the client asked for strict handling, an unknown argument and an unread body are faults, too.
        """
        for pair in self.pairs:
            if not self.is_known(pair):
                self.check_unknown(pair)
        if self.strict and self.ignores_body:
            self.faults["body"] = {"body": f"Is not read: it is no JSON object of at most {MAX_BODY} bytes."}
        if self.faults:
            raise Unprocessable(
                [{name: {"message": text} for name, text in fault.items()} for fault in self.faults.values()]
            )

    def check_unknown(self, pair: Argument) -> None:
        """Refuse a misspelt name, which begins with a known one; any other name for strict handling only."""
        if name := known_name(pair.spelling, self.known):
            self.refuse(pair, correct(pair.spelling, name, is_control=name.lower() in CONTROLS))
        elif self.strict:
            self.refuse(pair, "Is not an argument of this call.")

    def query(self, **changes: str) -> str:
        """Return the arguments as a query string, with those in `changes` replaced."""
        kept = [(pair.spelling, pair.text) for pair in self.pairs if pair.name not in changes]
        return urlencode(kept + list(changes.items()))

    def query_after(self, name: str, operator: str) -> str:
        """Return the arguments as a query string that lacks only the last id of this page at its end.

        It ends with `id=[lt]` or `id=[gt]`, as `name` and `operator` say. The same operator, which led to
        this page, is left out. `page` and `offset` become 0: the client may send them in its body again.
        """
        kept = [pair for pair in self.pairs if not is_condition(pair, name, operator)]
        texts = [(pair.spelling, "0" if pair.name in STARTS else pair.text) for pair in kept]
        return urlencode([*texts, (name, operator)])


# The arguments that say where a page starts.
STARTS = frozenset({"page", "offset"})


def is_condition(pair: Argument, name: str, operator: str) -> bool:
    """Return whether an argument sets the condition `operator` on the field `name`."""
    return pair.name == name.lower() and pair.value.lower().startswith(operator)


CONTROLS = frozenset({"page", "limit", "offset", "orderby", "countonly"})


def query_arguments(query_string: str) -> list[Argument]:
    try:
        text = query_string.encode("latin-1").decode()  # WSGI carries bytes as latin-1
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_ARGUMENTS)
    except UnicodeDecodeError as error:
        raise ParseError("The query string is not UTF-8.") from error
    except ValueError as error:
        raise ParseError(f"More than {MAX_ARGUMENTS} arguments.") from error
    return [argument(name, text) for name, text in pairs]


def raw_arguments(request: HttpRequest) -> tuple[str, bytes, str]:
    """Return all that the arguments of a call are read from: query string, body and `Prefer` header.

    The body holds arguments only of a GET or HEAD; that of a write is what the client writes.
    """
    return request.META.get("QUERY_STRING", ""), raw_body(request), request.META.get("HTTP_PREFER", "")


def raw_body(request: HttpRequest) -> bytes:
    """Return the body of a GET or HEAD; `TOO_LARGE` for one that is not read."""
    if request.method not in ("GET", "HEAD"):
        return b""
    length = int(request.META.get("CONTENT_LENGTH") or 0)
    if length <= 0:
        return b""
    return request.body if length <= MAX_BODY else TOO_LARGE


def body_arguments(content: bytes) -> list[Argument] | None:
    """Return the arguments of a body that is a JSON object; `None` for any other body, which is not read."""
    try:
        # Numbers stay as they are written: 400 digits are a text like any other until a filter reads them.
        body = json.loads(content, parse_int=str, parse_float=str, parse_constant=no_json)
    except (ValueError, RecursionError):
        return None
    return list(body_pairs(body)) if isinstance(body, dict) else None


def body_pairs(body: dict[str, Any]) -> Iterator[Argument]:
    faults = []
    for name, value in body.items():
        members = value if isinstance(value, list) else [value]
        if any(isinstance(member, dict | list) for member in members):
            faults.append(
                {
                    well_formed(name): {
                        "message": "Takes a plain value or a list of plain values, not a nested one."
                    }
                }
            )
            continue
        texts = [json_text(member) for member in members]
        if any(text != well_formed(text) for text in [name, *texts]):
            faults.append(
                {well_formed(name): {"message": "Has half a surrogate pair, which is no character."}}
            )
            continue
        yield from (argument(name, text) for text in texts)
    if faults:
        raise Unprocessable(faults)


def json_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def well_formed(text: str) -> str:
    """Return `text` with lone surrogates, which JSON can spell and UTF-8 cannot, written as escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def no_json(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def header_list(names: list[str]) -> str:
    """Return names for a header: percent-encoded, at most 20 of 40 characters, then `...`."""
    shown = [
        quote(name[:40], safe="[]", errors="replace") + ("..." if len(name) > 40 else "")
        for name in names[:20]
    ]
    return ", ".join(shown + ["..."] * (len(names) > 20))
