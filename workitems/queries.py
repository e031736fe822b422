"""Reading the links of a record. The SQL is compiled once for each pair of item types."""

from collections.abc import Iterable
from functools import cache

from accounts.models import User
from core.api.rows import RowDict, RowSerializer
from core.api.statements import Row, Statement
from workitems.item_types import ItemType
from workitems.models import Link
from workitems.serializers import LinkSerializer

# Placeholders for the ids of the record and the user in a compiled statement; no row has a negative id.
RECORD, USER = -1, -2


def read_links(user: User, owner: ItemType, wanted: ItemType, pk: int) -> tuple[list[RowDict], list[RowDict]]:
    """Return the links of a record that `user` may see, and the linked records of the type `wanted`.

    `pk` is the record's id and `owner` its type. Both lists are sorted by id. Links join different types: if
    `wanted` is the record's own type, the second list holds the record itself if it has a visible link.
    """
    if wanted is owner:
        return read_own_links(user, owner, pk)
    serializer = wanted.link_serializer
    connections = serializer.records(run(select_links(owner, serializer, user.is_superuser), user, pk))
    records = [record for each in connections if (record := each.pop("info"))]
    return connections, sorted(records, key=lambda record: int(record["id"]))


def read_own_links(user: User, owner: ItemType, pk: int) -> tuple[list[RowDict], list[RowDict]]:
    """Return the links of a record that `user` may see, and the record itself if it has such a link."""
    rows = run(select_links(owner, LinkSerializer, user.is_superuser), user, pk)
    connections = LinkSerializer.records(rows)
    if not connections:
        return [], []
    return connections, owner.serializer.records(run(select_record(owner), user, pk))


def run(statement: Statement, user: User, pk: int) -> Iterable[Row]:
    """Return the rows of a statement with the two placeholders filled."""
    values = {RECORD: pk, USER: user.pk}
    filled = statement._replace(params=[values.get(each, each) for each in statement.params])
    return [row for batch in filled.batches() for row in batch]


@cache
def select_links(owner: ItemType, serializer: type[RowSerializer], is_superuser: bool) -> Statement:
    viewer = User(pk=USER, is_superuser=is_superuser)
    links = Link.objects.of(owner.name, RECORD).visible_to(viewer, owner.name)
    return Statement.of(serializer.select(links.order_by("pk")))


@cache
def select_record(item_type: ItemType) -> Statement:
    queryset = item_type.model._default_manager.filter(pk=RECORD)
    return Statement.of(item_type.serializer.select(queryset))
