"""The PostgreSQL backend: asked less often whether the server is still there, and its limit of parameters."""

import time

import pytest
from django.db import connection, transaction
from django.db.models.deletion import Collector

from accounts.models import ApiKey
from core.db.postgresql import base
from logs.models import ConnectionLog
from tests.core.api import PATH

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif("connection.vendor != 'postgresql'", reason="needs PostgreSQL"),
]


def test_a_transaction_that_outlasts_the_trust_is_committed(monkeypatch):
    """Asked at its end, the check's own query would begin another transaction, and the call would fail after its commit."""
    connection.ensure_connection()
    connection.health_check_enabled, connection.health_check_done = True, False  # as a new request finds it
    connection.checked_at = time.monotonic()
    with transaction.atomic():
        monkeypatch.setattr(base, "HEALTH_CHECK_INTERVAL", 0.0)  # a second later
    assert connection.get_autocommit()


def test_a_replica_answers_readers_and_records_no_use(api):
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")
    try:
        assert api.get(PATH).status_code == 200
    finally:
        connection.close()
    assert ApiKey.objects.get().last_used_at is None


def test_what_hangs_on_many_objects_is_looked_for_in_parts_that_a_statement_can_carry():
    """The driver refuses more than 65,535 parameters; Django's own backend would put all ids into one list."""
    parts = Collector("default", origin=None).get_del_batches(
        range(100_000), [ConnectionLog._meta.get_field("connection")]
    )
    for part in parts:
        assert not ConnectionLog.objects.filter(connection__in=part).exists()
    assert sum(len(part) for part in parts) == 100_000
