"""The change of a record's links by a POST: parsing the body, checking it and writing the links."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import BigIntegerField
from rest_framework.exceptions import NotFound, ParseError

from accounts.models import User
from core.api.arguments import no_json
from workitems.item_types import ITEM_TYPES, ItemType
from workitems.models import Link, Organization, OrganizationIds, lock_organizations, sliced

# pm415 checks the keys in this order and names the first one that is wrong.
LIST_KEYS = ("items", "backlogs", "initiatives", "bugs")
ID = re.compile(r"0*([0-9]{1,19})", re.ASCII)


def parse_id(text: Any) -> int | None:
    """Return the id that a text of decimal digits names; `None` if it is no id."""
    match = ID.fullmatch(text) if isinstance(text, str) else None
    return int(match[1]) if match and int(match[1]) <= BigIntegerField.MAX_BIGINT else None


def parse_ids(members: list[Any]) -> list[int] | None:
    """Return the ids of a list; `None` if a member is no id or the same id appears twice."""
    ids = [pk for pk in map(parse_id, members) if pk is not None]
    return ids if len(set(ids)) == len(members) else None


def refuse_repeated_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the pairs of a JSON object as a dict. Raises `ValueError` if a key appears twice.

    Python would keep the last value: an empty list there could remove every link of the record.
    """
    if len(found := dict(pairs)) < len(pairs):
        raise ValueError("a key comes twice")
    return found


def parse_object(content: bytes) -> dict[str, Any]:
    """Return the JSON object in a body, with whole numbers as texts. Raises `ParseError` if there is none.

    A number of thousands of digits is then an invalid id like any other; Python would refuse to convert it.
    """
    try:
        body = json.loads(
            content, parse_int=str, parse_constant=no_json, object_pairs_hook=refuse_repeated_keys
        )
    except (ValueError, RecursionError) as error:
        raise ParseError("The body is not well-formed JSON, each key once.") from error
    if not isinstance(body, dict):
        raise ParseError("The body is not a JSON object.")
    return body


def parse_list(body: dict[str, Any], key: str) -> list[Any]:
    """Return the list under `key`. Raises `ParseError` if it is missing or no list."""
    if key not in body:
        raise ParseError(f'"{key}" is required')
    if not isinstance(body[key], list):
        raise ParseError(f'"{key}" must be an array')
    members: list[Any] = body[key]
    return members


def parse_delete(body: dict[str, Any]) -> bool:
    """Return `delete`, which is a boolean or its name as a text. Raises `ParseError` for anything else."""
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
    """The body of a POST.

    `lists` holds the lists of ids as they were sent, by the singular name of their item type. `delete` says
    whether links to these records are removed or added; if all lists are empty, every link of the record is
    removed.
    """

    lists: dict[str, list[Any]]
    delete: bool

    @classmethod
    def parse(cls, content: bytes) -> "LinkChange":
        """Return the change that a body describes. Raises `ParseError` (400) for the first fault."""
        body = parse_object(content)
        lists = {key: parse_list(body, key) for key in LIST_KEYS}
        delete = parse_delete(body)
        for key in body:
            if key not in (*LIST_KEYS, "delete"):
                raise ParseError(f'"{key}" is not allowed')
        return cls({item_type.name: lists[item_type.plural] for item_type in ITEM_TYPES}, delete)

    @transaction.atomic
    def apply(self, user: User, owner: ItemType, pk: int, spelling: str) -> None:
        """Add or remove links of the record `pk` of the type `owner`, all or nothing.

        Raises `NotFound` or `ParseError` for the first fault. A record that `user` may not see or that
        belongs to another organization than the owner is answered like one that does not exist. `spelling` is
        the owner's type as the path spells it, for the message.
        """
        targets = self.parse_targets(owner)
        organization_ids = lock_organizations({**targets, owner.name: [pk]}, user)
        organization_id = organization_ids[owner.name].get(pk)
        if organization_id is None:
            raise NotFound(f"not found this {spelling}.")
        self.refuse_own_type(owner)
        self.refuse_missing(organization_ids, organization_id)
        self.write(owner.name, pk, targets)
        Organization.objects.filter(pk=organization_id).keep()

    def parse_targets(self, owner: ItemType) -> dict[str, list[int]]:
        """Return the valid, non-empty lists of ids by item type, without the owner's own type."""
        parsed = {name: parse_ids(members) for name, members in self.lists.items()}
        return {name: pks for name, pks in parsed.items() if pks and name != owner.name}

    def refuse_own_type(self, owner: ItemType) -> None:
        """Raises `ParseError` if the list of the owner's own type holds anything."""
        if self.lists[owner.name]:
            raise ParseError(
                f'A link joins two different kinds: "{owner.plural}" must be empty for a {owner.name}.'
            )

    def refuse_missing(self, organization_ids: OrganizationIds, organization_id: int) -> None:
        """Raises `NotFound` for the first list with a member that is no record of the organization."""
        for item_type in ITEM_TYPES:
            members = self.lists[item_type.name]
            found = organization_ids.get(item_type.name, {}).values() if members else ()
            if sum(each == organization_id for each in found) < len(members):
                raise NotFound(f"not found {item_type.plural}.")

    def write(self, end: str, pk: int, targets: Mapping[str, list[int]]) -> None:
        """Write the change for the record `pk` of the type named `end`; `targets` are ids by item type."""
        links = Link.objects.of(end, pk)
        if not targets:
            links.remove()
        elif self.delete:
            for name, pks in targets.items():
                for each in sliced(pks):
                    links.leading_to(name, each).remove()
        else:
            pairs = [(name, target) for name, pks in targets.items() for target in pks]
            Link.objects.add(Link(**{f"{end}_id": pk, f"{name}_id": target}) for name, target in pairs)
