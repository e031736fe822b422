"""What the database itself refuses, whoever writes: ORM, SQL, an import or a script."""

import pytest
from django.db import IntegrityError, connection, transaction

from connections.models import App, Connection
from connections.secrets.holder import SECRETS

TABLE = Connection._meta.db_table


@pytest.fixture
def stored(db) -> Connection:
    return Connection.objects.create(name="one", type="REST")


def write(assignment: str) -> None:
    """Write around the ORM, in a transaction of its own."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE {TABLE} SET {assignment}")


@pytest.mark.parametrize(
    ("assignment", "constraint"),
    [
        ("name = ''", "connection_has_a_name"),
        ("type = ''", "connection_has_a_type"),
        ("status = 2", "connection_status_is_0_or_1"),
        ("status = -1", "connection_status_is_0_or_1"),
        ("timeout = 0", "connection_timeout_is_bounded"),
        ("timeout = 61", "connection_timeout_is_bounded"),
        *((f"{secret}_sealed = 'v1.x.y'", f"connection_{secret}_is_whole") for secret in SECRETS),
        *(
            (f"{secret}_stored_at = '2026-05-07 12:00:00'", f"connection_{secret}_is_whole")
            for secret in SECRETS
        ),
    ],
)  # fmt: skip
def test_a_row_that_lies_is_refused(assignment, constraint, stored):
    with pytest.raises(IntegrityError, match=constraint):
        write(assignment)


@pytest.mark.parametrize(
    "assignment", ["status = 1", "timeout = 60", "timeout = NULL", "password_exists = true"]
)
def test_any_other_is_taken(assignment, stored):
    write(assignment)


def test_an_app_has_a_name(db):
    with pytest.raises(IntegrityError, match="app_has_a_name"):
        App.objects.bulk_create([App(name="")])
