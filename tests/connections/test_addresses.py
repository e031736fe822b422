import pytest

from connections.addresses import parse_address, parse_endpoint

# What is written, what is shown of it, and the user-info that was in it.
ADDRESSES = [
    ("https://warehouse.example.com", "https://warehouse.example.com", "", ""),
    ("https://me:p%40w@host:8443/a?b=c@d", "https://host:8443/a?b=c@d", "me", "p@w"),
    ("https://host/@scope/package", "https://host/@scope/package", "", ""),
    ("http://host:80/x@y", "http://host:80/x@y", "", ""),
    ("https://[::1]:8443/x@y", "https://[::1]:8443/x@y", "", ""),
    ("ERP01\\SQLEXPRESS", "ERP01\\SQLEXPRESS", "", ""),
    ("db2.example.com:50000/ORDERS", "db2.example.com:50000/ORDERS", "", ""),
    ("me:pw@host/db", "host/db", "me", "pw"),
    ("jdbc:postgresql://me:pw@db/x", "jdbc:postgresql://db/x", "me", "pw"),
    ("db2+ibm_db://sa:Hunter2pw@erp:50000/ORD", "db2+ibm_db://erp:50000/ORD", "sa", "Hunter2pw"),
    (" \thttps://sa:pw@erp/ ", "https://erp/", "sa", "pw"),
    ("https:///sa:pw@erp/", "https:///erp/", "sa", "pw"),
    ("https:/sa:pw@erp/", "https:/erp/", "sa", "pw"),
    ("https:\\\\sa:pw@erp/", "https:\\\\erp/", "sa", "pw"),
    ("//me:pw@host/x", "//host/x", "me", "pw"),
    ("http://me:p/w@host/a", "http://host/a", "me", "p/w"),
    ("http://me:p#w@host/a", "http://host/a", "me", "p#w"),
    ("scott/tiger@host:1521/svc", "host:1521/svc", "scott", "tiger"),
    ("scott/tiger@//host:1521/svc", "//host:1521/svc", "scott", "tiger"),
    ("jdbc:oracle:thin:scott/tiger@//host:1521/svc", "jdbc:oracle:thin:@//host:1521/svc", "scott", "tiger"),
    ("", "", "", ""),
]


@pytest.mark.parametrize(("written", "shown", "username", "password"), ADDRESSES)
def test_user_info_is_split_off(written, shown, username, password):
    address = parse_address(written)
    assert (address.text, address.username, address.password) == (shown, username, password)
    assert not parse_address(address.text).has_user_info


# Two ways to write that lead a client to different hosts must differ here too.
@pytest.mark.parametrize("lead", ["https://", "https:///", "ht\ttps://", "https:\\\\"])
def test_another_host_is_another_target(lead):
    assert parse_address(f"{lead}evil.example/x").target != parse_address("https:///good.example/x").target


# An endpoint that is a path or query at the address, or another URL of its own.
@pytest.mark.parametrize(
    "text",
    ["", "/health", "/health?full=1", "?next=https://x", "/a@b", "/users?user=me", "https://other.example/x"],
)
def test_an_endpoint_is_a_path_or_a_url(text):
    assert (parse_endpoint(text).text, parse_endpoint(text).refusal) == (text, "")


@pytest.mark.parametrize(
    "text",
    [
        *(
            "@evil.example/x",
            ".evil.example/x",
            ":80@evil.example",
            ":8080/x",
            "health",
            "evil.example/x",
            "a/b?c",
        ),
        *(
            "//evil.example",
            "/\t/evil.example/x",
            "ht\ttps:evil.example",
            " https:evil.example",
            "\\\\evil.example",
            "/\\evil",
            "\\evil",
        ),
        *(
            "http:\\\\evil.example",
            "https:/evil.example",
            "https://",
            "https:///",
            "ftp://evil.example",
            "http://https://evil.example",
        ),
        *(
            "https://me:pw@evil.example",
            "https://me@evil.example",
            "/x?api_key=Tr1cky",
            "?access_token=Tr1cky",
            "https://evil.example/?sig=Tr1cky",
        ),
        *("/a\u200bb", "https://erp\u202e.example"),
    ],
)
def test_no_other_endpoint_is_taken(text):
    assert parse_endpoint(text).refusal
    assert "Tr1cky" not in parse_endpoint(text).refusal
