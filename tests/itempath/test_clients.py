"""The OpenAPI description passes a linter, generated clients work, and real answers match it."""

import json
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.conftest import ROOT, Server
from tests.itempath.test_openapi import description  # noqa: F401  # a fixture

pytestmark = [pytest.mark.live, pytest.mark.any_database]

CLIENTS = ROOT / "tests/clients"
TOOLS = CLIENTS / "node_modules/.bin"
PYTHON = Path(sys.executable).parent
EXPECTED = {
    "listed": 2,
    "same": True,
    "refused": "limit: Takes an integer from 1 to 20000.",
    "missing": 404,
    "verified": 200,
    "links": True,
}


def tool(name: str) -> Path:
    """Return the path of a program that `npm ci` in `tests/clients` installs; skip the test without it."""
    if not (TOOLS / name).exists():
        message = f"{name} is not installed: run npm ci in tests/clients"
        pytest.fail(message) if os.environ.get("CI_SERVERS") else pytest.skip(message)
    return TOOLS / name


def run(*command: object, cwd: Path = CLIENTS, **environment: str) -> str:
    path = f"{PYTHON}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env={
            **os.environ,
            "PATH": path,
            "REDOCLY_TELEMETRY": "off",
            "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true",
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def served(server: Server, format: str, folder: Path) -> Path:
    file = folder / f"openapi.{format}"
    file.write_bytes(urllib.request.urlopen(f"{server.base}/api/schema.{format}").read())
    return file


@pytest.mark.parametrize("format", ["json", "yaml"])
def test_redocly_and_spectral_find_nothing(server, tmp_path, format):
    file = served(server, format, tmp_path)
    run(tool("redocly"), "lint", "--format=json", file)
    run(tool("spectral"), "lint", "--fail-severity=warn", "--ruleset", CLIENTS / ".spectral.yaml", file)


def test_a_typescript_client_compiles_and_calls(server, tmp_path):
    file = served(server, "yaml", tmp_path)
    (tmp_path / "node_modules").symlink_to(TOOLS.parent)
    for name in ("client.ts", "tsconfig.json", "package.json"):
        shutil.copy(CLIENTS / name, tmp_path)
    run(tool("openapi-typescript"), file, "-o", tmp_path / "schema.d.ts")
    run(tool("tsc"), cwd=tmp_path)
    said = json.loads(run("node", "client.js", server.base, server.admin_password, cwd=tmp_path))
    assert said["count"] > 2
    assert said | EXPECTED | {"renewed": "string"} == said


def test_a_python_client_compiles_and_calls(server, tmp_path):
    file = served(server, "json", tmp_path)
    options = ("--meta", "none", "--fail-on-warning", "--output-path", tmp_path / "registry_client")
    run(PYTHON / "openapi-python-client", "generate", "--path", file, *options, cwd=tmp_path)
    run(sys.executable, "-m", "compileall", "-q", tmp_path / "registry_client")
    said = json.loads(
        run(
            sys.executable,
            CLIENTS / "client.py",
            server.base,
            server.admin_password,
            PYTHONPATH=str(tmp_path),
        )
    )
    assert said["count"] > 2
    assert said | EXPECTED | {"renewed": True} == said


# Real answers


def call(
    server: Server, method: str, path: str, token: str = "", body: object = None, **headers: str
) -> tuple[int, Any, Any]:
    content = json.dumps(body).encode() if body is not None else None
    sent = (
        {"Content-Type": "application/json"}
        | ({"Authorization": f"Bearer {token}"} if token else {})
        | headers
    )
    request = urllib.request.Request(server.base + path, content, sent, method=method)
    try:
        answer = urllib.request.urlopen(request)
    except urllib.error.HTTPError as error:
        answer = error
    text = answer.read()
    return answer.status, answer.headers, json.loads(text) if text else None


@pytest.fixture(scope="module")
def tokens(server) -> dict[str, str]:
    _, _, login = call(
        server, "POST", "/api/users/login", body={"username": "admin", "password": server.admin_password}
    )
    return {"access": login["accessToken"], "refresh": login["refreshToken"], "": "", "bad": "x.y.z"}


LOGIN = {"username": "admin", "password": "PASSWORD"}
LINKS = {"items": [], "initiatives": [], "bugs": [], "backlogs": [1], "delete": False}
CALLS: list[tuple[str, str, str, str, dict[str, Any] | None, int]] = [
    ("GET", "/api/connections", "", "access", None, 200),
    ("GET", "/api/connections", "?countOnly=true", "access", None, 200),
    ("GET", "/api/connections", "?after=1", "access", None, 200),
    ("GET", "/api/connections", "?limit=1", "access", None, 200),
    ("GET", "/api/connections", "?limit=0&page[size]=1", "access", None, 422),
    ("GET", "/api/connections", "?name=%FF", "access", None, 400),
    ("GET", "/api/connections", "", "", None, 401),
    ("GET", "/api/connections", "", "bad", None, 401),
    ("GET", "/api/connections/{id}", "1", "access", None, 200),
    ("GET", "/api/connections/{id}", "2", "access", None, 200),
    ("GET", "/api/connections/{id}", "999999", "access", None, 404),
    ("GET", "/api/connections/{owner}/{info}/{id}", "bugs/items/1", "access", None, 200),
    ("GET", "/api/connections/{owner}/{info}/{id}", "bugs/nothing/1", "access", None, 404),
    ("GET", "/api/connections/{owner}/{info}/{id}", "bugs/items/1", "", None, 401),
    ("POST", "/api/connections/{owner}/{id}", "items/1", "access", {"items": []}, 400),
    ("POST", "/api/connections/{owner}/{id}", "items/999999", "access", LINKS, 404),
    ("POST", "/api/users/login", "", "", LOGIN, 200),
    ("POST", "/api/users/login", "", "", {"username": "admin", "password": "wrong"}, 404),
    ("POST", "/api/users/login", "", "", {}, 422),
    ("GET", "/api/users/refresh", "", "refresh", None, 200),
    ("POST", "/api/users/refresh", "", "refresh", None, 200),
    ("POST", "/api/users/refresh", "", "access", None, 401),
    ("POST", "/api/users/application-token", "", "refresh", None, 403),
    ("POST", "/api/token", "", "", LOGIN, 200),
    ("POST", "/api/token", "", "", {"username": "admin", "password": "wrong"}, 401),
    ("POST", "/api/token/refresh", "", "", {"refresh": "refresh"}, 200),
    ("POST", "/api/token/refresh", "", "", {"refresh": "x"}, 401),
    ("POST", "/api/token/verify", "", "", {"token": "access"}, 200),
    ("POST", "/api/token/verify", "", "", {"token": "x"}, 401),
]


@pytest.mark.parametrize(("method", "path", "tail", "token", "body", "status"), CALLS)
def test_a_real_answer_is_as_described(server, tokens, description, method, path, tail, token, body, status):  # noqa: F811
    given = tokens | {"PASSWORD": server.admin_password}
    filled = {
        name: given.get(value, value) if isinstance(value, str) else value
        for name, value in (body or {}).items()
    }
    address = path.partition("{")[0] + tail
    answered, headers, content = call(
        server, method, address, tokens[token], filled if body is not None else None
    )
    assert answered == status, content
    described = description["paths"][path][method.lower()]["responses"][str(status)]
    schema = described["content"]["application/json"]["schema"] | {"components": description["components"]}
    jsonschema.validate(content, schema, jsonschema.Draft202012Validator)
    own = {
        name
        for name in headers
        if name.startswith("X-Ig") or name in ("ETag", "Link", "X-Request-ID", "Retry-After")
    }
    assert own <= described["headers"].keys()


def test_every_call_of_the_description_was_made(description):  # noqa: F811
    made = {(method, path) for method, path, *_ in CALLS}
    assert made == {
        (method.upper(), path) for path, calls in description["paths"].items() for method in calls
    }
    good = {(method, path) for method, path, *_, status in CALLS if status == 200}
    assert made - good == {
        ("POST", "/api/connections/{owner}/{id}"),
        ("POST", "/api/users/application-token"),
    }


def test_a_wrong_answer_is_noticed(description):  # noqa: F811
    """The check of the answers works: it notices an id that is a text and a log entry that is not one."""
    schema = {"$ref": "#/components/schemas/Connection", "components": description["components"]}
    example = description["paths"]["/api/connections"]["get"]["responses"]["200"]["content"][
        "application/json"
    ]["examples"]
    record = next(iter(example.values()))["value"][0]
    jsonschema.validate(record, schema, jsonschema.Draft202012Validator)
    for wrong in ({"id": "1"}, {"latestLog": {}}, {"appId": "null"}, {"creationDate": None}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(record | wrong, schema, jsonschema.Draft202012Validator)
