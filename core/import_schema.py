"""The field types of imported records: what is accepted, and how it is converted."""

from datetime import datetime
from typing import Annotated, Any

from django.db.models import BigIntegerField
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from core.api.dates import parse_moment

MAX_INTEGER = BigIntegerField.MAX_BIGINT
# JavaScript represents integers exactly only up to this one. Also, new records get ids above the largest
# imported one: after an id of 2^63 - 1, none would be left.
MAX_ID = 2**53


def refuse_unstorable(text: str) -> str:
    if "\0" in text:
        raise ValueError("holds a NUL character")
    if not text.isascii() and text != text.encode("utf-8", "replace").decode():
        raise ValueError("holds half a surrogate pair, which is no character")
    return text


def refuse_blank(text: str) -> str:
    """Refuse a text without a visible character, such as one of blanks or zero-width spaces."""
    if not any(character.isprintable() and not character.isspace() for character in text):
        raise ValueError("is blank")
    return text


def empty_for_null(value: Any) -> Any:
    return "" if value is None else value


def read_moment(value: Any) -> Any:
    return parse_moment(value) if isinstance(value, str) else value


Text = Annotated[str, Field(strict=True), AfterValidator(refuse_unstorable)]
Name = Annotated[Text, AfterValidator(refuse_blank)]
Number = Annotated[int, Field(strict=True, ge=-MAX_INTEGER - 1, le=MAX_INTEGER)]
Moment = Annotated[datetime, Field(strict=True), BeforeValidator(read_moment)]


class ImportedRecord(BaseModel):
    """An imported record. Undeclared keys are ignored. Faults never show a value, which may be a secret."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)
