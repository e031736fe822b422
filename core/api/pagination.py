"""ItemPath's pages: `page` counts from zero, in `limit`s."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson
from django.conf import settings
from django.db.models import BigIntegerField
from rest_framework.pagination import BasePagination

from core.api.arguments import Arguments
from core.api.filters import BooleanFilter, IntegerFilter
from core.api.http import JSONAnswer, etag
from core.api.rows import RowSerializer
from core.api.statements import Row, Statement

DEFAULT_LIMIT = 1000
INTEGER = IntegerFilter("")
BOOLEAN = BooleanFilter("")
LARGEST = BigIntegerField.MAX_BIGINT


class PageBounds(NamedTuple):
    """The part of a list that the client asked for, by page or by offset, or only its length."""

    start: int
    limit: int
    count_only: bool
    by_offset: bool

    @property
    def rows(self) -> slice:
        """The rows of the page and one more, which tells whether there is a next page."""
        return slice(self.start, min(self.start + self.limit + 1, LARGEST))

    @property
    def next(self) -> dict[str, str]:
        """The argument that leads to the next page."""
        start = self.start + self.limit
        return {"offset": str(start)} if self.by_offset else {"page": str(start // self.limit)}


def read_bounds(arguments: Arguments) -> PageBounds:
    """Return the bounds that `arguments` name; what cannot be used is refused on them."""
    limit = read_integer(arguments, "limit", DEFAULT_LIMIT, 1, settings.API_MAX_LIMIT)
    page = read_integer(arguments, "page", 0, 0, LARGEST // limit)
    offset = read_integer(arguments, "offset", 0, 0, LARGEST)
    offsets = arguments.take_control("offset")
    if offsets and arguments.take_control("page"):
        arguments.refuse(offsets[-1], "Does not go together with page.")
    return PageBounds(page * limit + offset, limit, read_count_only(arguments), bool(offsets))


def read_integer(arguments: Arguments, name: str, default: int, least: int, most: int) -> int:
    pairs = arguments.take_control(name)
    if not pairs:
        return default
    try:
        value = INTEGER.parse(pairs[-1].text)
    except ValueError:
        value = least - 1
    if least <= value <= most:
        return value
    arguments.refuse(pairs[-1], f"Takes an integer from {least} to {most}.")
    return default


def read_count_only(arguments: Arguments) -> bool:
    pairs = arguments.take_control("countOnly")
    try:
        return bool(pairs) and BOOLEAN.parse(pairs[-1].text)
    except ValueError:
        arguments.refuse(pairs[-1], f"{BOOLEAN.accepted}.")
        return False


class Page:
    """What a list call answers: the records as JSON, and their ids and states, which its tag is made of."""

    def __init__(self, limit: int) -> None:
        self.left = limit
        self.has_next = False
        self.keys: list[str] = []
        self.states: list[str] = []
        self.parts: list[bytes] = []

    @classmethod
    def read(cls, statement: Statement, limit: int, serializer_class: type[RowSerializer]) -> "Page":
        """Read up to `limit` rows of `statement`."""
        page = cls(limit)
        for rows in statement.batches():
            page.add(rows, serializer_class)
        return page

    def add(self, rows: Sequence[Row], serializer_class: type[RowSerializer]) -> None:
        kept = rows[: self.left]
        self.left -= len(kept)
        self.has_next = len(rows) > len(kept)
        self.keys += [str(row[0]) for row in kept]
        self.states += [str(row[-1]) for row in kept]
        if kept:
            self.parts.append(orjson.dumps(serializer_class.records(kept))[1:-1])

    @property
    def tag(self) -> str:
        return page_etag(",".join(self.keys), ",".join(self.states), has_next=self.has_next)

    def answer(self) -> JSONAnswer:
        return JSONAnswer(b"[" + b",".join(self.parts) + b"]", self.tag)


def read_page_etag(statement: Statement, limit: int) -> str:
    """Return the tag of the page whose states `statement` reads, joined by commas: its own, and that of one row more."""
    [found] = next(statement.batches(), [("", "")])
    keys, states = (text or "" for text in found)  # null where there are no rows
    if has_next := keys.count(",") >= limit:
        keys, states = keys.rpartition(",")[0], states.rpartition(",")[0]
    return page_etag(keys, states, has_next=has_next)


def page_etag(keys: str, states: str, *, has_next: bool) -> str:
    return etag(keys, states, "more" if has_next else "")


class Pagination(BasePagination):
    """Describes the arguments of pages; a viewset's `list` reads what they come to (`plans.py`)."""

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        integers = {
            "limit": (
                f"Rows on a page, at most {settings.API_MAX_LIMIT}.",
                {"minimum": 1, "maximum": settings.API_MAX_LIMIT},
            ),
            "page": ("Counted from zero, in `limit`s.", {"minimum": 0}),
            "offset": ("Rows to leave out, in place of `page`.", {"minimum": 0}),
        }
        described = [
            {
                "name": name,
                "in": "query",
                "required": False,
                "description": text,
                "schema": {"type": "integer", **bounds},
            }
            for name, (text, bounds) in integers.items()
        ]
        text = 'Answer `{"count": n}` instead of rows.'
        return [
            *described,
            {
                "name": "countOnly",
                "in": "query",
                "required": False,
                "description": text,
                "schema": {"type": "boolean"},
            },
        ]

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        return schema  # a bare array
