"""The arguments of a GET call: from the query string and, as ItemPath documents it, from a JSON body."""

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
MAX_BODY = 65_536  # bytes; a larger body is ignored like any other that is no JSON object
TOO_LARGE = b"\0"  # stands for one, and is no JSON either
STRICT = re.compile(r'(?:^|[,;])\s*handling\s*=\s*"?strict"?\s*(?:[,;]|$)', re.IGNORECASE)


class Argument(NamedTuple):
    """One `name=value`: the name as the client spelt it, and the folded name that it stands for."""

    spelling: str
    name: str
    operator: str
    text: str

    @property
    def value(self) -> str:
        """The value with an operator of the name (`creationDate[gte]=…`) put where ItemPath has it."""
        return self.operator + self.text


def argument(spelling: str, text: str) -> Argument:
    name, operator = split_operator(spelling)
    if not operator[1:-1].isalpha():  # `type[]` and `id[0]` are no operators, and no names
        name, operator = spelling, ""
    return Argument(spelling, name.lower(), operator, text)


def split_operator(spelling: str) -> tuple[str, str]:
    """Return the two parts of `name[operator]`; the second is empty where no bracket closes at the end."""
    # By hand: a pattern would try each bracket as the one that opens, and take a minute for 60,000 of them.
    opening = spelling.find("[", spelling.rfind("]", 0, -1) + 1) if spelling.endswith("]") else -1
    return (spelling, "") if opening < 0 else (spelling[:opening], spelling[opening:])


class Arguments:
    """What the client asked for, what of it was understood, and what is wrong with it.

    The parts of a list call (filters, order, page) each `take` the names they know and `refuse` what they cannot use;
    `check` then names every fault at once.
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
        self.known: dict[str, str] = {}  # by their folded names
        self.faults: dict[str, dict[str, str]] = {}

    @classmethod
    def of(cls, request: Request) -> "Arguments":
        """Read the arguments of `request`. Raises `ParseError` (400) if the query string is not well-formed."""
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
        """Return every argument called `name`, in any letter case, and count the name as understood."""
        folded = name.lower()
        self.known[folded] = name
        return self.named.get(folded, [])

    def take_control(self, name: str) -> list[Argument]:
        """As `take`, for an argument that has no operators: `page[gt]` is misspelt."""
        return [pair for pair in self.take(name) if not pair.operator]

    def refuse(self, pair: Argument, message: str) -> None:
        """Record what is wrong with an argument; the first fault of a name counts."""
        self.faults.setdefault(pair.name, {pair.spelling: message})

    def ignored(self) -> list[str]:
        """Return the names that nothing took, as spelt, each once."""
        return list(dict.fromkeys(pair.spelling for pair in self.pairs if not self.is_known(pair)))

    def is_known(self, pair: Argument) -> bool:
        return pair.name in self.known and not (pair.operator and pair.name in CONTROLS)

    def check(self) -> None:
        """Raise `Unprocessable` (422) if anything was refused or misspelt, or ignored where the client asked for strict handling."""
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
        """Refuse a name that begins with a known one; any other only if the client asked for strict handling."""
        if name := known_name(pair.spelling, self.known):
            self.refuse(pair, correct(pair.spelling, name, is_control=name.lower() in CONTROLS))
        elif self.strict:
            self.refuse(pair, "Is not an argument of this call.")

    def query(self, **changes: str) -> str:
        """Return the arguments as a query string, with those in `changes` replaced."""
        kept = [(pair.spelling, pair.text) for pair in self.pairs if pair.name not in changes]
        return urlencode(kept + list(changes.items()))

    def query_after(self, operator: str) -> str:
        """Return the arguments as a query string that ends where the id follows which the next page begins after.

        `operator` is `[lt]` or `[gt]`. What led to this page is left out: `page`, `offset`, and the same operator.
        """
        kept = [(pair.spelling, pair.text) for pair in self.pairs if not self.leads_to_page(pair, operator)]
        return urlencode([*kept, ("id", operator)])

    @staticmethod
    def leads_to_page(pair: Argument, operator: str) -> bool:
        if pair.name in ("page", "offset"):
            return True
        return pair.name == "id" and pair.value.lower().startswith(operator)


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
