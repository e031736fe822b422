"""The records of `import_workitems`: work items and links as in API answers, users and organizations."""

import re
from datetime import date
from typing import Annotated, Any, Self

from django.core.exceptions import ValidationError
from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from accounts.models import MAX_USERNAME_LENGTH, User
from core.import_schema import (
    MAX_ID,
    ImportedRecord,
    Moment,
    Name,
    Number,
    Text,
    empty_for_null,
    read_moment,
)

# The keys that a client can send as a bearer. The first 8 characters are stored in clear.
KEY = re.compile(r"[!-~]{16,200}")


def read_flag(value: Any) -> bool:
    if value not in (None, 0, 1):  # true and false are 1 and 0
        raise ValueError("must be 0 or 1")
    return bool(value)


def read_date(value: Any) -> Any:
    """Return the day, in UTC, of a moment's text; a day is the midnight that it begins with."""
    return read_moment(value).date() if isinstance(value, str) else value


def require_username(text: str) -> str:
    name = User.normalize_username(text)  # first, as the rules count composed letters
    if len(name) > MAX_USERNAME_LENGTH:
        raise ValueError(f"is longer than {MAX_USERNAME_LENGTH} characters")
    try:
        User.username_validator(name)
    except ValidationError as error:
        raise ValueError("holds characters that a user name cannot have") from error
    return name


def require_key(text: str) -> str:
    if not KEY.fullmatch(text) or text.count(".") == 2:
        raise ValueError("must be 16 to 200 visible ASCII characters, and no token")
    return text


Id = Annotated[int, Field(strict=True, ge=1, lt=MAX_ID)]
Short = Annotated[int, Field(strict=True, ge=-(2**31), lt=2**31)]
Text50 = Annotated[Text, Field(max_length=50)]
Name255 = Annotated[Name, Field(max_length=255)]
Day = Annotated[date, Field(strict=True), BeforeValidator(read_date)]
Flag = Annotated[bool, BeforeValidator(read_flag)]
# A number or the text of one, as which JavaScript's database drivers write decimals.
Amount = Annotated[float, Field(allow_inf_nan=False)]


class ImportedOrganization(ImportedRecord):
    id: Id
    name: Name255


class ImportedUser(ImportedRecord):
    """A user; `apiKey` is what their clients send already."""

    id: Id
    username: Annotated[Name, Field(max_length=150), AfterValidator(require_username)]
    email: Annotated[Text, Field(max_length=254), BeforeValidator(empty_for_null)] = ""
    organizations: list[Id] = []
    apiKey: Annotated[Text, AfterValidator(require_key)] | None = None


class ImportedWorkItem(ImportedRecord):
    id: Id
    organizationId: Id
    title: Name255
    description: Text | None = None
    statusId: Short | None = None
    createdBy: Id | None = None
    archived: Flag = False


class PlannedRecord(ImportedWorkItem):
    assignee: Id | None = None
    points: Amount | None = None
    forecastedRelease: Moment | None = None
    actualRelease: Moment | None = None
    plannedOn: Moment | None = None


class ImportedItem(PlannedRecord):
    ownerId: Number | None = None
    ownerTable: Text50 | None = None
    mailers: Text | None = None
    orderIndex: Short | None = None


class ImportedBacklog(PlannedRecord):
    pass


class ImportedBug(ImportedWorkItem):
    assignee: Id | None = None
    reportedBy: Id | None = None
    severity: Text50 | None = None
    mailers: Text | None = None


class ImportedInitiative(ImportedWorkItem):
    horizon: Day | None = None
    mailers: Text | None = None
    orderIndex: Short | None = None


class ImportedLink(ImportedRecord):
    id: Id
    initiativeId: Id | None = None
    backlogId: Id | None = None
    itemId: Id | None = None
    bugId: Id | None = None

    @model_validator(mode="after")
    def joins_two(self) -> Self:
        if sum(pk is not None for pk in (self.initiativeId, self.backlogId, self.itemId, self.bugId)) != 2:
            raise ValueError("initiativeId, backlogId, itemId and bugId: exactly two must be filled")
        return self
