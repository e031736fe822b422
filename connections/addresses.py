"""Addresses as warehouses write them, with the credentials that people paste along with them.

The beginning of a text decides which grammar reads it:

- lists of keys and values, as ODBC and ADO.NET have them (`Server=erp01;UID=sa;PWD={a@b}`) and libpq
  (`host=db user=me`);
- Oracle's own: `scott/tiger@//ora:1521/svc`, and descriptors, `(DESCRIPTION=(ADDRESS=(HOST=ora)…))`;
- all others as URLs, with or without a scheme: `jdbc:sqlserver://erp01;user=sa`, `db:5432/wms?user=me`,
  `HOST\\INSTANCE`.

User name and password are taken out of every address. One that may hold a secret even then gets a `fault`.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple
from unicodedata import category
from urllib.parse import unquote_to_bytes

HTTP = ("http", "https")

# Characters that clients remove before they read an address.
DROPPED = re.compile(r"[\x00-\x1f\x7f]")
# `scheme://`, several schemes as in `jdbc:postgresql://`, or slashes alone. Clients read one slash, five
# slashes and backslashes as two slashes. An address must be read as they read it, or a secret is sent to an
# unexpected host.
LEAD = re.compile(r"(?:[A-Za-z][A-Za-z0-9+._\-]*:)+[/\\]+|[/\\]{2,}")
# The path or query of a test endpoint. To a client, a host follows after two slashes of either kind.
PATH = re.compile(r"\?|/(?![/\\])")
# One host: a name or an IPv4 address with an optional instance, or an IPv6 address in brackets; then a port.
HOST = re.compile(r"(?:tcp:|np:|lpc:|admin:)?(?:\[[^\[\]@/]*\]|[\w.\\$%\-]*)(?::[0-9]+)?", re.IGNORECASE)
# An IPv6 address without brackets, and perhaps its zone.
BARE_IPV6 = re.compile(r"[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(?:%\w+)?")

# The protocols after which credentials are looked for. In `me://x@host`, `me` may be a user whose password
# begins with two slashes.
SCHEMES = {
    *(
        "http",
        "https",
        "ws",
        "wss",
        "ftp",
        "ftps",
        "ftpes",
        "sftp",
        "scp",
        "ssh",
        "smb",
        "nfs",
        "dav",
        "davs",
        "git",
        "svn",
    ),
    *(
        "mqtt",
        "mqtts",
        "amqp",
        "amqps",
        "stomp",
        "kafka",
        "nats",
        "tcp",
        "tls",
        "ssl",
        "udp",
        "opc.tcp",
        "modbus",
        "s7",
    ),
    *(
        "smtp",
        "smtps",
        "imap",
        "imaps",
        "pop3",
        "pop3s",
        "ldap",
        "ldaps",
        "redis",
        "rediss",
        "mongodb",
        "mongodb+srv",
    ),
    *(
        "postgresql",
        "postgres",
        "mysql",
        "mariadb",
        "mssql",
        "sqlserver",
        "oracle",
        "db2",
        "ibmi",
        "as400",
        "sybase",
        "h2",
    ),
    *(
        "informix",
        "informix-sqli",
        "hive2",
        "sap",
        "snowflake",
        "clickhouse",
        "cassandra",
        "elasticsearch",
        "odbc",
        "jdbc",
    ),
}

# Keys are compared in lower case, by letters and digits alone: `User ID`, `user_id` and `UserId` are the same
# key.
USER_KEYS = {"user", "userid", "uid", "username", "usr", "login", "loginid", "loginname", "logon", "logonid"}
PASSWORD_KEYS = {"password", "pwd", "pw", "passwd", "pass", "userpassword", "passwort", "kennwort"}
# Parts of keys whose values are secrets without a field here, and what a refusal calls them. The refusal does
# not show the key itself, which may be part of a password such as `x;token=`. The first part that a key
# contains counts.
SECRET_PARTS = {
    "clientsecret": "a client secret",
    "apikey": "an API key",
    "accesstoken": "an access token",
    "accesskey": "an access key",
    "accountkey": "an account key",
    "subscriptionkey": "a subscription key",
    "sharedkey": "a shared key",
    "privatekey": "a private key",
    **dict.fromkeys(("password", "passwd", "pwd"), "a password"),
    "passphrase": "a passphrase",
    "passcode": "a passcode",
    "secret": "a secret",
    "token": "a token",
    "signature": "a signature",
    "credential": "a credential",
}
# The same for whole keys.
SECRET_KEYS = {
    "sig": "a signature",
    "sas": "a signature",
    "auth": "a credential",
    "jwt": "a token",
    "bearer": "a token",
    "key": "a key",
}
SECRET_KEYS |= dict.fromkeys(PASSWORD_KEYS, "a password")
# Endings of keys that only describe a secret: `token_type`, `SharedAccessKeyName`.
ABOUT_SECRETS = (
    "name",
    "type",
    "url",
    "uri",
    "endpoint",
    "expiry",
    "expires",
    "length",
    "timeout",
    "file",
    "path",
)
HOST_KEYS = (
    "server",
    "system",
    "datasource",
    "address",
    "addr",
    "networkaddress",
    "host",
    "hostname",
    "hostaddr",
    "servername",
)
PORT_KEYS = ("port", "portnumber")
DATABASE_KEYS = ("database", "initialcatalog", "dbname", "databasename", "servicename", "sid")

MANY_SCHEMES = "has two schemes"
IN_AUTHORITY = "has an @ of which it is not clear what stands before it; write it as %40"
LOOSE = (
    "has a part without a key beside a password; put the password in quotes, or escape its signs as in %3B"
)
UNCLEAR = "can be read in more than one way"
INVISIBLE = "has an invisible character"
NO_ENDPOINT = "begins neither with / or ? nor with http:// or https:// and a host"


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
        """Whether `text` may hold a secret, so that it must not be shown."""
        return self.fault not in ("", NO_ENDPOINT)

    @property
    def refusal(self) -> str:
        """A sentence that says why the address cannot be stored as it was entered; empty if it can."""
        if self.has_user_info:
            return "User name and password have fields of their own; an address is shown to everyone."
        return f"This address {self.fault}." if self.fault else ""

    @property
    def target(self) -> tuple[str, str, str]:
        """The system that a secret is sent to: scheme, host with port, and, except for HTTP, the rest.

        Nobody knows which host an address with a fault names, so its target equals that of the same text
        alone.
        """
        scheme = self.scheme.lower()
        if self.fault:
            return scheme, "", self.text
        return scheme, self.host.lower(), "" if scheme in HTTP else self.rest


def parse_address(text: str) -> Address:
    """Return the parts of `text`. Every text has some, if only a host.

    What is left after the credentials are taken out is read again. If it reads differently, the address has a
    fault.
    """
    address = split(tidy(text))
    if address.fault or address.text == text:
        return address
    again = split(tidy(address.text))
    same = again == address._replace(username="", password="")
    return address if same else address._replace(fault=UNCLEAR)


def split(text: str) -> Address:
    address = next(found for grammar in GRAMMARS if (found := grammar(text)))
    return address._replace(fault=address.fault or find_fault(address))


def tidy(text: str) -> str:
    """Return `text` without the characters that clients drop, and without invisible ones at both ends."""
    text = DROPPED.sub("", text)
    begin, end = 0, len(text)
    while begin < end and is_blank(text[begin]):
        begin += 1
    while end > begin and is_blank(text[end - 1]):
        end -= 1
    return text[begin:end]


def is_blank(character: str) -> bool:
    return character == " " or is_invisible(character)


def is_invisible(character: str) -> bool:
    """Whether a character is invisible or looks like a blank: zero-width, no-break, direction marks."""
    return not character.isascii() and category(character) in ("Cf", "Cc", "Zs", "Zl", "Zp")


def find_fault(address: Address) -> str:
    """Return why the rest of an address may hold a secret, or why its host is uncertain; `""` if neither."""
    if any(map(is_invisible, address.text)):
        return INVISIBLE
    if "@" in address.host:
        return IN_AUTHORITY
    keys = KEY.findall(decoded(address.text)) + KEY.findall(address.text)
    secret = next(filter(None, map(secret_of, keys)), "")
    return f"holds {secret}; secrets have fields of their own" if secret else ""


# A key with a value, anywhere in a text. It finds secrets that no grammar takes out.
KEY = re.compile(r"(?<![\w.\-])([\w.\-]+)\]? ?= ?(?=\S)")


def secret_of(key: str) -> str:
    """Return what kind of secret a key's value is, with its article; "" if it is not secret."""
    key = folded(key)
    if key.endswith(ABOUT_SECRETS):
        return ""
    return SECRET_KEYS.get(key) or next((kind for part, kind in SECRET_PARTS.items() if part in key), "")


def folded(key: str) -> str:
    return "".join(filter(str.isalnum, key)).lower()


def decoded(text: str) -> str:
    """Return percent-encoded `text` decoded, as UTF-8 or else as Latin-1, which old clients write."""
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
    """Read a text of nothing but keys and values; return `None` for any other."""
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
    """Return the end of a value in braces or quotes that begins at `position`; 0 if it is in neither.

    A closing sign within the value is doubled.
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
        fault=nameless(pairs),
    )


def is_taken(pair: Pair) -> bool:
    """Whether a pair is taken out of the address, as a user name or a password."""
    return pair.is_user or pair.is_password


def credentials(pairs: Iterable[Pair]) -> tuple[str, str]:
    """Return the user name and the password of `pairs`; the last one counts, as with ADO.NET."""
    username = password = ""
    for pair in filter(is_taken, pairs):
        if not pair.value:
            continue
        username, password = (pair.value, password) if pair.is_user else (username, pair.value)
    return username, password


def nameless(pairs: Iterable[Pair]) -> str:
    """Return a fault if there is a password and a part without a key: a password may contain a semicolon."""
    listed = list(pairs)
    loose = any(pair.written.strip() and not pair.key for pair in listed)
    return LOOSE if loose and any(pair.is_password for pair in listed) else ""


def value_of(pairs: Iterable[Pair], keys: tuple[str, ...]) -> str:
    return next((pair.value for pair in pairs if pair.key in keys and pair.value), "")


# Oracle

ORACLE = re.compile(r"(?:jdbc:oracle:\w+:)", re.IGNORECASE)
# `user/password`, each perhaps in quotes, before the last @ that is not in quotes.
LOGIN = re.compile(r'(?:"[^"]*"|[^"@:/\s]+)/(?:"[^"]*"|[^"]*)')
QUOTED_LOGIN = re.compile(r'((?:"[^"]*"|[^"@:/\s]+)/"[^"]*")@')
LEAF = re.compile(r'\(\s*([A-Za-z][A-Za-z0-9_ .]*?)\s*=\s*("[^"]*"|[^()"]*)\)')


def parse_oracle(text: str) -> Address | None:
    """Read `user/password@service`, alone or behind `jdbc:oracle:thin:`, and descriptors in parentheses."""
    lead = found[0] if (found := ORACLE.match(text)) else ""
    login, at, service = split_login(text[len(lead) :])
    if not (lead or text.startswith("(") or (at and LOGIN.fullmatch(login))):
        return None
    username, _, password = partition_login(login)
    address = parse_descriptor(service) if service.startswith("(") else parse_url(service)
    return address._replace(
        text=f"{lead}{at if lead else ''}{address.text}",
        scheme=lead.rstrip(":") or address.scheme,
        username=username or address.username,
        password=password or address.password,
    )


def split_login(text: str) -> tuple[str, str, str]:
    """Return the login, `@` or `""`, and the service.

    The @ is the one after a password in quotes, else the one before a descriptor, else the last one.
    """
    if text.startswith("("):
        return "", "", text
    if quoted := QUOTED_LOGIN.match(text):
        return quoted[1], "@", text[quoted.end() :]
    login, at, service = text.partition("@(")
    if at:
        return login, "@", f"({service}"
    login, at, service = text.rpartition("@")
    return login, at, service


def partition_login(login: str) -> tuple[str, str, str]:
    quoted = re.match(r'"[^"]*"', login)
    slash = login.find("/", quoted.end() if quoted else 0)
    if slash < 0:
        return login.strip('"'), "", ""
    return login[:slash].strip('"'), "/", unquoted(login[slash + 1 :])


def unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text


def parse_descriptor(text: str) -> Address:
    pairs = [Pair(match[0], folded(match[1]), unquoted(match[2].strip())) for match in LEAF.finditer(text)]
    for pair in filter(is_taken, pairs):
        text = text.replace(pair.written, "")
    username, password = credentials(pairs)
    host = ",".join(pair.value for pair in pairs if pair.key in (*HOST_KEYS, *PORT_KEYS))
    fault = IN_AUTHORITY if "@" in text else ""
    return Address(text, "", host, text, value_of(pairs, DATABASE_KEYS), username, password, fault)


# URLs


def parse_url(text: str) -> Address:
    """Read a URL, or any text that is written like one without a scheme."""
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
    """Return the part between the slash after the host and the parameters, which usually is a database."""
    return decoded(PARAMETERS.split(rest.partition("#")[0], maxsplit=1)[0].strip("/"))


def is_unclear(lead: str, user_info: str, host: str, rest: str, *, is_http: bool) -> bool:
    """Whether an @ may be part of a password, or a client may find another host than this module does.

    Only the paths and queries of HTTP may contain an @ otherwise.
    """
    if "@" in rest and (user_info or not is_http or (rest[0] != "/" and ":" in host)):
        return True
    single = not is_http and lead[-2:] not in ("//", "\\\\")
    if lead and user_info and ("\\" in user_info or single):
        return True
    return bool(set(user_info.partition(":")[0]) & set("=("))


def is_known(lead: str) -> bool:
    """Whether one of the schemes in `lead` is one of `SCHEMES`."""
    return any(scheme.partition("+")[0] in SCHEMES for scheme in lead.rstrip("/\\").lower().split(":"))


def split_authority(text: str, *, is_http: bool) -> tuple[str, str]:
    """Split where the host ends: at a slash, question mark or hash, and except for HTTP at a semicolon."""
    ends = [index for sign in ("/?#" if is_http else "/?#;") if (index := text.find(sign)) >= 0]
    end = min(ends, default=len(text))
    return text[:end], text[end:]


def split_user_info(authority: str, rest: str, *, is_http: bool) -> tuple[str, str, str]:
    """Return the user-info, the host and what follows it.

    What looked like a host may be the beginning of a password with a slash in it, as in `me:p/w@host`: then
    the user-info ends with the first @ after which there is a host.
    """
    user_info, _, host = authority.rpartition("@")
    if user_info or "@" not in rest or is_host(authority, is_http=is_http):
        return user_info, host, rest
    whole = authority + rest
    for found in (AFTER_AT_OF_HTTP if is_http else AFTER_AT).finditer(whole):
        if is_host(found[1], is_http=is_http):
            return whole[: found.start()], found[1], whole[found.end() :]
    return "", authority, rest


# A text that may be a host, as it follows an @ and contains none.
AFTER_AT_OF_HTTP, AFTER_AT = re.compile(r"@([^@/?#]*+)(?!@)"), re.compile(r"@([^@/?#;]*+)(?!@)")


def is_host(text: str, *, is_http: bool) -> bool:
    """Whether `text` is a host with or without a port, or, except for HTTP, a list of these."""
    return all(
        HOST.fullmatch(part) or BARE_IPV6.fullmatch(part) for part in ([text] if is_http else text.split(","))
    )


PARAMETERS = re.compile(r"[;?]|:(?=[A-Za-z][A-Za-z0-9_]*=)")


def take_parameters(rest: str, *, is_http: bool) -> tuple[str, list[Pair], str]:
    """Return what follows a host without user name and password, the parameters that were read, and a fault.

    HTTP's parameters all stay, as the other system expects them there; a secret among them is refused later.
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
    loose = LOOSE if fragment and any(pair.is_password for pair in pairs) else nameless(pairs)
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
    text = tidy(text)
    if not text or PATH.match(text):
        at_host = split(f"http://host{text}")
        return Address(at_host.text.removeprefix("http://host"), fault=at_host.fault)
    address = parse_address(text)
    absolute = address.scheme.lower() in HTTP and address.host and LEAD.match(text)[0].endswith("://")  # type: ignore[index]
    if absolute or address.fault:
        return address
    return address._replace(fault=NO_ENDPOINT, text=address.text if address.has_user_info else text)
