"""Example records. An import removes those that nobody has edited."""

from collections.abc import Collection
from typing import Any, TypeVar

from django.db import models

M = TypeVar("M", bound=models.Model)


def with_field(update_fields: Collection[str] | None, name: str) -> set[str] | None:
    """Return `update_fields` with `name` added; `None`, which means all fields, stays `None`."""
    return None if update_fields is None else {*update_fields, name}


class ExampleQuerySet(models.QuerySet[M]):
    """A queryset whose updates turn examples into ordinary records."""

    def update(self, **values: Any) -> int:
        return super().update(**{"demo": False} | values)

    def keep(self) -> None:
        """Turn the examples in this queryset into ordinary records, as something around them changed."""
        self.filter(demo=True).update(demo=False)


class Example(models.Model):
    """A record that may be an example. Saving an example turns it into an ordinary record."""

    # True for a record of the example data that nobody has edited.
    demo = models.BooleanField(default=False, editable=False)

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            self.demo = False
            kwargs["update_fields"] = with_field(kwargs.get("update_fields"), "demo")
        super().save(*args, **kwargs)
