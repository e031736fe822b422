"""The records that `GET /api/connections` returns, as an import reads them."""

from typing import Annotated, Any

from django.core.exceptions import ValidationError
from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo

from connections.addresses.parsing import parse_address
from connections.secrets.holder import clean_token, is_placeholder
from core.import_schema import (
    MAX_ID,
    MAX_INTEGER,
    ImportedRecord,
    Moment,
    Name,
    Number,
    Text,
    empty_for_null,
    refuse_unstorable,
)

MAX_INTEGRATIONS = 10_000
MAX_SECRET = 10_000


def refuse_placeholder(text: str) -> str:
    if is_placeholder(text):
        raise ValueError("is a placeholder, not a secret")
    return text


def require_token(text: str) -> str:
    """Refuse what no header can have as its value."""
    try:
        return clean_token(text)
    except ValidationError as error:
        raise ValueError(error.message) from None


def require_safe_address(url: str) -> str:
    """Refuse an address whose user name and password cannot be moved to their own fields."""
    address = parse_address(url)
    if address.fault:
        raise ValueError(address.fault)
    if len(refuse_unstorable(address.username)) > 255:
        raise ValueError("holds a user name of more than 255 characters")
    if len(refuse_unstorable(address.password)) > MAX_SECRET:
        raise ValueError(f"holds a password of more than {MAX_SECRET} characters")
    return url


def zero_for_null(value: Any) -> Any:
    return 0 if value is None else value


def one_or_zero(value: Any) -> int:
    return int(value == 1)


def shift(number: int, info: ValidationInfo) -> int:
    """Add the import's offset, by which the ids of a second ItemPath differ from those of the first."""
    shifted: int = number + (info.context or {}).get("id_offset", 0)
    if shifted > MAX_ID:
        raise ValueError(f"is above {MAX_ID} with the offset, the largest id that is taken")
    return shifted


Optional255 = Annotated[Text, Field(max_length=255), BeforeValidator(empty_for_null)]
Optional100 = Annotated[Text, Field(max_length=100), BeforeValidator(empty_for_null)]
Url = Annotated[
    Text, Field(max_length=2000), AfterValidator(require_safe_address), BeforeValidator(empty_for_null)
]
Secret = Annotated[
    Text, Field(max_length=MAX_SECRET), AfterValidator(refuse_placeholder), BeforeValidator(empty_for_null)
]
Token = Annotated[Secret, AfterValidator(require_token)]
Id = Annotated[int, Field(strict=True, ge=1, le=MAX_ID), AfterValidator(shift)]
AppId = Annotated[int, Field(strict=True, ge=0, le=MAX_ID), AfterValidator(shift)]
Count = Annotated[int, Field(strict=True, ge=0, le=MAX_INTEGRATIONS), BeforeValidator(zero_for_null)]
Flag = Annotated[bool, BeforeValidator(lambda value: False if value is None else value)]
Status = Annotated[int, BeforeValidator(one_or_zero)]


class ImportedLog(ImportedRecord):
    """The latest log entry of a connection, its `latestLog`."""

    id: Id
    creationDate: Moment
    status: Status = 0
    description: Annotated[Text, BeforeValidator(empty_for_null)] = ""
    error: Text | None = None
    appId: (
        Annotated[int, Field(strict=True, ge=-MAX_INTEGER - 1, le=MAX_ID), AfterValidator(shift)] | None
    ) = None
    integrationId: Number | None = None
    workflowId: Number | None = None
    taskId: Number | None = None
    time: Annotated[float, Field(allow_inf_nan=False)] | None = None


class ImportedConnection(ImportedRecord):
    """One connection. ItemPath's own records have no `password` and `token`, but a record may carry them."""

    id: Id
    appId: AppId | None = None
    name: Annotated[Name, Field(max_length=255)]
    url: Url = ""
    passwordExists: Flag = False
    tokenExists: Flag = False
    password: Secret = ""
    token: Token = ""
    authentication: Optional100 = ""
    type: Annotated[Name, Field(max_length=100)]
    username: Optional255 = ""
    status: Status = 0
    latestConnection: Moment | None = None
    creationDate: Moment | None = None
    latestLog: ImportedLog | None = None
    integrationCount: Count = 0
    lastCheck: Moment | None = None
