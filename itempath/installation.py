"""The check at every start that the database exists and belongs to this installation.

The setting `INSTALLATION_ID` is the id of this installation's database. The first start writes it into
`.env`; where the settings come from the process environment, the operator sets it.
"""

import os
from pathlib import Path

from django.conf import settings
from django.core.management.base import CommandError
from django.db import connection

from connections.models import Connection
from core.db.outages import is_damage
from itempath import dotenv
from itempath.environment import env_file, is_database_overridden
from itempath.models import Installation

COMMENT = "Which database this installation has: a start that finds another one, or an empty one, stops."
UNUSABLE = "The database cannot be used: "
LOST = (
    "this installation had one (INSTALLATION_ID is {id}), and {database} {fault}: "
    "bring it back, or a backup with `manage.py restore FILE`; to begin with a new one, "
    "remove INSTALLATION_ID from .env or the environment."
)
ANOTHER = (
    "{database} is the database of the installation {found}, and INSTALLATION_ID is {id}: "
    "put the right one into DATABASE_URL, or set INSTALLATION_ID to {found} if this one is meant."
)
FOREIGN = "{database} has tables of something else ({tables}): name a database of its own in DATABASE_URL."


def require_database() -> None:
    """Check that the database is the one of this installation, or may become it.

    Raises `CommandError` with one sentence if it was lost, belongs to another installation or to something
    else. Raises the database's own error if it cannot be read.
    """
    tables = set(connection.introspection.table_names())
    if Installation._meta.db_table in tables:
        require_own(Installation.current())
    elif Connection._meta.db_table in tables:
        return  # created by a version that had no installation ids
    elif foreign := sorted(tables - known_tables()):
        raise CommandError(FOREIGN.format(database=display_name(), tables=", ".join(foreign[:3])))
    elif settings.INSTALLATION_ID:
        raise CommandError(UNUSABLE + lost("is empty"))


def require_own(found: object) -> None:
    expected = settings.INSTALLATION_ID
    if expected and found and found != expected:
        raise CommandError(ANOTHER.format(database=display_name(), found=found, id=expected))


def lost(fault: str) -> str:
    return LOST.format(id=settings.INSTALLATION_ID, database=display_name(), fault=fault)


def known_tables() -> set[str]:
    return {*connection.introspection.django_table_names(), "django_migrations"}


def note_installation() -> str | None:
    """Write the id of the database into `.env`, unless it is set already.

    Return the line for the operator to add to the settings if it cannot be written there; `None` otherwise.
    """
    if settings.INSTALLATION_ID:
        return None
    id = str(Installation.current())
    try:
        if is_database_overridden() or not env_file().is_file():
            return f"INSTALLATION_ID={id}"
        dotenv.append(env_file(), COMMENT, "INSTALLATION_ID", id)
    except OSError:
        return f"INSTALLATION_ID={id}"
    return None


def is_sqlite() -> bool:
    return connection.vendor == "sqlite"


def database_name() -> str:
    return str(settings.DATABASES["default"]["NAME"])


def display_name() -> str:
    """Return a name of the database for operators, without its password."""
    config = settings.DATABASES["default"]
    if is_sqlite():
        return database_name()
    return f"the database {config['NAME']} on {config['HOST'] or 'localhost'}"


def describe_failure(error: BaseException) -> str:
    """Return one sentence that says why the database cannot be used."""
    return UNUSABLE + ((is_sqlite() and reason_of_file(error)) or str(error).strip())


def reason_of_file(error: BaseException) -> str:
    """Return what is wrong with the file of an SQLite database; an empty text if the cause is another."""
    file = Path(database_name())
    if is_damage(error):
        return f"{file} is damaged, or no SQLite database ({error}): `manage.py restore` a backup."
    if file.is_dir():
        return f"{file} is a folder."
    if not file.absolute().parent.is_dir():
        return f"{file} is in a folder that is not there."
    if file.exists() and not os.access(file, os.R_OK):
        return f"this user may not read {file}."
    if settings.INSTALLATION_ID and not file.exists():
        return lost("is not there")
    if "unable to open" in str(error):
        return f"this user may not write beside {file} ({error})."
    return ""
