"""URLs, and texts that are written like URLs without a scheme."""

import re
from typing import NamedTuple

from connections.addresses import faults
from connections.addresses.address import HTTP_SCHEMES, Address
from connections.addresses.hosts import (
    SCHEMES,
    has_known_scheme,
    is_drive,
    is_host,
    scheme_of,
    split_authority,
    split_prefix,
    without_share,
)
from connections.addresses.pairs import Pair, credentials, find_fault_of_pairs, read_pairs, value_of
from connections.addresses.text import decoded
from connections.connection_keys import DATABASE_KEYS
from connections.secret_names import normalized

SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+._\-]*:")
# What may be a host after an @: it contains none itself.
AFTER_AT_OF_HTTP, AFTER_AT = re.compile(r"@([^@/?#]*+)(?!@)"), re.compile(r"@([^@/?#;]*+)(?!@)")
# Some clients read `4_43`, `+80` and the digits of other scripts as port numbers.
NOT_IN_PORTS = re.compile(r"[^\d_+\-\s]")
# Signs of templates: in `{tenant}.example.com:$PORT`, something else fills in the host and the port later.
TEMPLATE_SIGNS = frozenset(".{}<>[]$%")
# Where parameters begin: `;key=`, `?key=`, or `:key=` as in DB2's JDBC URLs.
PARAMETERS = re.compile(r"[;?]|:(?=[A-Za-z][A-Za-z0-9_]*=)")


class Url(NamedTuple):
    """The parts of a URL as they are written.

    `prefix` is the schemes and slashes, `user_info` what stands before the @ of the host, and `rest` what
    follows the host. `has_at_sign` says whether an @ stands before the host, even if no user name does.
    """

    prefix: str
    user_info: str
    host: str
    rest: str
    has_at_sign: bool

    @property
    def is_http(self) -> bool:
        return scheme_of(self.prefix).lower() in HTTP_SCHEMES


def parse_url(text: str) -> Address:
    """Read a URL, or any text as one: at the least it is a host."""
    prefix, after = split_prefix(text)
    is_http = scheme_of(prefix).lower() in HTTP_SCHEMES
    authority, rest = split_authority(after, is_http=is_http)
    if SCHEME.fullmatch(authority) and rest.startswith("//"):
        return Address(text, scheme_of(prefix), fault=faults.TWO_SCHEMES)
    user_info, host, rest = split_user_info(authority, rest, is_http=is_http)
    rest, pairs, fault = take_parameters(rest, is_http=is_http)
    url = Url(prefix, user_info, host, rest, bool(user_info) or "@" in authority)
    return address_of_url(url, pairs, find_fault_of_url(url) or fault)


def address_of_url(url: Url, pairs: list[Pair], fault: str) -> Address:
    name, _, secret = url.user_info.partition(":")
    username, password = credentials(pairs)
    return Address(
        f"{url.prefix}{url.host}{url.rest}",
        scheme_of(url.prefix),
        url.host,
        url.rest,
        database=value_of(pairs, DATABASE_KEYS) or ("" if url.is_http else path_of(url.rest)),
        username=decoded(name) or username,
        password=decoded(secret) or password,
        fault=fault,
    )


def path_of(rest: str) -> str:
    """Return the path between the host and the parameters, which is a database in most cases."""
    return decoded(PARAMETERS.split(rest.partition("#")[0], maxsplit=1)[0].strip("/"))


def find_fault_of_url(url: Url) -> str:
    """Return why the user name or the host of a URL is refused; "" if neither is."""
    may_be_user = url.has_at_sign and url.prefix.strip("/\\") and not has_known_scheme(url.prefix)
    if may_be_user or is_ambiguous(url):
        return faults.UNCLEAR_AT_SIGN
    if not is_drive(url.prefix) and not is_host(without_share(url.prefix, url.host), is_http=url.is_http):
        return faults.BAD_HOST
    return ""


def is_ambiguous(url: Url) -> bool:
    """Return whether an @ may belong to a password that was cut in two, or clients may find other hosts."""
    if "@" in url.rest and not may_have_at_sign(url):
        return True
    has_two_slashes = url.is_http or url.prefix[-2:] in ("//", "\\\\")
    if url.prefix and url.user_info and ("\\" in url.user_info or not has_two_slashes):
        return True
    return not is_login(url)


def may_have_at_sign(url: Url) -> bool:
    """Return whether an @ after the host is surely part of a path or a query.

    Only in HTTP do these have an @. After an empty port the @ may belong to `me:/password@host`.
    """
    if url.user_info or not url.is_http or url.host.endswith(":"):
        return False
    return url.rest[0] == "/" or ":" not in url.host


def is_login(url: Url) -> bool:
    """Return whether the user name is one, and no scheme (`https:me:password@host`), command or key."""
    name, _, secret = url.user_info.partition(":")
    is_scheme = name.lower() in HTTP_SCHEMES or (":" in secret and name.lower() in SCHEMES)
    return (bool(url.prefix) or not is_scheme) and not set(name) & set(" =(")


def split_user_info(authority: str, rest: str, *, is_http: bool) -> tuple[str, str, str]:
    """Return the user-info, the host and what follows it.

    What looks like a host may be the beginning of a password with a slash in it, as in `me:p/w@host`. Then
    the user-info ends at the first @ that a host follows.
    """
    user_info, _, host = authority.rpartition("@")
    if user_info or "@" not in rest or not is_cut_login(authority, is_http=is_http):
        return user_info, host, rest
    whole = authority + rest
    for found in (AFTER_AT_OF_HTTP if is_http else AFTER_AT).finditer(whole):
        if is_host(found[1], is_http=is_http):
            return whole[: found.start()], found[1], whole[found.end() :]
    return "", authority, rest


def is_cut_login(authority: str, *, is_http: bool) -> bool:
    """Return whether the text before the first slash is no host, but a user name and half of a password."""
    name, _, secret = authority.partition(":")
    if TEMPLATE_SIGNS & set(name) or secret[:1] in ("", *TEMPLATE_SIGNS):
        return False
    port = secret.rpartition(":")[2]
    return NOT_IN_PORTS.search(port) is not None and not is_host(authority, is_http=is_http)


def take_parameters(rest: str, *, is_http: bool) -> tuple[str, list[Pair], str]:
    """Return what follows a host without user name and password, the parameters in it, and their fault.

    The parameters of HTTP stay, as the other system needs them there. A secret among them is refused later.
    """
    found = PARAMETERS.search(rest)
    if is_http or found is None:
        return rest, [], ""
    path, sign, text = rest[: found.start()], found[0], rest[found.end() :]
    if sign == "?":
        return take_from_query(path, text)
    pairs = list(read_pairs(text))
    public = without_credentials(pairs, ";")
    end = ";" if text.endswith(";") and public and not public.endswith(";") else ""
    return f"{path}{sign if public else ''}{public}{end}", pairs, find_fault_of_pairs(pairs)


def take_from_query(path: str, text: str) -> tuple[str, list[Pair], str]:
    """Do as `take_parameters` does for the query and the fragment in `text`, which follow `path`."""
    query, hash_sign, fragment = text.partition("#")
    pairs = [query_pair(part) for part in query.split("&")]
    public = without_credentials(pairs, "&")
    is_cut = hash_sign and any(pair.is_password for pair in pairs)
    fault = faults.CUT_IN_TWO if is_cut else find_fault_of_pairs(pairs)
    return f"{path}{'?' if public else ''}{public}{hash_sign}{fragment}", pairs, fault


def query_pair(written: str) -> Pair:
    key, equals, value = written.partition("=")
    return Pair(written, normalized(decoded(key)) if equals else "", decoded(value))


def without_credentials(pairs: list[Pair], separator: str) -> str:
    return separator.join(pair.written for pair in pairs if not pair.is_credential)
