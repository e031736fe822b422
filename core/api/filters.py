"""ItemPath's filters: an operator before the value, and one kind of filter for each kind of field."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, ClassVar

import django_filters
from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.utils.datastructures import MultiValueDict
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework import serializers
from rest_framework.request import Request

from core.api.arguments import Argument, Arguments
from core.api.dates import ACCEPTED, parse_moment
from core.api.rows import Column, MomentField, RowSerializer

OPERATOR = re.compile(r"\[([^\]]*)\](.*)", re.DOTALL)
# SQLite parses expressions that are at most 1,000 levels deep. A condition takes up to three levels.
MAX_CONDITIONS = 250
# Values in one list. Both databases take more than this in one statement.
MAX_MEMBERS = 10_000

EQUALITY = ("eq", "not", "or", "nor")
COMPARISON = ("gt", "lt", "gte", "lte")
SEARCH = ("like", "notlike")


class Repeated(forms.Widget):
    """Gives a form field every argument of its name, not only the last."""

    def value_from_datadict(
        self, data: Mapping[str, Any], files: MultiValueDict[str, Any], name: str
    ) -> list[Argument]:
        assert isinstance(data, Arguments)
        return data.take(name)


class ConditionsField(forms.Field):
    """Turns the arguments of one name into conditions. An error says what the filter would accept."""

    widget = Repeated

    def __init__(self, *, condition: Callable[[str], Q], **kwargs: Any) -> None:
        self.condition = condition
        super().__init__(required=False)

    def clean(self, value: list[Argument]) -> list[Q]:
        return [self.read(pair) for pair in value]

    def read(self, pair: Argument) -> Q:
        try:
            return self.condition(pair.value)
        except ValueError as error:
            raise ValidationError(str(error), params={"pair": pair}) from error


class OperatorFilter(django_filters.Filter):
    """A filter on one field. Each subclass says which operators it takes, and how it reads a value."""

    field_class = ConditionsField
    operators: ClassVar[tuple[str, ...]] = EQUALITY
    accepted: ClassVar[str]
    example: ClassVar[str]

    def __init__(self, field_name: str) -> None:
        super().__init__(field_name=field_name)
        self.extra["condition"] = self.condition

    def parse(self, text: str) -> Any:
        """Return the value that `text` means. Raises `ValueError` for any other text."""
        raise NotImplementedError

    def filter(self, qs: QuerySet[Any], value: list[Q]) -> QuerySet[Any]:
        return qs.filter(*value) if value else qs

    def condition(self, value: str) -> Q:
        """Return the condition for the value of an argument. Raises `ValueError` with a sentence."""
        operator, operand = self.split(value)
        if operator in ("", "not") and operand.lower() == "null":
            return self.lookup("isnull", operator == "")
        if operator in ("or", "nor"):
            return self.any_of(operand.split(";"), negate=operator == "nor")
        positive = self.lookup(*self.comparison(operator, operand))
        return self.present(~positive) if operator.startswith("not") else positive

    def split(self, value: str) -> tuple[str, str]:
        match = OPERATOR.fullmatch(value)
        operator, operand = (match[1].lower(), match[2]) if match else ("", value)
        if match and operator not in self.operators:
            listed = ", ".join(f"[{name}]" for name in self.operators)
            raise ValueError(
                f"Takes the operators {listed}; put [eq] before a value that begins with a bracket."
            )
        return operator, operand

    def comparison(self, operator: str, operand: str) -> tuple[str, Any]:
        if operator in SEARCH:
            return "folded_contains", self.read(operand)
        return operator if operator in COMPARISON else "exact", self.read(operand)

    def any_of(self, members: list[str], *, negate: bool) -> Q:
        if len(members) > MAX_MEMBERS:
            raise ValueError(f"Takes at most {MAX_MEMBERS} values in one list.")
        values = {self.read(member) for member in members if member.lower() != "null"}
        found = self.lookup("in", values)
        if negate:
            return self.present(~found)
        with_null = any(member.lower() == "null" for member in members)
        return found | self.lookup("isnull", True) if with_null else found

    def read(self, text: str) -> Any:
        if "\0" in text:
            raise ValueError("Takes no NUL character.")
        try:
            return self.parse(text)
        except ValueError as error:
            raise ValueError(f"{self.accepted}.") from error

    def lookup(self, expression: str, value: Any) -> Q:
        return Q((f"{self.field_name}__{expression}", value))

    def present(self, condition: Q) -> Q:
        """Leave nulls out, as SQL does for every comparison. Django's `~Q` alone would select them."""
        return condition & self.lookup("isnull", False)


class TextFilter(OperatorFilter):
    operators = EQUALITY + COMPARISON + SEARCH
    accepted = "Takes text"
    example = "[like]power"

    def parse(self, text: str) -> str:
        return text


class IntegerFilter(OperatorFilter):
    operators = EQUALITY + COMPARISON
    accepted = "Takes an integer of at most 64 bits"
    example = "[or]1;2;7"

    def parse(self, text: str) -> int:
        if not re.fullmatch(r"\s*[+-]?[0-9]{1,40}\s*", text) or not -(2**63) <= int(text) < 2**63:
            raise ValueError(text)
        return int(text)


class NumberFilter(OperatorFilter):
    operators = EQUALITY + COMPARISON
    accepted = "Takes a number"
    example = "[gt]0.5"

    def parse(self, text: str) -> float:
        if not re.fullmatch(r"\s*[+-]?[0-9]{1,40}(\.[0-9]{1,40})?\s*", text):
            raise ValueError(text)
        return float(text)


class MomentFilter(OperatorFilter):
    operators = EQUALITY + COMPARISON
    accepted = ACCEPTED
    example = "[gte]2026-05-01"

    def parse(self, text: str) -> datetime:
        return parse_moment(text)


class BooleanFilter(OperatorFilter):
    words: ClassVar = {
        "true": True,
        "1": True,
        "yes": True,
        "on": True,
        "false": False,
        "0": False,
        "no": False,
        "off": False,
    }
    accepted = f"Takes one of {', '.join(words)}"
    example = "true"

    def parse(self, text: str) -> bool:
        try:
            return self.words[text.strip().lower()]
        except KeyError as error:
            raise ValueError(text) from error


KINDS: tuple[tuple[type, type[OperatorFilter]], ...] = (
    (MomentField, MomentFilter),
    (serializers.BooleanField, BooleanFilter),
    (serializers.IntegerField, IntegerFilter),
    (serializers.FloatField, NumberFilter),
    (serializers.CharField, TextFilter),
    (serializers.ChoiceField, TextFilter),
)


def filter_for(column: Column, serializer_class: type[RowSerializer]) -> OperatorFilter:
    """Return the filter for the kind of a column's field. Raises `TypeError` if there is none."""
    for field_class, filter_class in KINDS:
        if isinstance(column.field, field_class):
            return filter_class(column.path)
    raise TypeError(
        f"{serializer_class.__name__}.{column.name}: no filter reads a {type(column.field).__name__}. "
        "Add one to core.api.filters.KINDS, or set filterable = False on the class of the field."
    )


class OperatorFilterSet(django_filters.FilterSet):
    """A FilterSet with a filter for every field of `serializer_class` that is filterable and not nested."""

    serializer_class: ClassVar[type[RowSerializer] | None] = None

    @classmethod
    def get_filters(cls) -> dict[str, django_filters.Filter]:
        return cls.derived_filters() | dict(cls.declared_filters)

    @classmethod
    def derived_filters(cls) -> dict[str, django_filters.Filter]:
        """Return the filters that follow from the serializer's fields, unless the class declares its own."""
        serializer_class = cls.serializer_class
        if serializer_class is None:
            return {}
        columns = [each for each in serializer_class.scalars() if each.is_filterable]
        missing = [each for each in columns if each.name not in cls.declared_filters]
        return {column.name: filter_for(column, serializer_class) for column in missing}


class OperatorFilterBackend(DjangoFilterBackend):
    """Filters by the view's `filterset_class`; what cannot be used is refused on the view's arguments."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: Any) -> QuerySet[Any]:
        filterset_class = self.get_filterset_class(view, queryset)
        if filterset_class is None:
            return queryset
        arguments: Arguments = view.arguments
        asked = [name for name in filterset_class.base_filters if arguments.take(name)]
        # A FilterSet copies its filters and builds a form: not for a call that filters nothing.
        if not asked:
            return queryset
        return self.narrow(filterset_class(arguments, queryset, request=request), arguments)

    def narrow(self, filterset: django_filters.FilterSet, arguments: Arguments) -> QuerySet[Any]:
        for name, errors in filterset.form.errors.as_data().items():
            pair = (errors[0].params or {}).get("pair") or arguments.take(name)[-1]
            arguments.refuse(pair, " ".join(errors[0].messages))
        conditions = [pair for name in filterset.filters for pair in arguments.take(name)]
        for pair in conditions[MAX_CONDITIONS:]:
            arguments.refuse(pair, f"Is one condition too many: a call takes at most {MAX_CONDITIONS}.")
        narrowed: QuerySet[Any] = filterset.queryset if arguments.faults else filterset.qs
        return narrowed
