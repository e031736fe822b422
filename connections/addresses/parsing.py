"""Reads addresses, test endpoints and token URLs."""

import re
from collections.abc import Callable

from connections.addresses import faults
from connections.addresses.address import Address
from connections.addresses.hosts import split_prefix
from connections.addresses.leftovers import find_fault
from connections.addresses.lists import parse_list
from connections.addresses.oracle import parse_oracle
from connections.addresses.text import has_control_character, tidy
from connections.addresses.urls import parse_url
from connections.characters import trim

# The first grammar that reads a text counts. `parse_url` reads every text.
GRAMMARS: tuple[Callable[[str], Address | None], ...] = (parse_list, parse_oracle, parse_url)
# A test endpoint that is a path or a query. A client reads two slashes, of either kind, as the beginning of a
# host.
PATH = re.compile(r"\?|/(?![/\\])")


def parse_address(text: str) -> Address:
    """Split `text` into its parts. Every text has parts, at the least a host.

    An address from which something was taken out is read again. It is refused if it then has other parts.
    """
    address = split(text)
    if address.fault or address.text == text:
        return address
    again = split(address.text)
    is_same = again == address._replace(username="", password="")
    return address if is_same else address._replace(fault=faults.AMBIGUOUS)


def split(written: str) -> Address:
    text = tidy(written)
    address = next(found for grammar in GRAMMARS if (found := grammar(text)))
    if has_control_character(written):
        return address._replace(fault=faults.CONTROL_CHARACTER)
    return address._replace(fault=address.fault or find_fault(address))


def parse_endpoint(text: str) -> Address:
    """Read the test endpoint of an HTTP address: a path and query at that address, or another URL.

    Anything else has a fault. `@evil.example` and `.evil.example`, for example, would change the host of the
    address that they are appended to.
    """
    path = tidy(text)
    if not path or PATH.match(path):
        at_host = split(f"http://host{trim(text)}")
        return Address(at_host.text.removeprefix("http://host"), rest=at_host.rest, fault=at_host.fault)
    address = parse_address(text)
    if is_absolute(address, path) or address.fault:
        return address
    return address._replace(
        fault=faults.NOT_AN_ENDPOINT, text=address.text if address.has_user_info else path
    )


def parse_token_url(text: str) -> Address:
    """Read a token URL, which begins with `http://` or `https://` and a host; anything else has a fault."""
    address = parse_address(text)
    if not address.text or address.fault or is_absolute(address, tidy(text)):
        return address
    return address._replace(fault=faults.NOT_AN_HTTP_URL)


def is_absolute(address: Address, text: str) -> bool:
    """Return whether `address`, which was read from `text`, is an absolute URL of HTTP."""
    prefix, _ = split_prefix(text)
    return address.is_http and bool(address.host) and prefix.endswith("://")
