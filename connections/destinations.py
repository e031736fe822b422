"""Where the secrets of a connection are sent.

Both the check that refuses redirected secrets and the code that calls the other system use these functions,
so that they always agree.
"""

from collections.abc import Collection
from typing import NamedTuple, Protocol, Self

from connections.addresses.address import Address
from connections.addresses.parsing import PATH, parse_address, parse_endpoint
from connections.addresses.text import tidy
from connections.choices import HTTP
from connections.headers import Header, routes_of

# The fields that decide where secrets are sent.
DESTINATION_FIELDS = frozenset(
    {"type", "url", "database_name", "token_url", "test_endpoint", "headers", "verify_certificate"}
)


class HasDestinations(Protocol):
    """The fields of a connection that decide where its secrets are sent."""

    type: str
    url: str
    database_name: str
    token_url: str
    test_endpoint: str
    headers: list[Header]
    verify_certificate: bool


class Destination(NamedTuple):
    """One system that secrets are sent to, and how.

    `protocol` is what the type speaks: `HTTP`, or the type itself. `target` is the address's, with its
    scheme. `route` are the headers by which a proxy chooses among the systems behind it.
    """

    purpose: str
    protocol: str
    target: tuple[str, str, str]
    database: str
    route: tuple[tuple[str, str], ...]
    verified: bool

    def unverified(self) -> Self:
        """Return the same destination, reached without verifying its certificate."""
        return self._replace(verified=False)


def destinations_of(connection: HasDestinations) -> set[Destination]:
    """Return all destinations that the secrets of `connection` are sent to."""
    is_http = connection.type in HTTP
    protocol = "HTTP" if is_http else connection.type
    at_address = Destination(
        "address",
        protocol,
        target_of(parse_address(connection.url), is_http=is_http),
        connection.database_name,
        routes_of(connection.headers),
        connection.verify_certificate,
    )
    found = {at_address}
    if not is_path(connection.test_endpoint, is_http=is_http):
        endpoint = parse_endpoint(connection.test_endpoint)
        found.add(at_address._replace(target=target_of(endpoint, is_http=is_http)))
    if connection.token_url:
        target = parse_address(connection.token_url).target
        found.add(Destination("token URL", "HTTP", target, "", (), connection.verify_certificate))
    return found


def target_of(address: Address, *, is_http: bool) -> tuple[str, str, str]:
    """Return what the driver of a type connects to: for HTTP scheme and host, for all others every part."""
    return address.target if is_http else address.whole_target


def is_path(endpoint: str, *, is_http: bool) -> bool:
    """Return whether a test endpoint is a path or query at the connection's own address.

    Only for HTTP does a query leave the host alone: `?host=other` names another one to a database's driver.
    """
    endpoint = tidy(endpoint)
    return not endpoint or (is_http and PATH.match(endpoint) is not None)


def is_redirected(before: Collection[Destination], after: Collection[Destination]) -> bool:
    """Return whether `after` has a destination that `before` does not have.

    A destination whose certificate is verified from now on is not a new one.
    """
    return any(each not in before and each.unverified() not in before for each in after)
