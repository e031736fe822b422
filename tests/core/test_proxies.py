"""The client's address and scheme behind proxies: trusted proxies may tell them, and nobody else."""

import http.client
import json
from urllib.parse import urlsplit

import pytest

from core.proxies import trust_proxies

PROXIES = ["127.0.0.1", "10.0.0.0/8", "fd00::/8", "::ffff:192.0.2.0/120"]


def received(peer, networks=PROXIES, scheme="http", **headers):
    """Return the address, the scheme and the names of forwarding headers that the application gets."""
    given = {}
    application = trust_proxies(lambda environ, start_response: given.update(environ) or [], networks)
    forwarded = {f"HTTP_X_FORWARDED_{name.upper()}": value for name, value in headers.items()}
    application({"REMOTE_ADDR": peer, "wsgi.url_scheme": scheme, **forwarded}, None)
    return given["REMOTE_ADDR"], given["wsgi.url_scheme"], [name for name in given if "FORWARDED" in name]


ADDRESSES = {
    # One address, in the forms that proxies use.
    "203.0.113.7": "203.0.113.7",
    "203.0.113.7:51234": "203.0.113.7",
    " 203.0.113.7 ": "203.0.113.7",
    "2001:db8::1": "2001:db8::1",
    "[2001:db8::1]:443": "2001:db8::1",
    "[2001:db8::1]": "2001:db8::1",
    '"[2001:db8::1]:443"': "2001:db8::1",
    "2001:0DB8:0000::0001": "2001:db8::1",
    "fe80::1%eth0": "fe80::1",
    "[fe80::1%25eth0]:80": "fe80::1",
    "::ffff:203.0.113.7": "203.0.113.7",
    "[::ffff:203.0.113.7]:80": "203.0.113.7",
    # Several addresses: the client's is the last one that is no trusted proxy's.
    "198.51.100.1, 203.0.113.7": "203.0.113.7",
    "203.0.113.7, 10.0.0.5": "203.0.113.7",
    "203.0.113.7:1, 10.0.0.5:2, fd00::3": "203.0.113.7",
    "203.0.113.7, ::ffff:10.0.0.5": "203.0.113.7",
    "203.0.113.7, 192.0.2.9": "203.0.113.7",
    "203.0.113.7,": "203.0.113.7",
    "203.0.113.7, ,": "203.0.113.7",
    "10.0.0.4, 10.0.0.5": "10.0.0.4",
    "203.0.113.7, unknown, 10.0.0.5": "10.0.0.5",
    "unknown, 203.0.113.7": "203.0.113.7",
    f"{'198.51.100.1, ' * 5000}203.0.113.7": "203.0.113.7",
    f"203.0.113.7{', 10.0.0.5' * 5000}": "10.0.0.5",
    # No readable address.
    "": "127.0.0.1",
    ",": "127.0.0.1",
    "unknown": "127.0.0.1",
    "_hidden": "127.0.0.1",
    "_hidden:80": "127.0.0.1",
    "erp.example.com": "127.0.0.1",
    "203.0.113": "127.0.0.1",
    "203.0.113.07": "127.0.0.1",
    "203.0.113.256": "127.0.0.1",
    "203.0.113.7:x:y": "127.0.0.1",
    "[2001:db8::1": "2001:db8::1",
    "[": "127.0.0.1",
    "[]:80": "127.0.0.1",
    ":": "127.0.0.1",
    "\xff": "127.0.0.1",
    "１２７.0.0.2": "127.0.0.1",
    "203.0.113.7\0": "127.0.0.1",
    "203.0.113.7'; DROP TABLE": "127.0.0.1",
}


@pytest.mark.any_database
@pytest.mark.parametrize(("forwarded", "client"), ADDRESSES.items(), ids=lambda text: text[:40])
def test_the_address_that_a_proxy_tells(forwarded, client):
    assert received("127.0.0.1", **{"for": forwarded}) == (client, "http", [])


@pytest.mark.any_database
@pytest.mark.parametrize(
    ("peer", "client"),
    [
        ("198.51.100.9", "198.51.100.9"),
        ("::ffff:198.51.100.9", "198.51.100.9"),
        ("2001:DB8:0::9", "2001:db8::9"),
        ("fe80::9%eth0", "fe80::9"),
        ("", ""),
        ("unix:", ""),
        ("/run/registry.sock", ""),
    ],
)
@pytest.mark.parametrize("networks", [PROXIES, []])
def test_headers_of_other_peers_are_ignored(peer, client, networks):
    assert received(peer, networks, **{"for": "203.0.113.7", "proto": "https"}) == (
        client,
        "http",
        [],
    )


@pytest.mark.any_database
@pytest.mark.parametrize(
    "peer", ["127.0.0.1", "10.255.0.1", "::ffff:10.0.0.1", "fd12::1", "192.0.2.1", "::ffff:192.0.2.1"]
)
def test_a_proxy_may_be_written_in_either_family(peer):
    assert received(peer, **{"for": "203.0.113.7"})[0] == "203.0.113.7"


@pytest.mark.any_database
@pytest.mark.parametrize(
    ("told", "scheme"),
    [
        *[
            ("https", "https"),
            ("HTTPS", "https"),
            (" Https ", "https"),
            ("https, http", "https"),
            ("https,https", "https"),
        ],
        *[("http", "http"), ("HTTP", "http"), ("http, https", "http")],
        *[
            ("", "http"),
            ("ftp", "http"),
            ("wss", "http"),
            ("https/1.1", "http"),
            (",https", "http"),
            ("\xff", "http"),
        ],
    ],
)
def test_the_scheme_that_a_proxy_tells(told, scheme):
    assert received("127.0.0.1", proto=told)[1] == scheme
    assert received("127.0.0.1", proto=told, **{"for": "203.0.113.7"})[1] == scheme


@pytest.mark.any_database
def test_the_scheme_stays_unless_a_proxy_tells_a_valid_one():
    assert received("127.0.0.1", scheme="https", proto="nonsense")[1] == "https"
    assert received("127.0.0.1", scheme="https", proto="http")[1] == "http"


@pytest.mark.any_database
def test_an_invalid_network_is_refused():
    with pytest.raises(ValueError, match="has host bits set"):
        trust_proxies(lambda environ, start_response: [], ["10.0.0.1/8"])


# Through the real server


def ask(server, method="GET", path="/api/connections", body=None, **headers):
    connection = http.client.HTTPConnection(urlsplit(server.base).netloc, timeout=20)
    try:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, {"Content-Type": "application/json", **sent})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


MAKE_USER = """
from accounts.models import User
user = User.objects.create_user("machine", password="correct horse battery", type=User.Type.APPLICATION)
"""
SHOW_ADDRESSES = """
from auditlog.models import LogEntry
for entry in LogEntry.objects.filter(content_type__model="applicationtoken").order_by("pk"):
    print("from", entry.remote_addr)
"""
LIVE = [
    "203.0.113.7:51234",
    "unknown",
    "[2001:db8::1]:443",
    "::ffff:203.0.113.7",
    "fe80::1%eth0",
    "garbage, 10.1.1.1",
    "x" * 9000,
]


@pytest.mark.live
def test_the_audit_has_the_clients_address(new_server):
    server = new_server(TRUSTED_PROXIES="127.0.0.1,10.0.0.0/8")
    assert server.manage("shell", "-v0", "-c", MAKE_USER).returncode == 0
    body = json.dumps({"username": "machine", "password": "correct horse battery"})
    for forwarded in LIVE:
        status, answer = ask(server, "POST", "/api/users/login", body, X_Forwarded_For=forwarded)
        assert status == 200, answer
        token = json.loads(answer)["refreshToken"]
        headers = {"Authorization": f"Bearer {token}", "X_Forwarded_For": forwarded}
        assert ask(server, "POST", "/api/users/application-token", **headers)[0] == 200
    shown = server.manage("shell", "-v0", "-c", SHOW_ADDRESSES).stdout
    told = ["203.0.113.7", "127.0.0.1", "2001:db8::1", "203.0.113.7", "fe80::1", "10.1.1.1", "127.0.0.1"]
    assert [line.removeprefix("from ") for line in shown.splitlines() if line.startswith("from ")] == told


@pytest.mark.live
def test_failed_logins_count_for_the_clients_address_whatever_its_port(new_server):
    server = new_server(TRUSTED_PROXIES="127.0.0.1")
    statuses = []
    for number in range(32):
        body = json.dumps({"username": f"nobody-{number}", "password": "wrong"})
        statuses.append(
            ask(server, "POST", "/api/users/login", body, X_Forwarded_For=f"203.0.113.7:{50_000 + number}")[0]
        )
    assert statuses == [404] * 30 + [429] * 2
    assert ask(server, "POST", "/api/users/login", body, X_Forwarded_For="203.0.113.8:50000")[0] == 404


@pytest.mark.live
def test_a_client_that_came_by_https_is_not_sent_there_again(new_server):
    server = new_server(TRUSTED_PROXIES="127.0.0.1", HTTPS="1")
    for told in ("https", "HTTPS", "https, http"):
        assert ask(server, X_Forwarded_Proto=told)[0] == 401
        assert ask(server, X_Forwarded_Proto=told, X_Forwarded_For="203.0.113.7")[0] == 401
    for told in ("http", "nonsense", ""):
        assert ask(server, X_Forwarded_Proto=told)[0] == 301


@pytest.mark.live
def test_without_trusted_proxies_the_headers_are_ignored(new_server):
    server = new_server(HTTPS="1")
    assert ask(server, X_Forwarded_Proto="https", X_Forwarded_For="203.0.113.7")[0] == 301
