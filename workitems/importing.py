"""The import of work items, with the organisations, users and links around them."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from django.contrib.auth.hashers import make_password
from django.core.exceptions import ValidationError as Refusal
from django.db import transaction
from django.db.models import Model
from pydantic import ValidationError

from accounts.models import ApiKey, User
from core.audit import log_created, log_updates
from core.db.bulk import refresh_statistics, upsert
from core.db.sequences import advance_sequences
from core.import_schema import ImportedRecord
from core.importing import ImportRefused, ImportRun, refuse_utf16
from workitems.examples import remove_examples
from workitems.import_schema import ImportedLink, ImportedOrganization, ImportedUser, ImportedWorkItem
from workitems.item_types import ITEM_TYPES, ItemType
from workitems.models import ENDS, WORK_ITEMS, Link, Organization, WorkItem, lock_organizations, sliced

BATCH = 1000
SOURCE = "import"
MEMBERSHIP: type[Model] = Organization.members.through
# As `str(link)`, in SQL.
LINK_LABEL = "substr({}, 6)".format(" || ".join(f"coalesce(' and {end} ' || {end}_id, '')" for end in ENDS))
LABELS: dict[type[Model], str] = {User: "username", Link: LINK_LABEL, **dict.fromkeys(WORK_ITEMS, "title")}

R = TypeVar("R", bound=Any)


@dataclass
class Section(Generic[R]):
    """One array of the file: its records by id, and where each stood."""

    name: str
    records: dict[int, R] = field(default_factory=dict)
    positions: dict[int, int] = field(default_factory=dict)

    def __iter__(self) -> Iterator[R]:
        return iter(self.records.values())

    def fault(self, pk: int, text: str) -> str:
        return f"{self.name} {self.positions[pk]} (counted from 0): {text}"


# What brings work items of one's own along, beside which the examples would only confuse.
REPLACING = ("organizations", *(kind.plural for kind in ITEM_TYPES))


def read_file(content: bytes) -> dict[str, Any]:
    """Return the JSON object in `content`. Raises `ImportRefused` if it is none."""
    refuse_utf16(content)
    try:
        body = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        where = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise ImportRefused([f"The file is not well-formed JSON{where}."]) from None
    if not isinstance(body, dict):
        raise ImportRefused(["The file is not a JSON object with organizations, users, items and so on."])
    return body


def place_of(fault: Any) -> str:
    """Return the field that pydantic's `fault` lies in, `organizations.0: `; nothing if it is the record as a whole."""
    return f"{'.'.join(map(str, fault['loc']))}: " if fault["loc"] else ""


def present(model: type[Model], pks: Iterable[int]) -> set[int]:
    """Return those of `pks` that are stored."""
    return {
        pk
        for each in sliced(pks)
        for pk in model._default_manager.filter(pk__in=each).values_list("pk", flat=True)
    }


def users_of(record: ImportedWorkItem) -> list[tuple[str, int]]:
    """Return the fields of a record that name a user, and whom."""
    named = [(name, getattr(record, name, None)) for name in ("assignee", "createdBy", "reportedBy")]
    return [(name, pk) for name, pk in named if pk is not None]


def ends_of(record: ImportedLink) -> dict[str, int]:
    """Return the columns of a link that the record fills."""
    pks = {kind.word: getattr(record, kind.key) for kind in ITEM_TYPES}
    return {word: pk for word, pk in pks.items() if pk is not None}


def fill(kind: ItemType, record: ImportedWorkItem) -> WorkItem:
    """Return the row that a record describes: the API's serializer says which field is which column."""
    return kind.model(**{column.path: getattr(record, column.name) for column in kind.serializer.scalars()})


def user_of(record: ImportedUser) -> User:
    return User(pk=record.id, username=record.username, email=record.email, password=make_password(None))


def import_work_items(content: dict[str, Any], *, dry_run: bool = False, demo: bool = False) -> list[str]:
    """Store `content`, all or nothing; return a line for each thing that was done. Raises `ImportRefused`."""
    run = Import()
    with transaction.atomic():
        if not demo and any(content.get(part) for part in REPLACING):
            run.remove_demo()
        run.read(content)
        run.check()
        run.store()
        if not dry_run:
            advance_sequences(User, Organization, *WORK_ITEMS, Link)
            refresh_statistics(User, ApiKey, Organization, MEMBERSHIP, *WORK_ITEMS, Link)
        transaction.set_rollback(dry_run)
    return run.summary


class Import(ImportRun):
    """One import under way, inside its transaction."""

    def __init__(self) -> None:
        super().__init__()
        self.summary: list[str] = []
        self.organizations: Section[ImportedOrganization] = Section("organizations")
        self.users: Section[ImportedUser] = Section("users")
        self.work_items: dict[ItemType, Section[ImportedWorkItem]] = {
            kind: Section(kind.plural) for kind in ITEM_TYPES
        }
        self.links: Section[ImportedLink] = Section("connections")

    def remove_demo(self) -> None:
        """Remove the examples that nobody edited."""
        if removed := remove_examples():
            self.summary.append(f"{removed} untouched example organizations removed, with their work items.")

    # Reading

    def read(self, content: dict[str, Any]) -> None:
        """Take the records apart. Raises `ImportRefused` with every record that is bad in itself."""
        models: dict[str, tuple[Section[Any], type[ImportedRecord]]] = {
            "organizations": (self.organizations, ImportedOrganization),
            "users": (self.users, ImportedUser),
            **{kind.plural: (section, kind.record) for kind, section in self.work_items.items()},
            "connections": (self.links, ImportedLink),
        }
        self.add_faults(
            f"{name!r} is no part of the file; it takes {', '.join(models)}."
            for name in content
            if name not in models
        )
        for name, (section, model) in models.items():
            self.read_section(section, model, content.get(name, []))
        self.raise_faults()

    def read_section(self, section: Section[Any], model: type[ImportedRecord], members: Any) -> None:
        if not isinstance(members, list):
            self.add_faults([f"{section.name} is not an array."])
            return
        for position, raw in enumerate(members):
            try:
                record: Any = model.model_validate(raw)
            except ValidationError as error:
                self.add_faults(
                    f"{section.name} {position} (counted from 0): {place_of(fault)}{fault['msg']}"
                    for fault in error.errors()
                )
                continue
            if record.id in section.records:
                self.add_faults(
                    [f"{section.name} {position} (counted from 0): id: {record.id} stands in the file before"]
                )
            section.records[record.id], section.positions[record.id] = record, position

    # Checking against each other and what is stored

    def check(self) -> None:
        """Look up what the records name. Raises `ImportRefused` with every record that does not fit."""
        self.known_organizations = {
            *self.organizations.records,
            *present(Organization, self.named_organizations()),
        }
        self.known_users = {*self.users.records, *present(User, self.named_users())}
        self.check_users()
        for kind, section in self.work_items.items():
            self.check_work_items(kind, section)
        self.raise_faults()
        self.check_links()
        self.raise_faults()

    def named_organizations(self) -> set[int]:
        places = {record.organizationId for section in self.work_items.values() for record in section}
        return places.union(*(record.organizations for record in self.users))

    def named_users(self) -> set[int]:
        return {
            pk for section in self.work_items.values() for record in section for _, pk in users_of(record)
        }

    def check_users(self) -> None:
        self.existing_users = User.objects.in_bulk(list(self.users.records))
        names = self.ids_of_names()
        twice = Counter(record.username for record in self.users)
        for record in self.users:
            there = self.existing_users.get(record.id)
            if there and there.username != record.username:
                self.add_faults(
                    [self.users.fault(record.id, f"id: the user {record.id} is {there.username!r} here")]
                )
            elif names.get(record.username, record.id) != record.id:
                self.add_faults(
                    [
                        self.users.fault(
                            record.id,
                            f"username: {record.username!r} has the id {names[record.username]} here",
                        )
                    ]
                )
            elif twice[record.username] > 1:
                self.add_faults([self.users.fault(record.id, "username: stands in the file twice")])
            self.add_faults(self.users.fault(record.id, text) for text in self.unknown_organizations(record))
        self.check_keys()

    def ids_of_names(self) -> dict[str, int]:
        """Return the ids of the stored users whose names the file has."""
        parts = sliced(record.username for record in self.users)
        return {
            name: pk
            for each in parts
            for name, pk in User.objects.filter(username__in=each).values_list("username", "pk")
        }

    def unknown_organizations(self, record: ImportedUser) -> list[str]:
        return [
            f"organizations: there is no organization {pk}"
            for pk in record.organizations
            if pk not in self.known_organizations
        ]

    def check_keys(self) -> None:
        """Prepare the keys that are not there yet; refuse one that stands for another user."""
        keyed = {record.id: ApiKey.digest_of(record.apiKey) for record in self.users if record.apiKey}
        parts = sliced(keyed.values())
        owners = {
            digest: pk
            for each in parts
            for digest, pk in ApiKey.objects.filter(digest__in=each).values_list("digest", "user_id")
        }
        twice = Counter(keyed.values())
        for pk, digest in keyed.items():
            if owners.get(digest, pk) != pk or twice[digest] > 1:
                self.add_faults([self.users.fault(pk, "apiKey: another user has this key")])
        self.new_keys = [pk for pk, digest in keyed.items() if digest not in owners]
        for pk in self.new_keys:
            if pk in self.existing_users:
                self.check_owner(pk)

    def check_owner(self, pk: int) -> None:
        try:
            ApiKey(user_id=pk).clean()
        except Refusal as error:
            self.add_faults([self.users.fault(pk, f"apiKey: {' '.join(error.messages)}")])

    def check_work_items(self, kind: ItemType, section: Section[ImportedWorkItem]) -> None:
        manager = kind.model._default_manager
        stored = lock_organizations({kind.word: section.records})[kind.word]
        moving = {
            pk for pk, organization in stored.items() if organization != section.records[pk].organizationId
        }
        staying = {
            pk
            for each in sliced(moving)
            for pk in manager.filter(pk__in=each).linked().values_list("pk", flat=True)
        }
        for record in section:
            if record.organizationId not in self.known_organizations:
                self.add_faults(
                    [
                        section.fault(
                            record.id, f"organizationId: there is no organization {record.organizationId}"
                        )
                    ]
                )
            if record.id in staying:
                self.add_faults(
                    [
                        section.fault(
                            record.id,
                            f"organizationId: it has links here and stays in organization {stored[record.id]}",
                        )
                    ]
                )
            unknown = [(name, pk) for name, pk in users_of(record) if pk not in self.known_users]
            self.add_faults(
                section.fault(record.id, f"{name}: there is no user {pk}") for name, pk in unknown
            )

    def check_links(self) -> None:
        """Compare the organisations of each link's ends, in the file or stored; drop links that the file has twice."""
        ends = {
            kind: {pk for link in self.links if (pk := getattr(link, kind.key)) is not None}
            for kind in ITEM_TYPES
        }
        places = lock_organizations({kind.word: pks for kind, pks in ends.items()})
        for kind, section in self.work_items.items():
            places[kind.word] |= {record.id: record.organizationId for record in section}
        taken = {
            link.pk: link.ends()
            for each in sliced(self.links.records)
            for link in Link.objects.filter(pk__in=each)
        }
        for record in self.links:
            joined = {
                kind: getattr(record, kind.key)
                for kind in ITEM_TYPES
                if getattr(record, kind.key) is not None
            }
            missing = [
                f"{kind.key}: there is no {kind.word} {pk}"
                for kind, pk in joined.items()
                if pk not in places[kind.word]
            ]
            if taken.get(record.id, ends_of(record)) != ends_of(record):
                missing.append("id: here, the link of this id joins other records")
            elif not missing and len({places[kind.word][pk] for kind, pk in joined.items()}) > 1:
                missing.append(
                    f"{', '.join(kind.key for kind in joined)}: the two belong to different organizations"
                )
            self.add_faults(self.links.fault(record.id, text) for text in missing)
        self.new_links = [record for record in self.links if record.id not in taken]

    # Storing

    def store(self) -> None:
        self.store_organizations()
        self.store_users()
        for kind, section in self.work_items.items():
            rows = [fill(kind, record) for record in section]
            self.write(kind.plural, kind.model, rows)
        self.store_links()

    def write(self, name: str, model: type[Model], rows: list[Any]) -> None:
        """Insert rows, or write over those that are there, and record what changed."""
        before: dict[int, Any] = model._default_manager.in_bulk([row.pk for row in rows])
        new = [row for row in rows if row.pk not in before]
        changed = [row for row in rows if row.pk in before]
        model._default_manager.bulk_create(new, batch_size=BATCH)
        upsert(model._default_manager.all(), changed)
        self.record_new(model, [row.pk for row in new])
        log_updates([(before[row.pk], row) for row in changed], source=SOURCE)
        self.tell(name, created=len(new), updated=len(changed))

    def record_new(self, model: type[Model], pks: list[int]) -> None:
        for each in sliced(pks):
            log_created(model, each, source=SOURCE, label=LABELS.get(model, "name"))

    def tell(self, name: str, **counts: int) -> None:
        if any(counts.values()):
            self.summary.append(f"{name}: {', '.join(f'{count} {done}' for done, count in counts.items())}.")

    def store_organizations(self) -> None:
        rows = [Organization(pk=record.id, name=record.name) for record in self.organizations]
        self.write("organizations", Organization, rows)

    def store_users(self) -> None:
        """Create users without a role or a password; of one that is there, only the memberships and keys grow."""
        rows = [user_of(record) for record in self.users if record.id not in self.existing_users]
        User.objects.bulk_create(rows, batch_size=BATCH)
        self.record_new(User, [row.pk for row in rows])
        self.tell("users", created=len(rows), kept=len(self.existing_users))
        members: dict[int, list[int]] = {}
        for record in self.users:
            for pk in record.organizations:
                members.setdefault(pk, []).append(record.id)
        for organization in Organization.objects.filter(pk__in=members):
            organization.members.add(*members[organization.pk])
        self.store_keys()

    def store_keys(self) -> None:
        for pk in self.new_keys:
            key = ApiKey(user_id=pk, note="imported")
            key.mint(self.users.records[pk].apiKey)
            key.save()
        self.tell("API keys", created=len(self.new_keys))

    def store_links(self) -> None:
        """Insert the links that are new, by id: of a pair that the file has twice, the older one."""
        rows = [
            Link(pk=record.id, **{f"{end}_id": pk for end, pk in ends_of(record).items()})
            for record in sorted(self.new_links, key=lambda record: record.id)
        ]
        Link.objects.add(rows)
        ids = [row.pk for row in rows]
        created = sorted(
            pk for each in sliced(ids) for pk in Link.objects.filter(pk__in=each).values_list("pk", flat=True)
        )
        self.record_new(Link, created)
        self.tell("connections", created=len(created), kept=len(self.links.records) - len(self.new_links))
        if there := len(rows) - len(created):
            self.summary.append(
                f"connections: {there} left out, as the two records are linked already, under another id."
            )
