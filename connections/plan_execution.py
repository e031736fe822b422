"""The database's side of a plan: looks up what a batch of connections is compared with, and writes the plan.

Both run in one transaction. The look-up locks the connections, so that nobody changes them before they are
written.
"""

from collections.abc import Collection, Iterable, Mapping
from copy import copy

from django.db.models import Count, Max, Q

from connections.import_schema import ImportedConnection
from connections.models import App, Connection, Integration
from connections.planning import (
    ConnectionChange,
    ConnectionPlan,
    IntegrationCount,
    SecretChange,
    Stored,
    renumber_logs,
)
from core.audit import log_created, log_updates
from core.db.bulk import insert_instances
from core.importing import OnExisting, Plan, action_for
from logs.models import ConnectionLog


def look_up(records: Iterable[ImportedConnection], on_existing: OnExisting) -> Stored:
    """Lock the connections that have the ids of `records`; return them and what is stored around them.

    Apps, log entries and integrations are looked up for the records that will be written, and for no others.
    """
    found = {record.id: record for record in records}
    connections = lock_connections(found)
    actions = {pk: action_for(exists=pk in connections, on_existing=on_existing) for pk in found}
    written = [record for pk, record in found.items() if actions[pk] in ("create", "change")]
    return Stored(
        connections,
        apps=find_apps(written),
        log_owners=find_log_owners(written),
        integrations=count_integrations([pk for pk, action in actions.items() if action == "change"]),
    )


def lock_connections(pks: Iterable[int]) -> dict[int, Connection]:
    """Lock the connections that have these primary keys until the transaction ends; return them."""
    return Connection.objects.select_for_update().in_bulk(list(pks))


def find_apps(records: Iterable[ImportedConnection]) -> set[int]:
    ids = {record.appId for record in records if record.appId is not None}
    return set(App.objects.filter(pk__in=ids).values_list("pk", flat=True))


def find_log_owners(records: Iterable[ImportedConnection]) -> dict[int, int]:
    ids = [record.latestLog.id for record in records if record.latestLog]
    return dict(ConnectionLog.objects.filter(pk__in=ids).values_list("pk", "connection_id"))


def count_integrations(pks: Collection[int]) -> dict[int, IntegrationCount]:
    integrations = Integration.objects.filter(connection__in=pks).order_by().values_list("connection")
    counts = integrations.annotate(Count("pk"), placeholders=Count("pk", filter=Q(placeholder=True)))
    return {pk: IntegrationCount(total, placeholders) for pk, total, placeholders in counts}


def write_plan(plan: ConnectionPlan, *, source: str) -> None:
    """Write a plan that refuses nothing, without its `displaced_logs`; audit entries name `source`."""
    write_apps(plan.apps, source)
    write_connections(plan, source)
    write_logs(plan.logs)
    Integration.objects.add_placeholders(plan.added_integrations)
    if grown := plan.added_integrations.keys() & {change.pk for change in plan.change}:
        Connection.objects.filter(pk__in=grown).recount_integrations()
    for pk, number in plan.removed_integrations.items():
        remove_placeholders(pk, number)


def write_apps(apps: list[App], source: str) -> None:
    App.objects.bulk_create(apps)
    log_created(App, [app.pk for app in apps], source=source)


def write_connections(plan: ConnectionPlan, source: str) -> None:
    created = [row_of(change) for change in plan.create]
    changed = [row_of(change) for change in plan.change]
    Connection.objects.insert(created)
    Connection.objects.upsert(changed)
    log_created(Connection, [row.pk for row in created], source=source)
    before = [change.before for change in plan.change if change.before]
    log_updates(list(zip(before, changed, strict=True)), source=source)


def row_of(change: ConnectionChange) -> Connection:
    """Return the row to write, with its secrets encrypted; the row before the change stays as it is."""
    row = copy(change.before) if change.before else Connection(pk=change.pk)
    for name, value in change.values.items():
        setattr(row, name, value)
    change_secrets(row, change.secrets)
    return row


def change_secrets(row: Connection, secrets: Mapping[str, SecretChange]) -> None:
    for secret, change in secrets.items():
        if change.action == "store":
            row.set_secret(secret, change.text)
        elif change.action == "clear":
            row.clear_secret(secret)
        else:
            row.expect_secret(secret)


def write_logs(logs: Plan[ConnectionLog]) -> None:
    insert_instances(ConnectionLog, logs.create)
    ConnectionLog.objects.upsert(logs.change)


def remove_placeholders(pk: int, number: int) -> None:
    """Remove the newest placeholders of a connection."""
    newest = Integration.objects.filter(connection=pk, placeholder=True).order_by("-pk")
    removed = list(newest.values_list("pk", flat=True)[:number])
    Integration.objects.filter(pk__in=removed).delete()


def store_displaced_logs(logs: Collection[ConnectionLog]) -> list[str]:
    """Store log entries under new ids, each as its connection's latest; return a sentence for each."""
    largest = ConnectionLog.objects.aggregate(largest=Max("pk"))["largest"] or 0
    plan = renumber_logs(logs, largest + 1)
    for log in plan.create:
        log.save(force_insert=True)
        Connection.objects.filter(pk=log.connection_id).update(latest_log=log)
    return plan.notes
