"""What the records of every import have in common: how they are read, and how they are refused."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from itempath.api.dates import parse_moment

LARGEST = 2**63 - 1


def refuse_unstorable(text: str) -> str:
    if "\0" in text:
        raise ValueError("holds a NUL character")
    if not text.isascii() and text != text.encode("utf-8", "replace").decode():
        raise ValueError("holds half a surrogate pair, which is no character")
    return text


def empty_for_null(value: Any) -> Any:
    return "" if value is None else value


def read_moment(value: Any) -> Any:
    return parse_moment(value) if isinstance(value, str) else value


Text = Annotated[str, Field(strict=True), AfterValidator(refuse_unstorable)]
Number = Annotated[int, Field(strict=True, ge=-LARGEST - 1, le=LARGEST)]
Moment = Annotated[datetime, Field(strict=True), BeforeValidator(read_moment)]


class Record(BaseModel):
    """Keys that are not declared are ignored; a fault never shows the value, which may be a secret."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)


class ImportRefused(Exception):
    """The file was not imported; `faults` says why, a sentence each, and nothing was changed."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults
