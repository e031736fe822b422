"""Whether the process runs, and whether it can serve. Neither tells an anonymous caller why not."""

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

# Milliseconds for a lock, and no wait for the disk: until the end of the transaction, on PostgreSQL.
LOCALLY = "SELECT set_config('lock_timeout', '100', true), set_config('synchronous_commit', 'off', true)"
MIN_FREE_SPACE = 65_536  # bytes, on SQLite
TABLES = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'table'",
    "postgresql": "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND pg_table_is_visible(oid)",
}


class HealthMiddleware:
    """Answers the two paths first: probes come by address, in plain HTTP, every few seconds."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        view = VIEWS.get(request.path_info)
        return view(request) if view else self.get_response(request)


def healthz(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"status": "ok"})


def readyz(request: HttpRequest) -> JsonResponse:
    """200 if the database can be read and written, has tables and migrations, and the keys fit; else 503."""
    faults = list_faults()
    for fault in faults:
        logger.error("Not ready: %s", fault)
    return JsonResponse({"status": "unavailable" if faults else "ok"}, status=503 if faults else 200)


VIEWS: dict[str, Callable[[HttpRequest], HttpResponse]] = {"/healthz": healthz, "/readyz": readyz}


def list_faults() -> list[str]:
    """Return why the database cannot serve, in words for the log: nothing if it can."""
    try:
        return find_unread() or find_unwritten()
    except Error as error:
        return [f"the database cannot be reached ({error})"]
    except DecryptionError as error:
        return [f"CONNECTION_SECRET_KEYS are not the keys of this database ({error})"]


def find_unread() -> list[str]:
    if lost := expected_tables() - {name for (name,) in read(TABLES[connection.vendor])}:
        advice = "restore a backup, or run `python manage.py migrate`"
        return [f"{len(lost)} tables are missing, such as {min(lost)}; {advice}"]
    applied = frozenset((app, name) for app, name in read("SELECT app, name FROM django_migrations"))
    if pending := count_pending(applied):
        return [f"{pending} migrations are not applied; run `python manage.py migrate`"]
    KeyProof.verify()
    return []


def find_unwritten() -> list[str]:
    """Write something. Another's write in progress, such as an import, is no fault and is not waited for."""
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
    """Return the bytes left for SQLite: its write-ahead log may have room from before, and tell nothing."""
    space = os.statvfs(os.path.dirname(os.path.abspath(settings.DATABASES["default"]["NAME"])))
    return space.f_bavail * space.f_frsize


@contextmanager
def probing() -> Iterator[None]:
    """Begin a transaction that waits neither for locks nor for the disk: it need not last."""
    if connection.vendor == "sqlite":
        with unsynchronized(), transaction.atomic():
            yield
        return
    with transaction.atomic():
        read(LOCALLY)
        yield


@contextmanager
def unsynchronized() -> Iterator[None]:
    set_busy_timeout(0)
    set_synchronous("NORMAL")
    try:
        yield
    finally:
        set_busy_timeout(settings.DATABASES["default"]["OPTIONS"]["timeout"] * 1000)
        set_synchronous("FULL")


def set_synchronous(level: str) -> None:
    """Say whether commits wait for the disk; SQLite refuses to change it within a transaction."""
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
    """Return how many migrations are missing beside `applied`; a plan costs ten times the rest."""
    executor = MigrationExecutor(connection)
    return len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
