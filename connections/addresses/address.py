"""What the parsers return: the parts of an address."""

from typing import NamedTuple

from connections.addresses import faults

HTTP_SCHEMES = ("http", "https")


class Address(NamedTuple):
    """The parts of an address.

    `text` is the address without user name and password. `host` includes the port or the SQL Server instance,
    as they are written. `rest` is what follows the host, such as path and parameters; of a list of keys and
    values it is the whole list. `fault` says why the address cannot be stored. It is empty for an address
    that can, and it never quotes the address.
    """

    text: str
    scheme: str = ""
    host: str = ""
    rest: str = ""
    database: str = ""
    username: str = ""
    password: str = ""
    fault: str = ""

    @property
    def is_http(self) -> bool:
        return self.scheme.lower() in HTTP_SCHEMES

    @property
    def has_user_info(self) -> bool:
        return bool(self.username or self.password)

    @property
    def may_hold_a_secret(self) -> bool:
        """Whether `text` is not safe to show."""
        return self.fault not in ("", faults.NOT_AN_ENDPOINT, faults.NOT_AN_HTTP_URL)

    @property
    def refusal(self) -> str:
        """A sentence on why the address cannot be stored as it was entered; empty for one that can."""
        if self.has_user_info:
            return "User name and password have fields of their own; an address is shown to everyone."
        return f"This address {self.fault}." if self.fault else ""

    @property
    def target(self) -> tuple[str, str, str]:
        """Where a client of HTTP sends a secret: scheme and host.

        If the scheme is another one, everything after the host counts as well.
        """
        scheme, host, rest = self.whole_target
        return scheme, host, "" if scheme in HTTP_SCHEMES and not self.fault else rest

    @property
    def whole_target(self) -> tuple[str, str, str]:
        """Where any other driver sends a secret: it reads every part, whatever the scheme is.

        Nobody knows where an address with a fault leads. Its target is its own text, so that it equals no
        other address.
        """
        scheme = self.scheme.lower()
        return (scheme, "", self.text) if self.fault else (scheme, self.host.lower(), self.rest)
