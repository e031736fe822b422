"""`/healthz` says whether the process runs, `/readyz` whether it can serve. Only the log has reasons."""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, lru_cache

from django.apps import apps
from django.conf import settings
from django.db import Error, connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse

from connections.models import KeyProof
from connections.secrets.encryption import DecryptionError
from core.db.best_effort import set_busy_timeout
from core.db.outages import give_up_connection, is_busy
from itempath.models import Installation

logger = logging.getLogger(__name__)

# For one transaction on PostgreSQL: wait 100 milliseconds for a lock, and not for the disk.
SET_LOCAL = "SELECT set_config('lock_timeout', '100', true), set_config('synchronous_commit', 'off', true)"
MIN_FREE_SPACE = 65_536  # bytes, on SQLite
TABLES = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'table'",
    "postgresql": "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND pg_table_is_visible(oid)",
}


class HealthMiddleware:
    """Answers the two paths before any other middleware does.

    Probes call every few seconds, by address and in plain HTTP, which other middleware would refuse or log.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        view = VIEWS.get(request.path_info)
        return view(request) if view else self.get_response(request)


def healthz(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"status": "ok"})


def readyz(request: HttpRequest) -> JsonResponse:
    """Answer 200 if the database can be read and written, is migrated and fits the keys; 503 otherwise."""
    faults = list_faults()
    for fault in faults:
        logger.error("Not ready: %s", fault)
    return JsonResponse({"status": "unavailable" if faults else "ok"}, status=503 if faults else 200)


VIEWS: dict[str, Callable[[HttpRequest], HttpResponse]] = {"/healthz": healthz, "/readyz": readyz}


def list_faults() -> list[str]:
    """Return the reasons why the database cannot serve, for the log; an empty list if it can."""
    try:
        return find_read_faults() or find_write_faults()
    except Error as error:
        return [f"the database cannot be reached ({error})"]
    except DecryptionError as error:
        return [f"CONNECTION_SECRET_KEYS are not the keys of this database ({error})"]


def find_read_faults() -> list[str]:
    """Return a reason if tables or migrations are missing. Raises `DecryptionError` if the keys are wrong."""
    if lost := expected_tables() - {name for (name,) in read(TABLES[connection.vendor])}:
        advice = "restore a backup, or run `python manage.py migrate`"
        return [f"{len(lost)} tables are missing, such as {min(lost)}; {advice}"]
    applied = frozenset((app, name) for app, name in read("SELECT app, name FROM django_migrations"))
    if pending := count_pending(applied):
        return [f"{pending} migrations are not applied; run `python manage.py migrate`"]
    KeyProof.verify()
    return []


def find_write_faults() -> list[str]:
    """Return a reason if the database cannot be written.

    If another writer holds the lock, such as an import, that is no fault and is not waited for.
    """
    if connection.vendor == "sqlite" and free_space() < MIN_FREE_SPACE:
        return [f"the disk of the database is full ({free_space()} bytes are free)"]
    try:
        with probing():
            Installation.probe()
    except Error as error:
        if is_busy(error):
            return []
        give_up_connection()
        return [f"the database cannot be written ({error})"]
    return []


def free_space() -> int:
    """Return the bytes that are free on the disk of an SQLite database.

    A write alone would not notice a full disk as long as there is unused space in the write-ahead log.
    """
    space = os.statvfs(os.path.dirname(os.path.abspath(settings.DATABASES["default"]["NAME"])))
    return space.f_bavail * space.f_frsize


@contextmanager
def probing() -> Iterator[None]:
    """Run a transaction that waits neither for locks nor for the disk, as its write may get lost."""
    if connection.vendor == "sqlite":
        with unsynchronized(), transaction.atomic():
            yield
        return
    with transaction.atomic():
        read(SET_LOCAL)
        yield


@contextmanager
def unsynchronized() -> Iterator[None]:
    """Make SQLite wait neither for locks nor for the disk within the block."""
    set_busy_timeout(0)
    set_synchronous("NORMAL")
    try:
        yield
    finally:
        set_busy_timeout(settings.DATABASES["default"]["OPTIONS"]["timeout"] * 1000)
        set_synchronous("FULL")


def set_synchronous(level: str) -> None:
    """Set whether commits wait for the disk. SQLite refuses to change this within a transaction."""
    if not connection.in_atomic_block:
        connection.connection.execute(f"PRAGMA synchronous = {level}")


def read(statement: str) -> list[tuple[str, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        rows: list[tuple[str, ...]] = cursor.fetchall()
    return rows


@cache
def expected_tables() -> set[str]:
    models = (model._meta for model in apps.get_models(include_auto_created=True))
    return {"django_migrations", *(meta.db_table for meta in models if meta.managed)}


@lru_cache(maxsize=4)
def count_pending(applied: frozenset[tuple[str, ...]]) -> int:
    """Return how many migrations are missing. Cached: a plan takes ten times as long as all other checks."""
    executor = MigrationExecutor(connection)
    return len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
