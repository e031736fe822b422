"""What every import has in common: how its records are read, and how they are refused."""

import codecs
from collections.abc import Iterable
from datetime import datetime
from typing import IO, Annotated, Any

from django.db.models import BigIntegerField
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from core.api.dates import parse_moment

LARGEST = BigIntegerField.MAX_BIGINT
# New records get ids above the largest that came in: after 2^63-1 none would be left. JavaScript reads none beyond this.
LARGEST_ID = 2**53
MAX_FAULTS = 100
# Brackets in a part of a file, 64 kB; the texts of records may have some that are never closed.
MAX_OPEN = 2_000


def refuse_unstorable(text: str) -> str:
    if "\0" in text:
        raise ValueError("holds a NUL character")
    if not text.isascii() and text != text.encode("utf-8", "replace").decode():
        raise ValueError("holds half a surrogate pair, which is no character")
    return text


def refuse_blank(text: str) -> str:
    """Refuse a text that shows nothing: blanks, and characters without a shape such as the zero-width space."""
    if not any(character.isprintable() and not character.isspace() for character in text):
        raise ValueError("is blank")
    return text


def empty_for_null(value: Any) -> Any:
    return "" if value is None else value


def read_moment(value: Any) -> Any:
    return parse_moment(value) if isinstance(value, str) else value


Text = Annotated[str, Field(strict=True), AfterValidator(refuse_unstorable)]
Name = Annotated[Text, AfterValidator(refuse_blank)]
Number = Annotated[int, Field(strict=True, ge=-LARGEST - 1, le=LARGEST)]
Moment = Annotated[datetime, Field(strict=True), BeforeValidator(read_moment)]


class ImportedRecord(BaseModel):
    """Keys that are not declared are ignored; a fault never shows the value, which may be a secret."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)


class ImportRefused(Exception):
    """The file was not imported; `faults` says why, a sentence each, and nothing was changed."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


class ImportRun:
    """An import under way: the faults that it found so far, a sentence each."""

    def __init__(self) -> None:
        self.faults: list[str] = []

    def note(self, faults: Iterable[str]) -> None:
        """Add to the reasons for a refusal; with `MAX_FAULTS` of them, refuse."""
        self.faults += faults
        if len(self.faults) >= MAX_FAULTS:
            raise ImportRefused([*self.faults[:MAX_FAULTS], "… and perhaps more."])

    def refuse_faults(self) -> None:
        """Raise `ImportRefused` if there are any."""
        if self.faults:
            raise ImportRefused(self.faults)


class ShallowFile:
    """A file of JSON that is refused where it is nested too deep: the reader's time grows with the square of that."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file

    def read(self, size: int = -1) -> bytes:
        """Return the next part. Raises `ImportRefused` if it opens many brackets more than it closes."""
        part = self.file.read(size)
        if sum(map(part.count, (b"[", b"{"))) - sum(map(part.count, (b"]", b"}"))) > MAX_OPEN:
            raise ImportRefused(["The file is nested too deep."])
        return part


def refuse_utf16(start: bytes) -> None:
    """Raise `ImportRefused` for a file that begins as PowerShell's redirections do."""
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise ImportRefused(["The file is UTF-16, as PowerShell writes it; save it as UTF-8."])
