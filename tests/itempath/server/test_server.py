"""Tests of the real server process: ItemPath's documented calls, byte for byte, and HTTP itself."""

import gzip
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from bench import memory
from tests.conftest import ROOT, children, free_port, stop_server, until, wait_for
from tests.conftest import Server as RunningServer

pytestmark = pytest.mark.live

SEED = json.loads((ROOT / "tests/data/seed.json").read_text("utf-8"))

# The two calls of ItemPath's documentation of connections. `HOST` and `TOKEN` are filled in.
LIST = """curl "http://HOST/api/connections" \\
 -X get \\
 -H "Content-Type: application/json" \\
 -H "Authorization: Bearer TOKEN" \\
 -d 'GET /api/connections'"""
SHOW = """curl "http://HOST/api/connections/1" \\
 -X get \\
 -H "Content-Type: application/json" \\
 -H "Authorization: Bearer TOKEN" \\
 -d 'GET /api/connections/1'"""


@pytest.fixture
def wire(server):
    connection = http.client.HTTPConnection(urlsplit(server.base).netloc, timeout=20)
    yield connection
    connection.close()


def filled(line: str, server: RunningServer) -> str:
    return line.replace("http://HOST", server.base).replace("TOKEN", server.key)


def test_the_documented_list_call_answers_the_documented_objects(server, curl):
    answer = curl(filled(LIST, server))
    expected = ",".join(json.dumps(record, separators=(",", ":")) for record in SEED)
    assert answer.startswith(f"[{expected},")  # equal byte for byte, so with the same order of keys


def test_the_documented_show_call_answers_the_documented_object(server, curl):
    assert curl(filled(SHOW, server)) == json.dumps(SEED[0], separators=(",", ":"))


def test_the_printed_curl_line_works_as_printed(server, curl):
    assert [record["id"] for record in json.loads(curl(server.curl_line))] == [1, 2, 3, 4, 5, 6, 7]


def test_the_printed_key_only_reads_and_lasts_a_day(server, curl):
    shown = server.manage(
        "shell",
        "-v0",
        "-c",
        "from accounts.models import *; k = ApiKey.objects.get(); "
        "print(k.user.role.name, k.expires_at - k.created_at)",
    )
    assert shown.stdout.strip().startswith("READER 1 day, 0:00:00") or shown.stdout.strip().startswith(
        "READER 23:59:59"
    )


@pytest.mark.parametrize("method", ["get", "Get", "GET"])
@pytest.mark.parametrize("body", [b"", b"GET /api/connections", b"\xff\xfe\x00", b"[" * 50_000])
def test_a_get_takes_any_method_case_and_any_body(method, body, server, wire):
    wire.request(
        method,
        "/api/connections?limit=1",
        body,
        {"Authorization": f"Bearer {server.key}", "Content-Type": "application/json"},
    )
    answer = wire.getresponse()
    assert (answer.status, json.load(answer)) == (200, SEED[:1])


def test_a_body_that_is_not_read_leaves_the_connection_usable(server, wire):
    for _ in range(3):
        wire.request("GET", "/api/connections/1", b"x" * 3_000_000, {"Authorization": f"Bearer {server.key}"})
        assert json.load(wire.getresponse()) == SEED[0]


def test_head_has_the_headers_and_no_body(server, wire):
    headers = {"Authorization": f"Bearer {server.key}"}
    wire.request("GET", "/api/connections/1", headers=headers)
    full = wire.getresponse()
    full.read()
    wire.request("HEAD", "/api/connections/1", headers=headers)
    head = wire.getresponse()
    assert head.read() == b""
    same = ("etag", "content-type", "content-length", "cache-control")
    assert [head.headers[name] for name in same] == [full.headers[name] for name in same]


def test_not_modified_has_no_body(server, wire):
    headers = {"Authorization": f"Bearer {server.key}"}
    wire.request("GET", "/api/connections", headers=headers)
    full = wire.getresponse()
    full.read()
    wire.request("GET", "/api/connections", headers={**headers, "If-None-Match": full.headers["ETag"]})
    answer = wire.getresponse()
    assert (answer.status, answer.read(), answer.headers["ETag"]) == (304, b"", full.headers["ETag"])


def test_answers_are_compressed_for_clients_that_take_it(server, wire):
    wire.request(
        "GET",
        "/api/connections",
        headers={"Authorization": f"Bearer {server.key}", "Accept-Encoding": "gzip"},
    )
    answer = wire.getresponse()
    assert answer.headers["Content-Encoding"] == "gzip"
    assert json.loads(gzip.decompress(answer.read()))[:2] == SEED


@pytest.mark.parametrize(
    ("sent", "kept"),
    [("abc-123", True), ("ERP.job:7", True), ("bad id", False), ("x" * 129, False), ("", False)],
)
def test_every_answer_has_a_request_id(sent, kept, wire):
    wire.request("GET", "/api/nothing", headers={"X-Request-ID": sent})
    answer = wire.getresponse()
    answer.read()
    assert (answer.headers["X-Request-ID"] == sent) is kept
    assert answer.headers["X-Request-ID"]


def test_a_bad_host_is_refused_in_json(wire):
    wire.putrequest("GET", "/api/connections", skip_host=True)
    wire.putheader("Host", "evil.example.com")
    wire.endheaders()
    answer = wire.getresponse()
    assert (answer.status, json.load(answer)) == (
        400,
        {"msg": "The request is not well-formed.", "errors": []},
    )


@pytest.fixture
def stalled():
    """Return a function that sends a request without the rest of its body and leaves the connection open."""
    opened = []

    def stall(
        server, request=b"POST /api/users/login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{"
    ):
        opened.append(socket.create_connection(urlsplit(server.base).netloc.split(":"), timeout=20))
        opened[-1].sendall(request)
        return opened[-1]

    yield stall
    for each in opened:
        each.close()


def get(server, path="/healthz", timeout=20.0):
    connection = http.client.HTTPConnection(urlsplit(server.base).netloc, timeout=timeout)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


JSON = b"Content-Type: application/json\r\n"
LOGIN = b"POST /api/users/login HTTP/1.1\r\nHost: localhost\r\n"
BUNDLE = (
    b"GET /static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js HTTP/1.1\r\n"
    b"Host: localhost\r\n\r\n"
)
STALLS = {
    "nothing": b"",
    "half a head": b"GET /api/connections HTTP/1.1\r\nHost: loc",
    "half a body": LOGIN + b"Content-Length: 5000000\r\n\r\n{",
    "half of the chunks": LOGIN + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
    "half a form": b"POST /admin/login/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nusername=x",
    "a reader that does not read": BUNDLE * 8,
}


def read_all(client):
    """Return everything that the server still sends before it closes the connection."""
    return b"".join(iter(lambda: client.recv(65_536), b""))


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 100\r\n\r\n{", b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"]
)
def test_a_body_that_does_not_come_is_refused_and_its_connection_closed(framing, new_server, stalled):
    server = new_server(BODY_TIMEOUT="1")
    answer = read_all(stalled(server, LOGIN + framing))
    assert answer.startswith(b"HTTP/1.1 408")
    assert answer.endswith(b'{"msg":"The body did not come within 1 seconds.","errors":[]}')


@pytest.mark.parametrize("kind", STALLS)
def test_clients_that_stall_hold_nobody_up(kind, new_server, stalled):
    """The server has only one thread for reads and one for writes."""
    server = new_server()
    workers = children(server.process.pid)
    for _ in range(50):
        stalled(server, STALLS[kind])
    for _ in range(20):
        assert get(server, timeout=5) == 200
        assert post(server, b'{"username": "x"}') == 422
    assert children(server.process.pid) == workers


@pytest.mark.parametrize(
    ("request_line", "framing", "status"),
    [
        (
            b"POST /api/users/login",
            JSON + b"Content-Length: 5000000\r\n\r\n" + b"x" * 1_100_000,
            b"HTTP/1.1 413",
        ),
        (b"GET /api/users/login", b"Content-Length: 5000000\r\n\r\n" + b"x" * 1_100_000, b"HTTP/1.1 405"),
        (
            b"POST /admin/login/",
            b"Transfer-Encoding: chunked\r\n\r\n10c8e0\r\n" + b"x" * 1_100_000,
            b"HTTP/1.1 411",
        ),
    ],
)
def test_a_large_body_that_stalls_is_answered_for_what_it_is(
    request_line, framing, status, new_server, stalled
):
    server = new_server(BODY_TIMEOUT="1")
    answer = read_all(stalled(server, request_line + b" HTTP/1.1\r\nHost: localhost\r\n" + framing))
    assert answer.startswith(status)


@pytest.mark.parametrize("kind", ["half a body", "half of the chunks", "half a form"])
def test_nothing_is_left_of_a_body_that_did_not_come(kind, new_server, stalled):
    server = new_server(BODY_TIMEOUT="1")
    [worker] = children(server.process.pid)
    get(server)
    before = len(os.listdir(f"/proc/{worker}/fd"))
    for client in [stalled(server, STALLS[kind]) for _ in range(30)]:
        assert read_all(client).startswith(b"HTTP/1.1 4")
    until(lambda: len(os.listdir(f"/proc/{worker}/fd")) <= before)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_body_that_comes_byte_by_byte_is_one(method, server, stalled):
    content = b'{"username": "x"}'
    head = f"{method} /api/users/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    client = stalled(server, f"{head}Content-Length: {len(content)}\r\n\r\n".encode())
    for byte in content:
        client.sendall(bytes([byte]))
    assert client.recv(12) == (b"HTTP/1.1 405" if method == "GET" else b"HTTP/1.1 422")


def post(server, body):
    connection = http.client.HTTPConnection(urlsplit(server.base).netloc, timeout=5)
    try:
        connection.request("POST", "/api/users/login", body, {"Content-Type": "application/json"})
        return connection.getresponse().status
    finally:
        connection.close()


def test_a_reader_does_not_wait_for_a_login(server, wire):
    """A login takes long, because of the password hash. It runs on another thread than a read."""
    body = json.dumps({"username": "nobody", "password": "wrong"})
    with ThreadPoolExecutor(1) as pool:
        login = pool.submit(post, server, body)
        answers = 0
        while not login.done():
            wire.request("GET", "/healthz")
            wire.getresponse().read()
            answers += 1
    assert login.result() == 404
    assert answers > 3


def test_many_readers_that_do_not_read_take_no_memory(new_server, stalled):
    server = new_server()
    [worker] = children(server.process.pid)
    get(server, "/static/core/admin.css")
    before = memory.resident(worker)
    for _ in range(100):
        stalled(server, BUNDLE)
    time.sleep(1)
    assert get(server) == 200
    assert memory.resident(worker) - before < 60  # MB; the file alone has 1.5 MB


def test_a_header_with_an_underscore_is_not_taken_for_one_with_a_hyphen(new_server):
    server = new_server(TRUSTED_PROXIES="127.0.0.1", HTTPS="1")
    connection = http.client.HTTPConnection(urlsplit(server.base).netloc, timeout=20)
    headers = {"X_Forwarded_For": "203.0.113.7", "X_Forwarded_Proto": "https"}
    connection.request("GET", "/api/connections", headers=headers)
    assert connection.getresponse().status == 301  # to HTTPS, as the forged headers do not count
    connection.close()


def test_a_part_of_a_file_and_its_tag(server, wire):
    path = "/static/core/admin.css"
    wire.request("GET", path)
    whole = wire.getresponse()
    content = whole.read()
    assert content == (ROOT / "core/static/core/admin.css").read_bytes()
    wire.request("GET", path, headers={"Range": "bytes=3-9"})
    part = wire.getresponse()
    assert (part.status, part.read()) == (206, content[3:10])
    wire.request("GET", path, headers={"If-Modified-Since": whole.headers["Last-Modified"]})
    unchanged = wire.getresponse()
    assert (unchanged.status, unchanged.read()) == (304, b"")
    wire.request("HEAD", path)
    head = wire.getresponse()
    assert (head.status, head.read(), head.headers["Content-Length"]) == (200, b"", str(len(content)))


@pytest.mark.parametrize("rest", [b"", b'5\r\n{"usr\r\n'])
def test_a_body_that_ends_too_soon_is_refused(rest, server, stalled):
    """A form that lost its last fields would empty them."""
    chunked = b"POST /admin/login/ HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    client = stalled(server, chunked + rest) if rest else stalled(server)
    client.shutdown(socket.SHUT_WR)
    assert client.recv(12) == (b"HTTP/1.1 411" if rest else b"HTTP/1.1 400")


def test_a_second_run_prints_no_password_and_a_new_key(new_server, curl):
    first = new_server()
    second = new_server(DATABASE_URL=first.environment["DATABASE_URL"])
    assert any("password" in line for line in first.printed)
    assert not any("password" in line for line in second.printed)
    assert second.key != first.key
    assert json.loads(curl(second.curl_line))[:2] == SEED


def test_without_demo_the_line_takes_a_token(new_server):
    server = new_server(DEMO="0")
    assert [line for line in server.printed if "password" in line] == []
    assert '"Authorization: Bearer $TOKEN"' in server.curl_line


def test_the_admin_opens_with_the_printed_password_and_local_assets(new_server):
    server = new_server()
    script = (
        "import re, urllib.request as u, http.cookiejar as c, urllib.parse as p, sys\n"
        "base, password = sys.argv[1:]\n"
        "o = u.build_opener(u.HTTPCookieProcessor(c.CookieJar()))\n"
        "page = o.open(base + '/admin/login/').read().decode()\n"
        'csrf = re.search(\'csrfmiddlewaretoken" value="(.*?)"\', page)[1]\n'
        "data = {'username': 'admin', 'password': password, 'csrfmiddlewaretoken': csrf, 'next': '/admin/'}\n"
        "data = p.urlencode(data).encode()\n"
        "home = o.open(base + '/admin/login/', data).read().decode()\n"
        "assert 'Connections' in home\n"
        "sheet = re.search('href=\"(/static/.*?css.*?)\"', home)[1]\n"
        "assert o.open(base + sheet).status == 200\n"
    )
    subprocess.run([sys.executable, "-c", script, server.base, server.admin_password], check=True, timeout=60)


def test_make_run_in_a_fresh_checkout(tmp_path, curl):
    """The first command of the README, with the packages of this environment."""
    if not (ROOT / ".git").exists() or shutil.which("make") is None:
        pytest.skip("needs a git checkout and make")
    files = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    for name in files.splitlines():
        if (ROOT / name).is_file():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tmp_path / name)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    port = free_port()
    environment = {"PATH": "/usr/bin:/bin", "PORT": str(port)}
    process = subprocess.Popen(
        ["make", "run"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    server = RunningServer(process, f"http://127.0.0.1:{port}", {}, [])
    try:
        wait_for(server.base, process)
        assert process.stdout is not None
        while not (server.printed and server.printed[-1].startswith("curl ")):
            server.printed.append(process.stdout.readline().rstrip("\n"))
        assert json.loads(curl(server.curl_line))[:2] == SEED
        assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600
    finally:
        stop_server(server)


def test_an_unreachable_database_is_named_in_one_line(tmp_path):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"postgresql://nobody@127.0.0.1:{closed.getsockname()[1]}/nothing"
        command = [sys.executable, "manage.py", "serve"]
        environment = {**os.environ, "DATABASE_URL": url}
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=30, check=False
        )
    assert done.returncode == 1
    assert "The database cannot be used" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_that_is_taken_is_refused(new_server):
    first = new_server()
    second = subprocess.run(
        [sys.executable, "manage.py", "serve"],
        cwd=ROOT,
        env=first.environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert second.returncode == 1
    assert f"port {first.environment['PORT']} cannot be used: Address already in use." in second.stderr
    assert second.stdout == ""


def test_the_printed_keys_end_with_the_examples(new_server, curl, tmp_path):
    server = new_server()
    file = tmp_path / "real.json"
    file.write_text(json.dumps([{"id": 500, "name": "real", "type": "REST"}]))
    done = server.manage("import_connections", str(file))
    assert "The keys printed with the examples are revoked." in done.stdout
    assert (
        json.loads(curl(server.curl_line))["msg"] == "The bearer is no token and no API key that is in use."
    )


def test_every_process_notices_a_change_at_once(new_server):
    server = new_server(WEB_CONCURRENCY="2")

    def ask(tag=""):
        # A new connection reaches either process.
        connection = http.client.HTTPConnection(urlsplit(server.base).netloc, timeout=20)
        headers = {"Authorization": f"Bearer {server.key}", "If-None-Match": tag}
        connection.request("GET", "/api/connections", headers=headers)
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer.status, answer.headers["ETag"]

    (tag,) = {ask()[1] for _ in range(20)}
    assert {ask(tag) for _ in range(20)} == {(304, tag)}
    code = (
        "from logs.models import ConnectionLog; "
        "ConnectionLog.objects.filter(pk=10).update(description='Checked by hand')"
    )
    assert server.manage("shell", "-v0", "-c", code).returncode == 0
    statuses, tags = zip(*(ask(tag) for _ in range(20)), strict=True)
    assert set(statuses) == {200}
    assert len({*tags, tag}) == 2
