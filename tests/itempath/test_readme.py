"""The commands of the README, run as printed."""

import json
import re
import subprocess
import sys
from typing import Any

import pytest

from tests.conftest import ROOT

README = (ROOT / "README.md").read_text("utf-8")
SHELL_LINES = [
    line for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL) for line in block.splitlines()
]
WORK_ITEM_LINES = [line for line in SHELL_LINES if "/api/connections/bugs/" in line]
CURL_LINES = [line for line in SHELL_LINES if line.startswith("curl ") and line not in WORK_ITEM_LINES]


def body_of(answer: str) -> Any:
    """Return the JSON of an answer; `curl -i` prints headers before it."""
    return json.loads(answer.split("\n\n", 1)[-1] if answer.startswith("HTTP/") else answer)


@pytest.mark.live
@pytest.mark.parametrize("line", CURL_LINES)
def test_curl_lines_work_as_printed(line, server, curl):
    answer = curl(line.replace("http://localhost:8000", server.base), TOKEN=server.key).replace("\r", "")
    body = body_of(answer)
    strict = "handling=strict" in line
    assert isinstance(body, dict) == (strict or "countOnly" in line or "/connections/1" in line)
    if strict:
        assert body["errors"] == [{"colour": {"message": "Is not an argument of this call."}}]
    elif isinstance(body, dict):
        assert body.keys() >= {"count"} or body["name"] == "PowerPick"


# The ids that each line returns on the example data.
SHOWN = {
    "type=MSSQL&appID=2": [1],
    "type=[not]REST": [1, 3, 4, 5, 6, 7],
    "type=[nor]REST;PLC": [1, 3, 5, 6, 7],
    "id=[or]1;2;7": [1, 2, 7],
    "name=[like]power": [1],
    "url=[notlike]example.com": [4],
    "name=[eq][PROD]%20ERP": [],
    "creationDate=[gte]2026-05-02&creationDate=[lt]2026-06": [2, 3, 4, 5, 6, 7],
    "lastCheck=[lt]yesterday&status=0": [2, 4],
    "integrationCount[gt]=1": [1, 3],
    "appId=null": [7],
    "latestConnection=[not]null": [1, 2, 3, 4, 5],
    "orderby=type,lastCheck:desc": [6, 3, 5, 1, 4, 2, 7],
    "orderby=-name&limit=2&page=1": [1, 3],
}


@pytest.mark.live
@pytest.mark.parametrize(("query", "ids"), SHOWN.items())
def test_the_lines_show_what_they_say(query, ids, server, curl):
    line = next(line for line in CURL_LINES if f"?{query}" in line)
    records = body_of(
        curl(line.replace("http://localhost:8000", server.base), TOKEN=server.key).replace("\r", "")
    )
    assert [record["id"] for record in records] == ids


@pytest.mark.live
def test_a_token_from_the_command_opens_the_api(server, curl):
    line = next(line for line in SHELL_LINES if line.startswith("TOKEN="))
    command = line.replace(".venv/bin/python", sys.executable)
    answer = subprocess.run(
        ["bash", "-c", f'{command}; curl -s {server.base}/api/connections -H "Authorization: Bearer $TOKEN"'],
        cwd=ROOT, env=server.environment, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert len(json.loads(answer.stdout)) == 7


@pytest.mark.live
def test_the_lines_about_work_items(server, curl):
    answers = [
        json.loads(curl(line.replace("http://localhost:8000", server.base), TOKEN=server.key))
        for line in WORK_ITEM_LINES
    ]
    seed = json.loads((ROOT / "tests/data/work-items.json").read_text("utf-8"))
    assert [json.dumps(answer) for answer in answers] == [json.dumps({"success": True}), json.dumps(seed)]


def test_every_setting_is_in_the_table():
    from itempath.environment import Environment

    assert [name for name in Environment.model_fields if f"`{name.upper()}`" not in README] == []
