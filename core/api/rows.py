"""Resources that are read as rows.

A `RowSerializer` declares the fields of a resource once. From that one declaration come the columns of the query, the
record in the answer, the filters, the sort fields and the schema. No model instance is built on the way.
"""

from collections.abc import Iterable
from functools import cache
from typing import Any, NamedTuple

from django.db.models import F, Func, QuerySet
from django.db.models.expressions import Combinable
from rest_framework import serializers

from core.api.statements import Row
from core.db.lookups import IsoText

RowDict = dict[str, Any]


class MomentField(serializers.DateTimeField):
    """A moment, written `YYYY-MM-DDTHH:MM:SS.ffffff` in UTC by the database."""

    written = IsoText


class Column(NamedTuple):
    """A field of a resource: its name for clients, its path for the ORM, and how it was declared."""

    name: str
    path: str
    field: "serializers.Field[Any, Any, Any, Any]"

    def expression(self, prefix: str = "") -> Combinable:
        """Return the column, written by the database if the class of the field says how (`written`)."""
        column = F(prefix + self.path)
        written: type[Func] | None = getattr(self.field, "written", None)
        return written(column) if written else column


class Layout(NamedTuple):
    """Where the parts of a record stand in a row: own columns, a nested record's, and the version last."""

    columns: tuple[Column, ...]
    names: tuple[str, ...]
    nested_name: str  # empty if there is none
    nested_names: tuple[str, ...]
    expressions: tuple[Combinable, ...]


class RowSerializer(serializers.Serializer[Any]):
    """Serializes the rows of `select()`. One of the fields may be a `RowSerializer` itself: a related record or null."""

    # The column that changes with every change of the record.
    version_path = "pk"

    @classmethod
    @cache
    def layout(cls) -> Layout:
        columns = tuple(
            Column(name, "__".join(field.source_attrs), field) for name, field in cls().fields.items()
        )
        nested = next((column for column in columns if isinstance(column.field, RowSerializer)), None)
        inner = (
            type(nested.field).layout().columns if nested and isinstance(nested.field, RowSerializer) else ()
        )
        return Layout(
            columns,
            tuple(column.name for column in columns),
            nested.name if nested else "",
            tuple(column.name for column in inner),
            # In its own place a nested record has its key: whether there is one costs no join.
            (
                *(column.expression() for column in columns),
                *(column.expression(f"{nested.path}__") for column in inner if nested),
                F(cls.version_path),
            ),
        )

    @classmethod
    def scalars(cls) -> tuple[Column, ...]:
        """Return the columns that filter and sort: all but a nested record."""
        layout = cls.layout()
        return tuple(column for column in layout.columns if column.name != layout.nested_name)

    @classmethod
    def select(cls, queryset: QuerySet[Any]) -> QuerySet[Any, Row]:
        """Return `queryset` as the rows that this serializer reads."""
        return queryset.values_list(*cls.layout().expressions)

    @classmethod
    def page(cls, queryset: QuerySet[Any], rows: slice) -> QuerySet[Any, Row]:
        """Return some rows of a sorted queryset.

        The page is cut before a nested record is joined to it: PostgreSQL would join all rows, and read the other table
        from end to end, before it sorts them and takes twenty.
        """
        if not cls.layout().nested_name:
            return cls.select(queryset)[rows]
        cut = queryset.model._default_manager.filter(pk__in_array_subquery=queryset.values("pk")[rows])
        return cls.select(cut.order_by(*queryset.query.order_by))

    @classmethod
    def states(cls, queryset: QuerySet[Any], rows: slice) -> QuerySet[Any, Any]:
        """Return `key` and `state` of the same rows, their ids and versions: all that a tag is made of."""
        return queryset.values(key=F("pk"), state=F(cls.version_path))[rows]

    @classmethod
    def records(cls, rows: Iterable[Row]) -> list[RowDict]:
        _, names, nested_name, nested_names, _ = cls.layout()
        if not nested_name:
            return [dict(zip(names, row, strict=False)) for row in rows]
        first, place, found = len(names), names.index(nested_name), []
        for row in rows:
            record = dict(zip(names, row, strict=False))
            if row[place] is not None:
                record[nested_name] = dict(zip(nested_names, row[first:], strict=False))
            found.append(record)
        return found

    def to_representation(self, row: Row) -> RowDict:
        return self.records([row])[0]
