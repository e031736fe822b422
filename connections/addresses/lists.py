"""Connection strings: lists of keys and values, as in ODBC, ADO.NET and libpq."""

import re

from connections.addresses import faults
from connections.addresses.address import Address
from connections.addresses.pairs import Pair, credentials, find_fault_of_pairs, read_pairs, value_of
from connections.connection_keys import DATABASE_KEYS, HOST_KEYS, PORT_KEYS
from connections.secret_names import normalized

LIST = re.compile(r"[A-Za-z][A-Za-z0-9_ .\-]*=")
LIBPQ = re.compile(r"(?:\w+ *= *(?:'(?:[^'\\]|\\.)*'|[^\s';]*)(?: +|$))+")
LIBPQ_PAIR = re.compile(r"(\w+) *= *('(?:[^'\\]|\\.)*'|[^\s';]*) *")


def parse_list(text: str) -> Address | None:
    """Read a text that consists of keys and values alone; return `None` for any other."""
    if not LIST.match(text):
        return None
    if LIBPQ.fullmatch(text) and " " in text:
        return address_of_list(read_libpq(text), " ")
    return address_of_list(list(read_pairs(text)), ";")


def read_libpq(text: str) -> list[Pair]:
    """Return the pairs between blanks. A value in single quotes may contain blanks."""
    return [
        Pair(match[0].strip(), normalized(match[1]), unescaped(match[2]))
        for match in LIBPQ_PAIR.finditer(text)
    ]


def unescaped(value: str) -> str:
    """Return a value of libpq without its single quotes and without the backslashes in them."""
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith("'") else value


def address_of_list(pairs: list[Pair], separator: str) -> Address:
    """Return the address that `pairs` describe, whose text is the pairs that are no credentials."""
    public = [pair for pair in pairs if not pair.is_credential]
    username, password = credentials(pairs)
    text = separator.join(pair.written for pair in public)
    return Address(
        text,
        rest=text,
        host=":".join(filter(None, (value_of(public, HOST_KEYS), value_of(public, PORT_KEYS)))),
        database=value_of(public, DATABASE_KEYS),
        username=username,
        password=password,
        fault=find_fault_of_list(pairs),
    )


def find_fault_of_list(pairs: list[Pair]) -> str:
    if fault := find_fault_of_pairs(pairs):
        return fault
    return faults.PART_WITHOUT_KEY if any(pair.has_no_key for pair in pairs) else ""
