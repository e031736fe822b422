"""Resources that are read as rows.

A `RowSerializer` declares the fields of a resource once. From that one declaration come the columns of the
query, the record in the answer, the filters, the sort fields, the schema, and the rules of what can be
written. To read, no model instance is built.
"""

from collections.abc import Collection, Iterable
from copy import copy
from functools import cache
from typing import Any, NamedTuple

from django.db.models import F, Field, Func, Model, QuerySet
from django.db.models.expressions import Combinable
from rest_framework import serializers
from rest_framework.utils.field_mapping import get_field_kwargs

from core.api.statements import Row
from core.db.lookups import IsoText

# DRF keeps what a field was declared with in attributes that its type stubs do not name.
SerializerField = Any
RowDict = dict[str, Any]


class MomentField(serializers.DateTimeField):
    """A moment, written `YYYY-MM-DDTHH:MM:SS.ffffff` in UTC by the database."""

    sql_function = IsoText


class Column(NamedTuple):
    """A field of a resource: its name for clients, its path for the ORM, and how it was declared."""

    name: str
    path: str
    field: SerializerField

    def expression(self, prefix: str = "") -> Combinable:
        """Return the column; the database formats it if the class of the field names an `sql_function`."""
        column = F(prefix + self.path)
        sql_function: type[Func] | None = getattr(self.field, "sql_function", None)
        return sql_function(column) if sql_function else column

    @property
    def is_filterable(self) -> bool:
        """Whether clients may filter by it. A field class may say `filterable = False`."""
        return getattr(self.field, "filterable", True)

    @property
    def is_sortable(self) -> bool:
        """Whether clients may sort by it. A field class may say `sortable = False`."""
        return getattr(self.field, "sortable", True)


class Layout(NamedTuple):
    """Which part of a record is where in a row: its own columns, those of a nested record, its version."""

    columns: tuple[Column, ...]
    names: tuple[str, ...]
    nested_name: str  # empty if there is none
    nested_names: tuple[str, ...]
    expressions: tuple[Combinable, ...]


class RowSerializer(serializers.Serializer[Any]):
    """Serializes the rows of `select()`. One field may be a `RowSerializer` itself: a related record or null.

    A resource that clients may write names its model and the fields they may set:

        class Meta:
            model = App
            writable = ("name",)

    Every other field is read-only. Whether a field is required or may be null, how long it may be, and its
    choices and validators come from the model, once, when the class is made; what a declared field says of
    itself wins. A field that is declared `write_only=True`, such as a password, is in no row.
    """

    # The column that changes with every change of the record.
    version_path = "pk"
    Meta: Any

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if hasattr(cls, "Meta"):
            take_rules_from_model(cls, cls.Meta.model, cls.Meta.writable)

    @classmethod
    @cache
    def layout(cls) -> Layout:
        fields = {name: field for name, field in cls().fields.items() if not field.write_only}
        columns = tuple(Column(name, "__".join(field.source_attrs), field) for name, field in fields.items())
        nested = next((column for column in columns if isinstance(column.field, RowSerializer)), None)
        inner = (
            type(nested.field).layout().columns if nested and isinstance(nested.field, RowSerializer) else ()
        )
        return Layout(
            columns,
            tuple(column.name for column in columns),
            nested.name if nested else "",
            tuple(column.name for column in inner),
            # The row holds the nested record's primary key, so a missing one is seen without a join.
            (
                *(column.expression() for column in columns),
                *(column.expression(f"{nested.path}__") for column in inner if nested),
                F(cls.version_path),
            ),
        )

    @classmethod
    def scalars(cls) -> tuple[Column, ...]:
        """Return all columns but a nested record."""
        layout = cls.layout()
        return tuple(column for column in layout.columns if column.name != layout.nested_name)

    @classmethod
    def select(cls, queryset: QuerySet[Any]) -> QuerySet[Any, Row]:
        """Return `queryset` as the rows that this serializer reads."""
        return queryset.values_list(*cls.layout().expressions)

    @classmethod
    def page(cls, queryset: QuerySet[Any], rows: slice, base: QuerySet[Any]) -> QuerySet[Any, Row]:
        """Return some rows of `queryset`, which is `base` after filters and order.

        A nested record is joined to the rows of the page alone: PostgreSQL would otherwise join all rows, and
        read the whole other table, before it sorts them and takes twenty.
        """
        if not cls.layout().nested_name:
            return cls.select(queryset)[rows]
        on_page = base.filter(pk__in_array=queryset.values("pk")[rows])
        return cls.select(on_page.order_by(*queryset.query.order_by))

    @classmethod
    def versions(cls, queryset: QuerySet[Any], rows: slice) -> QuerySet[Any, Any]:
        """Return `row_id` and `row_version` of some rows: all that the tag of a page is made of."""
        return queryset.values(row_id=F("pk"), row_version=F(cls.version_path))[rows]

    @classmethod
    def records(cls, rows: Iterable[Row]) -> list[RowDict]:
        """Return the records that `rows` hold, by the names of the fields."""
        _, names, nested_name, nested_names, _ = cls.layout()
        if not nested_name:
            return [dict(zip(names, row, strict=False)) for row in rows]
        start, nested_index, found = len(names), names.index(nested_name), []
        for row in rows:
            record = dict(zip(names, row, strict=False))
            if row[nested_index] is not None:
                record[nested_name] = dict(zip(nested_names, row[start:], strict=False))
            found.append(record)
        return found

    def create(self, validated_data: dict[str, Any]) -> Any:
        """Store a new instance of the model. Raises Django's `ValidationError`."""
        return self.store(self.Meta.model(), validated_data)

    def update(self, instance: Any, validated_data: dict[str, Any]) -> Any:
        """Change an instance of the model. Raises Django's `ValidationError`."""
        return self.store(instance, validated_data)

    def store(self, instance: Any, values: dict[str, Any]) -> Any:
        self.assign(instance, values)
        instance.full_clean()
        instance.save()
        return instance

    def assign(self, instance: Any, values: dict[str, Any]) -> None:
        """Set the fields of an instance. A serializer with secrets calls the model's verbs for them."""
        for name, value in values.items():
            setattr(instance, name, value)

    def to_representation(self, instance: Any) -> RowDict:
        """Return the record of a row, or of a saved instance, whose row is read anew."""
        return self.records([self.row_of(instance) if isinstance(instance, Model) else instance])[0]

    def row_of(self, instance: Model) -> Row:
        view = self.context.get("view")
        queryset = view.get_queryset() if view else type(instance)._default_manager.all()
        row: Row = self.select(queryset.filter(pk=instance.pk)).get()
        return row


def take_rules_from_model(
    serializer_class: type[RowSerializer], model: type[Model], writable: Collection[str]
) -> None:
    """Make the declared fields of `serializer_class` anew, with the rules of `model`.

    Raises `TypeError` if `writable` names a field that is not declared.
    """
    # A base that took its own rules has made its fields anew.
    fields: dict[str, Any] = serializer_class._declared_fields
    declared = {name: getattr(field, "as_declared", field) for name, field in fields.items()}
    if unknown := [name for name in writable if name not in declared]:
        raise TypeError(f"{serializer_class.__name__} declares no field {', '.join(unknown)}.")
    model_fields = {field.name: field for field in model._meta.concrete_fields}
    model_fields |= {field.attname: field for field in model._meta.concrete_fields}
    for name, field in declared.items():
        if name in writable or field._kwargs.get("write_only"):
            model_field = model_fields.get(field._kwargs.get("source") or name)
            fields[name] = writable_field(field, model_field)
        else:
            fields[name] = read_only_field(field)


def writable_field(field: SerializerField, model_field: "Field[Any, Any] | None") -> SerializerField:
    """Return `field` with the rules of its model field; a field without one keeps its own."""
    if model_field is None:
        return field
    rules = rules_of(model_field)
    field_class = type(field)
    if "choices" in rules and field_class is serializers.CharField:
        field_class = serializers.ChoiceField
        rules.pop("max_length", None)
    else:
        rules.pop("choices", None)  # of other kinds, `full_clean()` checks them
    return made_anew(field, field_class, rules | field._kwargs)


def read_only_field(field: SerializerField) -> SerializerField:
    """Return `field` as one that a client cannot set."""
    kwargs = {name: value for name, value in field._kwargs.items() if name != "required"}
    return made_anew(field, type(field), kwargs | {"read_only": True})


def made_anew(field: SerializerField, field_class: Any, kwargs: dict[str, Any]) -> SerializerField:
    """Return a field of `field_class` in the position of `field`."""
    made = field_class(*field._args, **kwargs)
    made._creation_counter = field._creation_counter  # DRF sorts fields by it
    made.as_declared = field
    return made


def rules_of(model_field: "Field[Any, Any]") -> dict[str, Any]:
    """Return what DRF reads from a model field, without the look of a form and without queries.

    Whether a value is taken already is left to the database: a query before the write could miss another's.
    """
    editable = copy(model_field)
    editable.editable = True  # DRF reads no rules of a field that forms leave out
    kwargs = get_field_kwargs(model_field.name, editable)
    for name in ("model_field", "label", "help_text", "style", "read_only"):
        kwargs.pop(name, None)
    validators = [each for each in kwargs.pop("validators", ()) if not hasattr(each, "queryset")]
    return kwargs | ({"validators": validators} if validators else {})
