"""What a list call comes to, cache for the next one: clients that poll send the same arguments again and again."""

from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any

from cachetools import LRUCache
from django.db.models import QuerySet

from core.api.arguments import Arguments, header_list, sent
from core.api.dates import is_relative_date
from core.api.pagination import PageBounds, read_bounds
from core.api.rows import RowSerializer
from core.api.statements import Statement

if TYPE_CHECKING:
    from core.api.viewsets import ResourceViewSet

CACHE_SIZE = 256
# Characters of arguments; longer ones are rare and read anew each time.
MAX_CACHED_LENGTH = 2_000
# Characters: clients refuse longer header lines. Arguments from a large body make no link.
MAX_LINK = 8_000


class ListQuery:
    """The statements of a list call, compiled when they are first needed, and what its headers say."""

    def __init__(
        self,
        arguments: Arguments,
        queryset: QuerySet[Any],
        bounds: PageBounds,
        serializer_class: type[RowSerializer],
    ) -> None:
        self.queryset = queryset
        self.bounds = bounds
        self.serializer_class = serializer_class
        self.ignored = header_list(arguments.ignored())
        self.ignores_body = arguments.ignores_body
        query = arguments.query(**bounds.next)
        self.next_query = query if len(query) <= MAX_LINK else ""
        self.is_cacheable = not any(is_relative_date(pair.text) for pair in arguments.pairs)

    @cached_property
    def rows(self) -> Statement:
        return Statement.of(self.serializer_class.page(self.queryset, self.bounds.rows))

    @cached_property
    def states(self) -> Statement:
        """Return the statement of one row: the ids and versions of the page, joined."""
        return Statement.of(self.serializer_class.states(self.queryset, self.bounds.rows)).joined()


def compile_list_query(view: "ResourceViewSet") -> ListQuery:
    """Read and check the arguments of a list call. Raises `ParseError` (400) and `Unprocessable` (422)."""
    view.arguments = arguments = Arguments.of(view.request)
    found = view.get_queryset()
    queryset = view.filter_queryset(found)
    bounds = read_bounds(arguments)
    arguments.check()
    query = ListQuery(arguments, queryset, bounds, view.serializer_class)
    query.is_cacheable &= found is view.queryset  # not what a resource scopes by its caller
    return query


cache: LRUCache[tuple[Any, ...], ListQuery] = LRUCache(CACHE_SIZE)
lock = Lock()


def list_query_of(view: "ResourceViewSet") -> ListQuery:
    """Return the query of a list call, made now or before."""
    words = sent(view.request._request)
    key = (type(view), *words)
    with lock:
        query = cache.get(key)
    if query is None:
        query = compile_list_query(view)
        if query.is_cacheable and sum(map(len, words)) <= MAX_CACHED_LENGTH:
            with lock:
                cache[key] = query
    return query
