"""The lock that tells `manage.py restore` whether a process of this product has an SQLite database open.

Every process acquires a shared lock before it opens the database, and keeps it until it ends; restore
acquires the exclusive lock. The kernel releases a lock when its process ends, even if it was killed. The lock
is on a file of its own (`flock` on `DATABASE-lock`), because SQLite holds its locks on the database's file
only now and then, and would lose them if this process opened and closed that file itself.
"""

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.db import OperationalError

logger = logging.getLogger(__name__)

# The descriptors of the lock files that this process has open, by the path of the database.
descriptors: dict[str, int] = {}


def acquire_shared(database: str) -> None:
    """Acquire the shared lock until this process ends. Raises `OperationalError` while a restore runs."""
    database = os.path.realpath(database)
    if database in descriptors:
        return
    try:
        descriptor = open_lock(database)
    except OSError as error:  # the folder is read-only, so no restore can write there
        logger.debug("manage.py restore will not see this process: %s", error)
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise OperationalError("a backup is being restored") from None
    descriptors[database] = descriptor


def keep_across_exec(database: str) -> None:
    """Keep the shared lock when this process replaces its program with `exec`."""
    if (descriptor := descriptors.get(os.path.realpath(database))) is not None:
        os.set_inheritable(descriptor, True)


@contextmanager
def exclusive(database: str) -> Iterator[None]:
    """Hold the exclusive lock. Raises `BlockingIOError` if any process has the shared lock."""
    descriptor = open_lock(os.path.realpath(database))
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def open_lock(database: str) -> int:
    """Return a descriptor of the lock file. A new one gets the database's owner, as SQLite's own files do."""
    descriptor = os.open(f"{database}-lock", os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    if os.geteuid() == 0:
        owner = Path(database) if Path(database).exists() else Path(database).parent
        os.fchown(descriptor, owner.stat().st_uid, owner.stat().st_gid)
    return descriptor
