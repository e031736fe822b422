"""Oracle's own addresses: a login in front of an @, and descriptors in parentheses."""

import re

from connections.addresses import faults
from connections.addresses.address import Address
from connections.addresses.hosts import is_host
from connections.addresses.pairs import Pair, credentials, value_of
from connections.addresses.text import unquoted
from connections.addresses.urls import parse_url
from connections.connection_keys import DATABASE_KEYS, HOST_KEYS, PORT_KEYS
from connections.secret_names import normalized

JDBC = re.compile(r"(?:jdbc:oracle:\w+:)", re.IGNORECASE)
# `user/password`, with or without quotes around each.
LOGIN = re.compile(r'(?:"[^"]*"|[^"@:/\s]+)/(?:"[^"]*"|[^"]*)')
# A login whose password is in quotes, and the @ after it.
QUOTED_LOGIN = re.compile(r'((?:"[^"]*"|[^"@:/\s]+)/"[^"]*")@')
IN_QUOTES = re.compile(r'"[^"]*"')
# One innermost `(KEY=value)` of a descriptor.
LEAF = re.compile(r'\(\s*([A-Za-z][A-Za-z0-9_ .]*?)\s*=\s*("[^"]*"|[^()"]*)\)')
# Text that follows a closing parenthesis.
AFTER_PARENTHESIS = re.compile(r"\)\s*[^\s()]")


def parse_oracle(text: str) -> Address | None:
    """Read `user/password@server`, alone or after `jdbc:oracle:thin:`, and descriptors in parentheses.

    Returns `None` for any other text.
    """
    prefix = found[0] if (found := JDBC.match(text)) else ""
    login, at, server = split_login(text[len(prefix) :])
    if not (prefix or text.startswith("(") or (at and LOGIN.fullmatch(login))):
        return None
    username, password = partition_login(login)
    address = parse_descriptor(server) if server.startswith("(") else parse_url(server)
    return address._replace(
        text=f"{prefix}{at if prefix else ''}{address.text}",
        scheme=prefix.rstrip(":") or address.scheme,
        username=username or address.username,
        password=password or address.password,
        fault=address.fault or find_fault_of_login(prefix, login, username),
    )


def split_login(text: str) -> tuple[str, str, str]:
    """Return the login, the @ after it, and the server; login and @ are empty if there is no login.

    The @ is the one after a password in quotes, or the one before a descriptor, or the last one.
    """
    if text.startswith("("):
        return "", "", text
    if quoted := QUOTED_LOGIN.match(text):
        return quoted[1], "@", text[quoted.end() :]
    login, at, descriptor = text.partition("@(")
    if at:
        return login, "@", f"({descriptor}"
    return text.rpartition("@")


def partition_login(login: str) -> tuple[str, str]:
    """Return the user name and the password of `user/password`, both without quotes."""
    quoted = IN_QUOTES.match(login)
    slash = login.find("/", quoted.end() if quoted else 0)
    if slash < 0:
        return login.strip('"'), ""
    return login[:slash].strip('"'), unquoted(login[slash + 1 :])


def find_fault_of_login(prefix: str, login: str, username: str) -> str:
    """Refuse a login that may be a command, or a host with a path.

    `erp.example.com/users/me@other.example` may be such a host.
    """
    if login.startswith('"'):
        return ""
    may_be_host = not prefix and "." in username
    return faults.UNCLEAR_AT_SIGN if may_be_host or len(username.split()) > 1 else ""


def parse_descriptor(written: str) -> Address:
    pairs = read_leaves(written)
    text = written
    for pair in pairs:
        if pair.is_credential:
            text = text.replace(pair.written, "")
    return Address(
        text,
        host=",".join(pair.value for pair in pairs if pair.key in (*HOST_KEYS, *PORT_KEYS)),
        rest=text,
        database=value_of(pairs, DATABASE_KEYS),
        username=credentials(pairs)[0],
        password=credentials(pairs)[1],
        fault=faults.UNCLEAR_AT_SIGN if "@" in text else find_fault_of_descriptor(written, pairs),
    )


def read_leaves(text: str) -> list[Pair]:
    """Return the innermost pairs of a descriptor, such as `(HOST=ora)`."""
    return [Pair(match[0], normalized(match[1]), unquoted(match[2].strip())) for match in LEAF.finditer(text)]


def find_fault_of_descriptor(text: str, pairs: list[Pair]) -> str:
    """Refuse a descriptor with what may be the rest of a password, or with a malformed host.

    A password that has a parenthesis in it and no quotes around it is cut in two.
    """
    plain = IN_QUOTES.sub("", text)
    is_cut = AFTER_PARENTHESIS.search(plain) or plain.count("(") != plain.count(")")
    if is_cut and any(pair.is_credential for pair in pairs):
        return faults.CUT_IN_TWO
    hosts = (pair.value for pair in pairs if pair.key in HOST_KEYS)
    return "" if all(is_host(host, is_http=False) for host in hosts) else faults.BAD_HOST
