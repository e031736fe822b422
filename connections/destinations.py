"""Where the secrets of a connection go: computed here alone, for the guard and for whoever calls the other system."""

from collections.abc import Collection
from typing import NamedTuple, Protocol, Self

from connections.addresses import PATH, parse_address, parse_endpoint, tidy
from connections.choices import HTTP
from connections.headers import Header, routes_of

# What decides on the destinations.
DESTINATION_FIELDS = frozenset(
    {"type", "url", "database_name", "token_url", "test_endpoint", "headers", "verify_certificate"}
)


class HasDestinations(Protocol):
    """The fields of a connection that decide where its secrets go."""

    type: str
    url: str
    database_name: str
    token_url: str
    test_endpoint: str
    headers: list[Header]
    verify_certificate: bool


class Destination(NamedTuple):
    """One place that secrets go to, and how.

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
        """Return the same place, reached without a look at its certificate."""
        return self._replace(verified=False)


def destinations_of(connection: HasDestinations) -> set[Destination]:
    """Return everything that the secrets of `connection` are entrusted to."""
    protocol = "HTTP" if connection.type in HTTP else connection.type
    at_address = Destination(
        "address",
        protocol,
        parse_address(connection.url).target,
        connection.database_name,
        routes_of(connection.headers),
        connection.verify_certificate,
    )
    found = {at_address}
    if not leads_to_path(connection.test_endpoint):
        found.add(at_address._replace(target=parse_endpoint(connection.test_endpoint).target))
    if connection.token_url:
        target = parse_address(connection.token_url).target
        found.add(Destination("token URL", "HTTP", target, "", (), connection.verify_certificate))
    return found


def leads_to_path(endpoint: str) -> bool:
    """Whether a test endpoint is a path or query at the connection's own address."""
    endpoint = tidy(endpoint)
    return not endpoint or PATH.match(endpoint) is not None


def leads_elsewhere(before: Collection[Destination], after: Collection[Destination]) -> bool:
    """Whether `after` has a place that `before` has not; to look at a certificate from now on is none."""
    return any(place not in before and place.unverified() not in before for place in after)
