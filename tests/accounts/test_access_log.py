import json
import re

import pytest

from tests.conftest import Server

pytestmark = pytest.mark.any_database


@pytest.fixture
def lines(new_server, tmp_path):
    """Return a server, and a reader of the lines that it logged."""
    server: Server = new_server(LOG_LEVEL="INFO")

    def read():
        return [
            json.loads(line)
            for line in (tmp_path / "errors-0.log").read_text("utf-8").splitlines()
            if line.startswith("{")
        ]

    return server, read


@pytest.mark.live
def test_each_request_is_one_line_of_json(lines, curl):
    server, read = lines
    authorization = f'-H "Authorization: Bearer {server.key}"'
    curl(f'curl -s "{server.base}/api/connections/1?token=hush" {authorization} -H "X-Request-ID: job-7"')
    curl(f'curl -s "{server.base}/api/connections/99" {authorization}')
    curl(f'curl -s "{server.base}/api/connections" -H "Authorization: Bearer {"0" * 64}"')
    curl(f"curl -s {server.base}/admin/login/")
    logged = [
        (line["method"], line["path"], line["status"], line["credential"])
        for line in read()
        if line["message"] == "request"
    ]
    key = logged[0][3]
    assert re.fullmatch(r"apikey:\d+", key)
    assert logged == [
        ("GET", "/api/connections/1", 200, key),
        ("GET", "/api/connections/99", 404, key),
        ("GET", "/api/connections", 401, None),
        ("GET", "/admin/login/", 200, None),
    ]
    first = read()[0]
    assert first["request_id"] == "job-7"
    assert first["level"] == "INFO"
    assert 0 < first["milliseconds"] < 60_000
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", first["time"])


@pytest.mark.live
def test_no_line_has_a_token_or_a_query(lines, curl, tmp_path):
    server, _ = lines
    curl(f'curl -s "{server.base}/api/connections?name=hush" -H "Authorization: Bearer {server.key}"')
    curl(f'curl -s "{server.base}/api/connections?token={server.key}"')
    text = (tmp_path / "errors-0.log").read_text("utf-8")
    assert text.count('"message":"request"') == 2
    assert server.key not in text
    assert "hush" not in text


@pytest.mark.live
def test_health_checks_are_not_logged(lines, curl):
    server, read = lines
    curl(f"curl -s {server.base}/healthz; curl -s {server.base}/readyz")
    assert read() == []
