"""Writing many rows at once, and updating the planner's statistics afterwards."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from operator import attrgetter
from typing import Any

from django.db import connection
from django.db.models import Field, ForeignKey, Model, QuerySet

# The kinds of fields whose values go to the database's driver as they are: a value has the type that the
# field's `to_python()` returns, and `get_db_prep_save()` leaves it unchanged. The values of every other kind
# are converted by that method, as Django does.
PLAIN = frozenset(
    (
        *("AutoField", "BigAutoField", "SmallAutoField"),
        *("BigIntegerField", "IntegerField", "SmallIntegerField"),
        *("PositiveBigIntegerField", "PositiveIntegerField", "PositiveSmallIntegerField"),
        *("BooleanField", "CharField", "FloatField", "SlugField", "TextField"),
    )
)
PLAIN_ON_POSTGRESQL = PLAIN | {"DateTimeField", "UUIDField"}
PLAIN_KINDS = {"postgresql": PLAIN_ON_POSTGRESQL, "sqlite": PLAIN}


def insert(model: type[Model], names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Insert `rows`; each has the values of the fields `names`, in that order.

    Several times quicker than `bulk_create`. It applies no defaults, and calls neither `save()` nor signals.
    """
    fields: list[Any] = [model._meta.get_field(name) for name in names]
    table, columns = quoted(model._meta.db_table), ", ".join(quoted(str(field.column)) for field in fields)
    values = converted(fields, rows)
    if connection.vendor == "postgresql":
        copy_rows(f"COPY {table} ({columns}) FROM STDIN", values)
        return
    placeholders = ", ".join(["%s"] * len(fields))
    with connection.cursor() as cursor:
        statement = f"INSERT INTO {table} ({columns}) VALUES ({placeholders})"  # noqa: S608  # names from the model
        cursor.executemany(statement, list(values))


def copy_rows(statement: str, rows: Iterable[Sequence[Any]]) -> None:
    """Send `rows` to PostgreSQL with `COPY`."""
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)


def insert_instances(model: type[Model], instances: Iterable[Model]) -> None:
    """Insert new instances that have their primary keys already, with `insert`."""
    fields = [field for field in model._meta.concrete_fields if not field.generated]
    values = attrgetter(*(field.attname for field in fields))
    insert(model, [field.name for field in fields], map(values, instances))


def converted(fields: Sequence["Field[Any, Any]"], rows: Iterable[Sequence[Any]]) -> Iterator[list[Any]]:
    """Yield `rows` with each value as the database's driver takes it."""
    special = [
        (index, field)
        for index, field in enumerate(fields)
        if kind_of(field) not in PLAIN_KINDS[connection.vendor]
    ]
    for row in rows:
        values = list(row)
        for index, field in special:
            values[index] = field.get_db_prep_save(values[index], connection)
        yield values


def kind_of(field: "Field[Any, Any]") -> str:
    """Return the internal type of a field; for a foreign key, that of the key that it refers to."""
    return kind_of(field.target_field) if isinstance(field, ForeignKey) else str(field.get_internal_type())


def quoted(name: str) -> str:
    return connection.ops.quote_name(name)


def upsert(queryset: QuerySet[Any], rows: list[Any], *, keep: Collection[str] = ()) -> None:
    """Insert `rows`; where a row with the primary key exists, update it in all fields but those of `keep`."""
    model: type[Model] = queryset.model
    fields = [
        field.name
        for field in model._meta.concrete_fields
        if not (field.primary_key or field.generated or field.name in keep)
    ]
    if rows:
        queryset.bulk_create(rows, update_conflicts=True, unique_fields=["pk"], update_fields=fields)


def refresh_statistics(*models: type[Model]) -> None:
    """Update the statistics that PostgreSQL's planner has of these tables.

    PostgreSQL does so by itself only after a minute or two, and until then plans as if the tables were small:
    a list of 100,000 rows that were just imported would compare every row with every other.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"ANALYZE {', '.join(quoted(model._meta.db_table) for model in models)}")
