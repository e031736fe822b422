"""The network addresses of clients, as limits and log lines know them."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network


def parse_ip(text: str) -> IPv4Address | IPv6Address | None:
    """Return the address that `text` names, an IPv4 address in IPv6 form as IPv4; `None` for what names none."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def client_network(text: str) -> str:
    """Return the network of one client: its IPv4 address, or the 64 bits of IPv6 that one household is given.

    An empty text for what is no address.
    """
    address = parse_ip(text)
    if isinstance(address, IPv6Address):
        return str(ip_network((address, 64), strict=False))
    return str(address or "")
