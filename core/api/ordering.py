"""ItemPath's `orderby`: `field`, `field:asc`, `field:desc` or `-field`, several split by commas."""

from functools import cache
from typing import Any

from django.db.models import F, QuerySet
from django.db.models.expressions import OrderBy
from rest_framework.filters import BaseFilterBackend
from rest_framework.request import Request

from core.api.arguments import Arguments
from core.api.rows import Column

MAX_FIELDS = 10
DIRECTIONS = {"asc": False, "desc": True}


class OrderingBackend(BaseFilterBackend):
    """Sorts by the sortable fields of the view's serializer, nulls last, ties broken by id."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: Any) -> QuerySet[Any]:
        columns = sortable_columns(view)
        terms = self.terms(view.arguments, columns)
        last_descends = next(reversed(terms.values()), view.newest_first)
        terms.setdefault(id_column(view), last_descends)
        return queryset.order_by(*(order(column, descends) for column, descends in terms.items()))

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        names = ", ".join(f"`{column.name}`" for column in sortable_columns(view).values())
        text = (
            "`field`, `field:asc`, `field:desc` or `-field`, several split by commas, such as `-id`; "
            f"nulls come last. Fields: {names}."
        )
        return [query_parameter("orderby", text, {"type": "string"})]

    def terms(self, arguments: Arguments, columns: dict[str, Column]) -> dict[Column, bool]:
        """Return the columns to sort by, and whether each descends. The first mention of a column counts."""
        terms: dict[Column, bool] = {}
        for pair in arguments.take_control("orderby"):
            try:
                for term in pair.text.split(","):
                    terms.setdefault(*read(term, columns))
            except KeyError:
                names = ", ".join(column.name for column in columns.values())
                arguments.refuse(
                    pair, f"Takes {names}, each with :asc, :desc or a - before it, split by commas."
                )
            if len(terms) > MAX_FIELDS:
                arguments.refuse(pair, f"Takes at most {MAX_FIELDS} fields.")
        return terms


def query_parameter(name: str, text: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Return an optional argument of a list as OpenAPI describes it."""
    return {"name": name, "in": "query", "required": False, "description": text, "schema": schema}


def sortable_columns(view: Any) -> dict[str, Column]:
    """Return the columns that clients may sort by, by their names in lower case."""
    return {column.name.lower(): column for column in view.serializer_class.scalars() if column.is_sortable}


def id_column(view: Any) -> Column:
    """Return the column that breaks ties: the id, which every row serializer has first."""
    column: Column = view.serializer_class.layout().columns[0]
    return column


def read(term: str, columns: dict[str, Column]) -> tuple[Column, bool]:
    """Return the column and direction that `term` names. Raises `KeyError` if it names none."""
    name, colon, direction = term.strip().lower().partition(":")
    if colon:
        return columns[name], DIRECTIONS[direction]
    return columns[name.removeprefix("-")], name.startswith("-")


@cache
def order(column: Column, descends: bool) -> OrderBy:
    # NULLS LAST only where there can be nulls: PostgreSQL uses no ordinary index for DESC NULLS LAST.
    return OrderBy(F(column.path), descending=descends, nulls_last=column.field.allow_null or None)
