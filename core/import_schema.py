"""The parts that all imports share: the types of their fields, and how a faulty file is refused."""

import codecs
from collections.abc import Iterable
from datetime import datetime
from typing import IO, Annotated, Any

from django.db.models import BigIntegerField
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from core.api.dates import parse_moment

MAX_INTEGER = BigIntegerField.MAX_BIGINT
# JavaScript represents integers exactly only up to this one. Also, new records get ids above the largest
# imported one: after an id of 2^63 - 1, none would be left.
MAX_ID = 2**53
MAX_FAULTS = 100
# Brackets that one part of a file, of 64 kB, may leave open. Some may stand in texts and never be closed.
MAX_OPEN_BRACKETS = 2_000


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


class ImportRefused(Exception):
    """The file was refused and nothing was changed; `faults` has a sentence for each reason."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


class ImportRun:
    """A running import, with the faults found so far, a sentence each."""

    def __init__(self) -> None:
        self.faults: list[str] = []

    def note(self, faults: Iterable[str]) -> None:
        """Add faults. Raises `ImportRefused` once there are `MAX_FAULTS`."""
        self.faults += faults
        if len(self.faults) >= MAX_FAULTS:
            raise ImportRefused([*self.faults[:MAX_FAULTS], "… and perhaps more."])

    def refuse_faults(self) -> None:
        """Raise `ImportRefused` if there are any faults."""
        if self.faults:
            raise ImportRefused(self.faults)


class ShallowFile:
    """A JSON file that refuses deep nesting, because the parser's time grows with the square of the depth."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes. Raises `ImportRefused` if they leave more than `MAX_OPEN_BRACKETS` open."""
        part = self.file.read(size)
        opened, closed = part.count(b"[") + part.count(b"{"), part.count(b"]") + part.count(b"}")
        if opened - closed > MAX_OPEN_BRACKETS:
            raise ImportRefused(["The file is nested too deep."])
        return part


def refuse_utf16(start: bytes) -> None:
    """Raise `ImportRefused` for a file that starts with a byte order mark of UTF-16, as PowerShell's do."""
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise ImportRefused(["The file is UTF-16, as PowerShell writes it; save it as UTF-8."])
