"""Addresses as warehouses write them: URLs, `host:port/database`, `HOST\\INSTANCE`."""

import re
from typing import NamedTuple
from urllib.parse import unquote

# A lead is `scheme://`, two schemes as in `jdbc:postgresql://`, or slashes alone. Clients take one slash or five, and
# backslashes, for two; the parts must be theirs, or a secret goes where nobody saw it go.
FORM = re.compile(r"(?P<lead>(?:[A-Za-z][A-Za-z0-9+._\-]*:)+[/\\]+|[/\\]{2,})?(?P<authority>[^/?#]*)(?P<rest>.*)", re.DOTALL)
# Oracle's own: `user/password@host`, alone or behind `jdbc:oracle:thin:`.
ORACLE = re.compile(
    r"(?:(?P<lead>jdbc:oracle:\w+:)(?P<user_info>[^@]*)|(?P<alone>[^@:/\s]+/[^@]*))@(?P<place>.+)", re.DOTALL | re.IGNORECASE
)
HOST_AND_PORT = re.compile(r"[^:]*|(?:.*\]|[^:]*)(?::\d*)?", re.DOTALL)
HTTP = ("http", "https")
# Clients drop these before they read an address.
DROPPED = re.compile(r"[\x00-\x1f\x7f]")
# What leads a client to another host: `https://host`, `https:host`, `//host`.
ELSEWHERE = re.compile(r"(?:[A-Za-z][A-Za-z0-9+._\-]*:|[/\\]{2})")


class Address(NamedTuple):
    """The parts of an address. `host` holds the port or SQL Server instance too, as it is written; `lead` is all before it."""

    scheme: str
    username: str
    password: str
    host: str
    rest: str
    lead: str

    @property
    def has_user_info(self) -> bool:
        return bool(self.username or self.password)

    @property
    def text(self) -> str:
        """The address without its user-info."""
        return f"{self.lead}{self.host}{self.rest}"

    @property
    def target(self) -> tuple[str, str, str]:
        """What a secret is entrusted to: scheme, host with port, and, but for HTTP, the database in the path."""
        scheme = self.scheme.lower()
        return scheme, self.host.lower(), "" if scheme in HTTP else self.rest


def parse_address(text: str) -> Address:
    """Split `text`; every text has parts, if only a host."""
    text = DROPPED.sub("", text).strip()
    lead, authority, rest = split(text)
    if not lead and (oracle := ORACLE.fullmatch(text)):
        username, _, password = (oracle["user_info"] or oracle["alone"] or "").partition("/")
        return Address("", unquote(username), unquote(password), oracle["place"], "", f"{oracle['lead']}@" if oracle["lead"] else "")
    user_info, _, host = authority.rpartition("@")
    if not user_info and "@" in rest and not HOST_AND_PORT.fullmatch(authority):
        # A password with a / ? or # that was not escaped: what looked like host and port was its beginning.
        user_info, _, after = (authority + rest).partition("@")
        _, host, rest = split(after)
    username, _, password = user_info.partition(":")
    return Address(lead.rstrip("/\\").removesuffix(":"), unquote(username), unquote(password), host, rest, lead)


def split(text: str) -> tuple[str, str, str]:
    match = FORM.fullmatch(text)
    assert match is not None  # each part may be empty
    return match["lead"] or "", match["authority"], match["rest"]


def names_a_host(text: str) -> bool:
    """Say whether `text` leads away from the host that it is used at; `/health` and `health?full=1` do not."""
    return ELSEWHERE.match(DROPPED.sub("", text).strip()) is not None
