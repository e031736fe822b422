"""The extra headers that a connection adds to calls: public ones, which are shown, and private ones."""

import re
from collections.abc import Iterable
from typing import TypeGuard, cast

from django.core.exceptions import ValidationError

from connections.choices import Authentication
from connections.secret_names import kind_of_secret, normalized

Header = dict[str, str]

NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # a token of RFC 9110, 5.6.2
LINE_END = re.compile(r"\r\n|\r|\n")
# All control characters except the tab. Some clients end a header at such a character and send the text after
# it as another header, which nobody entered.
CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")
BLANKS = " \t"

# Headers that the client of a call writes itself: host, length, and those for the next hop alone.
OF_THE_CALL = frozenset(
    (
        "host",
        "content-length",
        "transfer-encoding",
        "connection",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "upgrade",
        "expect",
    )
)
# Headers by which a proxy chooses the system that a call goes to.
ROUTING = frozenset(
    (
        "forwarded",
        *("x-forwarded-host", "x-forwarded-server", "x-forwarded-port", "x-forwarded-uri"),
        *("x-host", "x-host-override", "x-http-host-override"),
        *(
            "x-original-host",
            "x-original-forwarded-host",
            "x-original-url",
            "x-original-uri",
            "x-rewrite-url",
        ),
    )
)
# Names that only look like those of secrets. SAP's clients send `X-CSRF-Token: Fetch` to get such a token.
NO_SECRETS = frozenset(("xcsrftoken",))

MALFORMED = "is not of the form Name: value"
MISNAMED = "The name of a header has letters, digits and hyphens, and neither blanks nor a colon."
CONTROLLED = "has a control character"


def parse_headers(text: str) -> list[Header]:
    """Read `Name: value` lines; empty lines are left out.

    Raises `ValidationError` with the number of a malformed line. It does not quote the line, which may have a
    secret in it.
    """
    headers = []
    for number, line in enumerate(LINE_END.split(text), start=1):
        if not line.strip():
            continue
        name, colon, value = line.strip(BLANKS).partition(":")
        header = {"name": name.rstrip(BLANKS), "value": value.strip(BLANKS)}
        if fault := MALFORMED if not colon else fault_of(header):
            raise ValidationError(f"Line {number} {fault}.")
        headers.append(header)
    return headers


def fault_of(header: Header) -> str:
    """Return why no client can send a header, as the end of a sentence; "" if one can."""
    if not NAME.fullmatch(header["name"]):
        return MALFORMED
    return CONTROLLED if CONTROL.search(header["value"]) else ""


def write_headers(headers: Iterable[Header]) -> str:
    """Return `Name: value` lines, which `parse_headers` reads as the same headers."""
    return "\n".join(f"{header['name']}: {header['value']}" for header in headers)


def check_shape(headers: object) -> None:
    """Raise `ValidationError` unless this is a list of `{"name": …, "value": …}` that a client can send."""
    listed = headers if isinstance(headers, list) else [None]
    for number, header in enumerate(listed, start=1):
        if not is_header(header):
            raise ValidationError('Takes a list of {"name": "…", "value": "…"}.')
        if fault := fault_of(header):
            raise ValidationError(f"Header {number} {fault}.")


def is_header(value: object) -> TypeGuard[Header]:
    """Return whether a value of JSON has the two texts of a header, and nothing else."""
    return (
        isinstance(value, dict)
        and value.keys() == {"name", "value"}
        and all(isinstance(text, str) for text in value.values())
    )


def header_of(authentication: str, api_key_header: str) -> str:
    """Return the name of the header that an authentication writes, in lower case; "" if it writes none."""
    if authentication == Authentication.API_KEY:
        return api_key_header.lower()
    return "" if authentication in ("", Authentication.NONE, Authentication.PRIVATE_KEY) else "authorization"


def refuse_headers(field: str, headers: object, *, own: str) -> None:
    """Refuse extra headers that a client cannot send, or that the call or the authentication writes.

    `own` is the header that the authentication writes, in lower case. Raises `ValidationError` with the name
    of the field.
    """
    try:
        check_shape(headers)
        for header in cast(list[Header], headers):
            refuse_name(header["name"], own=own, private=field == "private_headers")
    except ValidationError as error:
        raise ValidationError({field: error}) from error


def refuse_name(name: str, *, own: str, private: bool) -> None:
    """Raise `ValidationError` for a header that the call or the authentication writes.

    A public header whose name is that of a secret is refused as well. So is a private header that decides
    where a call goes, because nobody could see that it was changed.
    """
    lower = name.lower()
    if lower in OF_THE_CALL:
        raise ValidationError(f"{name} is written by the call itself.")
    if lower == own:
        raise ValidationError(f"{name} is written by the authentication.")
    if private and lower in ROUTING:
        raise ValidationError(
            f"{name} decides where a call goes, so it belongs to the extra headers, which are shown."
        )
    if not private and holds_secret(name):
        raise ValidationError(f"{name} holds a secret, so it belongs to the private headers.")


def refuse_api_key_header(name: str) -> None:
    """Refuse the name of a header that cannot carry an API key; `Authorization` can.

    Raises `ValidationError` with the name of the field.
    """
    if fault := fault_of_api_key_header(name):
        raise ValidationError({"api_key_header": fault})


def fault_of_api_key_header(name: str) -> str:
    """Return why a header of this name cannot carry an API key; "" if it can."""
    lower = name.lower()
    if not NAME.fullmatch(name):
        return MISNAMED
    if lower in OF_THE_CALL:
        return f"{name} is written by the call itself."
    if lower in ROUTING:
        return f"{name} decides where a call goes, so it holds no API key."
    return f"{name} is read by a proxy, not by the other system." if lower == "proxy-authorization" else ""


def holds_secret(name: str) -> bool:
    """Return whether the value of a header of this name is a secret."""
    return normalized(name) not in NO_SECRETS and bool(kind_of_secret(name))


def routes_of(headers: Iterable[Header]) -> tuple[tuple[str, str], ...]:
    """Return the names and values of the headers that decide where a call goes, or that may decide it."""
    pairs = ((header.get("name", "").lower(), header.get("value", "")) for header in headers)
    return tuple(pair for pair in pairs if decides(*pair))


def decides(name: str, value: str) -> bool:
    """Return whether a header decides where a call goes, or is malformed.

    A client may read a malformed one, such as `host ` or one with a line end, as a header that decides.
    """
    is_malformed = not NAME.fullmatch(name) or CONTROL.search(value)
    return name in ROUTING or name == "host" or bool(is_malformed)


# The name of a header, at the beginning of a line that may be malformed.
START = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]*")


def secret_values(text: str) -> list[str]:
    """Return what follows the names of secrets in `Name: value` lines."""
    lines = [(START.match(line.strip()), line.strip()) for line in LINE_END.split(text)]
    return [line[name.end() :].lstrip(": \t") for name, line in lines if name and holds_secret(name[0])]


def without_secrets(text: str) -> str:
    """Return `Name: value` lines; of headers with the name of a secret, the name alone."""
    shown = []
    for line in LINE_END.split(text):
        name = START.match(line.strip())
        shown.append(f"{name[0]}:" if name and holds_secret(name[0]) else line)
    return "\n".join(shown)
