from typing import Any

from django.apps import AppConfig, apps
from django.db import connections as django_connections
from django.db.models.signals import post_migrate

from accounts.roles import Role


class ConnectionsConfig(AppConfig):
    name = "connections"
    verbose_name = "Connections"
    lowest_role = Role.READER

    def ready(self) -> None:
        from auditlog.registry import auditlog

        from connections.models import App, Connection, Integration
        from connections.secrets.holder import SECRETS

        post_migrate.connect(prepare_database, sender=self)
        auditlog.register(App, exclude_fields=["demo"])
        auditlog.register(Integration, exclude_fields=["placeholder"])
        auditlog.register(
            Connection,
            exclude_fields=list(Connection.UNRECORDED),
            mask_fields=[f"{secret}_sealed" for secret in SECRETS],
            mask_callable="core.redaction.mask",
        )


def prepare_database(sender: AppConfig, **kwargs: Any) -> None:
    """Prepare a database after each `migrate`, as rows may have been loaded into it.

    A new database gets the proof of the configured keys. The sequence of versions goes above all that are
    stored, and connections without a name key get one.
    """
    from connections.models import KeyProof
    from connections.names import fill_name_keys
    from connections.versions import advance_version

    models = kwargs.get("apps", apps).all_models["connections"]  # a flush passes no `apps`
    if "keyproof" in models:  # a migrate may stop at an earlier migration
        KeyProof.ensure()
        advance_version(kwargs["using"])
    if "connection" in models and any(
        field.name == "name_key" for field in models["connection"]._meta.fields
    ):
        fill_name_keys(django_connections[kwargs["using"]])
