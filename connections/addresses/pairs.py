"""Pairs of keys and values, which lists, descriptors and the parameters of URLs consist of."""

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple
from unicodedata import normalize

from connections.addresses import faults
from connections.addresses.hosts import is_drive, is_host, split_authority, split_prefix, without_share
from connections.addresses.text import decoded, has_at_sign
from connections.connection_keys import HOST_KEYS, KNOWN_KEYS
from connections.secret_names import PASSWORD_KEYS, USER_KEYS, normalized

CLOSING = {"{": "}", '"': '"', "'": "'"}


class Pair(NamedTuple):
    """One `key=value`: as it is written, its normalized key, and its value without quotes.

    A part without an equals sign has an empty key.
    """

    written: str
    key: str
    value: str

    @property
    def is_user(self) -> bool:
        return self.key in USER_KEYS

    @property
    def is_password(self) -> bool:
        return self.key in PASSWORD_KEYS

    @property
    def is_credential(self) -> bool:
        """Whether the pair is taken out of the address, as its value has a field of its own."""
        return self.is_user or self.is_password

    @property
    def is_open_password(self) -> bool:
        """Whether it is a password without quotes and braces, which a separator in it would cut in two."""
        return self.is_password and self.written.partition("=")[2].strip(" ")[:1] not in CLOSING

    @property
    def has_no_key(self) -> bool:
        return bool(self.written.strip()) and not self.key


def read_pairs(text: str) -> Iterator[Pair]:
    """Yield the pairs between semicolons. A value in quotes or braces may contain semicolons."""
    position = 0
    while position < len(text):
        end = end_of_pair(text, position)
        yield read_pair(text[position:end])
        position = end + 1


def end_of_pair(text: str, begin: int) -> int:
    """Return where the pair that begins at `begin` ends: at its semicolon, or the end of `text`."""
    semicolon = text.find(";", begin)
    equals = text.find("=", begin, semicolon if semicolon >= 0 else len(text))
    if equals >= 0 and (close := end_of_quotes(text, equals + 1)):
        semicolon = text.find(";", close)
    return semicolon if semicolon >= 0 else len(text)


def end_of_quotes(text: str, position: int) -> int:
    """Return the end of a value in braces or quotes that begins at `position`; 0 if it is not in any.

    A closing sign that belongs to the value is written twice.
    """
    while position < len(text) and text[position] == " ":
        position += 1
    closing = CLOSING.get(text[position : position + 1])
    position += 1
    while closing and (position := text.find(closing, position)) >= 0:
        if text[position + 1 : position + 2] != closing:
            return position + 1
        position += 2
    return 0


def read_pair(written: str) -> Pair:
    key, equals, value = written.partition("=")
    value = value.strip(" ")
    closing = CLOSING.get(value[:1])
    if closing and len(value) > 1 and value.endswith(closing):
        value = value[1:-1].replace(closing * 2, closing)
    return Pair(written, normalized(key) if equals else "", value)


def value_of(pairs: Iterable[Pair], keys: tuple[str, ...]) -> str:
    """Return the first value of one of `keys`; "" if there is none."""
    return next((pair.value for pair in pairs if pair.key in keys and pair.value), "")


def credentials(pairs: Iterable[Pair]) -> tuple[str, str]:
    """Return the user name and the password of `pairs`; the last one counts, as with ADO.NET."""
    username = password = ""
    for pair in pairs:
        if pair.is_user:
            username = pair.value or username
        elif pair.is_password:
            password = pair.value or password
    return username, password


def find_fault_of_pairs(pairs: list[Pair]) -> str:
    """Refuse pairs of which one may be the rest of a password, and malformed hosts; return "" for all others.

    A password that has a separator in it and no quotes around it is cut in two, and only its beginning is
    taken out.
    """
    if any(pair.has_no_key for pair in pairs) and any(pair.is_credential for pair in pairs):
        return faults.CUT_IN_TWO
    if any(may_continue(pair, following) for pair, following in pairwise(pairs)):
        return faults.UNKNOWN_KEY
    servers = (pair.value for pair in pairs if pair.key in HOST_KEYS)
    return "" if all(map(is_server, servers)) else faults.BAD_HOST


def may_continue(pair: Pair, following: Pair) -> bool:
    """Return whether `following` may be the rest of the password that `pair` begins."""
    return pair.is_open_password and bool(following.key) and following.key not in KNOWN_KEYS


def is_server(text: str) -> bool:
    """Return whether a value of `Server` is a host, a host with a path, a file or a descriptor."""
    if has_at_sign(normalize("NFKC", decoded(text))):
        return False
    if text.startswith("(") and "=" in text:  # a descriptor of Oracle
        return True
    prefix, after = split_prefix(text)
    host, _ = split_authority(after, is_http=False)
    return is_drive(prefix) or is_host(without_share(prefix, host), is_http=False)
