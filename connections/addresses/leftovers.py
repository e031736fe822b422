"""The search for what may be a secret in an address whose user name and password were taken out."""

import re
from collections.abc import Iterator
from unicodedata import normalize

from connections.addresses import faults
from connections.addresses.address import Address
from connections.addresses.hosts import is_host
from connections.addresses.text import decoded, has_at_sign
from connections.characters import is_invisible
from connections.secret_names import kind_of_secret

MAX_ENCODINGS = 4
# Signs that end a user name, or begin a password, in one of the grammars.
NOT_IN_USER_NAMES = frozenset('=/;:&,()<>{}"`?#')
# A key with a value, anywhere in a text. This finds the secrets that no grammar took out.
KEY = re.compile(r"""(?<![\w.\-\[\]])([\w.\-\[\]]+)["']? *= *(?=\S)""")
# The same with a colon, as in `Password: x` and `{"password":"x"}`.
COLON_KEY = re.compile(r"""(?<![\w.\-\[\]])([\w.\-\[\]]+)(["']? *): *(?=\S)""")
PORT = re.compile(r"[0-9]{1,5}(?![\w.\-])")
# Azure Functions have their keys in `code`. Elsewhere it is the code of a country or a currency.
CODE = re.compile(r"(?<![\w.\-])code=(?=\S)", re.IGNORECASE)
LONG_CODE = re.compile(r"(?<![\w.\-])code=[\w\-=/+.]{32}", re.IGNORECASE)
AZURE = (".azurewebsites.net", ".azurewebsites.us", ".chinacloudsites.cn")
# Where a second address begins. Some proxies write one slash in place of two.
SECOND_ADDRESS = re.compile(r"(?:(?<=http)|(?<=https)|(?<=HTTP)|(?<=HTTPS)):[/\\]+|:[/\\]{2,}")
# `x=me:password@host` in a list. In a query of HTTP, `mail=a:b@c` is no address.
LOGIN_IN_VALUE = re.compile(r"=[^:&;=@/?#\s]*(?<!=mailto):(?!//)[^&;=@\s]*@[^&;=@\s]")
END_OF_AUTHORITY = re.compile(r"[/?#;&]")


def find_fault(address: Address) -> str:
    """Return why an address without its credentials may still contain a secret, or leads to an unclear host.

    Returns "" for an address that may be stored.
    """
    if not address.text.isascii() and any(map(is_invisible, address.text)):
        return faults.INVISIBLE_CHARACTER
    if has_at_sign(decoded(address.host)):
        return faults.UNCLEAR_AT_SIGN
    if not is_user_name(address.username):
        return faults.BAD_USER_NAME
    if " " in address.text and address.is_http:
        return faults.BLANK
    return find_secret(address)


def is_user_name(text: str) -> bool:
    """Return whether `text` is a user name alone, without a password or an option of a command."""
    if NOT_IN_USER_NAMES & set(text) or " -" in text or any(map(is_invisible, text)):
        return False
    _, *words = text.split(" ")
    return not any(map(kind_of_secret, words))


def find_secret(address: Address) -> str:
    """Return the fault of an address that has a secret or a second login in it, however it is encoded."""
    texts = decodings(address.text)
    last = texts[-1]
    if decoded(last) != last:
        return faults.AMBIGUOUS
    for text in dict.fromkeys((*texts, normalize("NFKC", last))):
        if fault := find_secret_in(address, text):
            return fault
    return ""


def decodings(text: str) -> list[str]:
    """Return `text`, and `text` with its percent signs decoded once, twice and so on."""
    found = [text]
    while len(found) <= MAX_ENCODINGS and (again := decoded(found[-1])) != found[-1]:
        found.append(again)
    return found


def find_secret_in(address: Address, text: str) -> str:
    """Do as `find_secret` does, in `text`, which is one of the decodings of the address."""
    rest = after_host(address, text)
    keys = [*KEY.findall(text), *colon_keys(rest)]
    if kind := next(filter(None, map(kind_of_secret, keys)), ""):
        return f"holds {kind}; secrets have fields of their own"
    if holds_code(address.host, text):
        return "holds a key; secrets have fields of their own"
    return faults.SECOND_LOGIN if holds_second_login(rest, is_http=address.is_http) else ""


def after_host(address: Address, text: str) -> str:
    """Return what follows scheme and host in `text`, which is one of the decodings of the address."""
    before = address.text.removesuffix(address.rest)
    return text.removeprefix(before) if text.startswith(before) else text.partition("//")[2] or text


def colon_keys(text: str) -> Iterator[str]:
    """Yield the keys that a colon and a value follow.

    A host with a port is no such key, and neither is the last part of a path such as `/token:refresh`.
    """
    for found in COLON_KEY.finditer(text):
        before = text[found.start() - 1 : found.start()] if found.start() else ""
        is_host_with_port = before in ("=", ",", "@", ":") and PORT.match(text, found.end())
        is_plain = found.end() == found.end(2) + 1 and not found[2]
        is_part_of_path = before == "/" and is_plain
        if not is_host_with_port and not is_part_of_path:
            yield found[1]


def holds_code(host: str, text: str) -> bool:
    """Return whether a `code` in a query is a key: at Azure any code, elsewhere one that is long enough."""
    is_azure = host.lower().partition(":")[0].rstrip(".").endswith(AZURE)
    return (CODE if is_azure else LONG_CODE).search(text) is not None


def holds_second_login(text: str, *, is_http: bool) -> bool:
    """Return whether a second address, within this one, has a user name or a password."""
    _, *others = SECOND_ADDRESS.split(text)
    return any(map(has_login, others)) or (not is_http and LOGIN_IN_VALUE.search(text) is not None)


def has_login(text: str) -> bool:
    """Return whether an address without its scheme has an @ in its host or after a malformed host."""
    authority = END_OF_AUTHORITY.split(text, maxsplit=1)[0]
    return "@" in authority or ("@" in text and not is_host(authority, is_http=False))
