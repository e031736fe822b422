"""A start refuses a lost or foreign database, a damaged file, and new keys for old data."""

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.db import OperationalError, connection

from itempath.dotenv import DEFAULT_DATABASE
from itempath.installation import describe_failure
from tests.conftest import ROOT, free_port, stop_server, wait_for
from tests.conftest import Server as RunningServer
from tests.itempath.test_settings import KEY, NAMES, SECRET

pytestmark = pytest.mark.any_database

ID, OTHER = UUID(int=1), UUID(int=2)


def run(*words: object, folder: Path = ROOT, **environment: Any) -> subprocess.CompletedProcess[str]:
    """Run Python with these settings, without those of the suite."""
    others = {name: value for name, value in os.environ.items() if name not in NAMES}
    chosen = others | {name: str(value) for name, value in environment.items()}
    return subprocess.run(
        [sys.executable, *map(str, words)],
        cwd=folder,
        env=chosen,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def settings_of(file: Path, **changes: Any) -> dict[str, Any]:
    values = {
        "SECRET_KEY": SECRET,
        "CONNECTION_SECRET_KEYS": KEY,
        "DATABASE_URL": f"sqlite:///{file}",
        "ENV_FILE": os.devnull,
    }
    return values | {"PORT": free_port()} | changes


def refusal(command: str, **environment: Any) -> str:
    """Return the sentence with which a command refuses to start."""
    done = run("manage.py", command, **environment)
    assert (done.returncode, done.stdout if command == "serve" else "") == (1, ""), done.stderr
    (line,) = done.stderr.splitlines()
    return line


@pytest.fixture(scope="module")
def template(tmp_path_factory) -> Path:
    file: Path = tmp_path_factory.mktemp("template") / "registry.sqlite3"
    assert run("manage.py", "migrate", "-v0", **settings_of(file, INSTALLATION_ID="")).returncode == 0
    return file


def execute(file: Path, *statements: str) -> list[object]:
    with closing(sqlite3.connect(file)) as database, database:
        return [database.execute(statement).fetchall() for statement in statements]


def garbage(file: Path) -> None:
    file.write_bytes(os.urandom(20_000))


def truncated(file: Path) -> None:
    os.truncate(file, 150_000)


def truncated_in_the_header(file: Path) -> None:
    os.truncate(file, 60)


def a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def in_no_folder(file: Path) -> None:
    shutil.rmtree(file.parent)


def foreign(file: Path) -> None:
    file.unlink()
    execute(file, "CREATE TABLE recipes (name)")


def foreign_django(file: Path) -> None:
    file.unlink()
    execute(
        file,
        "CREATE TABLE django_migrations (id, app, name, applied)",
        "CREATE TABLE accounts_user (id)",
        "CREATE TABLE shop_order (id)",
    )


@pytest.mark.parametrize("command", ["serve", "migrate"])
@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (garbage, "is damaged, or no SQLite database (file is not a database)"),
        (truncated, "is damaged, or no SQLite database (database disk image is malformed)"),
        (truncated_in_the_header, "is damaged, or no SQLite database"),
        (a_folder, "is a folder"),
        (in_no_folder, "is in a folder that is not there"),
        (foreign, "has tables of something else (recipes)"),
        (foreign_django, "has tables of something else (shop_order)"),
    ],
)
def test_a_file_that_is_not_the_database_is_named_in_one_sentence(spoil, named, command, template, tmp_path):
    file = tmp_path / "folder" / "registry.sqlite3"
    file.parent.mkdir()
    shutil.copy(template, file)
    spoil(file)
    line = refusal(command, **settings_of(file))
    assert named in line
    assert str(file) in line


def test_every_command_says_it_in_one_sentence(template, tmp_path):
    file = tmp_path / "registry.sqlite3"
    garbage(file)
    for command in ("check_secrets", "export_connections", "rotate_secrets"):
        assert "is damaged, or no SQLite database" in refusal(command, **settings_of(file))


def test_a_file_that_this_user_may_not_read(template, monkeypatch, settings):
    """The permission is faked, as the tests may run as root, who may read everything."""
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL has no file")
    monkeypatch.setitem(settings.DATABASES["default"], "NAME", str(template))
    monkeypatch.setattr("os.access", lambda path, mode: False)
    sentence = describe_failure(OperationalError("unable to open database file"))
    assert sentence == f"The database cannot be used: this user may not read {template}."


def lost_file(file: Path) -> None:
    file.unlink()


def lost_content(file: Path) -> None:
    file.write_bytes(b"")


@pytest.mark.parametrize("command", ["serve", "migrate"])
@pytest.mark.parametrize(("lose", "named"), [(lost_file, "is not there"), (lost_content, "is empty")])
def test_a_lost_database_stops_the_start(lose, named, command, template, tmp_path):
    file = tmp_path / "registry.sqlite3"
    shutil.copy(template, file)
    lose(file)
    line = refusal(command, **settings_of(file, INSTALLATION_ID=ID))
    assert f"INSTALLATION_ID is {ID}" in line
    assert f"{file} {named}" in line
    assert "remove INSTALLATION_ID" in line
    assert file.exists() == (lose is lost_content)  # SQLite would create it again


def test_the_database_of_another_installation_stops_the_start(template, tmp_path):
    file = tmp_path / "registry.sqlite3"
    shutil.copy(template, file)
    execute(file, f"UPDATE itempath_installation SET uid = '{OTHER.hex}'")
    line = refusal("serve", **settings_of(file, INSTALLATION_ID=ID))
    assert f"is the database of the installation {OTHER}" in line
    assert run("manage.py", "migrate", "-v0", **settings_of(file, INSTALLATION_ID=OTHER)).returncode == 0


def test_a_lost_database_on_postgresql(empty_database):
    url = empty_database()
    if url.startswith("sqlite"):
        pytest.skip("needs PostgreSQL: set DATABASE_URL to it")
    line = refusal("serve", **settings_of(Path(), DATABASE_URL=url, INSTALLATION_ID=ID))
    assert "is empty: bring it back" in line
    assert url.rpartition("/")[2] in line


@pytest.fixture
def checkout(tmp_path) -> Path:
    """A copy of the project like a new clone, with the packages of this environment."""
    folder: Path = tmp_path / "checkout"
    names = subprocess.check_output(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, text=True
    ).splitlines()
    for name in names:
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    (folder / ".venv").symlink_to(sys.prefix)
    return folder


def make(target: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run make without any of the settings in the environment. A server that starts is stopped."""
    process = subprocess.Popen(
        ["make", target],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "DEMO": "0"} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        out, errors = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        process.terminate()
        raise
    return subprocess.CompletedProcess([], process.returncode, out, errors)


def start_and_stop(folder: Path) -> None:
    port = free_port()
    environment = {"PATH": "/usr/bin:/bin", "DEMO": "0", "PORT": str(port)}
    process = subprocess.Popen(
        ["make", "run"],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    server = RunningServer(process, f"http://127.0.0.1:{port}", {}, [])
    try:
        wait_for(server.base, process)
    finally:
        stop_server(server)


@pytest.mark.live
@pytest.mark.skipif(
    shutil.which("make") is None or not (ROOT / ".git").exists(), reason="needs make and a git checkout"
)
def test_what_make_run_does_when_the_database_or_the_settings_are_lost(checkout):
    start_and_stop(checkout)
    settings, database = checkout / ".env", checkout / DEFAULT_DATABASE
    kept = settings.read_text()
    assert kept.count("INSTALLATION_ID=") == 1
    start_and_stop(checkout)
    assert settings.read_text() == kept

    settings.unlink()
    done = make("run", checkout)
    assert done.returncode != 0
    assert f"{DEFAULT_DATABASE} is there without its .env" in done.stderr
    assert not settings.exists()
    assert f"put back the .env of {DEFAULT_DATABASE}" in run("manage.py", "migrate", folder=checkout).stderr
    settings.write_text(kept)

    database.rename(checkout / "elsewhere")
    done = make("run", checkout, PORT=str(free_port()))
    assert done.returncode != 0
    assert f"{database} is not there" in done.stderr
    assert not database.exists()
    settings.write_text(kept.partition("# Which database")[0])
    start_and_stop(checkout)  # without INSTALLATION_ID, a new database is created
    assert settings.read_text() != kept
    assert execute(database, "SELECT count(*) FROM itempath_installation") == [[(1,)]]


def test_a_file_of_settings_that_ends_without_a_line_break_takes_the_id(template, tmp_path):
    file, database = tmp_path / "settings", tmp_path / "registry.sqlite3"
    shutil.copy(template, database)
    file.write_text(f"SECRET_KEY={SECRET}\nCONNECTION_SECRET_KEYS={KEY}\nDATABASE_URL=sqlite:///{database}")
    code = (
        "import django; django.setup(); from itempath.installation import note_installation as n; print(n())"
    )
    done = run("-c", code, ENV_FILE=file, DJANGO_SETTINGS_MODULE="itempath.settings")
    assert done.stdout == "None\n", done.stderr
    assert [line.partition("=")[0] for line in file.read_text().splitlines() if not line.startswith("#")] == [
        "SECRET_KEY",
        "CONNECTION_SECRET_KEYS",
        "DATABASE_URL",
        "INSTALLATION_ID",
    ]
    # The id belongs to the database that the file names, not to another one.
    code = "from itempath.environment import read_environment as r; print(r().installation_id)"
    assert (
        run("-c", code, ENV_FILE=file).stdout
        == f"{UUID(str(execute(database, 'SELECT uid FROM itempath_installation')[0][0][0]))}\n"
    )
    assert run("-c", code, ENV_FILE=file, DATABASE_URL="sqlite:////nowhere/x").stdout == "None\n"
    assert (
        run("-c", code, ENV_FILE=file, DATABASE_URL="sqlite:////nowhere/x", INSTALLATION_ID=OTHER).stdout
        == f"{OTHER}\n"
    )


@pytest.mark.parametrize("content", ["", "garbage", "tables"])
def test_dotenv_beside_a_database(content, template, tmp_path):
    file, database = tmp_path / ".env", tmp_path / DEFAULT_DATABASE
    shutil.copy(template, database) if content == "tables" else database.write_text(content)
    done = run("-m", "itempath.dotenv", file)
    assert (done.returncode, file.exists()) == ((1, False) if content else (0, True))
    if content:
        assert len(done.stderr.splitlines()) == 1
        # If the environment has the keys, no file is written.
        assert (
            run("-m", "itempath.dotenv", file, SECRET_KEY=SECRET, CONNECTION_SECRET_KEYS=KEY).returncode == 0
        )
        assert not file.exists()
