"""The import of work items, with the organizations, users and links around them: read, plan and write."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Model

from accounts.models import ApiKey, User
from core.audit import log_created, log_updates
from core.db.bulk import refresh_statistics, upsert
from core.db.sequences import advance_sequences
from core.importing import ImportRefused, ImportRun, Plan, refuse_utf16
from workitems.examples import remove_examples
from workitems.import_schema import ImportedWorkItem
from workitems.item_types import ITEM_TYPES, ItemType
from workitems.models import ENDS, WORK_ITEMS, Link, Organization, lock_organizations, sliced
from workitems.planning import Section, Stored, WorkItemFile, WorkItemPlan, plan_work_items

BATCH = 1000
SOURCE = "import"
MEMBERSHIP: type[Model] = Organization.members.through
# The same text as `str(link)`, in SQL: audit entries of new rows are written by the database.
LINK_LABEL = "substr({}, 6)".format(" || ".join(f"coalesce(' and {end} ' || {end}_id, '')" for end in ENDS))
LABELS: dict[type[Model], str] = {User: "username", Link: LINK_LABEL, **dict.fromkeys(WORK_ITEMS, "title")}
# The sections that bring work items, beside which the examples would only confuse.
REPLACING = ("organizations", *(item_type.plural for item_type in ITEM_TYPES))


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


def import_work_items(content: dict[str, Any], *, dry_run: bool = False, demo: bool = False) -> list[str]:
    """Store `content`, all or nothing; return a line for each thing that was done. Raises `ImportRefused`."""
    run = WorkItemImport()
    with transaction.atomic():
        if not demo and any(content.get(part) for part in REPLACING):
            run.remove_demo()
        run.run(content)
        if not dry_run:
            advance_sequences(User, Organization, *WORK_ITEMS, Link)
            refresh_statistics(User, ApiKey, Organization, MEMBERSHIP, *WORK_ITEMS, Link)
        transaction.set_rollback(dry_run)
    return run.summary


# Looking up


def present(model: type[Model], pks: Iterable[int]) -> set[int]:
    """Return those of `pks` that are stored."""
    return {
        pk
        for each in sliced(pks)
        for pk in model._default_manager.filter(pk__in=each).values_list("pk", flat=True)
    }


def look_up(file: WorkItemFile) -> Stored:
    """Lock the stored work items that the file names; return what is stored of its records."""
    users: dict[int, User] = User.objects.in_bulk(list(file.users.records))
    key_owners = find_key_owners(file)
    # First, as it locks the work items: their rows are read as they stay until the end of the transaction.
    linked = {
        item_type.name: find_linked(item_type, section) for item_type, section in file.work_items.items()
    }
    return Stored(
        organizations=Organization.objects.in_bulk(list(file.organizations.records)),
        users=users,
        work_items={
            item_type.name: item_type.model._default_manager.in_bulk(list(section.records))
            for item_type, section in file.work_items.items()
        },
        organization_ids=present(Organization, file.organization_ids()),
        user_ids=present(User, file.user_ids()),
        user_ids_by_name=find_user_ids(file),
        key_owners=key_owners,
        key_faults=find_key_faults(file, users, key_owners),
        linked=linked,
        locations=lock_organizations(file.end_ids()),
        links=find_links(file),
    )


def find_linked(item_type: ItemType, section: Section[ImportedWorkItem]) -> set[int]:
    """Lock the stored work items of a section; return those that have links and would change organization."""
    records = section.records
    organizations = lock_organizations({item_type.name: records})[item_type.name]
    moved = [pk for pk, stored in organizations.items() if stored != records[pk].organizationId]
    manager = item_type.model._default_manager
    return {
        pk
        for each in sliced(moved)
        for pk in manager.filter(pk__in=each).linked().values_list("pk", flat=True)
    }


def find_user_ids(file: WorkItemFile) -> dict[str, int]:
    """Return the ids of the stored users that have names of the file, by name."""
    return {
        name: pk
        for each in sliced(record.username for record in file.users)
        for name, pk in User.objects.filter(username__in=each).values_list("username", "pk")
    }


def find_key_owners(file: WorkItemFile) -> dict[str, int]:
    """Return the users of those of the file's API keys that are stored, by the key's digest."""
    return {
        digest: pk
        for each in sliced(file.key_digests().values())
        for digest, pk in ApiKey.objects.filter(digest__in=each).values_list("digest", "user_id")
    }


def find_key_faults(
    file: WorkItemFile, users: Mapping[int, User], key_owners: Mapping[str, int]
) -> dict[int, str]:
    """Return why stored users may not get the new keys that the file has for them, by user."""
    faults = {}
    for pk, digest in file.key_digests().items():
        if pk not in users or digest in key_owners:
            continue
        try:
            ApiKey(user_id=pk).clean()
        except ValidationError as error:
            faults[pk] = " ".join(error.messages)
    return faults


def find_links(file: WorkItemFile) -> dict[int, Link]:
    return {link.pk: link for each in sliced(file.links.records) for link in Link.objects.filter(pk__in=each)}


# Writing


class WorkItemImport(ImportRun):
    """One import under way, inside its transaction. `summary` has a line for each thing that was done."""

    def __init__(self) -> None:
        super().__init__()
        self.summary: list[str] = []

    def remove_demo(self) -> None:
        """Remove the examples that nobody edited."""
        if removed := remove_examples():
            self.summary.append(f"{removed} untouched example organizations removed, with their work items.")

    def run(self, content: dict[str, Any]) -> None:
        """Read, plan and write. Raises `ImportRefused` with all records that are bad, or else do not fit."""
        file = WorkItemFile.read(content)
        self.add_faults(file.faults)
        self.raise_faults()
        stored = look_up(file)
        plan = plan_work_items(file, stored)
        self.add_faults(plan.refuse)
        self.raise_faults()
        self.write(plan, stored)

    def write(self, plan: WorkItemPlan, stored: Stored) -> None:
        self.write_rows("organizations", Organization, plan.organizations, stored.organizations)
        self.write_users(plan)
        self.write_keys(plan.keys)
        for item_type, rows in plan.work_items.items():
            self.write_rows(item_type.plural, item_type.model, rows, stored.work_items[item_type.name])
        self.write_links(plan.links)

    def write_rows(self, name: str, model: type[Model], plan: Plan[Any], before: Mapping[int, Model]) -> None:
        """Insert or overwrite rows, and write the audit entries."""
        model._default_manager.bulk_create(plan.create, batch_size=BATCH)
        upsert(model._default_manager.all(), plan.change)
        log_new_rows(model, [row.pk for row in plan.create])
        log_updates([(before[row.pk], row) for row in plan.change], source=SOURCE)
        self.summarize(name, created=len(plan.create), updated=len(plan.change))

    def write_users(self, plan: WorkItemPlan) -> None:
        """Create users without a password, and add the memberships that are missing."""
        for user in plan.users.create:
            user.set_unusable_password()
        User.objects.bulk_create(plan.users.create, batch_size=BATCH)
        log_new_rows(User, [user.pk for user in plan.users.create])
        self.summarize("users", created=len(plan.users.create), kept=len(plan.users.leave))
        for organization in Organization.objects.filter(pk__in=plan.members):
            organization.members.add(*plan.members[organization.pk])

    def write_keys(self, keys: Mapping[int, str]) -> None:
        for user, text in keys.items():
            key = ApiKey(user_id=user, note="imported")
            key.mint(text)
            key.save()
        self.summarize("API keys", created=len(keys))

    def write_links(self, plan: Plan[Link]) -> None:
        """Insert links; the database leaves out those of pairs that are linked already."""
        Link.objects.add(plan.create)
        created = sorted(present(Link, [link.pk for link in plan.create]))
        log_new_rows(Link, created)
        self.summarize("connections", created=len(created), kept=len(plan.leave))
        if left_out := len(plan.create) - len(created):
            self.summary.append(
                f"connections: {left_out} left out, as the two records are linked already, under another id."
            )

    def summarize(self, name: str, **counts: int) -> None:
        """Add a line with the counts of a section, unless all are 0."""
        if any(counts.values()):
            self.summary.append(f"{name}: {', '.join(f'{count} {done}' for done, count in counts.items())}.")


def log_new_rows(model: type[Model], pks: list[int]) -> None:
    """Write the audit entries of new rows."""
    for each in sliced(pks):
        log_created(model, each, source=SOURCE, label=LABELS.get(model, "name"))
