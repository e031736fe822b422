"""What a POST orders: the links that it adds to a record or removes from it."""

import json
import re
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import BigIntegerField
from rest_framework.exceptions import NotFound, ParseError

from accounts.models import User
from core.api.arguments import no_json
from workitems.item_types import ITEM_TYPES, ItemType
from workitems.models import Link, Organization, lock_organizations, sliced

# pm415 looks at the keys in this order, and names the first that is wrong.
LISTS = ("items", "backlogs", "initiatives", "bugs")
ID = re.compile(r"0*([0-9]{1,19})", re.ASCII)


def parse_id(text: Any) -> int | None:
    """Return the id that a text of decimal digits names; `None` if it is no id."""
    match = ID.fullmatch(text) if isinstance(text, str) else None
    return int(match[1]) if match and int(match[1]) <= BigIntegerField.MAX_BIGINT else None


def parse_ids(members: list[Any]) -> list[int] | None:
    """Return the ids of a list; `None` if one is no id, or stands there twice."""
    ids = [pk for pk in map(parse_id, members) if pk is not None]
    return ids if len(set(ids)) == len(members) else None


def each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object. Raises `ValueError` for a key that comes again: its last value could be the empty list that unlinks."""
    if len(found := dict(pairs)) < len(pairs):
        raise ValueError("a key comes twice")
    return found


def read_object(content: bytes) -> dict[str, Any]:
    """Return the JSON object in a body, with whole numbers as texts: 400 digits are no id, and nothing worse."""
    try:
        body = json.loads(content, parse_int=str, parse_constant=no_json, object_pairs_hook=each_once)
    except (ValueError, RecursionError) as error:
        raise ParseError("The body is not well-formed JSON, each key once.") from error
    if not isinstance(body, dict):
        raise ParseError("The body is not a JSON object.")
    return body


def read_list(body: dict[str, Any], key: str) -> list[Any]:
    if key not in body:
        raise ParseError(f'"{key}" is required')
    if not isinstance(body[key], list):
        raise ParseError(f'"{key}" must be an array')
    members: list[Any] = body[key]
    return members


def read_delete(body: dict[str, Any]) -> bool:
    if "delete" not in body:
        raise ParseError('"delete" is required')
    value = body["delete"]
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if not isinstance(value, bool):
        raise ParseError('"delete" must be a boolean')
    return value


@dataclass(frozen=True)
class LinkChange:
    """The body of a POST: the lists of ids as they were sent, by the word of their kind, and what to do with them."""

    lists: dict[str, list[Any]]
    delete: bool

    @classmethod
    def read(cls, content: bytes) -> "LinkChange":
        """Raises `ParseError` (400) with what is wrong first."""
        body = read_object(content)
        lists = {key: read_list(body, key) for key in LISTS}
        delete = read_delete(body)
        for key in body:
            if key not in (*LISTS, "delete"):
                raise ParseError(f'"{key}" is not allowed')
        return cls({kind.word: lists[kind.plural] for kind in ITEM_TYPES}, delete)

    @transaction.atomic
    def carry_out(self, user: User, owner: ItemType, pk: int, spelling: str) -> None:
        """Add or remove the links of a record, all or nothing.

        Raises `NotFound` or `ParseError` for the first thing that is wrong. What `user` may not see, and what belongs to
        another organisation than the owner, is answered like what does not exist.
        """
        ids = {word: parse_ids(members) for word, members in self.lists.items()}
        others = {word: pks for word, pks in ids.items() if pks and word != owner.word}
        places = lock_organizations({**others, owner.word: [pk]}, user)
        organization = places[owner.word].get(pk)
        if organization is None:
            raise NotFound(f"not found this {spelling}.")
        self.refuse_own_kind(owner)
        for kind in ITEM_TYPES:
            found = places[kind.word] if kind.word in others else {}
            if ids[kind.word] is None or sum(place == organization for place in found.values()) < len(
                self.lists[kind.word]
            ):
                raise NotFound(f"not found {kind.plural}.")
        self.write(owner.word, pk, others)
        Organization.objects.filter(pk=organization).keep()

    def refuse_own_kind(self, owner: ItemType) -> None:
        if self.lists[owner.word]:
            raise ParseError(
                f'A link joins two different kinds: "{owner.plural}" must be empty for a {owner.word}.'
            )

    def write(self, end: str, pk: int, others: dict[str, list[int]]) -> None:
        links = Link.objects.of(end, pk)
        if not others:
            links.remove()
        elif self.delete:
            for other, pks in others.items():
                for each in sliced(pks):
                    links.leading_to(other, each).remove()
        else:
            pairs = [(other, target) for other, pks in others.items() for target in pks]
            Link.objects.add(Link(**{f"{end}_id": pk, f"{other}_id": target}) for other, target in pairs)
