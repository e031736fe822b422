"""An upgrade takes the credentials out of addresses that an older version stored."""

from importlib import import_module

import pytest
from auditlog.models import LogEntry
from django.apps import apps
from django.contrib.contenttypes.models import ContentType
from django.db import connection

from connections.models import Connection
from connections.stored_addresses import REMOVED, take_credentials_out
from tests.canaries import found, whole_answer, whole_database
from tests.pages import make_connection, reread

MIGRATION = import_module("connections.migrations.0009_addresses_without_credentials")
LIST = "Server=erp01;User ID=sa;Password=Tr1@cky"


def put(record: Connection, **fields: str) -> Connection:
    """Store what forms and imports refuse today."""
    with connection.cursor() as cursor:
        for column, text in fields.items():
            cursor.execute(
                f"UPDATE connections_connection SET {column} = %s WHERE id = %s", [text, record.pk]
            )
    return record


def upgrade(using: str = "default") -> None:
    with connection.schema_editor() as editor:
        MIGRATION.take_out(apps, editor)


@pytest.mark.django_db(transaction=True)
def test_credentials_go_into_their_fields(api, caplog):
    record = put(make_connection(), url=LIST)
    upgrade()
    after = reread(record)
    assert (after.url, after.username, after.reveal("password")) == ("Server=erp01", "sa", "Tr1@cky")
    assert after.version > record.version
    assert after.describe_secret("password").startswith("stored since")
    assert f"Connection {record.pk}: user name and password were taken out of its address." in caplog.text
    for text in (whole_answer(api.get(f"/api/connections/{record.pk}")), whole_database(), caplog.text):
        assert found(text, "Tr1@cky") == []


def test_what_the_connection_has_of_its_own_is_kept(db):
    record = put(make_connection(username="own", password="mine"), url=LIST)
    take_credentials_out(apps, "default")
    after = reread(record)
    assert (after.url, after.username, after.reveal("password")) == ("Server=erp01", "own", "mine")


def test_an_address_that_cannot_be_read_is_named(db, caplog):
    record = put(
        make_connection(),
        url="https://erp.example.com/?api_key=Tr1cky",
        token_url="https://me:Tr1cky@idp.example.com",
    )
    before = Connection.objects.values().get()
    take_credentials_out(apps, "default")
    assert Connection.objects.values().get() == before
    assert [line for line in caplog.messages if line.startswith(f"Connection {record.pk}: its url ")]
    assert [line for line in caplog.messages if line.startswith(f"Connection {record.pk}: its token_url ")]
    assert "Tr1cky" not in caplog.text


HOST_IN_FRONT = (
    "https://{tenant}.example.com/users/me@other.example",
    "https://api.example.com:/users/me@other.example",
    "http://me:p/Tr1cky@other.example/a",
    "me:p/Tr1cky@other.example:21/x",
    "erp01/Tr1cky@other.example",
    "erp01.example.com/Tr1cky@other.example",
)


@pytest.mark.parametrize("url", HOST_IN_FRONT)
@pytest.mark.parametrize("own", ["mine", ""])
def test_an_address_whose_host_would_change_stays_and_is_named(url, own, db, caplog):
    record = put(make_connection(username="own", **({"password": own} if own else {})), url=url)
    before = Connection.objects.values().get()
    take_credentials_out(apps, "default")
    assert Connection.objects.values().get() == before
    assert reread(record).reveal("password") == own
    assert [line for line in caplog.messages if line.startswith(f"Connection {record.pk}: its url ")]
    assert "Tr1cky" not in caplog.text


@pytest.mark.parametrize(
    "url", [LIST, "https://me:Tr1cky@erp.example.com/x", "mssql://erp01/x?user=me&password=Tr1cky"]
)
@pytest.mark.parametrize("type", ["REST", "MSSQL"])
def test_an_upgrade_redirects_no_password(url, type, db):
    record = put(make_connection(type=type, password="mine"), url=url)
    before = reread(record).destinations()
    take_credentials_out(apps, "default")
    assert reread(record).url != url
    assert reread(record).destinations() == before


def test_the_login_of_an_oracle_address_is_moved(db):
    record = put(make_connection(type="Oracle"), url="scott/Tr1cky@ora:1521/svc")
    take_credentials_out(apps, "default")
    after = reread(record)
    assert (after.url, after.username, after.reveal("password")) == ("ora:1521/svc", "scott", "Tr1cky")


@pytest.mark.parametrize(
    "url",
    ["foo://me:Tr1cky%40host/", "Server:erp01;PWD:Tr1cky", "curl -u me:Tr1cky https://host/", "me:Tr1cky"],
)
def test_an_address_without_signs_of_a_password_is_named_too(url, db, caplog):
    record = put(make_connection(), url=url)
    take_credentials_out(apps, "default")
    assert reread(record).url == url
    assert [line for line in caplog.messages if line.startswith(f"Connection {record.pk}: its url ")]


def test_other_addresses_stay(db, django_assert_num_queries):
    for number, url in enumerate(
        ("https://erp.example.com/@me?mail=a@b.example", "Server=erp01;Database=wms", "//scan:1521/svc")
    ):
        make_connection(name=f"C{number}", url=url)
    before = list(Connection.objects.values())
    with django_assert_num_queries(4):  # the version, two batches, the audit entries
        take_credentials_out(apps, "default")
    assert list(Connection.objects.values()) == before


def test_credentials_are_removed_from_audit_entries_too(db):
    kind = ContentType.objects.get_for_model(Connection)
    for changes in (
        {"url": ["https://erp.example.com", LIST], "name": ["a", "Password=Tr1@cky"]},
        {"token_url": ["https://idp.example.com/?client_secret=Tr1@cky", "None"]},
        {"name": ["a", "b"]},
    ):
        LogEntry.objects.create(
            content_type=kind, object_pk="7", object_id=7, object_repr="x", action=1, changes=changes
        )
    take_credentials_out(apps, "default")
    assert [entry.changes for entry in LogEntry.objects.order_by("pk")] == [
        # Names are not addresses, so they stay.
        {"url": ["https://erp.example.com", "Server=erp01"], "name": ["a", "Password=Tr1@cky"]},
        {"token_url": [REMOVED, "None"]},
        {"name": ["a", "b"]},
    ]


def test_many_rows_are_read_in_batches(db, monkeypatch):
    monkeypatch.setattr("connections.stored_addresses.BATCH", 2)
    records = [put(make_connection(name=f"C{number}"), url=LIST) for number in range(5)]
    take_credentials_out(apps, "default")
    assert {reread(record).url for record in records} == {"Server=erp01"}
