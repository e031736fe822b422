"""The network addresses of clients, as limits know them."""

from ipaddress import IPv6Address, ip_network

from core.proxies import read_address


def client_network(text: str) -> str:
    """Return the network of one client: its IPv4 address, or the 64 bits of IPv6 that one household is given.

    An empty text for what is no address.
    """
    address = read_address(text)
    if isinstance(address, IPv6Address):
        return str(ip_network((address, 64), strict=False))
    return str(address or "")
