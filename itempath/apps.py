from django.apps import AppConfig
from django.db.backends.signals import connection_created


class ItemPathConfig(AppConfig):
    name = "itempath"
    verbose_name = "ItemPath API"

    def ready(self) -> None:
        from itempath import checks  # noqa: F401  # registers the system checks
        from itempath.api import schema  # noqa: F401  # registers the extensions of the OpenAPI description
        from itempath.api.lookups import add_sqlite_functions

        connection_created.connect(add_sqlite_functions)
