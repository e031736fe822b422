"""Outages of the database: which of its errors are caused by one, and which by a bug."""

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

# PostgreSQL's error codes: undefined column, undefined table.
NOT_MIGRATED = ("42703", "42P01")
# A write to a read-only replica, and a session that was ended because its transaction was idle for too long.
NOT_SERVING = ("25006", "25P03")
DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
LOCK_NOT_AVAILABLE = "55P03"


def is_outage(exc: BaseException) -> bool:
    """Return whether the database is unreachable, locked, full, read-only, damaged or not migrated."""
    if isinstance(exc, ProgrammingError):
        return sqlstate(exc) in NOT_MIGRATED
    if isinstance(exc, InternalError):
        return sqlstate(exc) in NOT_SERVING
    return isinstance(exc, OperationalError | InterfaceError) or is_damage(exc)


def is_damage(exc: BaseException) -> bool:
    """Return whether `exc` says that SQLite's file is damaged, or is no database."""
    return isinstance(exc, DatabaseError) and sqlite_code(exc) in DAMAGED


def is_busy(exc: BaseException) -> bool:
    """Return whether `exc` says that another connection holds a lock: the database itself is available."""
    return sqlite_code(exc) in BUSY or sqlstate(exc) == LOCK_NOT_AVAILABLE


def sqlstate(exc: BaseException) -> str | None:
    return getattr(exc.__cause__, "sqlstate", None)


def sqlite_code(exc: BaseException) -> int:
    """Return SQLite's primary result code of `exc`; 0 if it has none."""
    return int(getattr(exc.__cause__, "sqlite_errorcode", 0)) & 0xFF


def find_outage(exc: BaseException | None) -> BaseException | None:
    """Return the outage among `exc` and the exceptions that led to it; `None` if there is none.

    Django, for example, raises an error of its own where a session could not be saved.
    """
    return next((each for each in exception_chain(exc) if is_outage(each)), None)


def exception_chain(exc: BaseException | None) -> Iterator[BaseException]:
    """Yield `exc`, its cause or context, the cause or context of that, and so on."""
    seen: set[int] = set()
    while exc is not None and id(exc) not in seen:  # an error may be raised from itself
        seen.add(id(exc))
        yield exc
        exc = exc.__cause__ or exc.__context__


def give_up_connection() -> None:
    """Close the connection, unless in a transaction, so that the next call opens a new one.

    A connection that was opened while the database was read-only would stay read-only.
    """
    if not connection.in_atomic_block:
        connection.close()
