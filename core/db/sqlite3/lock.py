"""The lock that tells `manage.py restore` whether a process of this product has an SQLite database open.

Every process takes a share of it before it opens the database, and keeps it until it ends; restore takes the whole. The
kernel gives it up with the process, also with one that was killed. It is a file of its own: SQLite's own locks come and
go, and would be lost if this process opened and closed the database's file beside SQLite.
"""

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.db import OperationalError

logger = logging.getLogger(__name__)

# The open lock files of this process, by database.
held: dict[str, int] = {}


def share(database: str) -> None:
    """Keep a share until this process ends. Raises `OperationalError` while a restore has the whole."""
    database = os.path.realpath(database)
    if database in held:
        return
    try:
        descriptor = open_lock(database)
    except OSError as error:  # a folder that is read-only: no database is restored into it
        logger.debug("manage.py restore will not see this process: %s", error)
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise OperationalError("a backup is being restored") from None
    held[database] = descriptor


def share_with_successor(database: str) -> None:
    """Let the program that this process becomes (`exec`) keep the share."""
    if (descriptor := held.get(os.path.realpath(database))) is not None:
        os.set_inheritable(descriptor, True)


@contextmanager
def whole(database: str) -> Iterator[None]:
    """Hold the whole lock. Raises `BlockingIOError` if any process has a share."""
    descriptor = open_lock(os.path.realpath(database))
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def open_lock(database: str) -> int:
    """Open the lock file, made for the owner of the database, as SQLite makes its own files beside one."""
    descriptor = os.open(f"{database}-lock", os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    if os.geteuid() == 0:
        owner = Path(database) if Path(database).exists() else Path(database).parent
        os.fchown(descriptor, owner.stat().st_uid, owner.stat().st_gid)
    return descriptor
