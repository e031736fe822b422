"""The OpenAPI description is complete, served with its own page, and correct about the running server."""

import gzip
import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml
from django.core.management import call_command
from django.test import Client
from drf_spectacular.generators import SchemaGenerator

from core.api.description import make_description, make_schema
from tests.conftest import ROOT

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
)
SCHEMA_CHECKS = (*CHECKS, "response_schema_conformance")
EXAMPLES = "40" if os.environ.get("CI_SERVERS") else "5"


@pytest.fixture(scope="module")
def description(tmp_path_factory):
    file = tmp_path_factory.mktemp("schema") / "schema.json"
    call_command(
        "spectacular", "--validate", "--fail-on-warn", "--format", "openapi-json", "--file", str(file)
    )
    return json.loads(file.read_text("utf-8"))


def test_every_argument_and_operator_is_described(description):
    parameters = {
        each["name"]: each for each in description["paths"]["/api/connections"]["get"]["parameters"]
    }
    fields = (
        "id appId name url passwordExists tokenExists isTestable authentication type username "
        "status latestConnection creationDate integrationCount lastCheck"
    )
    for field in fields.split():
        assert "[or]" in parameters[field]["description"]
    assert {
        "limit",
        "page",
        "orderby",
        "countOnly",
        "If-None-Match",
        "Prefer",
        "X-Request-ID",
    } <= parameters.keys()


def test_every_answer_and_header_is_described(description):
    reading = description["paths"]["/api/connections"]["get"]["responses"]
    assert {"200", "304", "400", "401", "403", "404", "422", "429", "500", "503"} <= reading.keys()
    assert {"ETag", "Link", "X-Ignored-Parameters", "X-Request-ID"} <= reading["200"]["headers"].keys()
    assert {"Retry-After"} <= reading["429"]["headers"].keys()
    assert {"404", "413", "415", "422", "429"} <= description["paths"]["/api/users/login"]["post"][
        "responses"
    ].keys()


def test_the_body_and_the_records_of_work_items_are_described_as_they_are_taken(description):
    schemas = description["components"]["schemas"]
    body = schemas["ChangeBody"]
    assert body["additionalProperties"] is False
    assert [each["type"] for each in body["properties"]["items"]["items"]["anyOf"]] == ["integer", "string"]
    assert [each["type"] for each in body["properties"]["delete"]["anyOf"]] == ["boolean", "string"]
    assert (
        len(schemas["WorkItem"]["anyOf"]) == 4
    )  # `anyOf`, because an item also matches the schema of a backlog


def operations(description):
    return [call for calls in description["paths"].values() for call in calls.values()]


def test_every_call_has_a_summary_a_tag_and_one_scheme_of_security(description):
    assert description["openapi"] == "3.1.0"
    assert description["servers"][0]["url"] == "/"
    assert list(description["components"]["securitySchemes"]) == ["bearer"]
    tags = {tag["name"] for tag in description["tags"] if tag["description"]}
    for call in operations(description):
        assert call["summary"]
        assert len(call["summary"]) <= 60
        assert tags.issuperset(call["tags"])
        assert call["security"] in ([{"bearer": []}], [{}])
    assert (
        len({call["operationId"] for call in operations(description)}) == len(operations(description)) == 11
    )


def test_try_it_out_sends_no_argument_that_nobody_entered(description):
    for call in operations(description):
        for parameter in call["parameters"]:
            assert not {"example", "examples"} & parameter.keys()
            assert not {"example", "examples", "default"} & parameter["schema"].keys()


def test_ids_are_integers_of_64_bits(description):
    schemas = description["components"]["schemas"]
    assert schemas["Connection"]["properties"]["id"] == {"type": "integer", "format": "int64"}
    assert schemas["Connection"]["properties"]["appId"] == {"type": ["integer", "null"], "format": "int64"}
    assert schemas["Connection"]["properties"]["latestLog"]["oneOf"] == [
        {"$ref": "#/components/schemas/LatestLog"},
        {"type": "null"},
    ]
    paths = [
        parameter
        for call in operations(description)
        for parameter in call["parameters"]
        if parameter["in"] == "path"
    ]
    assert {parameter["schema"]["type"] for parameter in paths if parameter["name"] == "id"} == {"integer"}


def test_tokens_have_answers_of_their_own(description):
    bodies = {
        path: calls["post"] for path, calls in description["paths"].items() if path.startswith("/api/token")
    }
    answers = {
        path: call["responses"]["200"]["content"]["application/json"]["schema"]
        for path, call in bodies.items()
    }
    assert answers["/api/token"] == {"$ref": "#/components/schemas/TokenPairAnswer"}
    assert answers["/api/token/refresh"] == {"$ref": "#/components/schemas/RefreshedAnswer"}


@pytest.mark.live
def test_the_page_asks_no_other_host(server):
    page = urllib.request.urlopen(f"{server.base}/api/docs/").read().decode()
    sources = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert sources
    assert all(source.startswith("/") for source in sources)
    for source in sources:
        assert urllib.request.urlopen(server.base + source).status == 200


@pytest.mark.live
@pytest.mark.any_database
@pytest.mark.parametrize("kind", ["accessToken", "refreshToken"])
def test_schemathesis_finds_nothing(kind, new_server, tmp_path):
    server = new_server(API_RATE_PER_MINUTE="0", API_RATE_PER_DAY="0", LOG_LEVEL="CRITICAL")
    body = json.dumps({"username": "admin", "password": server.admin_password}).encode()
    login = urllib.request.Request(
        f"{server.base}/api/users/login", body, {"Content-Type": "application/json"}
    )
    token = json.load(urllib.request.urlopen(login))[kind]
    program = Path(sys.executable).with_name("schemathesis")
    command = [
        program,
        "--no-color",
        "run",
        f"{server.base}/api/schema",
        "--checks",
        ",".join(SCHEMA_CHECKS),
    ]
    options = ["--seed", "1", "--max-examples", EXAMPLES, "-H", f"Authorization: Bearer {token}"]
    done = subprocess.run(
        [*command, *options], cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stdout[-5000:]
    assert "Tested: 11" in done.stdout


@pytest.fixture
def made(monkeypatch):
    """A list that gets an entry each time the description is generated."""
    times, get_schema = [], SchemaGenerator.get_schema

    def counted(self, *args, **options):
        times.append(1)
        time.sleep(0.05)  # gives other threads time to start
        return get_schema(self, *args, **options)

    monkeypatch.setattr(SchemaGenerator, "get_schema", counted)
    for cached in (make_schema, make_description):
        cached.cache_clear()
    return times


def test_the_description_is_made_once(made, client):
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda path: Client().get(path), ["/api/schema/", "/api/schema?format=json"] * 4)
        )
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 2
    assert made == [1]


@pytest.mark.parametrize("format", ["json", "yaml"])
def test_the_description_has_an_address_in_each_format(format, client):
    answer = client.get(f"/api/schema.{format}", headers={"Accept": "text/html"})
    assert answer.content == client.get(f"/api/schema?format={format}").content
    assert client.get("/api/schema.xml").status_code == 404


ACCEPTED = {
    "": "yaml",
    "*/*": "yaml",
    "text/html": "yaml",
    "application/json,*/*": "json",
    "application/vnd.oai.openapi+json": "json",
}


@pytest.mark.parametrize(("accepted", "format"), ACCEPTED.items())
@pytest.mark.parametrize("path", ["/api/schema", "/api/schema/"])
def test_the_description_comes_in_the_format_that_is_accepted(path, accepted, format, client, description):
    answer = client.get(path, headers={"Accept": accepted})
    assert answer.content == client.get(f"{path}?format={format}").content
    assert (
        answer["Content-Type"] == {"yaml": "application/vnd.oai.openapi", "json": "application/json"}[format]
    )
    assert yaml.safe_load(answer.content) == description


def test_the_description_is_not_sent_again_to_who_has_it(client):
    full = client.get("/api/schema/")
    assert (full["Cache-Control"], full["Vary"]) == ("public, no-cache", "Accept, Accept-Encoding")
    not_modified = client.get("/api/schema/", headers={"If-None-Match": full["ETag"]})
    assert (not_modified.status_code, not_modified.content) == (304, b"")
    assert not_modified["ETag"] == full["ETag"]
    assert client.get("/api/schema/", headers={"If-None-Match": 'W/"other"'}).status_code == 200
    assert client.get("/api/schema/?format=json", headers={"If-None-Match": full["ETag"]}).status_code == 200
    head = client.head("/api/schema/")
    assert (head.status_code, head.content, head["ETag"]) == (200, b"", full["ETag"])


def test_the_description_is_compressed_once(client):
    full, packed = client.get("/api/schema/"), client.get("/api/schema/", headers={"Accept-Encoding": "gzip"})
    assert packed["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.content) == full.content
    assert packed.content == client.get("/api/schema/", headers={"Accept-Encoding": "gzip"}).content


def test_the_description_is_only_read(client):
    for method in ("POST", "PUT", "DELETE"):
        answer = client.generic(method, "/api/schema/")
        assert (answer.status_code, answer["Allow"]) == (405, "GET, HEAD, OPTIONS")


def test_the_description_is_open_to_everyone(client):
    assert client.get("/api/schema").status_code == 200
    assert (ROOT / "README.md").read_text("utf-8").count("/api/docs/") == 1
