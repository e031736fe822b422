"""Import of connections, in the shape of `GET /api/connections`: read, plan and write, a batch at a time."""

import codecs
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import IO, Any, NamedTuple

import ijson
from django.db import transaction
from django.db.models import Count, F
from django.utils import timezone
from pydantic import ValidationError

from connections.import_schema import ImportedConnection
from connections.models import App, Connection, Integration
from connections.names import name_key
from connections.plan_execution import lock_connections, look_up, store_displaced_logs, write_plan
from connections.planning import ConnectionPlan, Stored, name_notes, plan_connections
from core import redaction
from core.db.bulk import refresh_statistics
from core.db.sequences import advance_sequences
from core.importing import ImportRefused, ImportRun, OnExisting, ShallowFile, refuse_utf16
from logs.models import ConnectionLog

BATCH = 1000


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

    def add(self, plan: ConnectionPlan) -> None:
        """Count what was done for one batch."""
        self.created += len(plan.create)
        self.overwritten += len(plan.change)
        self.skipped += len(plan.leave)
        self.apps += len(plan.apps)
        self.notes += plan.notes

    def lines(self) -> list[str]:
        records = (
            f"{self.records} records: {self.created} created, {self.overwritten} overwritten, "
            f"{self.skipped} skipped."
        )
        counts = [
            f"{self.apps} apps created.",
            f"{self.demo_removed} untouched demo connections removed.",
            f"{self.statuses_changed} statuses other than 0 and 1 stored as 0.",
        ]
        return [records, *(line for line in counts if not line.startswith("0 ")), *self.notes]


# Reading


def read_records(file: IO[bytes]) -> Iterator[Any]:
    """Yield the members of the JSON array in `file`, one at a time. Raises `ImportRefused` if it is none."""
    if file.peek(3)[:3] == codecs.BOM_UTF8:  # type: ignore[attr-defined]  # files and standard input are buffered
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
    """Return what is wrong with a file.

    The lines after the first quote the file, which may contain secrets. Their ends are escaped if it is no
    UTF-8.
    """
    return re.split(r"\n|\\n", str(error))[0]


class Batch(NamedTuple):
    """A batch that was read.

    `refuse` says why records are refused, a sentence each. `statuses_changed` counts the statuses that were
    neither 0 nor 1 and became 0.
    """

    records: list[ImportedConnection]
    refuse: list[str]
    statuses_changed: int


def read_batch(raw_records: Iterable[tuple[int, Any]], *, seen: set[int], id_offset: int = 0) -> Batch:
    """Validate raw records, given with their positions in the file.

    `id_offset` is added to their ids. `seen` has the ids of earlier batches and gets those of this one.
    """
    records, refuse, statuses = [], [], 0
    for position, raw in raw_records:
        try:
            record = ImportedConnection.model_validate(raw, context={"id_offset": id_offset})
        except ValidationError as error:
            refuse += [f"{where(position)}: {fault_text(fault)}" for fault in error.errors()]
            continue
        if record.id in seen:
            refuse.append(f"{where(position)}: id: {record.id} stands in the file before")
        seen.add(record.id)
        statuses += count_changed_statuses(raw)
        records.append(record)
    return Batch(records, refuse, statuses)


def where(position: int) -> str:
    return f"Record {position} (counted from 0)"


def fault_text(fault: Any) -> str:
    """Return the field of pydantic's `fault`, `it` for the record as a whole, and what is wrong with it."""
    return f"{'.'.join(map(str, fault['loc'])) or 'it'}: {fault['msg']}"


def count_changed_statuses(raw: dict[str, Any]) -> int:
    """Return how many statuses of a raw record, its own and its log entry's, are neither 0 nor 1."""
    log = raw.get("latestLog")
    statuses = [raw.get("status", 0), *([log.get("status", 0)] if log else [])]
    return sum(status not in (0, 1) for status in statuses)


# The import


def import_records(
    records: Iterable[Any],
    *,
    on_existing: OnExisting = "fail",
    dry_run: bool = False,
    id_offset: int = 0,
    demo: bool = False,
) -> Summary:
    """Store `records`, all or nothing, and say what was done. Raises `ImportRefused`."""
    run = ConnectionImport(on_existing, id_offset=id_offset, demo=demo)
    with transaction.atomic():
        if not demo:
            run.remove_demo()
        numbered = enumerate(records)
        while batch := list(islice(numbered, BATCH)):
            run.import_batch(batch)
            redaction.clear()  # the secrets of the batch are encrypted and in no variable any more
        run.finish()
        if not dry_run:
            advance_sequences(App, Connection, ConnectionLog)
            refresh_statistics(App, Connection, Integration, ConnectionLog)
        transaction.set_rollback(dry_run)
    return run.summary


class ConnectionImport(ImportRun):
    """One import under way, inside its transaction, with what it keeps from batch to batch."""

    def __init__(self, on_existing: OnExisting, *, id_offset: int = 0, demo: bool = False) -> None:
        super().__init__()
        self.on_existing = on_existing
        self.id_offset = id_offset
        self.demo = demo
        self.summary = Summary()
        self.seen: set[int] = set()
        self.displaced_logs: list[ConnectionLog] = []
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

    def import_batch(self, raw_records: list[tuple[int, Any]]) -> None:
        """Read, plan and write one batch of raw records, given with their positions."""
        batch = read_batch(raw_records, seen=self.seen, id_offset=self.id_offset)
        self.summary.records += len(raw_records)
        self.summary.statuses_changed += batch.statuses_changed
        self.add_faults(batch.refuse)
        plan = self.plan(batch.records)
        self.add_faults(plan.refuse)
        if not self.faults:  # with any, nothing will be stored, and the rest is only read for its faults
            write_plan(plan, source="import")
            self.keep(plan)

    def plan(self, records: list[ImportedConnection]) -> ConnectionPlan:
        if self.faults:  # nothing will be written, so only records that exist may still be refused
            stored = Stored(lock_connections(record.id for record in records))
        else:
            stored = look_up(records, self.on_existing)
        return plan_connections(
            records, stored, on_existing=self.on_existing, now=timezone.now(), demo=self.demo
        )

    def keep(self, plan: ConnectionPlan) -> None:
        """Keep what the end of the import needs of a batch that was written."""
        self.summary.add(plan)
        self.expected += plan.expected
        self.displaced_logs += plan.displaced_logs
        for change in (*plan.create, *plan.change):
            self.names.add((change.values["app_id"], name_key(change.values["name"])))

    def finish(self) -> None:
        """Store the displaced log entries, complete the notes. Raises `ImportRefused` if there are faults."""
        self.raise_faults()
        self.summary.notes += store_displaced_logs(self.displaced_logs)
        self.summary.notes += [
            f"{count} connections have a {label} that is expected and was not entered here yet."
            for label, count in self.expected.items()
        ]
        self.summary.notes += name_notes(count_names(), self.names)


def count_names() -> Iterator[tuple[int | None, str, int]]:
    """Yield each app and name key that several connections have, and how many have it."""
    # Counted by the database, from its index: the registry may have far more connections than the import.
    groups = Connection.objects.values_list("app_id", "name_key").annotate(count=Count("pk"))
    repeated = groups.filter(count__gt=1)
    yield from repeated.order_by(F("app_id").asc(nulls_last=True), "name_key")
