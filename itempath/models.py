"""What the project itself stores: which installation a database belongs to."""

from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db import models
from django.utils import timezone


class Installation(models.Model):
    """The one row that names the installation: a start knows its own database by it."""

    uid = models.UUIDField(default=uuid4, editable=False)
    # Written by `/readyz`, to see whether the database takes writes; nothing reads it.
    probed_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.uid)

    @classmethod
    def ensure(cls) -> None:
        """Name the database if it has no name yet: as INSTALLATION_ID says, or anew."""
        values: dict[str, Any] = {"uid": settings.INSTALLATION_ID or uuid4()}
        cls.objects.get_or_create(pk=1, defaults=values)

    @classmethod
    def current(cls) -> UUID | None:
        """Return the id of this database's installation."""
        return cls.objects.values_list("uid", flat=True).first()

    @classmethod
    def probe(cls) -> None:
        """Write what nobody reads. Raises the database's error where it takes no writes."""
        if not cls.objects.update(probed_at=timezone.now()):
            cls.ensure()
