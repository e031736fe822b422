"""No address keeps a password, in whatever grammar it was pasted; what is left reads the same again."""

from collections.abc import Callable
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from connections.addresses import Address, parse_address

pytestmark = pytest.mark.any_database

CANARY = "Tr1cky"
# What passwords have in them, and what each grammar takes for a sign of its own.
AWKWARD = st.text(st.sampled_from("@:/?#;={}[]()\"'`&%+ \\,.|<>$!*~^-_é日A1"), max_size=8)
PASSWORDS = st.builds("{}{}{}".format, AWKWARD, st.just(CANARY), AWKWARD).map(str.strip)

# The ways to write a password so that nothing in it is taken for a sign.
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
# The same, of passwords without a quote, which these have no way to write.
QUOTED: dict[str, Callable[[str], str]] = {
    "Oracle": lambda p: f'me/"{p}"@ora:1521/svc',
    "Oracle behind JDBC": lambda p: f'jdbc:oracle:thin:me/"{p}"@//ora:1521/svc',
    "Oracle before a descriptor": lambda p: f'me/"{p}"@(DESCRIPTION=(ADDRESS=(HOST=ora)(PORT=1521)))',
    "descriptor": lambda p: (
        f'(DESCRIPTION=(ADDRESS=(HOST=ora))(CONNECT_DATA=(SID=x)(USER=me)(PASSWORD="{p}")))'
    ),
}
# As people write it who know no such way.
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
def test_a_password_that_is_written_well_is_read_as_it_was_meant(grammar, password):
    if grammar in QUOTED:
        assume('"' not in password)
    address = parse_address((WRITTEN | QUOTED)[grammar](password))
    assert (address.username, address.password, address.fault) == ("me", password, "")
    assert CANARY not in shown(address)
    assert reads_the_same_again(address)


@pytest.mark.parametrize("grammar", RAW)
@given(password=PASSWORDS)
def test_any_other_password_is_taken_out_or_refused(grammar, password):
    # `host:80/x@y` is an address, with an @ in its path; no password can be told from a port.
    assume(not password.split("@")[0].split("/")[0].isdecimal())
    # Nor can what looks like another key.
    assume("=" not in password.lstrip("=") or not set(";&,") & set(password))
    address = parse_address(RAW[grammar](password))
    if address.fault:
        assert CANARY not in address.fault
        return
    assert CANARY not in shown(address)
    assert reads_the_same_again(address)


@given(text=st.text(st.sampled_from("@:/?#;={}[]()\"'& \\,.h12eé\u200b"), max_size=30))
def test_whatever_is_read_reads_the_same_again(text):
    address = parse_address(text)
    if not address.fault:
        assert reads_the_same_again(address)


URLS = st.builds(
    "{}{}{}".format,
    st.sampled_from(["http://", "https://", "HTTP://"]),
    st.text(st.sampled_from("@:/\\?#;.[]%&=\t\n abcé\u200b。／＠_-012"), max_size=12),
    st.sampled_from(
        [
            "",
            "evil.example",
            "good.example/",
            "@good.example",
            "\\@good.example",
            "#@good.example",
            "?@good.example/",
        ]
    ),
)


@given(written=URLS)
def test_a_client_finds_the_host_that_is_found_here(written):
    """Whatever is taken; otherwise the guard would compare another host than the one that secrets go to."""
    address = parse_address(written)
    assume(not address.fault and address.host)
    try:
        place = urlsplit(address.text)
        host, _ = place.hostname, place.port
    except ValueError:
        return  # this client goes nowhere
    # A host that begins with backslashes is none, to a client that does not take them for slashes.
    found = (host or "").strip("\\")
    own = address.host.lower().strip("\\")
    assert not found or found in (own, own.rpartition(":")[0].strip("[]"))
