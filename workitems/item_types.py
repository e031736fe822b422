"""The four kinds of work items: what paths, bodies, links and answers call them. Everything else is derived from here."""

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
    """One kind: its model, the serializer of its full record, and the record that an import reads."""

    model: type[WorkItem]
    serializer: type[RowSerializer]
    record: type[ImportedWorkItem]

    @property
    def word(self) -> str:
        """What a link calls its end of this kind, and a path may: `bug`."""
        return str(self.model._meta.model_name)

    @property
    def plural(self) -> str:
        return f"{self.word}s"

    @property
    def key(self) -> str:
        """What a link's record calls its end of this kind."""
        return f"{self.word}Id"

    @cached_property
    def linked(self) -> type[RowSerializer]:
        """Reads links with the full record of this kind that each leads to, if it leads to one: one query for both."""
        fields = {"info": self.serializer(source=self.word, allow_null=True)}
        linked: type[RowSerializer] = type(
            f"Linked{self.model.__name__}Serializer", (LinkSerializer,), fields
        )
        return linked


# In the order in which lists are answered for and new links are made.
ITEM_TYPES = (
    ItemType(Item, ItemSerializer, ImportedItem),
    ItemType(Bug, BugSerializer, ImportedBug),
    ItemType(Backlog, BacklogSerializer, ImportedBacklog),
    ItemType(Initiative, InitiativeSerializer, ImportedInitiative),
)

WORDS = {word: kind for kind in ITEM_TYPES for word in (kind.word, kind.plural)}


def find_item_type(word: str) -> ItemType | None:
    """Return the kind that `word` names, in the singular or plural and in any letter case."""
    return (
        WORDS.get(word.lower()) if word.isascii() else None
    )  # other letters have these for their small ones
