from auditlog.apps import AuditlogConfig
from django.apps import AppConfig
from django.db.backends.signals import connection_created


class CoreConfig(AppConfig):
    name = "core"
    verbose_name = "Core"

    def ready(self) -> None:
        from core import checks  # noqa: F401  # registers the system checks
        from core.api import schema  # noqa: F401  # registers the extensions of the OpenAPI description
        from core.db.lookups import add_sqlite_functions

        connection_created.connect(add_sqlite_functions)


class AuditConfig(AuditlogConfig):
    """The app `auditlog`, under the names that the admin shows to operators."""

    verbose_name = "Record"
    default = False

    def ready(self) -> None:
        super().ready()
        entry = self.get_model("LogEntry")._meta
        entry.verbose_name, entry.verbose_name_plural = "change", "changes"
