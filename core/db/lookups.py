"""Database expressions that mean the same on SQLite and PostgreSQL."""

import json
from collections.abc import Collection
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import CharField, Field, Func, IntegerField, TextField
from django.db.models.expressions import RawSQL
from django.db.models.lookups import IContains, In
from django.db.models.sql.compiler import SQLCompiler


def fold(text: str | None) -> str | None:
    """Return `text` in upper case, one character for each, as PostgreSQL's `upper()` does it.

    With `str.upper` alone, which turns "ß" into "SS", a filter would find other rows on SQLite than on
    PostgreSQL.
    """
    if text is None or text.isascii():
        return text and text.upper()
    return "".join(map(fold_character, text))


def fold_character(character: str) -> str:
    """Return `character` in upper case if that is one character, else in title case (ᾳ), else unchanged."""
    forms = (character.upper(), character.title(), character)
    return next(form for form in forms if len(form) == 1)


def add_sqlite_functions(connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
    """Add the function `FOLD` to a new SQLite connection. SQLite's own `LIKE` and `UPPER` fold ASCII only."""
    if connection.vendor == "sqlite":
        connection.connection.create_function("FOLD", 1, fold, deterministic=True)


@CharField.register_lookup
@TextField.register_lookup
class FoldedContains(IContains):
    """Contains, ignoring case beyond ASCII too. `%` and `_` are ordinary characters."""

    lookup_name = "folded_contains"

    def as_postgresql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, Any]:
        return IContains(self.lhs, self.rhs).as_sql(compiler, connection)

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, list[Any]]:
        # INSTR, because LIKE refuses patterns of over 50,000 bytes.
        column, params = self.process_lhs(compiler, connection)
        return f"INSTR(FOLD({column}), %s) > 0", [*params, fold(str(self.rhs))]


@IntegerField.register_lookup
class BoundedIn(In):
    """In a list of integers, without those outside of the column's range.

    Django removes such values for `exact`, but not for `in`: there, PostgreSQL's driver compares with their
    lowest 16 or 32 bits.
    """

    def process_rhs(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> Any:
        if self.rhs_is_direct_value():
            minimum, maximum = connection.ops.integer_field_range(self.lhs.output_field.get_internal_type())
            self.rhs = [value for value in self.rhs if minimum <= value <= maximum]
        return super().process_rhs(compiler, connection)


@Field.register_lookup
class InArraySubquery(In):
    """In a subquery with few rows, which PostgreSQL runs first, to look the values up by index.

    For a plain `IN` with a subquery, PostgreSQL often reads the whole outer table.
    """

    lookup_name = "in_array"

    def get_rhs_op(self, connection: BaseDatabaseWrapper, rhs: str) -> str:
        if connection.vendor == "postgresql":
            return f"= ANY(ARRAY{rhs})"
        return super().get_rhs_op(connection, rhs)


def id_list(ids: Collection[int], using: str) -> RawSQL:
    """Return any number of ids as a subquery for `pk__in`, in one parameter: drivers bound their number."""
    if connections[using].vendor == "postgresql":
        return RawSQL("SELECT unnest(%s::bigint[])", [list(ids)])
    return RawSQL("SELECT value FROM json_each(%s)", [json.dumps(list(ids))])  # a constant


class IsoText(Func):
    """A datetime column as text `YYYY-MM-DDTHH:MM:SS.ffffff` in UTC, formatted by the database.

    This is quicker than a datetime, which the driver first builds and Python then formats.
    """

    arity = 1
    output_field = TextField()

    def as_postgresql(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **context: Any
    ) -> tuple[str, Any]:
        template = """to_char(%(expressions)s AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US')"""
        return super().as_sql(compiler, connection, template=template, **context)

    def as_sqlite(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **context: Any
    ) -> tuple[str, Any]:
        # Django stores `YYYY-MM-DD HH:MM:SS`, with six decimals unless they are zero.
        template = "REPLACE(SUBSTR(%(expressions)s || '.000000', 1, 26), ' ', 'T')"
        return super().as_sql(compiler, connection, template=template, **context)
