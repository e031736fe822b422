"""Backups of an SQLite database. Each is one file, checked when it is made and before it is restored."""

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from django.apps import apps
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.loader import MigrationLoader

from connections.models import Connection, KeyProof
from connections.secrets.encryption import keyring
from connections.secrets.holder import SECRETS
from core.db.sqlite3 import lock
from itempath.environment import BASE_DIR
from itempath.installation import database_name
from itempath.models import Installation

# Suffixes of the files that SQLite keeps beside a database. They would damage another database that took its
# place.
COMPANIONS = ("-wal", "-shm", "-journal")


class BackupError(Exception):
    """A backup cannot be made or restored. The message is one sentence that says why."""


@dataclass(frozen=True)
class Contents:
    """What a backup holds: the number of connections, the ids of its encryption keys and its installation."""

    connections: int
    keys: frozenset[str]
    installation: UUID | None

    def missing_keys(self) -> list[str]:
        """Return the ids of the keys that CONNECTION_SECRET_KEYS does not have."""
        return sorted(self.keys - keyring().ciphers.keys())


def back_up(target: Path) -> Contents:
    """Write a consistent copy of the database to `target`. Others may write meanwhile.

    Raises `BackupError`.
    """
    if not Path(database_name()).exists():
        raise BackupError(f"There is no database at {database_name()}.")
    if os.path.lexists(target):
        raise BackupError(f"{target} is there already; a backup overwrites nothing.")
    try:
        with temporary_file(target) as temporary:
            copy_own(temporary)
            contents = inspect(temporary)
            publish(temporary, target)
    except OSError as error:
        raise BackupError(f"{target} cannot be written: {error.strerror}.") from error
    return contents


def restore(file: Path) -> tuple[Contents, Path | None]:
    """Replace the database by a backup.

    Return what the backup holds, and the new path of the previous database or `None` if there was none.
    Raises `BackupError` before anything has changed.
    """
    database = Path(database_name()).resolve()
    contents = inspect(file)
    require_own_backup(file, contents)
    if database.exists() and database.samefile(file):
        raise BackupError(f"{file} is the database itself.")
    try:
        with lock.exclusive(str(database)), temporary_file(database) as temporary:
            copy_file(file, temporary)
            give_to_owner(temporary, database)
            return contents, replace(database, temporary)
    except BlockingIOError:
        raise BackupError(f"A server or a command has {database} open; stop it first.") from None
    except OSError as error:
        raise BackupError(f"{database} cannot be replaced: {error.strerror}.") from error


@contextmanager
def temporary_file(target: Path) -> Iterator[Path]:
    """Create a file beside `target` that only this user may read. Remove it at the end, unless renamed."""
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    os.close(descriptor)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def copy_own(target: Path) -> None:
    """Copy the current state of the database. Deleted data that remains in its pages is not copied."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("VACUUM INTO %s", [str(target)])
    except DatabaseError as error:
        raise BackupError(f"The backup failed: {error}.") from error
    synchronize(target)


def copy_file(file: Path, target: Path) -> None:
    """Copy a database file page by page. `VACUUM INTO` is not used, as it fails on a read-only connection."""
    try:
        with closing(open_to_read(file)) as source, closing(sqlite3.connect(target)) as copy:
            source.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")  # the file may be in WAL mode
    except sqlite3.Error as error:
        raise BackupError(f"{file} cannot be copied: {error}.") from error
    synchronize(target)


def open_to_read(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)


def synchronize(path: Path) -> None:
    """Wait until a file or a folder is written to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def publish(temporary: Path, target: Path) -> None:
    """Give the temporary file its name. Raises `FileExistsError` if another file got that name meanwhile."""
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise
    except OSError:  # the file system has no hard links, such as that of a memory stick
        target.open("xb").close()
        temporary.replace(target)
    synchronize(target.parent)


def inspect(file: Path) -> Contents:
    """Return what a backup holds. Raises `BackupError` if it is none, or a damaged or newer one."""
    if not file.is_file():
        raise BackupError(f"{file} is not there, or is no file.")
    try:
        with closing(open_to_read(file)) as database:
            return examine(file, database)
    except sqlite3.Error as error:
        raise BackupError(f"{file} is no backup of this product, or a damaged one ({error}).") from error


def examine(file: Path, database: sqlite3.Connection) -> Contents:
    (verdict,) = database.execute("PRAGMA integrity_check(1)").fetchone()
    if verdict != "ok":
        raise BackupError(f"{file} is damaged ({' '.join(verdict.split())}).")
    if Connection._meta.db_table not in tables_of(database):
        raise BackupError(f"{file} is no backup of this product: it has no connections.")
    if unknown := unknown_migrations(database):
        raise BackupError(
            f"{file} comes from a newer version: it has the migration {'.'.join(min(unknown))}."
        )
    (count,) = database.execute(f"SELECT count(*) FROM {Connection._meta.db_table}").fetchone()  # noqa: S608
    return Contents(count, frozenset(find_keys(database)), find_installation(database))


def tables_of(database: sqlite3.Connection) -> set[str]:
    return {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def unknown_migrations(database: sqlite3.Connection) -> set[tuple[str, str]]:
    """Return the migrations of this product's apps that this version does not have."""
    own = {config.label for config in apps.get_app_configs() if Path(config.path).parent == BASE_DIR}
    applied = set(database.execute("SELECT app, name FROM django_migrations"))
    return {(app, name) for app, name in applied - MigrationLoader(None).disk_migrations.keys() if app in own}


def find_keys(database: sqlite3.Connection) -> Iterator[str]:
    """Yield the id of each key that encrypted something in `database`."""
    columns = [(Connection._meta.db_table, f"{secret}_sealed") for secret in SECRETS]
    if KeyProof._meta.db_table in tables_of(database):
        columns.append((KeyProof._meta.db_table, "sealed"))
    for table, column in columns:
        # A ciphertext begins with `v1.<key id>.`, which the first 20 characters have room for.
        prefixes = database.execute(f"SELECT DISTINCT substr({column}, 1, 20) FROM {table}")  # noqa: S608
        for (prefix,) in prefixes:
            if prefix.count(".") == 2:
                yield prefix.split(".")[1]


def find_installation(database: sqlite3.Connection) -> UUID | None:
    if Installation._meta.db_table not in tables_of(database):
        return None
    row = database.execute(f"SELECT uid FROM {Installation._meta.db_table}").fetchone()  # noqa: S608
    return UUID(row[0]) if row else None


def require_own_backup(file: Path, contents: Contents) -> None:
    if missing := contents.missing_keys():
        keys = f"key {missing[0]}" if len(missing) == 1 else f"keys {', '.join(missing)}"
        configured = ", ".join(keyring().ciphers)
        advice = f"CONNECTION_SECRET_KEYS has {configured}: add what is missing at its end."
        raise BackupError(f"{file} needs the {keys}, and {advice}")
    expected = settings.INSTALLATION_ID
    if expected and contents.installation and contents.installation != expected:
        raise BackupError(
            f"{file} is of the installation {contents.installation}, and INSTALLATION_ID is {expected}: "
            "change that if this backup is meant."
        )


def give_to_owner(temporary: Path, database: Path) -> None:
    """If root restores, give the file to the user that owns the database, who runs the server."""
    if os.geteuid() == 0:
        owner = (database if database.exists() else database.parent).stat()
        os.chown(temporary, owner.st_uid, owner.st_gid)


def replace(database: Path, temporary: Path) -> Path | None:
    """Rename `temporary` to `database`; return the new path of the previous database, if there was one."""
    now = datetime.now(UTC)
    aside = database.with_name(f"{database.stem}-before-{now:%Y%m%dT%H%M%S.%fZ}{database.suffix}")
    was_there = database.exists()
    if was_there:
        finish_writes(database)
        publish_previous(database, aside)
    for companion in COMPANIONS:
        with suppress(FileNotFoundError):
            os.rename(f"{database}{companion}", f"{aside}{companion}")
    temporary.replace(database)
    synchronize(database.parent)
    return aside if was_there else None


def finish_writes(database: Path) -> None:
    """Apply the write-ahead log that a killed server left behind. A damaged database stays as it is.

    Raises `BlockingIOError` if another program uses the database.
    """
    try:
        with closing(sqlite3.connect(database, timeout=1)) as opened:
            opened.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.Error as error:
        if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise BlockingIOError from error  # a program that does not take this product's lock


def publish_previous(database: Path, aside: Path) -> None:
    """Give the previous database its new name. A hard link keeps the old one until the backup takes it."""
    try:
        os.link(database, aside)
    except OSError:  # the file system has no hard links
        database.rename(aside)
