"""Django's SQLite backend, which lets `manage.py restore` see who has the database open."""

from typing import Any

from django.db.backends.sqlite3 import base

from itempath.sqlite3.lock import share


class DatabaseWrapper(base.DatabaseWrapper):
    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        if not self.is_in_memory_db():
            share(conn_params["database"])  # before the file is opened: a restore would put another one in its place
        return super().get_new_connection(conn_params)
