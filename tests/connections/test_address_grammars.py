"""No address keeps a password, whatever its grammar. What is left of it is read as the same address again."""

from collections.abc import Callable
from http.client import HTTPConnection, InvalidURL
from urllib.parse import quote, urlsplit
from urllib.request import Request

import httpx
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from connections.addresses.address import Address
from connections.addresses.parsing import parse_address
from connections.characters import trim

pytestmark = pytest.mark.any_database

CANARY = "Tr1cky"
# Characters that passwords may have, and that have a meaning in one of the grammars.
AWKWARD = st.text(st.sampled_from("@:/?#;={}[]()\"'`&%+ \\,.|<>$!*~^-_é日A1"), max_size=8)
PASSWORDS = st.builds("{}{}{}".format, AWKWARD, st.just(CANARY), AWKWARD).map(str.strip)

# Ways to write a password in which its characters have no meaning for the grammar.
WRITTEN: dict[str, Callable[[str], str]] = {
    "url": lambda p: f"https://me:{quote(p, safe='')}@host.example.com:8443/a",
    "url with two schemes in its lead": lambda p: f"jdbc:postgresql://me:{quote(p, safe='')}@host/db",
    "query": lambda p: f"postgresql://host/db?user=me&password={quote(p, safe='')}&sslmode=require",
    "query without a scheme": lambda p: f"host:5432/db?password={quote(p, safe='')}&user=me",
    "ADO.NET": lambda p: 'Server=tcp:host,1433;User ID=me;Password="{}";Encrypt=True'.format(
        p.replace('"', '""')
    ),
    "ADO.NET in single quotes": lambda p: "Server=host;Pwd='{}';Uid=me".format(p.replace("'", "''")),
    "ODBC": lambda p: "Driver={{ODBC Driver 18}};Server=host;UID=me;PWD={{{}}};".format(p.replace("}", "}}")),
    "JDBC": lambda p: "jdbc:sqlserver://host;user=me;password={{{}}};encrypt=true".format(
        p.replace("}", "}}")
    ),
    "libpq": lambda p: "host=db user=me password='{}' dbname=wms".format(
        p.replace("\\", "\\\\").replace("'", "\\'")
    ),
}
# The same for passwords without a double quote, which these grammars cannot write.
QUOTED: dict[str, Callable[[str], str]] = {
    "Oracle": lambda p: f'me/"{p}"@ora:1521/svc',
    "Oracle behind JDBC": lambda p: f'jdbc:oracle:thin:me/"{p}"@//ora:1521/svc',
    "Oracle before a descriptor": lambda p: f'me/"{p}"@(DESCRIPTION=(ADDRESS=(HOST=ora)(PORT=1521)))',
    "descriptor": lambda p: (
        f'(DESCRIPTION=(ADDRESS=(HOST=ora))(CONNECT_DATA=(SID=x)(USER=me)(PASSWORD="{p}")))'
    ),
}
# Passwords as they are, without quotes and escapes.
RAW: dict[str, Callable[[str], str]] = {
    "url": lambda p: f"https://me:{p}@host/a",
    "database": lambda p: f"mysql://me:{p}@host/db",
    "without a scheme": lambda p: f"me:{p}@host:21/x",
    "query": lambda p: f"postgresql://host/db?user=me&password={p}",
    "ADO.NET": lambda p: f"Server=host;User ID=me;Password={p};Encrypt=True",
    "JDBC": lambda p: f"jdbc:sqlserver://host;user=me;password={p};",
    "DB2": lambda p: f"jdbc:db2://host:50000/db:user=me;password={p};",
    "Oracle": lambda p: f"me/{p}@ora:1521/svc",
    "Oracle behind JDBC": lambda p: f"jdbc:oracle:thin:me/{p}@//ora:1521/svc",
    "two schemes": lambda p: f"http://https://me:{p}@host/",
    "HTTP query": lambda p: f"https://host/token?client_secret={p}",
    "test endpoint": lambda p: f"/health?api_key={p}",
    "MySQL": lambda p: f"jdbc:mysql://(host=h,user=me,password={p})/db",
}


def shown(address: Address) -> str:
    return "\n".join(
        (address.text, address.scheme, address.host, address.database, address.username, str(address.target))
    )


def reads_the_same_again(address: Address) -> bool:
    return parse_address(address.text) == address._replace(username="", password="")


@pytest.mark.parametrize("grammar", [*WRITTEN, *QUOTED])
@given(password=PASSWORDS)
def test_a_password_that_is_quoted_or_escaped_is_read_as_it_is(grammar, password):
    if grammar in QUOTED:
        assume('"' not in password)
    address = parse_address((WRITTEN | QUOTED)[grammar](password))
    assert (address.username, address.password, address.fault) == ("me", password, "")
    assert CANARY not in shown(address)
    assert reads_the_same_again(address)


@pytest.mark.parametrize("grammar", RAW)
@given(password=PASSWORDS)
def test_any_other_password_is_taken_out_or_refused(grammar, password):
    # `host:80/x@y` is an address with an @ in its path. A password of digits looks like such a port.
    assume(not password.split("@")[0].split("/")[0].isdecimal())
    # A part of a password may also look like another key.
    assume("=" not in password.lstrip("=") or not set(";&,") & set(password))
    address = parse_address(RAW[grammar](password))
    if address.fault:
        assert CANARY not in address.fault
        return
    assert CANARY not in shown(address)
    assert reads_the_same_again(address)


@given(text=st.text(st.sampled_from("@:/?#;={}[]()\"'& \\,.h12eé\u200b"), max_size=30))
def test_the_text_of_an_address_is_read_as_the_same_address(text):
    address = parse_address(text)
    if not address.fault:
        assert reads_the_same_again(address)


URLS = st.builds(
    "{}{}{}".format,
    st.sampled_from(["http://", "https://", "HTTP://"]),
    st.one_of(
        st.text(st.sampled_from("@:/\\?#;.[]%&=\t\n abcé\u200b。／＠_-012"), max_size=12),
        # A host, what some clients read as its port, and a sign with which it may be a user name.
        st.builds(
            "{}{}{}".format,
            st.sampled_from(
                ["evil", "evil.example", "evil。example", "evil．example", "ｅvil.example", "straße"]
            ),
            st.sampled_from(["", ":", ":80", ":8_0", ":+80", ": 80", ":８０", ":٨٠", ":x", "%3A80", "::1"]),
            st.sampled_from(["", "/", "?", "#", ";", "\\", "/x/", "//", ",b/", "/me"]),
        ),
    ),
    st.sampled_from(
        [
            "",
            "evil.example",
            "good.example/",
            "@good.example",
            "\\@good.example",
            "#@good.example",
            "?@good.example/",
            "/@good.example",
            "/me@good.example/x",
            "@good.example:/",
        ]
    ),
)


def by_urlsplit(written: str) -> str | None:
    parts = urlsplit(written)
    _ = parts.port  # raises `ValueError` if it is malformed
    return parts.hostname


def by_urlopen(written: str) -> str | None:
    """Return the host to the standard library's client, whose ports are all that `int` reads, also `8_0`."""
    _, _, host = (Request(written).host or "").rpartition("@")
    return HTTPConnection(host).host


def by_httpx(written: str) -> str | None:
    return httpx.URL(written).raw_host.decode()


CLIENTS: dict[str, Callable[[str], str | None]] = {
    "urlsplit": by_urlsplit,
    "urlopen": by_urlopen,
    "httpx": by_httpx,
}


@pytest.mark.parametrize("client", CLIENTS)
@given(written=URLS)
def test_clients_find_the_same_host(client, written):
    """Otherwise `refuse_redirected_secrets` would compare another host than the one that secrets go to.

    It also reads addresses with a user name, which a `save()` without `clean()` stores.
    """
    address = parse_address(written)
    if address.fault or not address.host:
        return
    for text in (address.text, trim(written)):
        try:
            host = CLIENTS[client](text)
        except (ValueError, InvalidURL, httpx.InvalidURL):
            continue  # this client refuses the address
        # To a client that does not read backslashes as slashes, such a host is empty.
        found = (host or "").strip("\\[]").lower()
        assert not found or found in names_of(address.host)


def names_of(host: str) -> set[str]:
    """Return the forms in which clients write a host: with and without a port, in Unicode and in Punycode."""
    whole = host.lower().strip("\\")
    name = whole.rpartition(":")[0] or whole
    names = {whole, whole.strip("[]"), name, name.strip("[]")}
    return names | {punycode(each) for each in names}


def punycode(name: str) -> str:
    return ".".join(
        part if part.isascii() else f"xn--{part.encode('punycode').decode()}" for part in name.split(".")
    )


@pytest.mark.parametrize("sign", ["/", "?", "#", "/x/"])
@pytest.mark.parametrize("port", ["", ":", ":443", ":4_43", ":+443", ":٤٤٣"])
@pytest.mark.parametrize("host", ["evil.example", "evil", "evil。example"])
def test_no_host_hides_before_an_at_sign(host, port, sign):
    """The address is refused, or its host is the one before the sign."""
    address = parse_address(f"https://{host}{port}{sign}@api.example.com")
    assert address.fault or address.host == host + port
    assert "api.example.com" not in address.host
