"""The PostgreSQL backend: its health checks, replicas, and the limit of a statement's parameters."""

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


def test_a_transaction_that_outlasts_the_check_interval_is_committed(monkeypatch):
    """A health check at its end would begin another transaction with its own query.

    The request would then fail after its changes were committed.
    """
    connection.ensure_connection()
    # As at the start of a request, right after a check.
    connection.health_check_enabled, connection.health_check_done = True, False
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


def test_related_objects_of_many_objects_are_looked_up_in_batches():
    """The driver refuses more than 65,535 parameters. Django's own backend would send all ids at once."""
    parts = Collector("default", origin=None).get_del_batches(
        range(100_000), [ConnectionLog._meta.get_field("connection")]
    )
    for part in parts:
        assert not ConnectionLog.objects.filter(connection__in=part).exists()
    assert sum(len(part) for part in parts) == 100_000
