"""Reading and planning of an import: no test here may ask the database, and pytest-django sees to that."""

from datetime import UTC, datetime

import pytest

from connections.import_schema import ImportedConnection
from connections.importing import read_batch
from connections.models import Connection
from connections.planning import (
    CLEAR,
    EXPECT,
    ConnectionPlan,
    IntegrationCount,
    SecretChange,
    Stored,
    name_notes,
    plan_connections,
    renumber_logs,
)
from connections.secrets.holder import SECRETS
from core.importing import MAX_FAULTS, ImportRefused, ImportRun, OnExisting, action_for
from logs.models import ConnectionLog
from tests.connections.records import Record, log, record

pytestmark = pytest.mark.any_database  # no test here reads or writes one

NOW = datetime(2026, 5, 7, 13, 30, tzinfo=UTC)
CREATED = datetime(2026, 5, 1, 10, 12, 45, tzinfo=UTC)


def plan(*raw: Record, on_existing: OnExisting = "overwrite", demo: bool = False, **stored) -> ConnectionPlan:
    records = [ImportedConnection.model_validate(each) for each in raw]
    return plan_connections(records, Stored(**stored), on_existing=on_existing, now=NOW, demo=demo)


def row(pk: int = 1, *stored: str, **fields) -> Connection:
    """Return a connection as the database has it; `stored` names the secrets that it has."""
    connection = Connection(pk=pk, **{"name": "mine", "type": "REST", "url": "https://host", **fields})
    for secret in stored:
        connection.set_secret(secret, "X-Key: hunter2" if secret == "private_headers" else "hunter2")
    return connection


def secrets_of(raw: Record, before: Connection) -> dict[str, SecretChange]:
    [change] = plan(raw, connections={before.pk: before}).change
    assert change.before is before
    return change.secrets


# Create, change, leave, refuse


@pytest.mark.parametrize("on_existing", ["fail", "skip", "overwrite"])
def test_what_is_not_stored_is_created(on_existing):
    planned = plan(
        record(1, appId=7, username="me", integrationCount=2, latestLog=log(5)), on_existing=on_existing
    )
    [change] = planned.create
    assert (change.pk, change.before, change.secrets) == (1, None, {})
    assert change.values == {
        "app_id": 7,
        "name": "Connection 1",
        "url": "https://api.example.com",
        "type": "REST",
        "authentication": "No Authentication",
        "username": "me",
        "status": 0,
        "latest_connection": None,
        "creation_date": CREATED,
        "last_check": None,
        "latest_log_id": 5,
        "demo": False,
        "integration_count": 2,
    }
    assert (planned.change, planned.leave, planned.refuse, planned.notes) == ([], [], [], [])


def test_what_is_stored_is_refused_by_default():
    planned = plan(record(1), record(2), on_existing="fail", connections={2: row(2)})
    assert planned.refuse == ["Connection 2 exists; choose --on-existing skip or overwrite."]
    assert [change.pk for change in planned.create] == [1]
    assert (planned.change, planned.leave) == ([], [])


def test_what_is_stored_is_left():
    raw = record(2, appId=9, passwordExists=True, integrationCount=3, latestLog=log(5))
    planned = plan(record(1), raw, on_existing="skip", connections={2: row(2)})
    assert planned.leave == [2]
    assert [change.pk for change in planned.create] == [1]
    assert (planned.change, planned.refuse, planned.notes, planned.apps) == ([], [], [], [])
    assert (planned.logs.create, planned.added_integrations, planned.expected) == ([], {}, {})


def test_what_is_stored_is_changed():
    before = row(2, name="mine", scope="orders")
    planned = plan(record(1), record(2, name="theirs"), connections={2: before})
    [change] = planned.change
    assert (change.pk, change.before, change.values["name"]) == (2, before, "theirs")
    # What a record does not have stays, and the row that is compared with does too.
    assert "scope" not in change.values
    assert "integration_count" not in change.values
    assert before.name == "mine"


@pytest.mark.parametrize(
    ("on_existing", "action"), [("fail", "refuse"), ("skip", "leave"), ("overwrite", "change")]
)
def test_actions(on_existing, action):
    assert action_for(exists=True, on_existing=on_existing) == action
    assert action_for(exists=False, on_existing=on_existing) == "create"


def test_a_record_without_a_date_was_created_now():
    [change] = plan({"id": 1, "name": "ERP", "type": "REST"}).create
    assert change.values["creation_date"] == NOW


def test_examples_are_marked():
    planned = plan(record(1, appId=7), demo=True)
    assert planned.create[0].values["demo"] is True
    assert [(app.pk, app.name, app.demo) for app in planned.apps] == [(7, "App 7", True)]


def test_only_missing_apps_are_created():
    planned = plan(record(1, appId=3), record(2, appId=2), record(3, appId=2), record(4), apps={3})
    assert [(app.pk, app.name, app.demo) for app in planned.apps] == [(2, "App 2", False)]


# Secrets


def test_secrets_of_a_new_connection():
    raw = record(1, url="https://me:hunter2@host", token="letmein", passwordExists=True)
    [change] = plan(raw).create
    assert change.secrets == {
        "password": SecretChange("store", "hunter2"),
        "token": SecretChange("store", "letmein"),
    }
    assert (change.values["url"], change.values["username"]) == ("https://host", "me")
    assert "hunter2" not in str(change)


def test_a_password_of_its_own_comes_before_the_one_in_the_address():
    [change] = plan(record(1, url="https://me:hunter2@host", username="you", password="letmein")).create
    assert change.secrets == {"password": SecretChange("store", "letmein")}
    assert change.values["username"] == "you"


def test_a_placeholder_in_an_address_is_no_password():
    [change] = plan(record(1, url="https://me:****@host", passwordExists=True)).create
    assert change.secrets == {"password": EXPECT}


def test_secrets_that_nobody_entered_are_expected_and_counted():
    planned = plan(record(1, tokenExists=True), record(2, passwordExists=True, tokenExists=True))
    assert [change.secrets for change in planned.create] == [
        {"token": EXPECT},
        {"password": EXPECT, "token": EXPECT},
    ]
    # In the order of the file, in which they are told.
    assert list(planned.expected.items()) == [("token", 2), ("password", 1)]
    assert planned.notes == []


@pytest.mark.parametrize("secret", ["password", "token"])
@pytest.mark.parametrize("url", ["https://host", "HTTPS://HOST/path?query"])
def test_a_stored_secret_is_kept(secret, url):
    raw = record(1, url=url, **{f"{secret}Exists": True})
    assert secrets_of(raw, row(1, secret)) == {}


@pytest.mark.parametrize(
    "fields",
    [{"url": "https://other"}, {"url": "http://host"}, {"url": "https://host:8443"}, {"type": "FTP"}],
    ids=str,
)
@pytest.mark.parametrize("secret", ["password", "token"])
def test_a_stored_secret_is_dropped_when_the_destination_moves(secret, fields):
    raw = record(1, **{"url": "https://host", f"{secret}Exists": True, **fields})
    planned = plan(raw, connections={1: row(1, secret)})
    assert planned.change[0].secrets == {secret: EXPECT}
    assert planned.notes == [
        f"Connection 1: its address or type changed, so its {secret} must be entered again."
    ]
    assert planned.expected == {secret: 1}


@pytest.mark.parametrize("url", ["https://host", "https://other"])
def test_a_secret_that_is_gone_is_cleared(url):
    assert secrets_of(record(1, url=url), row(1, "password")) == {"password": CLEAR}


@pytest.mark.parametrize("url", ["https://host", "https://other"])
def test_a_secret_that_the_record_carries_is_stored(url):
    raw = record(1, url=url, password="letmein")
    assert secrets_of(raw, row(1, "password")) == {"password": SecretChange("store", "letmein")}


def test_secrets_that_records_never_have_follow_the_destination():
    before = row(1, "private_key", "private_headers")
    assert secrets_of(record(1, url="https://host"), before) == {}
    moved = plan(record(1, url="https://other"), connections={1: before})
    assert moved.change[0].secrets == {"private_key": EXPECT, "private_headers": EXPECT}
    assert [note.partition("so its ")[2] for note in moved.notes] == [
        "private key must be entered again.",
        "private headers must be entered again.",
    ]


def test_an_expected_secret_stays_expected():
    before = row(1)
    before.expect_secret("private_key")
    planned = plan(record(1, url="https://other"), connections={1: before})
    assert planned.change[0].secrets == {"private_key": EXPECT}
    assert planned.notes == []


def test_a_connection_without_secrets_moves_freely():
    planned = plan(record(1, url="https://other", type="FTP"), connections={1: row()})
    assert (planned.change[0].secrets, planned.notes, planned.expected) == ({}, [], {})


def test_planning_encrypts_nothing():
    before = row(1, "password")
    stored = {secret: before.has_stored(secret) for secret in SECRETS}
    plan(record(1, password="letmein", url="https://other"), connections={1: before})
    assert {secret: before.has_stored(secret) for secret in SECRETS} == stored
    assert before.reveal("password") == "hunter2"


# Log entries


def test_log_entries_are_created_or_changed():
    planned = plan(record(1, latestLog=log(5)), record(2, latestLog=log(6)), log_owners={6: 2})
    assert [entry.pk for entry in planned.logs.create] == [5]
    assert [(entry.pk, entry.connection_id) for entry in planned.logs.change] == [(6, 2)]
    assert [change.values["latest_log_id"] for change in planned.create] == [5, 6]


def test_an_id_that_the_log_of_another_connection_has_is_taken():
    planned = plan(record(2, latestLog=log(5)), log_owners={5: 1})
    assert [(entry.pk, entry.connection_id) for entry in planned.displaced_logs] == [(5, 2)]
    assert planned.create[0].values["latest_log_id"] is None
    assert (planned.logs.create, planned.logs.change) == ([], [])


def test_the_first_record_with_a_log_id_gets_it():
    planned = plan(*(record(pk, latestLog=log(5)) for pk in (3, 1, 2)))
    assert [entry.connection_id for entry in planned.logs.create] == [3]
    assert [entry.connection_id for entry in planned.displaced_logs] == [1, 2]


def test_displaced_log_entries_get_the_next_ids():
    displaced = [
        ConnectionLog(pk=5, connection_id=connection, status=1, description=str(connection))
        for connection in (1, 2)
    ]
    planned = renumber_logs(displaced, 12)
    assert [(entry.pk, entry.description) for entry in planned.create] == [(12, "1"), (13, "2")]
    assert planned.notes == [
        "Connection 1: its log entry 5 is now 12, as another connection's has that id.",
        "Connection 2: its log entry 5 is now 13, as another connection's has that id.",
    ]
    assert [entry.pk for entry in displaced] == [5, 5]


# Integrations


def test_placeholders_of_new_connections():
    planned = plan(record(1, integrationCount=2), record(2))
    assert planned.added_integrations == {1: range(1, 3)}


@pytest.mark.parametrize(
    ("wanted", "stored", "added", "removed", "kept"),
    [
        (3, (3, 3), None, None, 0),
        (5, (3, 1), range(4, 6), None, 0),
        (1, (3, 3), None, 2, 0),
        (0, (3, 1), None, 1, 2),
        (0, (2, 0), None, None, 2),
        (2, None, range(1, 3), None, 0),
        (0, None, None, None, 0),
    ],
)
def test_integrations_follow_the_record_by_placeholders_alone(wanted, stored, added, removed, kept):
    counts = {1: IntegrationCount(*stored)} if stored else {}
    planned = plan(record(1, integrationCount=wanted), connections={1: row()}, integrations=counts)
    assert planned.added_integrations == ({1: added} if added else {})
    assert planned.removed_integrations == ({1: removed} if removed else {})
    sentence = f"Connection 1: it keeps {kept} integrations more than the record says; they were made here."
    assert planned.notes == ([sentence] if kept else [])


# Names


def test_names_that_an_app_has_twice_are_noted_if_the_import_brought_them():
    counts = [(1, "erp", 2), (1, "wms", 3), (2, "erp", 1), (None, "erp", 2)]
    assert name_notes(counts, {(1, "erp"), (2, "erp"), (None, "erp")}) == [
        "2 connections of app 1 are called 'erp'.",
        "2 connections of no app are called 'erp'.",
    ]


# Reading


def test_a_batch_is_read_with_its_positions():
    seen = {7}
    raw = enumerate([record(1), record(2, name=None), "x", record(7), record(1)], start=5)
    batch = read_batch(raw, seen=seen)
    assert [each.id for each in batch.records] == [1, 7, 1]
    assert batch.refuse == [
        "Record 6 (counted from 0): name: Input should be a valid string",
        "Record 7 (counted from 0): it: Input should be a valid dictionary or instance of ImportedConnection",
        "Record 8 (counted from 0): id: 7 stands in the file before",
        "Record 9 (counted from 0): id: 1 stands in the file before",
    ]
    assert seen == {1, 7}


def test_ids_are_offset():
    raw = record(1, appId=2, latestLog=log(3, appId=4))
    [read] = read_batch([(0, raw)], seen=set(), id_offset=100).records
    assert read.latestLog is not None
    assert (read.id, read.appId, read.latestLog.id, read.latestLog.appId) == (101, 102, 103, 104)


@pytest.mark.parametrize("status", [2, -1, "1", None, []])
def test_statuses_other_than_0_and_1_are_counted(status):
    raw = [
        record(1, status=status, latestLog=log(1, status=status)),
        record(2, status=1, latestLog=log(2, status=0)),
        {"id": 3, "name": "x", "type": "REST"},
    ]
    batch = read_batch(enumerate(raw), seen=set())
    assert batch.statuses_changed == 2
    assert [each.status for each in batch.records] == [0, 1, 0]


# Faults


def test_an_import_is_refused_with_all_its_faults():
    run = ImportRun()
    run.raise_faults()
    run.add_faults(["one", "two"])
    run.add_faults(["three"])
    with pytest.raises(ImportRefused) as refused:
        run.raise_faults()
    assert refused.value.faults == ["one", "two", "three"]


def test_very_many_faults_refuse_at_once():
    run = ImportRun()
    with pytest.raises(ImportRefused) as refused:
        run.add_faults(str(number) for number in range(MAX_FAULTS + 5))
    assert refused.value.faults == [*map(str, range(MAX_FAULTS)), "… and perhaps more."]
