"""Queries that are compiled once: Django takes longer to write a page's SQL than PostgreSQL to run it."""

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import Model, QuerySet

Row = tuple[Any, ...]
Select = Callable[[QuerySet[Any]], QuerySet[Any, Row]]

# Rows that Python holds at once. A page of 20,000 rows then takes little more memory than its JSON.
BATCH = 1000

JOIN = {"postgresql": "string_agg", "sqlite": "group_concat"}


class Statement(NamedTuple):
    """The SQL of a queryset of rows. Any thread may run it, with other parameters if needed."""

    sql: str
    params: Sequence[Any]
    # For each column whose type the database lacks, as SQLite lacks booleans: its index in the row, its
    # expression, and Django's converters.
    converters: tuple[tuple[int, Any, list[Callable[..., Any]]], ...]

    @classmethod
    def of(cls, queryset: QuerySet[Any, Row]) -> "Statement":
        compiler = queryset.query.get_compiler(queryset.db)
        try:
            sql, params = compiler.as_sql()
        except EmptyResultSet:  # no row can meet a condition, such as `[or]` without values
            return cls("", (), ())
        converters = compiler.get_converters([column for column, *_ in compiler.select])
        return cls(
            sql,
            params,
            tuple((index, expression, calls) for index, (calls, expression) in converters.items()),
        )

    def batches(self) -> Iterator[list[Row]]:
        """Run the statement and yield its rows, up to `BATCH` at a time."""
        if not self.sql:
            return
        with connection.cursor() as cursor:
            cursor.execute(self.sql, self.params)
            rows = cursor.fetchmany(BATCH)
            while rows:
                yield [self.convert(row) for row in rows] if self.converters else rows
                rows = cursor.fetchmany(BATCH) if len(rows) == BATCH else []

    def joined(self) -> "Statement":
        """Return a statement for one row: `row_id` and `row_version` of all rows, each joined by commas."""
        join = JOIN[connection.vendor]
        columns = f"{join}(CAST(row_id AS text), ','), {join}(CAST(row_version AS text), ',')"
        sql = f"SELECT {columns} FROM ({self.sql}) AS page"  # noqa: S608  # Django compiled it
        return self._replace(sql=self.sql and sql)

    def convert(self, row: Row) -> Row:
        values = list(row)
        for index, expression, calls in self.converters:
            for call in calls:
                values[index] = call(values[index], expression, connection)
        return tuple(values)


def row_statement(select: Select, queryset: QuerySet[Any], pk: int) -> Statement:
    """Return the statement for the row with a primary key. Without conditions it is compiled only once."""
    if not has_all_rows(queryset):
        return Statement.of(select(queryset.filter(pk=pk)))
    # A class can be hashed, whatever its type hint says.
    return row_of_all(select, queryset.model)._replace(params=(pk,))  # type: ignore[arg-type]


def has_all_rows(queryset: QuerySet[Any]) -> bool:
    """Return whether `queryset` is nothing but the rows of its model's table, sorted or not."""
    query = queryset.query
    return not (query.where or query.annotations or query.extra or query.combinator or query.distinct)


@cache
def row_of_all(select: Select, model: type[Model]) -> Statement:
    return Statement.of(select(model._default_manager.filter(pk=0)))
