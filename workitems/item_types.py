"""The four types of work items and their names in paths, bodies, links and answers."""

from dataclasses import dataclass
from functools import cached_property

from core.api.rows import RowSerializer
from workitems.import_schema import (
    ImportedBacklog,
    ImportedBug,
    ImportedInitiative,
    ImportedItem,
    ImportedWorkItem,
)
from workitems.models import Backlog, Bug, Initiative, Item, WorkItem
from workitems.serializers import (
    BacklogSerializer,
    BugSerializer,
    InitiativeSerializer,
    ItemSerializer,
    LinkSerializer,
)


@dataclass(frozen=True)
class ItemType:
    """One type of work item: its model, the serializer of its full record, and the schema of its import."""

    model: type[WorkItem]
    serializer: type[RowSerializer]
    import_schema: type[ImportedWorkItem]

    @property
    def name(self) -> str:
        """The singular name, such as `bug`: a name in paths, and the field of `Link` that points here."""
        return str(self.model._meta.model_name)

    @property
    def plural(self) -> str:
        """The plural name, such as `bugs`: a name in paths, and the key of a list in a body."""
        return f"{self.name}s"

    @property
    def id_field(self) -> str:
        """The field of a link's record that holds the id of this type's end, such as `bugId`."""
        return f"{self.name}Id"

    @cached_property
    def link_serializer(self) -> type[RowSerializer]:
        """Reads links together with the full records of this type that they lead to, in one query.

        The field `info` has the record, or null if the link leads to another type.
        """
        fields = {"info": self.serializer(source=self.name, allow_null=True)}
        serializer: type[RowSerializer] = type(
            f"Linked{self.model.__name__}Serializer", (LinkSerializer,), fields
        )
        return serializer


# The order in which the ids of a body are checked and new links are inserted.
ITEM_TYPES = (
    ItemType(Item, ItemSerializer, ImportedItem),
    ItemType(Bug, BugSerializer, ImportedBug),
    ItemType(Backlog, BacklogSerializer, ImportedBacklog),
    ItemType(Initiative, InitiativeSerializer, ImportedInitiative),
)

ITEM_TYPES_BY_NAME = {
    name: item_type for item_type in ITEM_TYPES for name in (item_type.name, item_type.plural)
}


def find_item_type(name: str) -> ItemType | None:
    """Return the type with this name, singular or plural and in any letter case; `None` if there is none."""
    if not name.isascii():  # `lower()` turns the Kelvin sign into a plain k
        return None
    return ITEM_TYPES_BY_NAME.get(name.lower())
