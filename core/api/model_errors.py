"""What models and databases refuse, as errors of the API."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from django.apps import apps
from django.core.exceptions import NON_FIELD_ERRORS
from django.core.exceptions import ValidationError as ModelValidationError
from django.db import DataError, IntegrityError
from django.db.models import BaseConstraint, ProtectedError, RestrictedError
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.serializers import as_serializer_error
from rest_framework.settings import api_settings

from core.api.errors import Conflict, Unprocessable
from core.db.outages import sqlstate

# Records that a message names.
MAX_USERS_SHOWN = 20
# Of PostgreSQL (SQLSTATE) and of SQLite: what each calls the kinds of constraints.
POSTGRESQL_KINDS = {"23505": "unique", "23514": "check", "23503": "foreign key", "23502": "not null"}
SQLITE_KINDS = {
    "SQLITE_CONSTRAINT_UNIQUE": "unique",
    "SQLITE_CONSTRAINT_PRIMARYKEY": "unique",
    "SQLITE_CONSTRAINT_CHECK": "check",
    "SQLITE_CONSTRAINT_FOREIGNKEY": "foreign key",
    "SQLITE_CONSTRAINT_NOTNULL": "not null",
}
# PostgreSQL's detail of a taken value: `Key (app_id, name)=(2, WMS) already exists.`
TAKEN_KEY = re.compile(r"Key \((.+?)\)=\(")


class Violation(NamedTuple):
    """A constraint that a write violates: its kind, its name or "", and the columns that are known."""

    kind: str
    constraint: str
    columns: tuple[str, ...]


def api_error_of(exc: Exception, names: Mapping[str, str]) -> APIException | None:
    """Return the API's error for what a model or the database refused; `None` for any other error.

    `names` gives the API's names of fields by the model's.
    """
    if isinstance(exc, ModelValidationError):
        errors = by_api_names(as_serializer_error(exc), names)
        return Conflict(sentence_of(errors)) if is_taken(exc) else ValidationError(errors)
    if isinstance(exc, ProtectedError):
        return Conflict(describe_users(exc.protected_objects))
    if isinstance(exc, RestrictedError):
        return Conflict(describe_users(exc.restricted_objects))
    if isinstance(exc, DataError | OverflowError | UnicodeEncodeError):
        return Unprocessable([], "A number or a text is too large, or has a character that cannot be stored.")
    return error_of_violation(violation_of(exc), names) if isinstance(exc, IntegrityError) else None


def is_taken(exc: ModelValidationError) -> bool:
    """Return whether a model refused nothing but values that another record has."""
    faults = exc.error_dict.values() if hasattr(exc, "error_dict") else [exc.error_list]
    return all(error.code in ("unique", "unique_together") for errors in faults for error in errors)


def sentence_of(errors: Mapping[str, Any]) -> str:
    return " ".join(str(text) for texts in errors.values() for text in texts)


def by_api_names(errors: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Return `errors` by the API's names. Models and DRF name differently what belongs to no field."""
    names = {**names, NON_FIELD_ERRORS: api_settings.NON_FIELD_ERRORS_KEY}
    return {names.get(name, name): texts for name, texts in errors.items()}


def describe_users(users: Iterable[Any]) -> str:
    """Name the records that refer to one that cannot be deleted."""
    found = sorted(f"{each._meta.verbose_name} {each}" for each in users)
    shown = ", ".join(found[:MAX_USERS_SHOWN])
    more = len(found) - MAX_USERS_SHOWN
    return f"Still in use by: {shown}" + (f", and {more} more." if more > 0 else ".")


def violation_of(exc: IntegrityError) -> Violation:
    """Return what an error of the database's driver says of the constraint."""
    if code := sqlstate(exc):
        return violation_on_postgresql(code, getattr(exc.__cause__, "diag", None))
    kind = SQLITE_KINDS.get(str(getattr(exc.__cause__, "sqlite_errorname", "")), "")
    _, _, subject = str(exc).partition("constraint failed: ")
    if kind == "check":
        return Violation(kind, subject, ())
    return Violation(kind, "", tuple(name.rpartition(".")[2] for name in subject.split(", ") if name))


def violation_on_postgresql(code: str, diag: Any) -> Violation:
    detail = TAKEN_KEY.search(getattr(diag, "message_detail", None) or "")
    columns = detail[1].split(", ") if detail else filter(None, [getattr(diag, "column_name", None)])
    name = getattr(diag, "constraint_name", None) or ""
    return Violation(POSTGRESQL_KINDS.get(code, ""), name, tuple(columns))


def error_of_violation(violation: Violation, names: Mapping[str, str]) -> APIException | None:
    fields = [names.get(column, column) for column in violation.columns]
    match violation.kind:
        case "unique":
            return Conflict(f"Another record has the same {', '.join(fields) or 'values'}.")
        case "foreign key":
            return Conflict("This record refers to one that does not exist, or others still refer to it.")
        case "check":
            return Unprocessable([], sentence_of_constraint(violation.constraint))
        case "not null":
            return Unprocessable([{field: {"message": "May not be null."}} for field in fields])
    return None


def sentence_of_constraint(name: str) -> str:
    """Return what the model that declares a constraint says of its violation."""
    found = next((each for each in declared_constraints() if each.name == name), None)
    return str(found.get_violation_error_message()) if found else f"The values violate the constraint {name}."


def declared_constraints() -> Iterator[BaseConstraint]:
    for model in apps.get_models():
        yield from model._meta.constraints


def api_names(serializer_class: Any) -> dict[str, str]:
    """Return the API's names of fields by the names and the columns that the model has for them."""
    names: dict[str, str] = {}
    for name, field in serializer_class().fields.items():
        source = str(field.source)
        names |= {source: name, source.removesuffix("_id"): name}
    return names
