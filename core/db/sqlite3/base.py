"""Django's SQLite backend, which lets `manage.py restore` see who has the database open."""

import os
from typing import Any

from django.conf import settings
from django.db import OperationalError
from django.db.backends.sqlite3 import base

from core.db.sqlite3.lock import share


class DatabaseWrapper(base.DatabaseWrapper):
    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        if not self.is_in_memory_db():
            require_file(conn_params["database"])
            share(conn_params["database"])  # before it is opened: a restore puts another file in its place
        return super().get_new_connection(conn_params)


def require_file(database: str) -> None:
    """Refuse to make an empty database, as SQLite would, where this installation had one."""
    if settings.INSTALLATION_ID and not os.path.exists(database):
        raise OperationalError(f"{database} is not there")
