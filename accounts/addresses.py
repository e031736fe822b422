"""Clients' network addresses, as the limits distinguish them."""

from ipaddress import IPv6Address, ip_network

from core.proxies import read_address


def client_network(text: str) -> str:
    """Return the network of the client at the address `text`; an empty text if it is no address.

    It is the IPv4 address itself, or the first 64 bits of an IPv6 address, which one household or site
    shares.
    """
    address = read_address(text)
    if isinstance(address, IPv6Address):
        return str(ip_network((address, 64), strict=False))
    return str(address or "")
