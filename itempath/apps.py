from typing import Any

from django.apps import AppConfig, apps
from django.db.models.signals import post_migrate, pre_migrate


class ItemPathConfig(AppConfig):
    name = "itempath"
    verbose_name = "ItemPath API"

    def ready(self) -> None:
        from itempath import checks  # noqa: F401  # registers the system checks

        pre_migrate.connect(refuse_lost_database, sender=self)
        post_migrate.connect(name_installation, sender=self)


def refuse_lost_database(sender: AppConfig, **kwargs: Any) -> None:
    """Stop a `migrate` that would fill an empty database although this installation had one."""
    from itempath.installation import require_database

    require_database()


def name_installation(sender: AppConfig, **kwargs: Any) -> None:
    from itempath.models import Installation

    state = kwargs.get("apps", apps)  # `flush` sends the signal without it
    if "installation" in state.all_models["itempath"]:  # `migrate` may have stopped before this migration
        Installation.ensure()
