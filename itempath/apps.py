from typing import Any

from django.apps import AppConfig, apps
from django.contrib.auth.signals import user_logged_in
from django.db.backends.signals import connection_created
from django.db.models.signals import post_migrate, pre_migrate


class ItemPathConfig(AppConfig):
    name = "itempath"
    verbose_name = "ItemPath API"

    def ready(self) -> None:
        from itempath import checks  # noqa: F401  # registers the system checks
        from itempath.api import schema  # noqa: F401  # registers the extensions of the OpenAPI description
        from itempath.api.lookups import add_sqlite_functions
        from itempath.pages import begin_session

        connection_created.connect(add_sqlite_functions)
        user_logged_in.connect(begin_session)
        pre_migrate.connect(refuse_lost_database, sender=self)
        post_migrate.connect(name_installation, sender=self)


def refuse_lost_database(sender: AppConfig, **kwargs: Any) -> None:
    """Stop a `migrate` that would make an empty database where this installation had one."""
    from itempath.installation import require_database

    require_database()


def name_installation(sender: AppConfig, **kwargs: Any) -> None:
    from itempath.models import Installation

    state = kwargs.get("apps", apps)  # a flush names none
    if "installation" in state.all_models["itempath"]:  # a migrate may stop before it
        Installation.ensure()
