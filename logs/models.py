"""What the checks of connections found."""

from typing import Any

from django.db import models, transaction
from django.utils import timezone

from core.db.bulk import upsert


class ConnectionLogQuerySet(models.QuerySet["ConnectionLog"]):
    """Every write through the ORM raises the version of the connections whose latest entry it changes."""

    def update(self, **values: Any) -> int:
        with transaction.atomic(using=self.db):
            self.renew_connections(list(self.order_by().values_list("pk", flat=True)))
            return super().update(**values)

    def renew_connections(self, pks: list[int]) -> None:
        # Found through the field and not imported, as the two models refer to each other.
        connections: Any = self.model.connection.field.related_model._default_manager
        connections.filter(latest_log__in=pks).update()

    def upsert(self, logs: list["ConnectionLog"]) -> None:
        """Insert entries by id, and overwrite those that are stored."""
        with transaction.atomic(using=self.db):
            upsert(self, logs)
            self.renew_connections([log.pk for log in logs])


class ConnectionLog(models.Model):
    """One entry of a connection's log. The ids of apps, workflows and tasks are plain numbers of ItemPath."""

    connection = models.ForeignKey(
        "connections.Connection", on_delete=models.CASCADE, related_name="logs", db_index=False
    )
    creation_date = models.DateTimeField(default=timezone.now)
    status = models.SmallIntegerField()
    description = models.TextField(blank=True)
    error = models.TextField(null=True, blank=True)  # noqa: DJ001  # the contract's null: there was none
    app_id = models.BigIntegerField(null=True, blank=True)
    integration_id = models.BigIntegerField(null=True, blank=True)
    workflow_id = models.BigIntegerField(null=True, blank=True)
    task_id = models.BigIntegerField(null=True, blank=True)
    time = models.FloatField(null=True, blank=True, help_text="Seconds that the check took.")

    objects = ConnectionLogQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        # Serves a connection's log, newest first, and the deletion of a connection with its log.
        indexes = [models.Index(fields=["connection", "-id"], name="log_of_connection")]
        constraints = [
            models.CheckConstraint(name="log_status_is_0_or_1", condition=models.Q(status__in=[0, 1]))
        ]

    @transaction.atomic
    def save(self, *args: Any, **kwargs: Any) -> None:
        super().save(*args, **kwargs)
        type(self).objects.filter(pk=self.pk).renew_connections([self.pk])

    def __str__(self) -> str:
        return f"{self.description} ({self.creation_date:%Y-%m-%d %H:%M:%S})"
