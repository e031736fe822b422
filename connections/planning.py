"""The plan of a batch of connections: what to create, to change, to leave and to refuse.

Everything here is pure. What the database has of a batch is an argument (`Stored`), and so is the time;
nothing is queried, written or encrypted. `connections.plan_execution` looks up the one and writes the other.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from copy import copy
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple

from connections.addresses.address import Address
from connections.addresses.parsing import parse_address
from connections.destinations import DESTINATION_FIELDS
from connections.import_schema import ImportedConnection, ImportedLog
from connections.models import App, Connection
from connections.secrets.holder import SECRETS, is_placeholder
from core.importing import OnExisting, Plan, action_for
from logs.models import ConnectionLog


@dataclass(frozen=True)
class SecretChange:
    """What to do with one secret of a connection.

    `store` encrypts and stores `text`. `clear` records that there is no secret. `expect` records that there
    is one which nobody entered here yet, and drops what is stored.
    """

    action: Literal["store", "clear", "expect"]
    text: str = field(default="", repr=False)  # not in the repr, which ends in tracebacks and logs


CLEAR = SecretChange("clear")
EXPECT = SecretChange("expect")


class ConnectionChange(NamedTuple):
    """One connection to create or to change.

    `values` are the fields to set, by attribute name, and `secrets` the secrets to change, by name of
    `SECRETS`. All others stay as they are, or get their defaults. `before` is the stored row, `None` for a
    new connection.
    """

    pk: int
    values: dict[str, Any]
    secrets: dict[str, SecretChange]
    before: Connection | None = None


class IntegrationCount(NamedTuple):
    """How many integrations a connection has, and how many of these an import made and may remove."""

    total: int = 0
    placeholders: int = 0


@dataclass(frozen=True)
class Stored:
    """What the database has of a batch of records.

    `connections`: the rows that have the ids of the batch, locked. `apps`: which of the app ids are stored.
    `log_owners`: the connection of each log entry that has an id of the batch. `integrations`: the counts by
    connection; one without integrations may be left out.
    """

    connections: Mapping[int, Connection] = field(default_factory=dict)
    apps: Collection[int] = ()
    log_owners: Mapping[int, int] = field(default_factory=dict)
    integrations: Mapping[int, IntegrationCount] = field(default_factory=dict)


@dataclass
class ConnectionPlan(Plan[ConnectionChange]):
    """The plan of a batch of connections, with the apps, log entries and integrations that go with them.

    `apps` are to be created. `logs` are to be created or changed; `displaced_logs` have ids that other
    connections' entries have, and wait for ids of their own (`renumber_logs`). `added_integrations` are the
    numbers of the placeholders to add, `removed_integrations` how many placeholders to remove, both by
    connection. `expected` counts the secrets that are to be entered here, by label.
    """

    apps: list[App] = field(default_factory=list)
    logs: Plan[ConnectionLog] = field(default_factory=Plan)
    displaced_logs: list[ConnectionLog] = field(default_factory=list)
    added_integrations: dict[int, range] = field(default_factory=dict)
    removed_integrations: dict[int, int] = field(default_factory=dict)
    expected: Counter[str] = field(default_factory=Counter)


def plan_connections(
    records: Iterable[ImportedConnection],
    stored: Stored,
    *,
    on_existing: OnExisting,
    now: datetime,
    demo: bool = False,
) -> ConnectionPlan:
    """Return the plan for `records`, whose ids differ from each other.

    `now` is the creation date of the records that have none. `demo` marks what is written as an example.
    """
    planner = Planner(stored, now=now, demo=demo)
    for record in records:
        planner.add_record(record, on_existing)
    planner.add_apps()
    planner.set_integration_counts()
    return planner.plan


class Planner:
    """Builds the plan of one batch, record by record."""

    def __init__(self, stored: Stored, *, now: datetime, demo: bool) -> None:
        self.stored = stored
        self.now = now
        self.demo = demo
        self.plan = ConnectionPlan()
        self.log_owners = dict(stored.log_owners)
        self.changed: list[ImportedConnection] = []

    def add_record(self, record: ImportedConnection, on_existing: OnExisting) -> None:
        action = action_for(exists=record.id in self.stored.connections, on_existing=on_existing)
        if action == "refuse":
            self.plan.refuse.append(f"Connection {record.id} exists; choose --on-existing skip or overwrite.")
        elif action == "leave":
            self.plan.leave.append(record.id)
        elif action == "create":
            self.create(record)
        else:
            self.change(record)

    def create(self, record: ImportedConnection) -> None:
        address = parse_address(record.url)
        values = {**self.values(record, address), "integration_count": record.integrationCount}
        secrets = plan_secrets(record, address)
        self.expect(secrets)
        self.plan.create.append(ConnectionChange(record.id, values, secrets))
        if record.integrationCount:
            self.plan.added_integrations[record.id] = range(1, record.integrationCount + 1)

    def change(self, record: ImportedConnection) -> None:
        address, before = parse_address(record.url), self.stored.connections[record.id]
        values = self.values(record, address)
        secrets = plan_secrets(record, address, before, redirected=is_redirected(before, values))
        self.expect(secrets)
        self.note_dropped(before, secrets)
        self.plan.change.append(ConnectionChange(record.id, values, secrets, before))
        self.changed.append(record)

    def values(self, record: ImportedConnection, address: Address) -> dict[str, Any]:
        return {
            "app_id": record.appId,
            "name": record.name,
            "url": address.text,
            "type": record.type,
            "authentication": record.authentication,
            "username": record.username or address.username,
            "status": record.status,
            "latest_connection": record.latestConnection,
            "creation_date": record.creationDate or self.creation_date_of(record.id),
            "last_check": record.lastCheck,
            "latest_log_id": self.add_log(record),
            "demo": self.demo,
        }

    def creation_date_of(self, pk: int) -> datetime:
        """Return the date of a record that tells none: a stored connection keeps its own."""
        stored = self.stored.connections.get(pk)
        return stored.creation_date if stored else self.now

    def add_log(self, record: ImportedConnection) -> int | None:
        """Plan the record's latest log entry; return its id, `None` if there is none or its id is taken."""
        if record.latestLog is None:
            return None
        log = log_of(record.id, record.latestLog)
        if self.log_owners.setdefault(log.pk, record.id) != record.id:
            self.plan.displaced_logs.append(log)
            return None
        logs = self.plan.logs
        (logs.change if log.pk in self.stored.log_owners else logs.create).append(log)
        return log.pk

    def expect(self, secrets: Mapping[str, SecretChange]) -> None:
        self.plan.expected.update(label_of(secret) for secret in secrets if secrets[secret] == EXPECT)

    def note_dropped(self, before: Connection, secrets: Mapping[str, SecretChange]) -> None:
        for secret, change in secrets.items():
            if change == EXPECT and before.has_stored(secret):
                self.plan.notes.append(
                    f"Connection {before.pk}: its address or type changed, "
                    f"so its {label_of(secret)} must be entered again."
                )

    def add_apps(self) -> None:
        changes = (*self.plan.create, *self.plan.change)
        missing = {change.values["app_id"] for change in changes} - {None, *self.stored.apps}
        self.plan.apps = [App(pk=pk, name=f"App {pk}", demo=self.demo) for pk in sorted(missing)]

    def set_integration_counts(self) -> None:
        """Give each changed connection the number of integrations of its record, by placeholders alone."""
        for record in self.changed:
            count = self.stored.integrations.get(record.id, IntegrationCount())
            if record.integrationCount > count.total:
                added = range(count.total + 1, record.integrationCount + 1)
                self.plan.added_integrations[record.id] = added
            elif surplus := count.total - record.integrationCount:
                self.remove_integrations(record.id, surplus, count.placeholders)

    def remove_integrations(self, pk: int, surplus: int, placeholders: int) -> None:
        if removed := min(surplus, placeholders):
            self.plan.removed_integrations[pk] = removed
        if kept := surplus - removed:
            self.plan.notes.append(
                f"Connection {pk}: it keeps {kept} integrations more than the record says; "
                "they were made here."
            )


def plan_secrets(
    record: ImportedConnection,
    address: Address,
    before: Connection | None = None,
    *,
    redirected: bool = False,
) -> dict[str, SecretChange]:
    """Return what to do with the secrets of a record; a secret that is not named stays as it is.

    A secret that the record carries is stored. A secret that the other system does not have is cleared. One
    that it has stays if it is stored here, unless the connection is `redirected`: otherwise whoever writes
    the file could have it sent to a host of their own.
    """
    carried = {"password": record.password or password_in(address), "token": record.token}
    exists = {"password": record.passwordExists, "token": record.tokenExists}
    changes = {}
    for secret in SECRETS:
        stored = before is not None and before.has_stored(secret)
        known = before is not None and getattr(before, f"{secret}_exists")
        if text := carried.get(secret):
            changes[secret] = SecretChange("store", text)
        elif not exists.get(secret, known):  # records say nothing of private keys and headers
            changes |= {secret: CLEAR} if known else {}
        elif redirected or not stored:
            changes[secret] = EXPECT
    return changes


def password_in(address: Address) -> str:
    """Return the password that stood in an address, `""` if it is a placeholder that a form showed."""
    return "" if is_placeholder(address.password) else address.password


def is_redirected(before: Connection, values: Mapping[str, Any]) -> bool:
    """Return whether a stored connection has secrets and `values` would send them to another system."""
    if not any(map(before.has_stored, SECRETS)):
        return False
    after = copy(before)
    for name in DESTINATION_FIELDS & values.keys():
        setattr(after, name, values[name])
    return after.is_redirected(before)


def label_of(secret: str) -> str:
    return secret.replace("_", " ")


def log_of(connection: int, record: ImportedLog) -> ConnectionLog:
    """Return the log entry, not stored yet, that `record` describes."""
    return ConnectionLog(
        id=record.id,
        connection_id=connection,
        creation_date=record.creationDate,
        status=record.status,
        description=record.description,
        error=record.error,
        app_id=record.appId,
        integration_id=record.integrationId,
        workflow_id=record.workflowId,
        task_id=record.taskId,
        time=record.time,
    )


def renumber_logs(logs: Iterable[ConnectionLog], first: int) -> Plan[ConnectionLog]:
    """Return a plan that creates `logs` with ids from `first` on, and notes each change of an id."""
    plan: Plan[ConnectionLog] = Plan()
    for number, log in enumerate(logs, start=first):
        plan.notes.append(
            f"Connection {log.connection_id}: its log entry {log.pk} is now {number}, "
            "as another connection's has that id."
        )
        renumbered = copy(log)
        renumbered.pk = number
        plan.create.append(renumbered)
    return plan


def name_notes(
    counts: Iterable[tuple[int | None, str, int]], names: Collection[tuple[int | None, str]]
) -> list[str]:
    """Return a sentence for each of `names`, as app and name key, that `counts` has more than once."""
    return [
        f"{count} connections of {'no app' if app is None else f'app {app}'} are called {key!r}."
        for app, key, count in counts
        if (app, key) in names and count > 1
    ]
