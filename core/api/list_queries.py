"""List calls, compiled once: clients that poll send the same arguments again and again."""

from functools import cached_property
from threading import Lock
from typing import Any

from cachetools import LRUCache
from django.db.models import F, QuerySet

from core.api.arguments import Arguments, header_list
from core.api.dates import is_relative_date
from core.api.pagination import PageBounds
from core.api.rows import RowSerializer
from core.api.statements import Statement

CACHE_SIZE = 256
# Characters of arguments. Longer ones are rare, and are compiled anew for each call.
MAX_CACHED_LENGTH = 2_000
# Characters. Clients refuse longer header lines; arguments from a large body get no link.
MAX_LINK = 8_000

Key = tuple[Any, ...]


class ListQuery:
    """One list call: its SQL statements, compiled when they are first needed, and what its headers say.

    `base` is the view's own queryset; `queryset` is the same after filters and order.
    """

    def __init__(
        self,
        serializer_class: type[RowSerializer],
        arguments: Arguments,
        base: QuerySet[Any],
        queryset: QuerySet[Any],
        bounds: PageBounds,
        *,
        pages_by_id: bool,
    ) -> None:
        self.serializer_class = serializer_class
        self.base = base
        self.queryset = queryset
        self.bounds = bounds
        self.ignored = header_list(arguments.ignored())
        self.ignores_body = arguments.ignores_body
        self.id_operator = id_operator_of(queryset) if pages_by_id else ""
        self.next_query = self.query_of_next_page(arguments)
        # The date that `today` stands for is compiled into the statement.
        self.is_cacheable = not any(is_relative_date(pair.text) for pair in arguments.pairs)

    def query_of_next_page(self, arguments: Arguments) -> str:
        """Return the query string of the next page; by id, it lacks the last id of this page at its end."""
        if self.id_operator:
            return arguments.query_after(self.serializer_class.layout().names[0], self.id_operator)
        return arguments.query(**self.bounds.next)

    def link(self, last_id: str) -> str:
        """Return the query string of the page after the row `last_id`; empty if no header can hold it."""
        query = self.next_query + (last_id if self.id_operator else "")
        return query if len(query) <= MAX_LINK else ""

    @cached_property
    def rows(self) -> Statement:
        """The statement for the rows of the page."""
        return Statement.of(self.serializer_class.page(self.queryset, self.bounds.rows, self.base))

    @cached_property
    def versions(self) -> Statement:
        """The statement for one row: the ids and the versions of the page, each joined by commas."""
        return Statement.of(self.serializer_class.versions(self.queryset, self.bounds.rows)).joined()


def id_operator_of(queryset: QuerySet[Any]) -> str:
    """Return the operator that finds the rows after an id, if the queryset is sorted by id alone."""
    terms: Any = queryset.query.order_by
    if len(terms) != 1 or terms[0].expression not in (F("pk"), F("id")):
        return ""
    return "[lt]" if terms[0].descending else "[gt]"


class ListQueryCache:
    """The list queries of this process that were used last. Any thread may ask."""

    def __init__(self) -> None:
        self.queries: LRUCache[Key, ListQuery] = LRUCache(CACHE_SIZE)
        self.lock = Lock()

    def get(self, key: Key) -> ListQuery | None:
        with self.lock:
            return self.queries.get(key)

    def put(self, key: Key, query: ListQuery) -> None:
        """Keep `query`, unless it means something else tomorrow or its arguments are long."""
        if (
            query.is_cacheable
            and sum(len(part) for part in key if isinstance(part, str | bytes)) <= MAX_CACHED_LENGTH
        ):
            with self.lock:
                self.queries[key] = query

    def clear(self) -> None:
        with self.lock:
            self.queries.clear()

    def __len__(self) -> int:
        return len(self.queries)


cache = ListQueryCache()
