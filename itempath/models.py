"""The one model of the project: the installation that a database belongs to."""

from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db import models
from django.utils import timezone


class Installation(models.Model):
    """The id of the installation, in a single row. A start recognizes its own database by it."""

    uid = models.UUIDField(default=uuid4, editable=False)
    # `/readyz` writes it to test whether the database can be written. Nothing reads it.
    probed_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.uid)

    @classmethod
    def ensure(cls) -> None:
        """Give the database an id if it has none: INSTALLATION_ID, or a new one if that is not set."""
        values: dict[str, Any] = {"uid": settings.INSTALLATION_ID or uuid4()}
        cls.objects.get_or_create(pk=1, defaults=values)

    @classmethod
    def current(cls) -> UUID | None:
        """Return the installation id of this database; `None` if it has none."""
        return cls.objects.values_list("uid", flat=True).first()

    @classmethod
    def probe(cls) -> None:
        """Write to the database. Raises the database's error if it cannot be written."""
        if not cls.objects.update(probed_at=timezone.now()):
            cls.ensure()
