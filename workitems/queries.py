"""How the links of a record are read: by statements that are compiled once for each pair of kinds."""

from collections.abc import Iterable
from functools import cache

from accounts.models import User
from core.api.rows import RowDict, RowSerializer
from core.api.statements import Row, Statement
from workitems.item_types import ItemType
from workitems.models import Link
from workitems.serializers import LinkSerializer

# Stand in a compiled statement for the record's and the user's id; nothing has such ids.
RECORD, USER = -1, -2


def read_links(user: User, owner: ItemType, wanted: ItemType, pk: int) -> tuple[list[RowDict], list[RowDict]]:
    """Return the links of a record that `user` may see, by id, and the records of one kind that they lead to, by id."""
    if wanted is owner:
        connections = LinkSerializer.records(
            run(select_links(owner, LinkSerializer, user.is_superuser), user, pk)
        )
        return connections, wanted.serializer.records(
            run(select_record(wanted), user, pk)
        ) if connections else []
    rows = run(select_links(owner, wanted.linked, user.is_superuser), user, pk)
    connections = wanted.linked.records(rows)
    records = [record for each in connections if (record := each.pop("info"))]
    return connections, sorted(records, key=lambda record: int(record["id"]))


def run(statement: Statement, user: User, pk: int) -> Iterable[Row]:
    values = {RECORD: pk, USER: user.pk}
    filled = statement._replace(params=[values.get(each, each) for each in statement.params])
    return [row for batch in filled.batches() for row in batch]


@cache
def select_links(owner: ItemType, serializer: type[RowSerializer], everything: bool) -> Statement:
    viewer = User(pk=USER, is_superuser=everything)
    links = Link.objects.of(owner.word, RECORD).visible_to(viewer, owner.word)
    return Statement.of(serializer.select(links.order_by("pk")))


@cache
def select_record(kind: ItemType) -> Statement:
    return Statement.of(kind.serializer.select(kind.model._default_manager.filter(pk=RECORD)))
