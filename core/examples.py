"""Records that come as examples, until somebody edits one: imports remove those that nobody touched."""

from collections.abc import Collection
from typing import Any, TypeVar

from django.db import models

M = TypeVar("M", bound=models.Model)


def with_field(update_fields: Collection[str] | None, name: str) -> set[str] | None:
    """Return what a save is to write if `name` has to be written too."""
    return None if update_fields is None else {*update_fields, name}


class ExampleQuerySet(models.QuerySet[M]):
    """Every write of examples through the ORM makes them records like others."""

    def update(self, **values: Any) -> int:
        return super().update(**{"demo": False} | values)

    def keep(self) -> None:
        """Take the examples among these for records like others: something around them was edited."""
        self.filter(demo=True).update(demo=False)


class Example(models.Model):
    """A record that may have come as an example."""

    # Shipped as an example, and not edited since.
    demo = models.BooleanField(default=False, editable=False)

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            self.demo = False
            kwargs["update_fields"] = with_field(kwargs.get("update_fields"), "demo")
        super().save(*args, **kwargs)
