"""The database in trouble: which errors of it are an outage that passes or is mended, and which are bugs."""

import sqlite3
from collections.abc import Iterator

from django.db import (
    DatabaseError,
    InterfaceError,
    InternalError,
    OperationalError,
    ProgrammingError,
    connection,
)

# PostgreSQL's codes for an undefined column and an undefined table.
NOT_MIGRATED = ("42703", "42P01")
# And for a write to a replica, and for a session that was ended because its transaction idled.
NOT_SERVING = ("25006", "25P03")
DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
LOCK_NOT_AVAILABLE = "55P03"


def is_outage(exc: BaseException) -> bool:
    """Return whether the database is away, locked, full, read-only, damaged, or not migrated yet."""
    if isinstance(exc, ProgrammingError):
        return sqlstate(exc) in NOT_MIGRATED
    if isinstance(exc, InternalError):
        return sqlstate(exc) in NOT_SERVING
    return isinstance(exc, OperationalError | InterfaceError) or is_damage(exc)


def is_damage(exc: BaseException) -> bool:
    """Return whether SQLite's file is no database, or a broken one."""
    return isinstance(exc, DatabaseError) and sqlite_code(exc) in DAMAGED


def is_busy(exc: BaseException) -> bool:
    """Return whether somebody else holds a lock: the database serves, another one is writing."""
    return sqlite_code(exc) in BUSY or sqlstate(exc) == LOCK_NOT_AVAILABLE


def sqlstate(exc: BaseException) -> str | None:
    return getattr(exc.__cause__, "sqlstate", None)


def sqlite_code(exc: BaseException) -> int:
    """Return SQLite's primary result code; 0 if there is none."""
    return int(getattr(exc.__cause__, "sqlite_errorcode", 0)) & 0xFF


def find_outage(exc: BaseException | None) -> BaseException | None:
    """Return the outage that `exc` is or came after: Django has an error of its own for an unsaved session."""
    return next((each for each in chain(exc) if is_outage(each)), None)


def chain(exc: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while exc is not None and id(exc) not in seen:  # an error may be raised from itself
        seen.add(id(exc))
        yield exc
        exc = exc.__cause__ or exc.__context__


def give_up_connection() -> None:
    """Let the next call open a new connection: one opened while nothing could be written stays read-only."""
    if not connection.in_atomic_block:
        connection.close()
