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

    `str.upper` alone would turn "ß" into "SS", and a filter would find other rows than on PostgreSQL.
    """
    if text is None or text.isascii():
        return text and text.upper()
    return "".join(map(capital, text))


def capital(character: str) -> str:
    """Return the one-letter capital; where Unicode has only a title case (as of ᾳ), that."""
    forms = (character.upper(), character.title(), character)
    return next(form for form in forms if len(form) == 1)


def add_sqlite_functions(connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
    """Teach a new SQLite connection `FOLD`; its own `LIKE` and `UPPER` fold ASCII only."""
    if connection.vendor == "sqlite":
        connection.connection.create_function("FOLD", 1, fold, deterministic=True)


@CharField.register_lookup
@TextField.register_lookup
class FoldedContains(IContains):
    """Contains, in any letter case, beyond ASCII; `%` and `_` are ordinary characters."""

    lookup_name = "folded_contains"

    def as_postgresql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, Any]:
        return IContains(self.lhs, self.rhs).as_sql(compiler, connection)

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, list[Any]]:
        # INSTR, as LIKE refuses patterns of over 50,000 bytes.
        column, params = self.process_lhs(compiler, connection)
        return f"INSTR(FOLD({column}), %s) > 0", [*params, fold(str(self.rhs))]


@IntegerField.register_lookup
class BoundedIn(In):
    """In a list of integers, of which those beyond the column's range are left out.

    Django leaves them in, other than with `exact`, and PostgreSQL's driver then compares with their lowest 16 or 32 bits.
    """

    def process_rhs(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> Any:
        if self.rhs_is_direct_value():
            least, most = connection.ops.integer_field_range(self.lhs.output_field.get_internal_type())
            self.rhs = [value for value in self.rhs if least <= value <= most]
        return super().process_rhs(compiler, connection)


@Field.register_lookup
class InArraySubquery(In):
    """In a subquery that PostgreSQL runs first, to look its few values up by index.

    For a plain IN of a subquery it often reads the outer table from end to end.
    """

    lookup_name = "in_array"

    def get_rhs_op(self, connection: BaseDatabaseWrapper, rhs: str) -> str:
        return (
            f"= ANY(ARRAY{rhs})" if connection.vendor == "postgresql" else super().get_rhs_op(connection, rhs)
        )


def id_list(ids: Collection[int], using: str) -> RawSQL:
    """Return any number of ids as a subquery for `pk__in`, in one parameter: drivers bound their number."""
    if connections[using].vendor == "postgresql":
        return RawSQL("SELECT unnest(%s::bigint[])", [list(ids)])
    return RawSQL("SELECT value FROM json_each(%s)", [json.dumps(list(ids))])  # no part is a text of others


class IsoText(Func):
    """A datetime column as `YYYY-MM-DDTHH:MM:SS.ffffff` in UTC, written by the database.

    Text comes out of both drivers at once, where a datetime is first built and then formatted in Python.
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
