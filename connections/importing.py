"""Import of connections, in the shape of `GET /api/connections`."""

import codecs
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from copy import copy
from dataclasses import dataclass, field
from itertools import islice
from typing import IO, Any, Literal

import ijson
from django.db import transaction
from django.db.models import Count, F, Max
from django.utils import timezone
from pydantic import ValidationError

from connections.addresses import Address, parse_address
from connections.import_schema import ImportedConnection, ImportedLog
from connections.models import App, Connection, Integration
from connections.names import name_key
from connections.secrets.holder import SECRETS, is_placeholder
from core import redaction
from core.audit import log_created, log_updates
from core.db.bulk import insert_instances, refresh_statistics
from core.db.sequences import advance_sequences
from core.import_schema import ImportRefused, ImportRun, ShallowFile, refuse_utf16
from logs.models import ConnectionLog

BATCH = 1000
OnExisting = Literal["fail", "skip", "overwrite"]


@dataclass
class Summary:
    """What an import did, or would do."""

    records: int = 0
    created: int = 0
    overwritten: int = 0
    skipped: int = 0
    apps: int = 0
    demo_removed: int = 0
    statuses_changed: int = 0
    notes: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        counts = [
            f"{self.records} records: {self.created} created, {self.overwritten} overwritten, {self.skipped} skipped.",
            f"{self.apps} apps created.",
            f"{self.demo_removed} untouched demo connections removed.",
            f"{self.statuses_changed} statuses other than 0 and 1 stored as 0.",
        ]
        return [counts[0], *(line for line in counts[1:] if not line.startswith("0 ")), *self.notes]


def read_records(file: IO[bytes]) -> Iterator[Any]:
    """Yield the members of the JSON array in `file`, one at a time. Raises `ImportRefused` if it is none."""
    if file.peek(3)[:3] == codecs.BOM_UTF8:  # type: ignore[attr-defined]  # both files and standard input are buffered
        file.read(3)
    start = file.peek(64)  # type: ignore[attr-defined]
    refuse_utf16(start)
    if start.lstrip()[:1] != b"[":
        raise ImportRefused(["The file is not a JSON array, as `GET /api/connections` returns it."])
    try:
        yield from ijson.items(ShallowFile(file), "item")
    except (ijson.JSONError, UnicodeDecodeError) as error:
        raise ImportRefused([f"The file is not well-formed JSON: {first_line(error)}"]) from error


def first_line(error: Exception) -> str:
    """Return what is wrong; the lines after it quote the file, where secrets may stand, and are escaped if it is no UTF-8."""
    return re.split(r"\n|\\n", str(error))[0]


def import_records(
    records: Iterable[Any],
    *,
    on_existing: OnExisting = "fail",
    dry_run: bool = False,
    id_offset: int = 0,
    demo: bool = False,
) -> Summary:
    """Store `records`, all or nothing, and say what was done. Raises `ImportRefused`."""
    run = Import(on_existing, id_offset=id_offset, demo=demo)
    with transaction.atomic():
        if not demo:
            run.remove_demo()
        stream = enumerate(records)
        while batch := list(islice(stream, BATCH)):
            run.store(batch)
            redaction.clear()  # its secrets are sealed
        run.finish()
        if not dry_run:
            advance_sequences(App, Connection, ConnectionLog)
            refresh_statistics(App, Connection, Integration, ConnectionLog)
        transaction.set_rollback(dry_run)
    return run.summary


class Import(ImportRun):
    """One import under way, inside its transaction."""

    def __init__(self, on_existing: OnExisting, *, id_offset: int = 0, demo: bool = False) -> None:
        super().__init__()
        self.on_existing = on_existing
        self.id_offset = id_offset
        self.demo = demo
        self.summary = Summary()
        self.seen: set[int] = set()
        self.log_owners: dict[int, int] = {}
        self.late_logs: list[tuple[int, ImportedLog]] = []
        self.expected: Counter[str] = Counter()
        self.names: set[tuple[int | None, str]] = set()

    def remove_demo(self) -> None:
        """Remove the demo connections that nobody edited or uses."""
        untouched = Connection.objects.filter(demo=True).exclude(integrations__placeholder=False)
        ids = list(untouched.values_list("pk", flat=True))
        Integration.objects.filter(connection__in=ids).delete()
        Connection.objects.filter(pk__in=ids).delete()
        App.objects.filter(demo=True, connections=None).delete()
        self.summary.demo_removed = len(ids)

    def store(self, batch: list[tuple[int, Any]]) -> None:
        """Store one batch of (position, raw record)."""
        self.summary.records += len(batch)
        found = self.validate(batch)
        existing = Connection.objects.select_for_update().in_bulk([record.id for record in found])
        wanted = [record for record in found if self.wants(record, record.id in existing)]
        if self.faults:
            return  # nothing will be stored; the rest is only read for its faults
        self.create_apps(wanted)
        self.set_aside_taken_logs(wanted)
        before = {pk: copy(connection) for pk, connection in existing.items()}
        rows = [self.fill(existing.get(record.id), record, before.get(record.id)) for record in wanted]
        created = [row for row in rows if row.pk not in existing]
        overwritten = [row for row in rows if row.pk in existing]
        Connection.objects.insert(created)
        Connection.objects.upsert(overwritten)
        log_created(Connection, [row.pk for row in created], source="import")
        log_updates([(before[row.pk], row) for row in overwritten], source="import")
        self.store_logs([log_of(record.id, record.latestLog) for record in wanted if record.latestLog])
        Integration.objects.add_placeholders({row.pk: range(1, row.integration_count + 1) for row in created})
        self.place_integrations(
            {record.id: record.integrationCount for record in wanted if record.id in existing}
        )

    def validate(self, batch: list[tuple[int, Any]]) -> list[ImportedConnection]:
        found = []
        for position, raw in batch:
            try:
                record = ImportedConnection.model_validate(raw, context={"id_offset": self.id_offset})
            except ValidationError as error:
                where = f"Record {position} (counted from 0)"
                self.note(
                    [
                        f"{where}: {'.'.join(map(str, fault['loc'])) or 'it'}: {fault['msg']}"
                        for fault in error.errors()
                    ]
                )
                continue
            if record.id in self.seen:
                self.note([f"Record {position} (counted from 0): id: {record.id} stands in the file before"])
            self.seen.add(record.id)
            self.note_status(raw)
            found.append(record)
        return found

    def note_status(self, raw: dict[str, Any]) -> None:
        statuses = [
            raw.get("status", 0),
            *([raw["latestLog"].get("status", 0)] if raw.get("latestLog") else []),
        ]
        self.summary.statuses_changed += sum(status not in (0, 1) for status in statuses)

    def wants(self, record: ImportedConnection, exists: bool) -> bool:
        """Say whether the record is to be stored, and count it."""
        if exists and self.on_existing == "fail":
            self.note([f"Connection {record.id} exists; choose --on-existing skip or overwrite."])
        if exists and self.on_existing == "skip":
            self.summary.skipped += 1
            return False
        self.summary.overwritten += exists
        self.summary.created += not exists
        return True

    def create_apps(self, records: list[ImportedConnection]) -> None:
        ids = {record.appId for record in records if record.appId is not None}
        missing = ids - set(App.objects.filter(pk__in=ids).values_list("pk", flat=True))
        apps = App.objects.bulk_create(
            [App(pk=pk, name=f"App {pk}", demo=self.demo) for pk in sorted(missing)]
        )
        log_created(App, [app.pk for app in apps], source="import")
        self.summary.apps += len(missing)

    def fill(
        self, connection: Connection | None, record: ImportedConnection, before: Connection | None
    ) -> Connection:
        """Return the connection that `record` describes, made from the one that is there; `before` is a copy of that."""
        address = parse_address(record.url)
        connection = connection or Connection(pk=record.id, integration_count=record.integrationCount)
        connection.app_id = record.appId
        connection.name = record.name
        connection.url = address.text
        connection.type = record.type
        connection.authentication = record.authentication
        connection.username = record.username or address.username
        connection.status = record.status
        connection.latest_connection = record.latestConnection
        connection.creation_date = record.creationDate or timezone.now()
        connection.last_check = record.lastCheck
        connection.latest_log_id = record.latestLog.id if record.latestLog else None
        connection.demo = self.demo
        self.fill_secrets(connection, record, address, before)
        self.names.add((record.appId, name_key(record.name)))
        return connection

    def fill_secrets(
        self, connection: Connection, record: ImportedConnection, address: Address, before: Connection | None
    ) -> None:
        """Store what the record tells, keep what is stored here unless the address moved, else note what is expected."""
        in_address = "" if is_placeholder(address.password) else address.password
        told = {"password": record.password or in_address, "token": record.token}
        exists = {"password": record.passwordExists, "token": record.tokenExists}
        redirected = before is not None and connection.is_redirected(before)
        for secret in SECRETS:
            stored = connection.has_stored(secret)
            if told.get(secret):
                connection.set_secret(secret, told[secret])
            elif not exists.get(secret, getattr(connection, f"{secret}_exists")):
                connection.clear_secret(secret)
            elif redirected or not stored:
                connection.expect_secret(secret)
                self.note_expected(connection, secret, moved=stored)

    def note_expected(self, connection: Connection, secret: str, *, moved: bool) -> None:
        label = secret.replace("_", " ")
        self.expected[label] += 1
        if moved:
            self.summary.notes.append(
                f"Connection {connection.pk}: its address or type changed, so its {label} must be entered again."
            )

    def set_aside_taken_logs(self, records: list[ImportedConnection]) -> None:
        """Move log entries whose id another connection's log has to the end, where they get new ids."""
        ids = [record.latestLog.id for record in records if record.latestLog]
        self.log_owners |= dict(ConnectionLog.objects.filter(pk__in=ids).values_list("pk", "connection_id"))
        for record in records:
            if record.latestLog and self.log_owners.setdefault(record.latestLog.id, record.id) != record.id:
                self.late_logs.append((record.id, record.latestLog))
                record.latestLog = None

    def store_logs(self, logs: list[ConnectionLog]) -> None:
        there = set(
            ConnectionLog.objects.filter(pk__in=[log.pk for log in logs]).values_list("pk", flat=True)
        )
        insert_instances(ConnectionLog, [log for log in logs if log.pk not in there])
        ConnectionLog.objects.upsert([log for log in logs if log.pk in there])

    def place_integrations(self, wanted: dict[int, int]) -> None:
        """Give each connection as many integrations as `wanted` says, by adding or removing placeholders."""
        totals = dict(
            Integration.objects.filter(connection__in=wanted)
            .order_by()
            .values_list("connection")
            .annotate(Count("pk"))
        )
        missing = {
            pk: range(totals.get(pk, 0) + 1, count + 1)
            for pk, count in wanted.items()
            if count > totals.get(pk, 0)
        }
        Integration.objects.add_placeholders(missing)
        Connection.objects.filter(pk__in=missing).recount_integrations()
        for pk, total in totals.items():
            if total > wanted[pk]:
                self.remove_placeholders(pk, total - wanted[pk])

    def remove_placeholders(self, pk: int, surplus: int) -> None:
        newest = Integration.objects.filter(connection=pk, placeholder=True).order_by("-pk")
        removed = list(newest.values_list("pk", flat=True)[:surplus])
        Integration.objects.filter(pk__in=removed).delete()
        if kept := surplus - len(removed):
            self.summary.notes.append(
                f"Connection {pk}: it keeps {kept} integrations more than the record says; they were made here."
            )

    def finish(self) -> None:
        """Store what waited for the end and write the notes. Raises `ImportRefused` if any record was bad."""
        self.refuse_faults()
        self.store_late_logs()
        for label, count in self.expected.items():
            self.summary.notes.append(
                f"{count} connections have a {label} that is expected and was not entered here yet."
            )
        self.note_duplicates()

    def note_duplicates(self) -> None:
        """Name the names of this import that an app has more than once. The database counts them, from an index."""
        groups = Connection.objects.values_list("app_id", "name_key").annotate(count=Count("pk"))
        for app, key, count in groups.filter(count__gt=1).order_by(
            F("app_id").asc(nulls_last=True), "name_key"
        ):
            if (app, key) in self.names:
                owner = f"app {app}" if app is not None else "no app"
                self.summary.notes.append(f"{count} connections of {owner} are called {key!r}.")

    def store_late_logs(self) -> None:
        first = (ConnectionLog.objects.aggregate(largest=Max("pk"))["largest"] or 0) + 1
        for number, (connection, record) in enumerate(self.late_logs, start=first):
            log = log_of(connection, record)
            log.pk = number
            log.save(force_insert=True)
            Connection.objects.filter(pk=connection).update(latest_log=log)
            self.summary.notes.append(
                f"Connection {connection}: its log entry {record.id} is now {number}, as another connection's has that id."
            )


def log_of(connection: int, record: ImportedLog) -> ConnectionLog:
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
