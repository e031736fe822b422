"""Hosts, and the schemes and slashes in front of them.

Clients and drivers must find the same host as this module. Otherwise a secret could be sent to a host that
nobody saw in the address.
"""

import re
from unicodedata import normalize

# `scheme://`, several schemes as in `jdbc:postgresql://`, or slashes alone. Clients accept one slash or five,
# and backslashes, in place of two.
PREFIX = re.compile(r"(?:[A-Za-z][A-Za-z0-9+._\-]*:)+[/\\]+|[/\\]{2,}")
# `C:\\`, which no host follows.
DRIVE = re.compile(r"[A-Za-z]:[/\\]+")
IPV6 = r"\[[0-9A-Fa-f:.]+(?:%[\w.\-]+)?\]"
# The host of an HTTP URL. Its port may be empty (RFC 3986, 3.2.3).
HTTP_HOST = re.compile(rf"(?:{IPV6}|[\w.\-]*)(?::[0-9]*)?")
# One host of any other address. SQL Server writes protocols in front and instances behind it, Oracle writes
# `host:port:sid`.
HOST = re.compile(
    rf"(?:tcp:|np:|lpc:|admin:)?(?:{IPV6}|[\w.\-]*)(?:\\[\w$#\-]+)?(?::[0-9]+:[\w$#.\-]+|:[0-9]*)?",
    re.IGNORECASE,
)
# An IPv6 address without brackets, with or without a zone.
BARE_IPV6 = re.compile(r"(?=[0-9A-Fa-f.]*:[0-9A-Fa-f.]*:)[0-9A-Fa-f:.]+(?:%\w+)?")
# SQL Server's `(local)`, MySQL's hosts in parentheses, and JDBC URLs without a host, such as
# `jdbc:h2:mem:test`.
OTHER_HOST = re.compile(
    r"\(local(?:db)?\)(?:\\[\w.\-]+)?|(?:address=)?(?:\([\w.\-=,]*\))+|jdbc:(?:[A-Za-z0-9_\-]+:)*[\w.~\-]*",
    re.IGNORECASE,
)

# The schemes that a user name and a password may follow. With any other scheme, as in `me://x@host`, `me` may
# be a user whose password begins with two slashes.
SCHEMES = frozenset(
    (
        *("http", "https", "ws", "wss", "dav", "davs", "git", "svn", "elasticsearch"),
        *("ftp", "ftps", "ftpes", "sftp", "scp", "ssh", "smb", "nfs"),
        *("mqtt", "mqtts", "amqp", "amqps", "stomp", "kafka", "nats", "redis", "rediss"),
        *("tcp", "tls", "ssl", "udp", "opc.tcp", "modbus", "s7"),
        *("smtp", "smtps", "imap", "imaps", "pop3", "pop3s", "ldap", "ldaps"),
        *("mongodb", "mongodb+srv", "postgresql", "postgres", "mysql", "mariadb", "mssql", "sqlserver"),
        *("oracle", "db2", "ibmi", "as400", "sybase", "h2", "informix", "informix-sqli", "hive2"),
        *("sap", "snowflake", "clickhouse", "cassandra", "odbc", "jdbc"),
    )
)


def split_prefix(text: str) -> tuple[str, str]:
    """Return the schemes and slashes at the beginning of `text`, and what follows them."""
    found = PREFIX.match(text)
    prefix = found[0] if found else ""
    return prefix, text[len(prefix) :]


def scheme_of(prefix: str) -> str:
    """Return the scheme of a prefix, such as `https` or `jdbc:postgresql`."""
    return prefix.rstrip("/\\").removesuffix(":")


def has_known_scheme(prefix: str) -> bool:
    """Return whether one of the schemes of `prefix` is in `SCHEMES`."""
    return any(scheme.partition("+")[0] in SCHEMES for scheme in prefix.rstrip("/\\").lower().split(":"))


def is_drive(prefix: str) -> bool:
    return DRIVE.fullmatch(prefix) is not None


def split_authority(text: str, *, is_http: bool) -> tuple[str, str]:
    """Split `text` at the end of its host: at a slash, a question mark or a hash.

    Except for HTTP, a semicolon ends a host as well.
    """
    positions = [text.find(sign) for sign in ("/?#" if is_http else "/?#;")]
    end = min((position for position in positions if position >= 0), default=len(text))
    return text[:end], text[end:]


def without_share(prefix: str, host: str) -> str:
    """Return the host of a UNC path (`\\\\files\\in`), in which a share follows; any other host unchanged."""
    return host.partition("\\")[0] if prefix.endswith("\\\\") else host


def is_host(text: str, *, is_http: bool) -> bool:
    """Return whether `text` is a host, with or without a port, that all clients read as the same name.

    Except for HTTP, it may be a list of hosts.
    """
    if not text.isascii() and normalize("NFKC", text.casefold()) != text.lower():
        return False
    if is_http:
        return HTTP_HOST.fullmatch(text) is not None
    return OTHER_HOST.fullmatch(text) is not None or all(
        HOST.fullmatch(part) or BARE_IPV6.fullmatch(part) for part in text.split(",")
    )
