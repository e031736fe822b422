"""Bulk inserts: every kind of field is stored as Django stores it."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.contrib.contenttypes.models import ContentType
from django.db import connection, models
from django.db.models.fields.files import FieldFile
from django.test.utils import isolate_apps

from core.db.bulk import PLAIN_KINDS, converted, insert, kind_of

pytestmark = pytest.mark.django_db


AnyField = models.Field[Any, Any]
FieldClass = type[AnyField]


class Word(models.TextChoices):
    ONE = "one"


class Number(models.IntegerChoices):
    ONE = 1


MOMENT = datetime(2026, 5, 7, 13, 30, 1, 234567, tzinfo=UTC)
SMALL, LARGE = [0, 7, Number.ONE, 2**15 - 1], [0, 7, Number.ONE, 2**31 - 1]
HUGE = [*LARGE, 2**63 - 1]
KEY = uuid.UUID("6b1d7c1e-3f2a-4c55-9d0e-0123456789ab")

# Each class of field with the options that it needs, and values that a program may assign to it.
SAMPLES: dict[FieldClass, tuple[dict[str, Any], list[Any]]] = {
    models.AutoField: ({"primary_key": True}, [7, 2**31 - 1]),
    models.BigAutoField: ({"primary_key": True}, [7, 2**63 - 1]),
    models.SmallAutoField: ({"primary_key": True}, [7, 2**15 - 1]),
    models.BigIntegerField: ({}, [*HUGE, -(2**63)]),
    models.IntegerField: ({}, [*LARGE, -(2**31)]),
    models.SmallIntegerField: ({}, [*SMALL, -(2**15)]),
    models.PositiveBigIntegerField: ({}, HUGE),
    models.PositiveIntegerField: ({}, LARGE),
    models.PositiveSmallIntegerField: ({}, SMALL),
    models.BooleanField: ({}, [True, False]),
    models.FloatField: ({}, [0.0, -1.5, 1e300, 0.1]),
    # SQLite stores decimals as floating-point numbers, so these are exact in both.
    models.DecimalField: (
        {"max_digits": 12, "decimal_places": 4},
        [Decimal("1.5"), Decimal("-99999999.0625"), Decimal(0)],
    ),
    models.CharField: ({"max_length": 200}, ["", "a\tb\\N\n", "ü日🚚", Word.ONE]),
    models.TextField: ({}, ["", "\\.", "ü日🚚" * 1000, Word.ONE]),
    models.EmailField: ({}, ["a@b.example"]),
    models.SlugField: ({}, ["one-two"]),
    models.URLField: ({}, ["https://erp.example.com/?a=b"]),
    models.FilePathField: ({}, ["/etc/hosts", Path("/etc/hosts")]),
    models.FileField: (
        {},
        ["uploads/one.txt", FieldFile(ContentType(), models.FileField(), "uploads/one.txt")],
    ),
    models.ImageField: ({}, ["uploads/one.png"]),
    models.UUIDField: ({}, [KEY]),
    models.DateField: ({}, [date(2026, 5, 7), date(1, 1, 1)]),
    models.TimeField: ({}, [time(13, 30), time(13, 30, 1, 234567)]),
    models.DateTimeField: ({}, [MOMENT, MOMENT.replace(microsecond=0), datetime(1970, 1, 1, tzinfo=UTC)]),
    models.DurationField: ({}, [timedelta(days=-1, microseconds=1), timedelta(weeks=100)]),
    models.BinaryField: ({}, [b"", b"\0\xff\\x", memoryview(b"abc")]),
    models.JSONField: ({}, [{"a": [1, None, "ü"]}, [], "text", 1.5, True]),
    models.GenericIPAddressField: ({}, ["192.0.2.1", "2001:0DB8::0001"]),
    models.ForeignKey: ({}, [KEY]),
    models.OneToOneField: ({}, [KEY]),
}
# They have no column, or one that takes no value. `OrderWrt` is an `IntegerField` that Django makes itself.
NOT_INSERTED = {
    *(models.Field, models.ForeignObject, models.ManyToManyField, models.CompositePrimaryKey),
    *(models.GeneratedField, models.OrderWrt),
}
CASES = [(field_class, value) for field_class, (_, values) in SAMPLES.items() for value in values]
EVERY_VALUE = pytest.mark.parametrize(
    ("field_class", "value"), CASES, ids=[f"{each.__name__}-{n}" for n, (each, _) in enumerate(CASES)]
)


def field_classes() -> set[FieldClass]:
    """Return the classes of fields that Django has and still supports."""
    found = {
        each for each in vars(models).values() if isinstance(each, type) and issubclass(each, models.Field)
    }
    return {each for each in found if each.system_check_removed_details is None}


@contextmanager
def model_with(field_class: FieldClass) -> Iterator[type[models.Model]]:
    """Give a model whose field `value` is of this class, with an empty temporary table."""
    with isolate_apps():
        model = make_model(value=make_field(field_class))
        columns = [f"{each.column} {each.db_type(connection)}" for each in model._meta.concrete_fields]
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE TEMPORARY TABLE {model._meta.db_table} ({', '.join(columns)})")
            yield model
            cursor.execute(f"DROP TABLE {model._meta.db_table}")


def make_field(field_class: FieldClass) -> AnyField:
    options: dict[str, Any] = SAMPLES[field_class][0] | {"null": "primary_key" not in SAMPLES[field_class][0]}
    if issubclass(field_class, models.ForeignKey):
        return field_class(make_model(id=models.UUIDField(primary_key=True)), models.CASCADE, **options)
    return field_class(**options)


def make_model(**fields: AnyField) -> type[models.Model]:
    name = "Target" if "id" in fields else "Sample"
    options = type("Meta", (), {"app_label": "bulk", "db_table": f"bulk_{name.lower()}"})
    return type(name, (models.Model,), {"__module__": __name__, "Meta": options, **fields})


def value_field(model: type[models.Model]) -> Any:
    return model._meta.get_field("value")


def take_stored(model: type[models.Model]) -> list[tuple[Any, str]]:
    """Return each stored value as the driver reads it, with its type in the database; empty the table."""
    column, table = value_field(model).column, model._meta.db_table
    type_of = "pg_typeof" if connection.vendor == "postgresql" else "typeof"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {column}, {type_of}({column}) FROM {table}")
        rows: list[tuple[Any, str]] = cursor.fetchall()
        cursor.execute(f"DELETE FROM {table}")
    return rows


def comparable(value: Any) -> Any:
    """Return a value without the wrapper that tells PostgreSQL's driver its type."""
    return getattr(value, "obj", value)


def is_unchanged(before: Any, after: Any) -> bool:
    """Return whether a conversion kept the value, at most as another class of number or text.

    PostgreSQL's backend, for example, makes an `Int8` of an `int`, and both are sent alike.
    """
    shared = set(type(before).__mro__) & set(type(after).__mro__) - {object}
    return after == before and bool(shared)


def convert(field: Any, value: Any) -> Any:
    [[result]] = converted([field], [[value]])
    return result


def names_and_values(model: type[models.Model], value: Any) -> tuple[list[str], list[Any]]:
    field = value_field(model)
    return (["value"], [value]) if field.primary_key else (["id", "value"], [1, value])


def test_every_class_of_field_has_samples():
    assert field_classes() - NOT_INSERTED == set(SAMPLES)


@EVERY_VALUE
def test_a_value_is_converted_as_django_does(field_class, value):
    with model_with(field_class) as model:
        field = value_field(model)
        expected = field.get_db_prep_save(value, connection)
        assert comparable(convert(field, value)) == comparable(expected)
        if kind_of(field) in PLAIN_KINDS[connection.vendor]:
            assert convert(field, value) is value


def test_django_leaves_the_values_of_plain_kinds_unchanged():
    unchanged: dict[str, bool] = {}
    for field_class, value in CASES:
        with model_with(field_class) as model:
            field = value_field(model)
            same = is_unchanged(value, field.get_db_prep_save(value, connection))
            unchanged[kind_of(field)] = unchanged.get(kind_of(field), True) and same
    assert PLAIN_KINDS[connection.vendor] <= {kind for kind, same in unchanged.items() if same}


def test_a_number_is_converted_by_its_field():
    """A decimal may come as a text or a float; the field makes a decimal of it, with its own digits."""
    field = models.DecimalField(max_digits=5, decimal_places=2)
    for value in ("1.50", Decimal("1.50"), 1.5):
        assert convert(field, value) == field.get_db_prep_save(value, connection)
    assert "DecimalField" not in PLAIN_KINDS[connection.vendor]


@EVERY_VALUE
def test_an_inserted_value_is_stored_as_django_stores_it(field_class, value):
    with model_with(field_class) as model:
        names, values = names_and_values(model, value)
        insert(model, names, [values])
        inserted = take_stored(model)
        model.objects.bulk_create([model(**{value_field(model).attname: value})])
        assert (inserted, len(inserted)) == (take_stored(model), 1)


@EVERY_VALUE
def test_the_driver_leaves_plain_values_unchanged(field_class, value):
    with model_with(field_class) as model:
        if kind_of(value_field(model)) not in PLAIN_KINDS[connection.vendor]:
            return
        names, values = names_and_values(model, value)
        insert(model, names, [values])
        [(read, _)] = take_stored(model)
        assert read == value


@pytest.mark.parametrize("field_class", [each for each in SAMPLES if "primary_key" not in SAMPLES[each][0]])
def test_null_is_stored_as_null(field_class):
    with model_with(field_class) as model:
        insert(model, ["id", "value"], [[1, None]])
        assert take_stored(model)[0][0] is None
