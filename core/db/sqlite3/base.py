"""Django's SQLite backend, which takes a lock that tells `manage.py restore` that the database is open."""

import os
from typing import Any

from django.conf import settings
from django.db import OperationalError
from django.db.backends.sqlite3 import base

from core.db.sqlite3.lock import acquire_shared


class DatabaseWrapper(base.DatabaseWrapper):
    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        if not self.is_in_memory_db():
            require_file(conn_params["database"])
            acquire_shared(conn_params["database"])  # before it is opened: a restore replaces the file
        return super().get_new_connection(conn_params)


def require_file(database: str) -> None:
    """Raise `OperationalError` if this installation's database file is missing.

    SQLite would create an empty database in its place.
    """
    if settings.INSTALLATION_ID and not os.path.exists(database):
        raise OperationalError(f"{database} is not there")
