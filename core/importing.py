"""What every import has in common: its plan, its refusal, and what is checked before a file is parsed.

An import reads its records, plans what to do with them, and writes the plan. Reading and planning are pure:
they query nothing and write nothing, so that a test needs no database and a plan can be shown instead of
carried out.
"""

import codecs
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import IO, Generic, Literal, TypeVar

MAX_FAULTS = 100
# Opening brackets that one read of a file (64 kB) may have more than closing ones. Brackets inside texts
# count too.
MAX_OPEN = 2_000

OnExisting = Literal["fail", "skip", "overwrite"]
Action = Literal["create", "change", "leave", "refuse"]
ACTIONS_ON_EXISTING: dict[OnExisting, Action] = {"fail": "refuse", "skip": "leave", "overwrite": "change"}

T = TypeVar("T")


def action_for(*, exists: bool, on_existing: OnExisting) -> Action:
    """Return what to do with a record, by whether its id is stored already."""
    return ACTIONS_ON_EXISTING[on_existing] if exists else "create"


@dataclass
class Plan(Generic[T]):
    """What to do with a batch of records, decided before anything is written.

    `create` and `change` hold what is written, `leave` the primary keys of stored rows that stay as they are.
    `refuse` says why records are refused, a sentence each; a plan that refuses anything must not be written.
    `notes` are sentences for whoever started the import.
    """

    create: list[T] = field(default_factory=list)
    change: list[T] = field(default_factory=list)
    leave: list[int] = field(default_factory=list)
    refuse: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class ImportRefused(Exception):
    """Nothing was imported and nothing was changed. `faults` says why, a sentence each."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


class ImportRun:
    """An import under way. It collects the faults of all records, so that one refusal names them together."""

    def __init__(self) -> None:
        self.faults: list[str] = []

    def add_faults(self, faults: Iterable[str]) -> None:
        """Add sentences that say why records are refused. Raises `ImportRefused` at `MAX_FAULTS` of them."""
        self.faults += faults
        if len(self.faults) >= MAX_FAULTS:
            raise ImportRefused([*self.faults[:MAX_FAULTS], "… and perhaps more."])

    def raise_faults(self) -> None:
        """Raise `ImportRefused` if there are any faults."""
        if self.faults:
            raise ImportRefused(self.faults)


class ShallowFile:
    """A file of JSON that is refused if it is nested too deep.

    The parser's time grows with the square of the depth.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file

    def read(self, size: int = -1) -> bytes:
        """Return the next part. Raises `ImportRefused` if far more brackets open in it than close."""
        part = self.file.read(size)
        if sum(map(part.count, (b"[", b"{"))) - sum(map(part.count, (b"]", b"}"))) > MAX_OPEN:
            raise ImportRefused(["The file is nested too deep."])
        return part


def refuse_utf16(start: bytes) -> None:
    """Raise `ImportRefused` if a file begins with the byte order mark that PowerShell writes."""
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise ImportRefused(["The file is UTF-16, as PowerShell writes it; save it as UTF-8."])
