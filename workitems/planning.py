"""The plan of an import of work items: which records to create, to change, to leave and to refuse.

Everything here is pure: what the database has of a file's records is an argument (`Stored`), and nothing is
queried or written. `workitems.importing` looks up the one and writes the other.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from accounts.models import ApiKey, User
from core.import_schema import ImportedRecord
from core.importing import Plan
from workitems.import_schema import ImportedLink, ImportedOrganization, ImportedUser, ImportedWorkItem
from workitems.item_types import ITEM_TYPES, ItemType
from workitems.models import Link, Organization, OrganizationIds, WorkItem

R = TypeVar("R", bound=Any)
USER_FIELDS = ("assignee", "createdBy", "reportedBy")


@dataclass
class Section(Generic[R]):
    """One array of the file: its records by id, and the position of each."""

    name: str
    records: dict[int, R] = field(default_factory=dict)
    positions: dict[int, int] = field(default_factory=dict)

    def __iter__(self) -> Iterator[R]:
        return iter(self.records.values())

    def fault(self, pk: int, text: str) -> str:
        """Return the sentence that refuses the record `pk`."""
        return fault_at(self.name, self.positions[pk], text)


def fault_at(section: str, position: int, text: str) -> str:
    return f"{section} {position} (counted from 0): {text}"


# Reading


class WorkItemFile:
    """The records of a file, and the `faults` of those that are bad in themselves."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self.organizations: Section[ImportedOrganization] = Section("organizations")
        self.users: Section[ImportedUser] = Section("users")
        self.work_items: dict[ItemType, Section[ImportedWorkItem]] = {
            item_type: Section(item_type.plural) for item_type in ITEM_TYPES
        }
        self.links: Section[ImportedLink] = Section("connections")

    @classmethod
    def read(cls, content: Mapping[str, Any]) -> "WorkItemFile":
        """Validate the arrays of `content`."""
        file = cls()
        sections: list[tuple[Section[Any], type[ImportedRecord]]] = [
            (file.organizations, ImportedOrganization),
            (file.users, ImportedUser),
            *((section, item_type.import_schema) for item_type, section in file.work_items.items()),
            (file.links, ImportedLink),
        ]
        names = [section.name for section, _ in sections]
        file.faults += [
            f"{name!r} is no part of the file; it takes {', '.join(names)}."
            for name in content
            if name not in names
        ]
        for section, model in sections:
            file.faults += read_section(section, model, content.get(section.name, []))
        return file

    def organization_ids(self) -> set[int]:
        """Return the organizations that records name as theirs."""
        owners = {record.organizationId for section in self.work_items.values() for record in section}
        return owners.union(*(record.organizations for record in self.users))

    def user_ids(self) -> set[int]:
        """Return the users that work items name."""
        return {
            pk for section in self.work_items.values() for record in section for _, pk in users_of(record)
        }

    def end_ids(self) -> dict[str, set[int]]:
        """Return the records that links join, by type."""
        return {
            item_type.name: {
                pk for link in self.links if (pk := getattr(link, item_type.id_field)) is not None
            }
            for item_type in ITEM_TYPES
        }

    def key_digests(self) -> dict[int, str]:
        """Return the digests of the API keys, by user."""
        return {record.id: ApiKey.digest_of(record.apiKey) for record in self.users if record.apiKey}


def read_section(section: Section[Any], model: type[ImportedRecord], members: Any) -> list[str]:
    """Validate one array into `section`; return the faults of its bad records."""
    if not isinstance(members, list):
        return [f"{section.name} is not an array."]
    faults = []
    for position, raw in enumerate(members):
        try:
            record: Any = model.model_validate(raw)
        except ValidationError as error:
            faults += [fault_at(section.name, position, fault_text(fault)) for fault in error.errors()]
            continue
        if record.id in section.records:
            faults.append(fault_at(section.name, position, f"id: {record.id} stands in the file before"))
        section.records[record.id], section.positions[record.id] = record, position
    return faults


def fault_text(fault: Any) -> str:
    """Return pydantic's `fault` after its field, `organizations.0: …`; the whole record has no field."""
    path = ".".join(map(str, fault["loc"]))
    return f"{path}: {fault['msg']}" if path else str(fault["msg"])


def users_of(record: ImportedWorkItem) -> list[tuple[str, int]]:
    """Return the fields of a record that name a user, and whom."""
    named = [(name, getattr(record, name, None)) for name in USER_FIELDS]
    return [(name, pk) for name, pk in named if pk is not None]


def ends_of(record: ImportedLink) -> dict[ItemType, int]:
    """Return the ids of the two records that a link joins, by type."""
    pks = {item_type: getattr(record, item_type.id_field) for item_type in ITEM_TYPES}
    return {item_type: pk for item_type, pk in pks.items() if pk is not None}


# Planning


@dataclass(frozen=True)
class Stored:
    """What the database has of a file's records.

    `organizations` and `work_items` are the rows that have ids of the file, the latter by type. `users` are
    the users that have ids of the file, `user_ids_by_name` the ids of those that have names of the file.

    `organization_ids` and `user_ids` are those of the named ids that are stored. `key_owners` are the users
    of stored keys, by digest; `key_faults` say, by user, why an existing user may have no key.

    `locations` are the organizations of the records that links join, by type. `linked` are the ids, by type,
    of the records that have links and would come to another organization. `links` are the links that have ids
    of the file.
    """

    organizations: Mapping[int, Organization] = field(default_factory=dict)
    users: Mapping[int, User] = field(default_factory=dict)
    work_items: Mapping[str, Mapping[int, WorkItem]] = field(default_factory=dict)
    organization_ids: Collection[int] = ()
    user_ids: Collection[int] = ()
    user_ids_by_name: Mapping[str, int] = field(default_factory=dict)
    key_owners: Mapping[str, int] = field(default_factory=dict)
    key_faults: Mapping[int, str] = field(default_factory=dict)
    locations: OrganizationIds = field(default_factory=dict)
    linked: Mapping[str, Collection[int]] = field(default_factory=dict)
    links: Mapping[int, Link] = field(default_factory=dict)


@dataclass
class WorkItemPlan:
    """The plan of a whole file.

    `refuse` says why records are refused, a sentence each; with any, nothing may be written. `members` are
    the users to add to each organization. `keys` are the API keys to create, by user. `links` are in the
    order of their ids: of a pair that the file has twice, the older one is kept.
    """

    refuse: list[str] = field(default_factory=list)
    organizations: Plan[Organization] = field(default_factory=Plan)
    users: Plan[User] = field(default_factory=Plan)
    members: dict[int, list[int]] = field(default_factory=dict)
    keys: dict[int, str] = field(default_factory=dict, repr=False)
    work_items: dict[ItemType, Plan[WorkItem]] = field(default_factory=dict)
    links: Plan[Link] = field(default_factory=Plan)


def plan_work_items(file: WorkItemFile, stored: Stored) -> WorkItemPlan:
    """Return the plan for a file without faults."""
    known_organizations = {*file.organizations.records, *stored.organization_ids}
    known_users = {*file.users.records, *stored.user_ids}
    refuse = [*user_faults(file, stored, known_organizations), *key_faults(file, stored)]
    for item_type, section in file.work_items.items():
        refuse += work_item_faults(item_type, section, stored, known_organizations, known_users)
    # The organizations of links are compared where all records have one.
    refuse = refuse or link_faults(file, stored)
    return WorkItemPlan(refuse) if refuse else fill_plan(file, stored)


def user_faults(file: WorkItemFile, stored: Stored, organizations: Collection[int]) -> Iterator[str]:
    """Yield why users are refused: another identity here, a name that is taken, an unknown organization."""
    names = Counter(record.username for record in file.users)
    for record in file.users:
        if text := identity_fault(record, stored, names):
            yield file.users.fault(record.id, text)
        for pk in record.organizations:
            if pk not in organizations:
                yield file.users.fault(record.id, f"organizations: there is no organization {pk}")


def identity_fault(record: ImportedUser, stored: Stored, names: Counter[str]) -> str:
    """Return why a record cannot be the user of its id and name, `""` if it can."""
    existing = stored.users.get(record.id)
    if existing and existing.username != record.username:
        return f"id: the user {record.id} is {existing.username!r} here"
    owner = stored.user_ids_by_name.get(record.username, record.id)
    if owner != record.id:
        return f"username: {record.username!r} has the id {owner} here"
    return "username: stands in the file twice" if names[record.username] > 1 else ""


def key_faults(file: WorkItemFile, stored: Stored) -> Iterator[str]:
    """Yield why API keys are refused: another user has the key, or its user may have none."""
    digests = file.key_digests()
    counts = Counter(digests.values())
    for pk, digest in digests.items():
        if stored.key_owners.get(digest, pk) != pk or counts[digest] > 1:
            yield file.users.fault(pk, "apiKey: another user has this key")
    for pk, text in stored.key_faults.items():
        yield file.users.fault(pk, f"apiKey: {text}")


def work_item_faults(
    item_type: ItemType,
    section: Section[ImportedWorkItem],
    stored: Stored,
    organizations: Collection[int],
    users: Collection[int],
) -> Iterator[str]:
    """Yield why work items are refused: they name what is unknown, or would take links elsewhere."""
    rows, linked = stored.work_items.get(item_type.name, {}), stored.linked.get(item_type.name, ())
    for record in section:
        if record.organizationId not in organizations:
            text = f"organizationId: there is no organization {record.organizationId}"
            yield section.fault(record.id, text)
        if record.id in linked:
            organization = rows[record.id].organization_id
            text = f"organizationId: it has links here and stays in organization {organization}"
            yield section.fault(record.id, text)
        for name, pk in users_of(record):
            if pk not in users:
                yield section.fault(record.id, f"{name}: there is no user {pk}")


def link_faults(file: WorkItemFile, stored: Stored) -> list[str]:
    """Return why links are refused, by the organizations of the records that they join."""
    locations = {
        item_type.name: {
            **stored.locations.get(item_type.name, {}),
            **{record.id: record.organizationId for record in section},
        }
        for item_type, section in file.work_items.items()
    }
    return [
        file.links.fault(record.id, text)
        for record in file.links
        for text in faults_of_link(record, stored.links.get(record.id), locations)
    ]


def faults_of_link(record: ImportedLink, existing: Link | None, locations: OrganizationIds) -> list[str]:
    ends = ends_of(record)
    faults = [
        f"{item_type.id_field}: there is no {item_type.name} {pk}"
        for item_type, pk in ends.items()
        if pk not in locations[item_type.name]
    ]
    if existing and existing.ends() != {item_type.name: pk for item_type, pk in ends.items()}:
        return [*faults, "id: here, the link of this id joins other records"]
    if not faults and len({locations[item_type.name][pk] for item_type, pk in ends.items()}) > 1:
        keys = ", ".join(item_type.id_field for item_type in ends)
        return [f"{keys}: the two belong to different organizations"]
    return faults


def fill_plan(file: WorkItemFile, stored: Stored) -> WorkItemPlan:
    organizations = [Organization(pk=record.id, name=record.name) for record in file.organizations]
    return WorkItemPlan(
        organizations=split(organizations, stored.organizations),
        users=plan_users(file, stored),
        members=members_of(file.users),
        keys=plan_keys(file, stored),
        work_items={
            item_type: split(
                [row_of(item_type, record) for record in section], stored.work_items.get(item_type.name, {})
            )
            for item_type, section in file.work_items.items()
        },
        links=plan_links(file, stored),
    )


M = TypeVar("M", Organization, WorkItem)


def split(rows: Iterable[M], stored: Mapping[int, M]) -> Plan[M]:
    """Return a plan that creates the rows that are not stored and changes the others."""
    plan: Plan[M] = Plan()
    for row in rows:
        (plan.change if row.pk in stored else plan.create).append(row)
    return plan


def row_of(item_type: ItemType, record: ImportedWorkItem) -> WorkItem:
    """Return the row that a record describes; the API's serializer says which field is which column."""
    return item_type.model(
        **{column.path: getattr(record, column.name) for column in item_type.serializer.scalars()}
    )


def plan_users(file: WorkItemFile, stored: Stored) -> Plan[User]:
    """Return a plan that creates unknown users, without a role, and leaves the others as they are."""
    new = [record for record in file.users if record.id not in stored.users]
    users = [User(pk=record.id, username=record.username, email=record.email) for record in new]
    return Plan(create=users, leave=list(stored.users))


def members_of(users: Iterable[ImportedUser]) -> dict[int, list[int]]:
    """Return the users of each organization."""
    members: dict[int, list[int]] = {}
    for record in users:
        for pk in record.organizations:
            members.setdefault(pk, []).append(record.id)
    return members


def plan_keys(file: WorkItemFile, stored: Stored) -> dict[int, str]:
    """Return the API keys that are not stored, by user."""
    new = [pk for pk, digest in file.key_digests().items() if digest not in stored.key_owners]
    return {pk: key for pk in new if (key := file.users.records[pk].apiKey)}


def plan_links(file: WorkItemFile, stored: Stored) -> Plan[Link]:
    new = sorted((record for record in file.links if record.id not in stored.links), key=lambda each: each.id)
    links = [
        Link(pk=each.id, **{f"{item_type.name}_id": pk for item_type, pk in ends_of(each).items()})
        for each in new
    ]
    return Plan(create=links, leave=list(stored.links))
