"""The files of docs/deployment.md, checked by the programs that read them."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.any_database

PAGE = (ROOT / "docs/deployment.md").read_text("utf-8")


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    return found[1]


def need(program: str) -> str:
    path = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")
    if path is None:
        message = f"{program} is not installed"
        raise AssertionError(message) if os.environ.get("CI_SERVERS") else pytest.skip.Exception(message)
    return path


def run(*command: object, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        list(map(str, command)), capture_output=True, text=True, timeout=60, check=False, **options
    )


def production() -> dict[str, str]:
    """Return the settings of the page, with a database that these tests do not use."""
    return dict(line.split("=", 1) for line in block("ini").splitlines()) | {
        "DATABASE_URL": "sqlite:////dev/null"
    }


def test_the_production_settings_pass_the_deployment_checks():
    environment = {**production(), "ENV_FILE": os.devnull}
    done = run(
        sys.executable, "manage.py", "check", "--deploy", "--fail-level", "INFO", cwd=ROOT, env=environment
    )
    # The two silenced checks ask for HSTS options that the operator decides on.
    assert (done.returncode, done.stdout) == (0, "System check identified no issues (2 silenced).\n"), (
        done.stderr
    )


ASK = """
import django; django.setup()
from django.test import Client
answer = Client(SERVER_NAME="registry.example.com").get("/api/nothing", secure=True)
print(answer["Strict-Transport-Security"])
"""


@pytest.mark.parametrize(
    ("chosen", "sent"),
    [
        ({}, "max-age=31536000"),
        ({"HSTS_INCLUDE_SUBDOMAINS": "1"}, "max-age=31536000; includeSubDomains"),
        (
            {"HSTS_INCLUDE_SUBDOMAINS": "1", "HSTS_PRELOAD": "1"},
            "max-age=31536000; includeSubDomains; preload",
        ),
    ],
)
def test_other_hosts_of_the_domain_are_bound_only_if_they_are_chosen(chosen, sent):
    environment = (
        production() | {"ENV_FILE": os.devnull, "DJANGO_SETTINGS_MODULE": "itempath.settings"} | chosen
    )
    done = run(sys.executable, "-c", ASK, cwd=ROOT, env=environment)
    assert done.stdout.strip() == sent, done.stderr
    checked = run(
        sys.executable, "manage.py", "check", "--deploy", "--fail-level", "INFO", cwd=ROOT, env=environment
    )
    assert checked.returncode == 0, checked.stderr


def test_the_unit_is_one_that_systemd_takes(tmp_path):
    analyze = need("systemd-analyze")
    unit = tmp_path / "registry.service"
    # The paths and the user of the page do not exist on this machine.
    text = (
        block("systemd")
        .replace("/srv/registry/.venv/bin/python", sys.executable)
        .replace("User=registry", "User=root")
    )
    unit.write_text(
        text.replace("WorkingDirectory=/srv/registry", f"WorkingDirectory={ROOT}").replace(
            "/etc/registry.env", "/dev/null"
        )
    )
    done = run(analyze, "verify", "--man=no", unit)
    complaints = [line for line in done.stderr.splitlines() if "registry.service" in line]
    assert (done.returncode, complaints) == (0, []), done.stderr


def test_the_site_is_one_that_nginx_takes(tmp_path):
    nginx = need("nginx")
    certificate, key = tmp_path / "registry.pem", tmp_path / "registry.key"
    openssl = need("openssl")
    made = run(
        openssl,
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-subj",
        "/CN=x",
        "-out",
        certificate,
        "-keyout",
        key,
    )
    assert made.returncode == 0, made.stderr
    site = (
        block("nginx")
        .replace("/etc/ssl/certs/registry.pem", str(certificate))
        .replace("/etc/ssl/private/registry.key", str(key))
    )
    config = tmp_path / "nginx.conf"
    config.write_text(f"pid {tmp_path}/pid; error_log stderr; events {{}} http {{ access_log off; {site} }}")
    done = run(nginx, "-t", "-c", config)
    assert done.returncode == 0, done.stderr
