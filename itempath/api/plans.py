"""What a list call comes to, kept for the next one: clients that poll send the same arguments again and again."""

from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any

from cachetools import LRUCache
from django.db.models import QuerySet

from itempath.api.arguments import Arguments, header_list, sent
from itempath.api.dates import may_pass
from itempath.api.pagination import Window, read_window
from itempath.api.rows import RowSerializer
from itempath.api.statements import Statement

if TYPE_CHECKING:
    from itempath.api.viewsets import ResourceViewSet

MOST = 256
# Characters of arguments; longer ones are rare and read anew each time.
MAX_KEPT = 2_000
# Characters: clients refuse longer header lines. Arguments from a large body make no link.
MAX_LINK = 8_000


class Plan:
    """The statements of a list call, compiled when they are first needed, and what its headers say."""

    def __init__(self, arguments: Arguments, queryset: QuerySet[Any], window: Window, serializer_class: type[RowSerializer]) -> None:
        self.queryset = queryset
        self.window = window
        self.serializer_class = serializer_class
        self.ignored = header_list(arguments.ignored())
        self.ignores_body = arguments.ignores_body
        query = arguments.query(**window.next)
        self.next_query = query if len(query) <= MAX_LINK else ""
        self.lasts = not any(may_pass(pair.text) for pair in arguments.pairs)

    @cached_property
    def rows(self) -> Statement:
        return Statement.of(self.serializer_class.page(self.queryset, self.window.rows))

    @cached_property
    def states(self) -> Statement:
        """Return the statement of one row: the ids and versions of the page, joined."""
        return Statement.of(self.serializer_class.states(self.queryset, self.window.rows)).joined()


def make_plan(view: "ResourceViewSet") -> Plan:
    """Read and check the arguments of a list call. Raises `ParseError` (400) and `Unprocessable` (422)."""
    view.arguments = arguments = Arguments.of(view.request)
    found = view.get_queryset()
    queryset = view.filter_queryset(found)
    window = read_window(arguments)
    arguments.check()
    plan = Plan(arguments, queryset, window, view.serializer_class)
    plan.lasts &= found is view.queryset  # not what a resource scopes by its caller
    return plan


kept: LRUCache[tuple[Any, ...], Plan] = LRUCache(MOST)
lock = Lock()


def plan_of(view: "ResourceViewSet") -> Plan:
    """Return the plan of a list call, made now or before."""
    words = sent(view.request._request)
    key = (type(view), *words)
    with lock:
        plan = kept.get(key)
    if plan is None:
        plan = make_plan(view)
        if plan.lasts and sum(map(len, words)) <= MAX_KEPT:
            with lock:
                kept[key] = plan
    return plan
