"""The log of checks: what the database itself refuses of its entries."""

import pytest
from django.db import IntegrityError

from connections.models import Connection
from logs.models import ConnectionLog


@pytest.mark.parametrize("status", [-1, 2])
def test_a_log_entry_passed_or_failed(status, db):
    stored = Connection.objects.create(name="one", type="REST")
    with pytest.raises(IntegrityError, match="log_status_is_0_or_1"):
        ConnectionLog.objects.bulk_create([ConnectionLog(connection=stored, status=status)])


@pytest.mark.django_db(transaction=True)
def test_the_latest_log_entry_stays_as_long_as_its_connection():
    stored = Connection.objects.create(name="one", type="REST")
    older, latest = Connection.objects.record(
        [ConnectionLog(connection=stored, status=1), ConnectionLog(connection=stored, status=0)]
    )
    older.delete()
    with pytest.raises(IntegrityError):
        ConnectionLog.objects.filter(pk=latest.pk).delete()
    assert ConnectionLog.objects.get() == latest
    stored.refresh_from_db()
    stored.delete()
    assert not ConnectionLog.objects.exists()
