"""The steps of docs/secrets.md, run as printed: backup, restore, and the move from SQLite to PostgreSQL."""

import glob
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

from tests.conftest import ROOT

PAGE = (ROOT / "docs/secrets.md").read_text("utf-8")
FILL = """
from connections.demo import load_demo; load_demo()
from connections.models import Connection
c = Connection.objects.get(pk=1)
for secret in ("password", "token", "private_key", "private_headers"):
    c.set_secret(secret, f"Canary: {secret}")
c.save()
from accounts.models import User, ApiKey; from accounts.roles import Role
u = User.objects.create_user("jobs", type="application"); u.set_role(Role.MANAGER); ApiKey.issue(u)
"""
SHOW = """
from connections.models import Connection
from accounts.models import ApiKey
c = Connection.objects.get(pk=1)
secrets = [c.reveal(secret) for secret in ("password", "token", "private_key", "private_headers")]
print(secrets, ApiKey.objects.get().user.role.name)
newest = Connection.objects.order_by("-version")[0].version
c.save(); print(c.version > newest, Connection.objects.create(name="new", type="REST").pk)
"""
SHOWN = [
    r"['Canary: password', 'Canary: token', 'Canary: private_key\n', 'Canary: private_headers'] MANAGER",
    "True 8",
]


def steps(heading: str) -> list[str]:
    """Return the shell commands below a heading of the page."""
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return [
        line for block in re.findall(r"```sh\n(.*?)```", section, re.DOTALL) for line in block.splitlines()
    ]


def run(line: str, folder: Path, **environment: str) -> str:
    line = line.replace(".venv/bin/python", sys.executable).replace("manage.py", str(ROOT / "manage.py"))
    done = subprocess.run(
        ["bash", "-c", line],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def shell(code: str, folder: Path, **environment: str) -> list[str]:
    return run(
        f".venv/bin/python manage.py shell -v0 -c '{code.replace(chr(39), chr(34))}'", folder, **environment
    ).splitlines()


@pytest.fixture
def filled(tmp_path) -> dict[str, str]:
    """An SQLite installation in `tmp_path` with a connection that has every secret."""
    source = {"DATABASE_URL": f"sqlite:///{tmp_path / 'registry.sqlite3'}"}
    run(".venv/bin/python manage.py migrate -v0", tmp_path, **source)
    shell(FILL, tmp_path, **source)
    return source


def test_backup_and_restore(tmp_path, filled):
    backup, restore, check, *_ = steps("Backup and restore")
    before = run(".venv/bin/python manage.py export_connections", tmp_path, **filled)
    assert "backup.sqlite3 holds 7 connections." in run(backup, tmp_path, **filled)
    shell(
        "from connections.models import Connection; Connection.objects.filter(integrations=None).delete()",
        tmp_path,
        **filled,
    )
    assert "7 connections are restored" in run(restore, tmp_path, **filled)
    assert "Every stored secret can be opened." in run(check, tmp_path, **filled)
    assert run(".venv/bin/python manage.py export_connections", tmp_path, **filled) == before


def test_backup_and_restore_on_postgresql(tmp_path, empty_database):
    if settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"):
        pytest.skip("needs PostgreSQL: set DATABASE_URL to it")
    source = {"DATABASE_URL": empty_database(), "PATH": programs()}
    run(".venv/bin/python manage.py migrate -v0", tmp_path, **source)
    shell(FILL, tmp_path, **source)
    *_, backup, restore, migrate, check = steps("Backup and restore")
    before = run(".venv/bin/python manage.py export_connections", tmp_path, **source)
    run(backup, tmp_path, **source)
    shell(
        "from connections.models import Connection; Connection.objects.filter(integrations=None).delete()",
        tmp_path,
        **source,
    )
    for line in (restore, migrate):
        run(line, tmp_path, **source)
    assert "Every stored secret can be opened." in run(check, tmp_path, **source)
    assert run(".venv/bin/python manage.py export_connections", tmp_path, **source) == before
    assert shell(SHOW, tmp_path, **source) == SHOWN


def programs() -> str:
    """Return a PATH with the newest PostgreSQL first, as an older pg_dump refuses a newer server."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
    return os.pathsep.join([*found[-1:], os.environ["PATH"]])


def test_from_sqlite_to_postgresql(tmp_path, filled, empty_database):
    if settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"):
        pytest.skip("needs PostgreSQL: set DATABASE_URL to it")
    dump, *load = steps("From SQLite to PostgreSQL, secrets included")
    target = {"DATABASE_URL": empty_database()}
    run(dump, tmp_path, **filled)
    assert "Every stored secret can be opened." in [run(line, tmp_path, **target) for line in load][-1]
    export = ".venv/bin/python manage.py export_connections"
    assert run(export, tmp_path, **target) == run(export, tmp_path, **filled)
    assert shell(SHOW, tmp_path, **target) == SHOWN


def test_a_restored_database_counts_on_beyond_what_was_lost(tmp_path, filled):
    """A version that only the lost database had is not used again: its ETag would match another state."""
    newest = (
        'from connections.models import Connection as C; print(C.objects.order_by("-version")[0].version)'
    )
    change = (
        "from connections.models import Connection; c = Connection.objects.get(pk=2); "
        "c.username = str(c.version); c.save()"
    )
    backup, restore, *_ = steps("Backup and restore")
    run(backup, tmp_path, **filled)
    shell(change, tmp_path, **filled)
    lost = int(shell(newest, tmp_path, **filled)[0])
    run(restore, tmp_path, **filled)
    shell(change, tmp_path, **filled)
    assert int(shell(newest, tmp_path, **filled)[0]) > lost
