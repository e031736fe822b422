"""Addresses as warehouses write them, with the credentials that people paste along with them.

The grammar is chosen first, by how a text begins, and only then is it taken apart:

- lists of keys and values, as ODBC and ADO.NET have them (`Server=erp01;UID=sa;PWD={a@b}`) and libpq
  (`host=db user=me`);
- Oracle's own: `scott/tiger@//ora:1521/svc`, and descriptors, `(DESCRIPTION=(ADDRESS=(HOST=ora)…))`;
- all others as URLs, with or without a scheme: `jdbc:sqlserver://erp01;user=sa`, `db:5432/wms?user=me`,
  `HOST\\INSTANCE`.

An address never keeps a user name or a password. What may still hold a secret after that has a `fault`.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple
from unicodedata import normalize
from urllib.parse import unquote_to_bytes

from connections.characters import is_invisible, trim
from connections.connection_keys import DATABASE_KEYS, HOST_KEYS, KNOWN_KEYS, PORT_KEYS
from connections.secret_names import PASSWORD_KEYS, USER_KEYS, folded, secret_of

HTTP = ("http", "https")

# Some clients drop these before they read an address, and others end it there.
DROPPED = re.compile(r"[\x00-\x1f\x7f]")
# `scheme://`, several schemes as in `jdbc:postgresql://`, or slashes alone. Clients take one slash or five,
# and backslashes, for two; the parts must be theirs, or a secret goes where nobody saw it go.
LEAD = re.compile(r"(?:[A-Za-z][A-Za-z0-9+._\-]*:)+[/\\]+|[/\\]{2,}")
# `C:\\`, behind which there is no host.
DRIVE = re.compile(r"[A-Za-z]:[/\\]+")
# The path or query of a test endpoint. A client takes two slashes, of either kind, for the begin of a host.
PATH = re.compile(r"\?|/(?![/\\])")
IPV6 = r"\[[0-9A-Fa-f:.]+(?:%[\w.\-]+)?\]"
# A host of HTTP. A port may be empty (RFC 3986, 3.2.3).
HTTP_HOST = re.compile(rf"(?:{IPV6}|[\w.\-]*)(?::[0-9]*)?")
# One host of all others: SQL Server has protocols in front and instances behind, Oracle has `host:port:sid`.
HOST = re.compile(
    rf"(?:tcp:|np:|lpc:|admin:)?(?:{IPV6}|[\w.\-]*)(?:\\[\w$#\-]+)?(?::[0-9]+:[\w$#.\-]+|:[0-9]*)?",
    re.IGNORECASE,
)
# An IPv6 address without brackets, and perhaps its zone.
BARE_IPV6 = re.compile(r"(?=[0-9A-Fa-f.]*:[0-9A-Fa-f.]*:)[0-9A-Fa-f:.]+(?:%\w+)?")
# SQL Server's `(local)`, hosts of MySQL in parentheses, and JDBC drivers without a host, as
# `jdbc:h2:mem:test`.
OTHER_HOST = re.compile(
    r"\(local(?:db)?\)(?:\\[\w.\-]+)?|(?:address=)?(?:\([\w.\-=,]*\))+|jdbc:(?:[A-Za-z0-9_\-]+:)*[\w.~\-]*",
    re.IGNORECASE,
)
# What a client may read as `@`: itself, and its full-width and small forms.
AT_SIGNS = re.compile("[@\uff20\ufe6b]")

# The protocols behind which credentials are looked for. In `me://x@host`, `me` may be a user whose password
# begins with two slashes.
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

MANY_SCHEMES = "has two schemes"
IN_AUTHORITY = "has an @ of which it is not clear what stands before it; user name and password have fields"
IN_SECOND = "has a second address in it, with a user name or a password"
LOOSE = (
    "has a part without a key beside a password; put the password in quotes, or escape its signs as in %3B"
)
UNKNOWN_KEY = "has an unknown key behind a password without quotes, which may be the rest of the password"
NAMELESS = "has a part without a key"
UNCLEAR = "can be read in more than one way"
INVISIBLE = "has an invisible character"
CONTROLLED = "has a line end or another control character"
BLANK = "has a blank in it; write it as %20"
NO_HOST = "has a host that is none: letters, digits, dots and hyphens, and a port of digits"
NO_USER = "has a user name with a sign of something else, such as / : ; or ="
NO_ENDPOINT = "begins neither with / or ? nor with http:// or https:// and a host"
NO_HTTP_URL = "does not begin with http:// or https:// and a host"


class Pair(NamedTuple):
    """One `key=value` of an address: as it is written, its folded key, and what its value stands for."""

    written: str
    key: str
    value: str

    @property
    def is_user(self) -> bool:
        return self.key in USER_KEYS

    @property
    def is_password(self) -> bool:
        return self.key in PASSWORD_KEYS


class Address(NamedTuple):
    """The parts of an address. `host` holds the port or SQL Server instance too, as it is written.

    `text` is the address without user name and password; `rest` is what else it says: path and parameters, or
    the whole list. `fault` says why it cannot be stored; it is empty for one that can, and never holds
    anything of the address.
    """

    text: str
    scheme: str = ""
    host: str = ""
    rest: str = ""
    database: str = ""
    username: str = ""
    password: str = ""
    fault: str = ""

    @property
    def has_user_info(self) -> bool:
        return bool(self.username or self.password)

    @property
    def may_hold_a_secret(self) -> bool:
        """Whether `text` is not safe to show."""
        return self.fault not in ("", NO_ENDPOINT, NO_HTTP_URL)

    @property
    def refusal(self) -> str:
        """A sentence on why the address cannot be stored as it was entered; empty for one that can."""
        if self.has_user_info:
            return "User name and password have fields of their own; an address is shown to everyone."
        return f"This address {self.fault}." if self.fault else ""

    @property
    def target(self) -> tuple[str, str, str]:
        """Where a secret of an HTTP type goes: scheme, host with port; of another scheme, all the rest."""
        scheme, host, rest = self.whole_target
        return scheme, host, "" if scheme in HTTP and not self.fault else rest

    @property
    def whole_target(self) -> tuple[str, str, str]:
        """Where a secret of any other type goes: a driver reads every part, whatever the scheme says.

        Of an address with a fault, nobody knows where it leads: it is the same as itself alone.
        """
        scheme = self.scheme.lower()
        return (scheme, "", self.text) if self.fault else (scheme, self.host.lower(), self.rest)


def parse_address(text: str) -> Address:
    """Split `text`; every text has parts, if only a host."""
    address = split(text)
    if address.fault or address.text == text:
        return address
    again = split(address.text)
    same = again == address._replace(username="", password="")
    return address if same else address._replace(fault=UNCLEAR)


def split(written: str) -> Address:
    text = tidy(written)
    address = next(found for grammar in GRAMMARS if (found := grammar(text)))
    if DROPPED.search(trim(written)):
        return address._replace(fault=CONTROLLED)
    return address._replace(fault=address.fault or find_fault(address))


def tidy(text: str) -> str:
    """Return `text` without what clients drop, and without invisible characters at both ends."""
    return DROPPED.sub("", trim(text))


def find_fault(address: Address) -> str:
    """Return why what is left of an address may still hold a secret, or names no place for sure."""
    if not address.text.isascii() and any(map(is_invisible, address.text)):
        return INVISIBLE
    if AT_SIGNS.search(decoded(address.host)):
        return IN_AUTHORITY
    if not is_user_name(address.username):
        return NO_USER
    if " " in address.text and address.scheme.lower() in HTTP:
        return BLANK
    return find_secret(address)


# Signs that end a user name, or begin a password, in one of the grammars.
NOT_IN_USER_NAMES = frozenset('=/;:&,()<>{}"`?#')


def is_user_name(text: str) -> bool:
    """Return whether `text` is a user name and nothing else, such as a password or an option of a command."""
    if NOT_IN_USER_NAMES & set(text) or " -" in text or any(map(is_invisible, text)):
        return False
    _, *words = text.split(" ")
    return not any(map(secret_of, words))


def find_secret(address: Address) -> str:
    """Return the fault of an address that has a secret or a second address in it, however it is encoded."""
    *texts, last = readings(address.text)
    if decoded(last) != last:
        return UNCLEAR
    for text in dict.fromkeys((*texts, last, normalize("NFKC", last))):
        keys = [*KEY.findall(text), *colon_keys(behind_host(address, text))]
        if secret := next(filter(None, map(secret_of, keys)), ""):
            return f"holds {secret}; secrets have fields of their own"
        if holds_code(address.host, text):
            return "holds a key; secrets have fields of their own"
        if holds_second_login(behind_host(address, text), is_http=address.scheme.lower() in HTTP):
            return IN_SECOND
    return ""


MAX_ENCODINGS = 4


def readings(text: str) -> list[str]:
    """Return `text`, and what it is when its percent signs are decoded once, twice and so on."""
    found = [text]
    while len(found) <= MAX_ENCODINGS and (again := decoded(found[-1])) != found[-1]:
        found.append(again)
    return found


def behind_host(address: Address, text: str) -> str:
    """Return what follows scheme and host in `text`, one of the readings of the address."""
    lead = address.text.removesuffix(address.rest)
    return text.removeprefix(lead) if text.startswith(lead) else text.partition("//")[2] or text


# Any key with a value, wherever it stands: what no grammar takes out is refused by this.
KEY = re.compile(r"""(?<![\w.\-\[\]])([\w.\-\[\]]+)["']? *= *(?=\S)""")
# The same of `Password: x` and `{"password":"x"}`. In front of `:refresh`, a path has no key but a name.
COLON_KEY = re.compile(r"""(?<![\w.\-\[\]])([\w.\-\[\]]+)(["']? *): *(?=\S)""")
PORT = re.compile(r"[0-9]{1,5}(?![\w.\-])")


def colon_keys(text: str) -> Iterator[str]:
    """Yield the keys that have a value behind a colon; a host with a port is none."""
    for found in COLON_KEY.finditer(text):
        before = text[found.start() - 1 : found.start()] if found.start() else ""
        is_plain = found.end() == found.end(2) + 1 and not found[2]
        is_host = before in ("=", ",", "@", ":") and PORT.match(text, found.end())
        if not is_host and not (before == "/" and is_plain):
            yield found[1]


# Azure Functions have their keys in `code`, which elsewhere is a country's or a currency's.
CODE = re.compile(r"(?<![\w.\-])code=(?=\S)", re.IGNORECASE)
LONG_CODE = re.compile(r"(?<![\w.\-])code=[\w\-=/+.]{32}", re.IGNORECASE)
AZURE = (".azurewebsites.net", ".azurewebsites.us", ".chinacloudsites.cn")


def holds_code(host: str, text: str) -> bool:
    """Return whether a `code` of a query is a key: every one at Azure, elsewhere one as long as keys are."""
    is_azure = host.lower().partition(":")[0].rstrip(".").endswith(AZURE)
    return (CODE if is_azure else LONG_CODE).search(text) is not None


# Where another address begins within one; some proxies make one slash of two.
SECOND = re.compile(r"(?:(?<=http)|(?<=https)|(?<=HTTP)|(?<=HTTPS)):[/\\]+|:[/\\]{2,}")
# `x=me:password@host` in a list; in a query of HTTP, `mail=a:b@c` is no address.
LOGIN_IN_VALUE = re.compile(r"=[^:&;=@/?#\s]*(?<!=mailto):(?!//)[^&;=@\s]*@[^&;=@\s]")
END_OF_AUTHORITY = re.compile(r"[/?#;&]")


def holds_second_login(text: str, *, is_http: bool) -> bool:
    """Return whether an address within this one has a user name or a password."""
    _, *others = SECOND.split(text)
    return any(map(has_login, others)) or (not is_http and LOGIN_IN_VALUE.search(text) is not None)


def has_login(text: str) -> bool:
    """Return whether there is an @ in the host of `text`, which has no scheme, or behind what is no host."""
    authority = END_OF_AUTHORITY.split(text, maxsplit=1)[0]
    return "@" in authority or ("@" in text and not is_host(authority, is_http=False))


def decoded(text: str) -> str:
    """Return percent-encoded `text`; what is no UTF-8 is Latin-1, as old clients write it."""
    if "%" not in text:
        return text
    raw = unquote_to_bytes(text)
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


# Lists of keys and values

LIST = re.compile(r"[A-Za-z][A-Za-z0-9_ .\-]*=")
LIBPQ = re.compile(r"(?:\w+ *= *(?:'(?:[^'\\]|\\.)*'|[^\s';]*)(?: +|$))+")
LIBPQ_PAIR = re.compile(r"(\w+) *= *('(?:[^'\\]|\\.)*'|[^\s';]*) *")


def parse_list(text: str) -> Address | None:
    """Read a text that is nothing but keys and values."""
    if not LIST.match(text):
        return None
    if LIBPQ.fullmatch(text) and " " in text:
        pairs = [
            Pair(match[0].strip(), folded(match[1]), unescaped(match[2]))
            for match in LIBPQ_PAIR.finditer(text)
        ]
        return address_of_list(pairs, " ")
    return address_of_list(list(read_pairs(text)), ";")


def unescaped(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith("'") else value


def read_pairs(text: str) -> Iterator[Pair]:
    """Yield the pairs of a list that semicolons separate; a value in quotes or braces may hold semicolons."""
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


CLOSING = {"{": "}", '"': '"', "'": "'"}


def end_of_quotes(text: str, position: int) -> int:
    """Return the end of a value in braces or quotes that begins at `position`; 0 if it is not in any.

    Within, the closing sign is written twice.
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
    return Pair(written, folded(key) if equals else "", value)


def address_of_list(pairs: list[Pair], separator: str) -> Address:
    kept = [pair for pair in pairs if not is_taken(pair)]
    username, password = credentials(pairs)
    text = separator.join(pair.written for pair in kept)
    return Address(
        text,
        rest=text,
        host=":".join(filter(None, (value_of(kept, HOST_KEYS), value_of(kept, PORT_KEYS)))),
        database=value_of(kept, DATABASE_KEYS),
        username=username,
        password=password,
        fault=find_fault_of_pairs(pairs) or (NAMELESS if has_nameless(pairs) else ""),
    )


def is_taken(pair: Pair) -> bool:
    """Whether a pair goes into a field of its own."""
    return pair.is_user or pair.is_password


def credentials(pairs: Iterable[Pair]) -> tuple[str, str]:
    """Return the user name and the password of `pairs`; the last one counts, as with ADO.NET."""
    username = password = ""
    for pair in filter(is_taken, pairs):
        if not pair.value:
            continue
        username, password = (pair.value, password) if pair.is_user else (username, pair.value)
    return username, password


def find_fault_of_pairs(pairs: Iterable[Pair]) -> str:
    """Refuse parts that may be the rest of a password with a separator in it, and hosts that are none."""
    listed = list(pairs)
    if has_nameless(listed) and any(map(is_taken, listed)):
        return LOOSE
    if any(is_cut_password(*neighbours) for neighbours in pairwise(listed)):
        return UNKNOWN_KEY
    hosts = (pair.value for pair in listed if pair.key in HOST_KEYS)
    return "" if all(map(is_place, hosts)) else NO_HOST


def has_nameless(pairs: Iterable[Pair]) -> bool:
    return any(pair.written.strip() and not pair.key for pair in pairs)


def is_cut_password(pair: Pair, following: Pair) -> bool:
    """Return whether `following` may be the rest of a password that is not in quotes."""
    is_open = pair.is_password and pair.written.partition("=")[2].strip(" ")[:1] not in CLOSING
    return is_open and bool(following.key) and following.key not in KNOWN_KEYS


def is_place(text: str) -> bool:
    """Return whether the value of a list's key is a host, a host with a path, a file or a descriptor."""
    lead = found[0] if (found := LEAD.match(text)) else ""
    if AT_SIGNS.search(normalize("NFKC", decoded(text))):
        return False
    host, _ = split_authority(text[len(lead) :], is_http=False)
    is_descriptor = text.startswith("(") and "=" in text
    return is_descriptor or is_drive(lead) or is_host(host_of(lead, host), is_http=False)


def is_drive(lead: str) -> bool:
    return DRIVE.fullmatch(lead) is not None


def host_of(lead: str, host: str) -> str:
    """Return the host of a UNC path (`\\\\files\\in`), behind which there is a share; any other as it is."""
    return host.partition("\\")[0] if lead.endswith("\\\\") else host


def value_of(pairs: Iterable[Pair], keys: tuple[str, ...]) -> str:
    return next((pair.value for pair in pairs if pair.key in keys and pair.value), "")


# Oracle

ORACLE = re.compile(r"(?:jdbc:oracle:\w+:)", re.IGNORECASE)
# `user/password`, each perhaps in quotes, in front of the last @ that is in none.
LOGIN = re.compile(r'(?:"[^"]*"|[^"@:/\s]+)/(?:"[^"]*"|[^"]*)')
QUOTED_LOGIN = re.compile(r'((?:"[^"]*"|[^"@:/\s]+)/"[^"]*")@')
LEAF = re.compile(r'\(\s*([A-Za-z][A-Za-z0-9_ .]*?)\s*=\s*("[^"]*"|[^()"]*)\)')


def parse_oracle(text: str) -> Address | None:
    """Read `user/password@place`, alone or behind `jdbc:oracle:thin:`, and descriptors in parentheses."""
    lead = found[0] if (found := ORACLE.match(text)) else ""
    login, at, place = split_login(text[len(lead) :])
    if not (lead or text.startswith("(") or (at and LOGIN.fullmatch(login))):
        return None
    username, _, password = partition_login(login)
    address = parse_descriptor(place) if place.startswith("(") else parse_url(place)
    return address._replace(
        text=f"{lead}{at if lead else ''}{address.text}",
        scheme=lead.rstrip(":") or address.scheme,
        username=username or address.username,
        password=password or address.password,
        fault=address.fault or find_fault_of_login(lead, login, username),
    )


def find_fault_of_login(lead: str, login: str, username: str) -> str:
    """Refuse a login that may be a command or a host with a path.

    One is `erp.example.com/users/me@other.example`.
    """
    if login.startswith('"'):
        return ""
    is_host_perhaps = not lead and "." in username
    return IN_AUTHORITY if is_host_perhaps or len(username.split()) > 1 else ""


def split_login(text: str) -> tuple[str, str, str]:
    """Split after a password in quotes, else at the @ before a descriptor, else at the last one."""
    if text.startswith("("):
        return "", "", text
    if quoted := QUOTED_LOGIN.match(text):
        return quoted[1], "@", text[quoted.end() :]
    login, at, place = text.partition("@(")
    if at:
        return login, "@", f"({place}"
    login, at, place = text.rpartition("@")
    return login, at, place


def partition_login(login: str) -> tuple[str, str, str]:
    quoted = re.match(r'"[^"]*"', login)
    slash = login.find("/", quoted.end() if quoted else 0)
    if slash < 0:
        return login.strip('"'), "", ""
    return login[:slash].strip('"'), "/", unquoted(login[slash + 1 :])


def unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text


def parse_descriptor(written: str) -> Address:
    pairs = [Pair(match[0], folded(match[1]), unquoted(match[2].strip())) for match in LEAF.finditer(written)]
    text = written
    for pair in filter(is_taken, pairs):
        text = text.replace(pair.written, "")
    username, password = credentials(pairs)
    host = ",".join(pair.value for pair in pairs if pair.key in (*HOST_KEYS, *PORT_KEYS))
    fault = IN_AUTHORITY if "@" in text else find_fault_of_descriptor(written, pairs)
    return Address(text, "", host, text, value_of(pairs, DATABASE_KEYS), username, password, fault)


IN_QUOTES = re.compile(r'"[^"]*"')
BEHIND_PARENTHESIS = re.compile(r"\)\s*[^\s()]")


def find_fault_of_descriptor(text: str, pairs: list[Pair]) -> str:
    """Refuse what may be the rest of a password with a parenthesis in it, and hosts that are none."""
    plain = IN_QUOTES.sub("", text)
    is_cut = BEHIND_PARENTHESIS.search(plain) or plain.count("(") != plain.count(")")
    if is_cut and any(map(is_taken, pairs)):
        return LOOSE
    hosts = (pair.value for pair in pairs if pair.key in HOST_KEYS)
    return "" if all(is_host(host, is_http=False) for host in hosts) else NO_HOST


# URLs


def parse_url(text: str) -> Address:
    """Read a URL, and whatever is written like one without a scheme."""
    lead = found[0] if (found := LEAD.match(text)) else ""
    scheme = lead.rstrip("/\\").removesuffix(":")
    is_http = scheme.lower() in HTTP
    authority, rest = split_authority(text[len(lead) :], is_http=is_http)
    if re.fullmatch(r"[A-Za-z][A-Za-z0-9+._\-]*:", authority) and rest.startswith("//"):
        return Address(text, scheme, fault=MANY_SCHEMES)
    user_info, host, rest = split_user_info(authority, rest, is_http=is_http)
    rest, pairs, fault = take_parameters(rest, is_http=is_http)
    name, _, secret = user_info.partition(":")
    username, password = credentials(pairs)
    unknown = (user_info or "@" in authority) and lead.strip("/\\") and not is_known(lead)
    if unknown or is_unclear(lead, user_info, host, rest, is_http=is_http):
        fault = IN_AUTHORITY
    elif not is_drive(lead) and not is_host(host_of(lead, host), is_http=is_http):
        fault = NO_HOST
    return Address(
        f"{lead}{host}{rest}",
        scheme,
        host,
        rest,
        database=value_of(pairs, DATABASE_KEYS) or ("" if is_http else path_of(rest)),
        username=decoded(name) or username,
        password=decoded(secret) or password,
        fault=fault,
    )


def path_of(rest: str) -> str:
    """Return what stands between the slash after the host and the parameters: a database, most often."""
    return decoded(PARAMETERS.split(rest.partition("#")[0], maxsplit=1)[0].strip("/"))


def is_unclear(lead: str, user_info: str, host: str, rest: str, *, is_http: bool) -> bool:
    """Return whether an @ may belong to a password that was cut in two, or another client finds another host.

    Only paths and queries of HTTP have an @ of their own. Behind an empty port, it may belong to
    `me:/password@host`.
    """
    if "@" in rest and (user_info or not is_http or host.endswith(":") or (rest[0] != "/" and ":" in host)):
        return True
    single = not is_http and lead[-2:] not in ("//", "\\\\")
    if lead and user_info and ("\\" in user_info or single):
        return True
    return not is_login(lead, user_info)


def is_login(lead: str, user_info: str) -> bool:
    """Return whether no scheme (`https:me:password@host`), no command and no key stand before a user name."""
    name, _, secret = user_info.partition(":")
    is_scheme = not lead and (name.lower() in HTTP or (":" in secret and name.lower() in SCHEMES))
    return not is_scheme and " " not in name and not set(name) & set("=(")


def is_known(lead: str) -> bool:
    """Whether one of the schemes of `lead` is a protocol that is known here."""
    return any(scheme.partition("+")[0] in SCHEMES for scheme in lead.rstrip("/\\").lower().split(":"))


def split_authority(text: str, *, is_http: bool) -> tuple[str, str]:
    """Split where the host ends: at a slash, a question mark or a hash; but for HTTP, at a semicolon, too."""
    ends = [place for sign in ("/?#" if is_http else "/?#;") if (place := text.find(sign)) >= 0]
    end = min(ends, default=len(text))
    return text[:end], text[end:]


def split_user_info(authority: str, rest: str, *, is_http: bool) -> tuple[str, str, str]:
    """Return the user-info, the host and what follows it.

    What looked like a host may be the beginning of a password with a slash in it, as in `me:p/w@host`: then
    the user-info ends with the first @ after which there is a host.
    """
    user_info, _, host = authority.rpartition("@")
    if user_info or "@" not in rest or not is_cut_login(authority, is_http=is_http):
        return user_info, host, rest
    whole = authority + rest
    for found in (AFTER_AT_OF_HTTP if is_http else AFTER_AT).finditer(whole):
        if is_host(found[1], is_http=is_http):
            return whole[: found.start()], found[1], whole[found.end() :]
    return "", authority, rest


def has_host_in_front(written: str) -> bool:
    """Return whether a user name and a password were found where some clients find a host and a path."""
    text = tidy(written)
    if LIST.match(text) or ORACLE.match(text) or text.startswith("("):
        return False
    lead = found[0] if (found := LEAD.match(text)) else ""
    is_http = lead.partition(":")[0].lower() in HTTP
    authority, rest = split_authority(text[len(lead) :], is_http=is_http)
    is_cut = "@" not in authority and split_user_info(authority, rest, is_http=is_http)[0]
    return bool(is_cut) or parse_oracle(text) is not None


# Some clients read `4_43`, `+80` and the digits of other scripts as numbers of ports.
NOT_IN_PORTS = re.compile(r"[^\d_+\-\s]")
# `{tenant}.example.com:$PORT`: what is filled in later may be a host with a port.
NOT_IN_CUT_NAMES = frozenset(".{}<>[]$%")


def is_cut_login(authority: str, *, is_http: bool) -> bool:
    """Return whether what stands before the first slash is no host, but a user name and half a password."""
    name, _, begin = authority.partition(":")
    if NOT_IN_CUT_NAMES & set(name) or begin[:1] in ("", *NOT_IN_CUT_NAMES):
        return False
    port = begin.rpartition(":")[2]
    return NOT_IN_PORTS.search(port) is not None and not is_host(authority, is_http=is_http)


# What may be a host: it follows an @ and holds none.
AFTER_AT_OF_HTTP, AFTER_AT = re.compile(r"@([^@/?#]*+)(?!@)"), re.compile(r"@([^@/?#;]*+)(?!@)")


def is_host(text: str, *, is_http: bool) -> bool:
    """Return whether `text` is a host with or without a port, in which every client finds the same name.

    But for HTTP, it may be a list of hosts.
    """
    if not text.isascii() and normalize("NFKC", text.casefold()) != text.lower():
        return False
    if is_http:
        return HTTP_HOST.fullmatch(text) is not None
    return OTHER_HOST.fullmatch(text) is not None or all(
        HOST.fullmatch(part) or BARE_IPV6.fullmatch(part) for part in text.split(",")
    )


PARAMETERS = re.compile(r"[;?]|:(?=[A-Za-z][A-Za-z0-9_]*=)")


def take_parameters(rest: str, *, is_http: bool) -> tuple[str, list[Pair], str]:
    """Return what follows a host without user name and password, what they were, and a fault.

    Of HTTP they stay: the other system wants them there, and the secret among them is refused.
    """
    found = PARAMETERS.search(rest)
    if is_http or found is None:
        return rest, [], ""
    path, sign, text = rest[: found.start()], found[0], rest[found.end() :]
    fragment = ""
    if sign == "?":
        text, hash_sign, after = text.partition("#")
        fragment = hash_sign + after
    pairs = [query_pair(part) for part in text.split("&")] if sign == "?" else list(read_pairs(text))
    kept = [pair.written for pair in pairs if not is_taken(pair)]
    joined = ("&" if sign == "?" else ";").join(kept)
    end = ";" if sign != "?" and text.endswith(";") and joined and not joined.endswith(";") else ""
    loose = LOOSE if fragment and any(pair.is_password for pair in pairs) else find_fault_of_pairs(pairs)
    return f"{path}{sign if joined else ''}{joined}{end}{fragment}", pairs, loose


def query_pair(written: str) -> Pair:
    key, equals, value = written.partition("=")
    return Pair(written, folded(decoded(key)) if equals else "", decoded(value))


GRAMMARS: tuple[Callable[[str], Address | None], ...] = (parse_list, parse_oracle, parse_url)


def parse_endpoint(text: str) -> Address:
    """Read the test endpoint of an HTTP address: another URL, or a path and query at that address.

    Anything else has a fault: `@evil.example` and `.evil.example` would make another host of the one before
    them.
    """
    path = tidy(text)
    if not path or PATH.match(path):
        at_host = split(f"http://host{trim(text)}")
        return Address(at_host.text.removeprefix("http://host"), rest=at_host.rest, fault=at_host.fault)
    address = parse_address(text)
    if is_absolute(address, path) or address.fault:
        return address
    return address._replace(fault=NO_ENDPOINT, text=address.text if address.has_user_info else path)


def parse_token_url(text: str) -> Address:
    """Read a token URL, which begins with `http://` or `https://` and a host; anything else has a fault."""
    address = parse_address(text)
    if not address.text or address.fault or is_absolute(address, tidy(text)):
        return address
    return address._replace(fault=NO_HTTP_URL)


def is_absolute(address: Address, text: str) -> bool:
    """Return whether `address`, which was read from `text`, is an absolute URL of HTTP."""
    lead = found[0] if (found := LEAD.match(text)) else ""
    return address.scheme.lower() in HTTP and bool(address.host) and lead.endswith("://")
