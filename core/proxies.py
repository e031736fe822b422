"""Who a request comes from, where proxies stand between.

A proxy of `TRUSTED_PROXIES` says so in `X-Forwarded-For` and `X-Forwarded-Proto`. What it says is read here, once, and
both headers go: nothing behind can take a claim of anyone else for it.
"""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# Addresses of `X-Forwarded-For` that are looked at, from the end; a client may send any number before them.
MAX_HOPS = 20
SCHEMES = ("http", "https")


def trust_proxies(application: "WSGIApplication", networks: list[str]) -> "WSGIApplication":
    """Return `application` behind the proxies of `networks`.

    It finds in `REMOTE_ADDR` the client's address, in its shortest form, and nothing where the peer has none, as on a
    Unix socket; in `wsgi.url_scheme` how the client came. Raises `ValueError` for what is no network.
    """
    trusted = tuple(map(read_network, networks))

    def behind_proxies(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        peer = read_address(environ.get("REMOTE_ADDR", ""))
        forwarded_for = environ.pop("HTTP_X_FORWARDED_FOR", "")
        forwarded_proto = environ.pop("HTTP_X_FORWARDED_PROTO", "")
        environ["REMOTE_ADDR"] = str(peer or "")
        if peer and is_among(peer, trusted):
            environ["REMOTE_ADDR"] = str(find_client(peer, forwarded_for, trusted))
            environ["wsgi.url_scheme"] = find_scheme(forwarded_proto) or environ["wsgi.url_scheme"]
        return application(environ, start_response)

    return behind_proxies


def find_client(peer: Address, forwarded_for: str, trusted: tuple[Network, ...]) -> Address:
    """Return the last address that is no trusted proxy's; the trusted one after it, if it has none.

    Each proxy adds whom it saw to the end: what comes before the first stranger may be made up.
    """
    client = peer
    for text in reversed(forwarded_for.rsplit(",", MAX_HOPS)):
        if not text.strip():
            continue
        address = read_address(text)
        if address is None:  # `unknown`, or a name that hides the address
            break
        client = address
        if not is_among(client, trusted):
            break
    return client


def find_scheme(forwarded_proto: str) -> str:
    """Return how the client came to the first of the proxies; an empty text if that is not said."""
    scheme = forwarded_proto.partition(",")[0].strip().lower()
    return scheme if scheme in SCHEMES else ""


@lru_cache(maxsize=1024)
def read_address(text: str) -> Address | None:
    """Return the address in a text, which may have a port, brackets, quotes or a zone; `None` if it is no address."""
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
    """Return the network that `text` names; IPv4's own where it is written as IPv6."""
    network = ip_network(text)
    if isinstance(network, IPv6Network) and network.prefixlen >= 96 and network.network_address.ipv4_mapped:
        return IPv4Network((network.network_address.ipv4_mapped, network.prefixlen - 96))
    return network


def is_among(address: Address, networks: tuple[Network, ...]) -> bool:
    return any(address in network for network in networks)
