"""ItemPath's pages: `page` counts from zero, in `limit`s."""

from collections.abc import Sequence
from typing import NamedTuple

import orjson
from django.conf import settings
from django.db.models import BigIntegerField

from core.api.arguments import Arguments
from core.api.filters import BooleanFilter, IntegerFilter
from core.api.http import etag
from core.api.rows import RowSerializer
from core.api.statements import Row, Statement
from core.speed import JSONAnswer

DEFAULT_LIMIT = 1000
INTEGER = IntegerFilter("")
BOOLEAN = BooleanFilter("")
MAX_ID = BigIntegerField.MAX_BIGINT


class PageBounds(NamedTuple):
    """The rows of a list that the client asked for, by page or by offset, or only their number.

    `start` is the number of rows before the first one; `limit` is the number of rows on a page.
    """

    start: int
    limit: int
    count_only: bool
    by_offset: bool

    @property
    def rows(self) -> slice:
        """The rows of the page and one more, which tells whether there is a next page."""
        return slice(self.start, min(self.start + self.limit + 1, MAX_ID))

    @property
    def next(self) -> dict[str, str]:
        """The argument that leads to the next page."""
        start = self.start + self.limit
        return {"offset": str(start)} if self.by_offset else {"page": str(start // self.limit)}


def read_bounds(arguments: Arguments) -> PageBounds:
    """Return the bounds that `arguments` name. A fault is noted on `arguments`, and the default is taken."""
    limit = read_integer(arguments, "limit", DEFAULT_LIMIT, 1, settings.API_MAX_LIMIT)
    page = read_integer(arguments, "page", 0, 0, MAX_ID // limit)
    offset = read_integer(arguments, "offset", 0, 0, MAX_ID)
    offsets = arguments.take_control("offset")
    if offsets and arguments.take_control("page"):
        arguments.refuse(offsets[-1], "Does not go together with page.")
    return PageBounds(page * limit + offset, limit, read_count_only(arguments), bool(offsets))


def read_integer(arguments: Arguments, name: str, default: int, minimum: int, maximum: int) -> int:
    pairs = arguments.take_control(name)
    if not pairs:
        return default
    try:
        value = INTEGER.parse(pairs[-1].text)
    except ValueError:
        value = minimum - 1
    if minimum <= value <= maximum:
        return value
    arguments.refuse(pairs[-1], f"Takes an integer from {minimum} to {maximum}.")
    return default


def read_count_only(arguments: Arguments) -> bool:
    pairs = arguments.take_control("countOnly")
    try:
        return bool(pairs) and BOOLEAN.parse(pairs[-1].text)
    except ValueError:
        arguments.refuse(pairs[-1], f"{BOOLEAN.accepted}.")
        return False


class Page:
    """One page: the records as JSON, and the ids and versions of their rows, which its tag is made of."""

    def __init__(self, limit: int) -> None:
        self.remaining = limit
        self.has_next = False
        self.ids: list[str] = []
        self.versions: list[str] = []
        self.parts: list[bytes] = []

    @classmethod
    def read(cls, statement: Statement, limit: int, serializer_class: type[RowSerializer]) -> "Page":
        """Read up to `limit` rows of `statement`, a batch at a time."""
        page = cls(limit)
        for rows in statement.batches():
            page.add(rows, serializer_class)
        return page

    def add(self, rows: Sequence[Row], serializer_class: type[RowSerializer]) -> None:
        """Add a batch of rows. The row after the last one of the page tells that there is a next page."""
        taken = rows[: self.remaining]
        self.remaining -= len(taken)
        self.has_next = len(rows) > len(taken)
        self.ids += [str(row[0]) for row in taken]
        self.versions += [str(row[-1]) for row in taken]
        if taken:
            self.parts.append(orjson.dumps(serializer_class.records(taken), default=str)[1:-1])

    @property
    def tag(self) -> str:
        return page_etag(",".join(self.ids), ",".join(self.versions), has_next=self.has_next)

    def answer(self) -> JSONAnswer:
        return JSONAnswer(b"[" + b",".join(self.parts) + b"]", self.tag)


def read_page_etag(statement: Statement, limit: int) -> str:
    """Return the tag of a page without reading its records.

    `statement` reads one row: the ids and the versions of up to `limit` + 1 rows, each joined by commas.
    """
    [joined] = next(statement.batches(), [("", "")])
    ids, versions = (text or "" for text in joined)  # null where there are no rows
    if has_next := ids.count(",") >= limit:
        ids, versions = ids.rpartition(",")[0], versions.rpartition(",")[0]
    return page_etag(ids, versions, has_next=has_next)


def page_etag(ids: str, versions: str, *, has_next: bool) -> str:
    return etag(ids, versions, "more" if has_next else "")
