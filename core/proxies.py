"""The client's address and scheme of a request that comes through proxies.

The proxies of `TRUSTED_PROXIES` tell them in `X-Forwarded-For` and `X-Forwarded-Proto`. Both headers are read
here and then removed, so that no other code can trust what a client wrote into them.
"""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# Addresses that are read from the end of `X-Forwarded-For`. A client may send any number before them.
MAX_HOPS = 20
SCHEMES = ("http", "https")


def trust_proxies(application: "WSGIApplication", networks: list[str]) -> "WSGIApplication":
    """Return `application` behind the proxies of `networks`, given as addresses or networks in CIDR notation.

    The application finds the client's address in `REMOTE_ADDR`, in its shortest form, and the scheme in
    `wsgi.url_scheme`. `REMOTE_ADDR` is empty if the peer has no address, as on a Unix socket. Raises
    `ValueError` for a text that is no network.
    """
    trusted = tuple(map(read_network, networks))

    def behind_proxies(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        peer = read_address(environ.get("REMOTE_ADDR", ""))
        forwarded_for = environ.pop("HTTP_X_FORWARDED_FOR", "")
        forwarded_proto = environ.pop("HTTP_X_FORWARDED_PROTO", "")
        environ["REMOTE_ADDR"] = str(peer or "")
        if peer and is_in_any(peer, trusted):
            environ["REMOTE_ADDR"] = str(find_client(peer, forwarded_for, trusted))
            environ["wsgi.url_scheme"] = find_scheme(forwarded_proto) or environ["wsgi.url_scheme"]
        return application(environ, start_response)

    return behind_proxies


def find_client(peer: Address, forwarded_for: str, trusted: tuple[Network, ...]) -> Address:
    """Return the client's address: the last one of `forwarded_for` that is no trusted proxy's.

    Each proxy appends the address of its peer. So the addresses are read from the end, and those before the
    first untrusted one may be forged. If that one is unreadable, return the trusted one after it; if all are
    trusted, the first.
    """
    client = peer
    for text in reversed(forwarded_for.rsplit(",", MAX_HOPS)):
        if not text.strip():
            continue
        address = read_address(text)
        if address is None:  # `unknown`, or a name that hides the address
            break
        client = address
        if not is_in_any(client, trusted):
            break
    return client


def find_scheme(forwarded_proto: str) -> str:
    """Return the scheme by which the client reached the first proxy; an empty text if the header has none."""
    scheme = forwarded_proto.partition(",")[0].strip().lower()
    return scheme if scheme in SCHEMES else ""


@lru_cache(maxsize=1024)
def read_address(text: str) -> Address | None:
    """Return the address in `text`, which may have a port, brackets, quotes or a zone; `None` without one."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def read_network(text: str) -> Network:
    """Return the network that `text` names, as IPv4 if it is one of IPv4-mapped IPv6 addresses."""
    network = ip_network(text)
    if isinstance(network, IPv6Network) and network.prefixlen >= 96 and network.network_address.ipv4_mapped:
        return IPv4Network((network.network_address.ipv4_mapped, network.prefixlen - 96))
    return network


def is_in_any(address: Address, networks: tuple[Network, ...]) -> bool:
    return any(address in network for network in networks)
