"""The settings: which are read and which refused, the system checks, and the two health paths."""

import base64
import logging
import os
import signal
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import closing
from html import unescape
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.views.debug import get_default_exception_reporter_filter
from pydantic import SecretStr

from connections.models import KeyProof
from itempath.environment import Environment, read_environment
from tests.conftest import ROOT, free_port

KEY = base64.urlsafe_b64encode(b"k" * 32).decode()
SECRET = "s" * 50
BASE = {
    "SECRET_KEY": SECRET,
    "CONNECTION_SECRET_KEYS": KEY,
    "ENV_FILE": os.devnull,
    "DATABASE_URL": "sqlite:////nowhere/registry.sqlite3",
}
NAMES = {name.upper() for name in Environment.model_fields} | set(BASE)


def run(*words: str, **environment: str | Path) -> subprocess.CompletedProcess[str]:
    """Run Python in the root of the project with these settings, without those of the suite."""
    others = {name: value for name, value in os.environ.items() if name not in NAMES}
    chosen = others | {name: str(value) for name, value in environment.items()}
    command, pipe = [sys.executable, *words], subprocess.PIPE
    # In a process group of its own, so that the workers of a server that wrongly starts can be ended.
    with subprocess.Popen(
        command, cwd=ROOT, env=chosen, stdout=pipe, stderr=pipe, text=True, start_new_session=True
    ) as process:
        try:
            out, errors = process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    return subprocess.CompletedProcess(command, process.returncode, out, errors)


def plain(value):
    """Return a setting with its secrets as plain text."""
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value.get_secret_value() if isinstance(value, SecretStr) else value


READ = """
import sys
from itempath.environment import read_environment
def plain(value):
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value.get_secret_value() if hasattr(value, "get_secret_value") else value
for name in sys.argv[1:]:
    print(plain(getattr(read_environment(), name)))
"""


def read(*names: str, **environment: str | Path) -> list[str]:
    """Return the values of settings that a new process reads."""
    code = READ
    done = run("-c", code, *names, **environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_smallest_set_of_settings_is_enough():
    done = run("manage.py", "check", SECRET_KEY=SECRET, CONNECTION_SECRET_KEYS=KEY, ENV_FILE=os.devnull)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"SECRET_KEY": ""}, ["SECRET_KEY"]),
        ({"CONNECTION_SECRET_KEYS": ""}, ["CONNECTION_SECRET_KEYS"]),
        (
            {"SECRET_KEY": "", "CONNECTION_SECRET_KEYS": "", "PORT": "hunter2"},
            ["SECRET_KEY", "CONNECTION_SECRET_KEYS", "PORT"],
        ),
        ({"SECRET_KEY": "hunter2"}, ["SECRET_KEY"]),
        ({"CONNECTION_SECRET_KEYS": "hunter2"}, ["CONNECTION_SECRET_KEYS"]),
        ({"CONNECTION_SECRET_KEYS": f"{KEY},hunter2"}, ["CONNECTION_SECRET_KEYS"]),
        ({"DATABASE_URL": "mysql://me:hunter2@db/wms"}, ["DATABASE_URL"]),
        ({"DATABASE_URL": "hunter2://me@db/wms"}, ["DATABASE_URL"]),
        ({"PORT": "0"}, ["PORT"]),
    ],
)
def test_a_missing_or_bad_setting_stops_the_start(changes, named):
    done = run("manage.py", "check", **BASE | changes)
    assert done.returncode != 0
    assert done.stdout == ""
    sentence = done.stderr.splitlines()[-1]
    assert all(name in sentence for name in named)
    assert not any(f"{name}:" in sentence for name in BASE.keys() - set(named))
    assert "make setup" in sentence
    assert "hunter2" not in done.stderr
    assert KEY not in done.stderr


@pytest.mark.parametrize(
    "words", [("check",), ("migrate",), ("serve",), ("import_connections", "x.json")], ids=" ".join
)
def test_every_command_says_it_in_one_sentence(words):
    done = run("manage.py", *words, **BASE | {"SECRET_KEY": ""})
    assert done.returncode != 0
    assert len(done.stderr.strip().splitlines()) == 1
    assert "SECRET_KEY" in done.stderr


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("SECRET_KEY", ["x" * 31]),
        (
            "CONNECTION_SECRET_KEYS",
            [",", KEY[:-4], base64.urlsafe_b64encode(b"k" * 16).decode(), "é" * 44, f"{KEY} {KEY}"],
        ),
        (
            "DATABASE_URL",
            ["sqlite", "mysql://db/wms", "oracle://db/wms", "postgresql", "postgresql://[hunter2/wms"],
        ),
        ("DEBUG", ["maybe", "2"]),
        ("PORT", ["http", "-1", "65536", "80.5"]),
        ("WEB_CONCURRENCY", ["0", "-1", "many"]),
        ("WEB_THREADS", ["0", "-1", "65"]),
        ("BODY_TIMEOUT", ["0", "x"]),
        ("HTTPS", ["maybe"]),
        ("HSTS_INCLUDE_SUBDOMAINS", ["maybe"]),
        ("HSTS_PRELOAD", ["2"]),
        ("SESSION_HOURS", ["0", "-1", "8761", "0.5"]),
        ("SESSION_IDLE_MINUTES", ["0", "x"]),
        ("TRUSTED_PROXIES", ["proxy.example.com", "10.0.0.0/33", "10.0.0.1/8,x"]),
        ("API_MAX_LIMIT", ["0", "-1", "all"]),
        ("API_RATE_PER_MINUTE", ["-1", "x"]),
        ("API_RATE_PER_DAY", ["-1", "x"]),
        ("DEMO", ["maybe"]),
        ("CHECK_RUNNER", ["maybe"]),
        ("LOG_LEVEL", ["LOUD", "hunter2"]),
    ],
)
def test_refused_values(name, values, monkeypatch):
    for value in values:
        monkeypatch.setenv(name, value)
        with pytest.raises(ImproperlyConfigured) as refusal:
            read_environment()
        sentence = str(refusal.value)
        assert f"({name}: " in sentence
        assert "hunter2" not in sentence
        assert "\n" not in sentence


@pytest.mark.parametrize(
    ("name", "written", "expected"),
    [
        ("ALLOWED_HOSTS", "a.example, b.example ,", ["a.example", "b.example"]),
        ("CSRF_TRUSTED_ORIGINS", "https://a.example", ["https://a.example"]),
        ("TRUSTED_PROXIES", "10.0.0.0/8, 2001:db8::1", ["10.0.0.0/8", "2001:db8::1"]),
        ("CONNECTION_SECRET_KEYS", f"{KEY}, {KEY}", [KEY, KEY]),
        ("DEBUG", "1", True),
        ("HTTPS", "0", False),
        ("DEMO", "0", False),
        ("API_RATE_PER_MINUTE", "0", 0),
        ("PORT", "65535", 65535),
        ("LOG_LEVEL", "DEBUG", "DEBUG"),
    ],
)
def test_accepted_values(name, written, expected, monkeypatch):
    monkeypatch.setenv(name, written)
    assert plain(getattr(read_environment(), name.lower())) == expected


def test_the_defaults_of_the_contract():
    names = [
        "debug",
        "allowed_hosts",
        "host",
        "port",
        "https",
        "api_max_limit",
        "api_rate_per_minute",
        "api_rate_per_day",
        "demo",
    ]
    expected = [
        "False",
        "['localhost', '127.0.0.1']",
        "127.0.0.1",
        "8000",
        "False",
        "20000",
        "600",
        "20000",
        "True",
    ]
    assert read(*names, SECRET_KEY=SECRET, CONNECTION_SECRET_KEYS=KEY, ENV_FILE=os.devnull) == expected
    assert read("database_url", SECRET_KEY=SECRET, CONNECTION_SECRET_KEYS=KEY, ENV_FILE=os.devnull)[
        0
    ].startswith("sqlite:///")


def test_the_environment_wins_over_the_file(tmp_path):
    file = tmp_path / "settings"
    file.write_text(
        f"SECRET_KEY={SECRET}\nCONNECTION_SECRET_KEYS={KEY}\n"
        "PORT=9001\nHOST=10.0.0.1\nAPI_MAX_LIMIT=5\nUNKNOWN=1\n"
    )
    # An empty value counts as not set.
    assert read("port", "host", "api_max_limit", ENV_FILE=file, PORT="9002", HOST="") == [
        "9002",
        "10.0.0.1",
        "5",
    ]
    assert read("secret_key", ENV_FILE=file, SECRET_KEY="t" * 50) == ["t" * 50]


def test_a_bad_value_of_the_environment_is_not_replaced_by_the_files(tmp_path):
    file = tmp_path / "settings"
    file.write_text(f"SECRET_KEY={SECRET}\nCONNECTION_SECRET_KEYS={KEY}\nPORT=9001\n")
    assert "PORT" in run("manage.py", "check", ENV_FILE=file, PORT="http").stderr.splitlines()[-1]


def test_dotenv_writes_what_the_settings_accept(tmp_path):
    file = tmp_path / ".env"
    assert run("-m", "itempath.dotenv", str(file)).returncode == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    done = run("manage.py", "check", ENV_FILE=file)
    assert (done.returncode, done.stderr) == (0, "")
    keys = read("secret_key", "connection_secret_keys", ENV_FILE=file)
    assert run("-m", "itempath.dotenv", str(tmp_path / "other")).returncode == 0
    assert not set(keys) & set(read("secret_key", "connection_secret_keys", ENV_FILE=tmp_path / "other"))


@pytest.mark.parametrize("content", ["", "SECRET_KEY=mine\n"])
def test_dotenv_leaves_a_file_alone(content, tmp_path):
    file = tmp_path / ".env"
    file.write_text(content)
    file.chmod(0o640)
    assert run("-m", "itempath.dotenv", str(file)).returncode == 0
    assert (file.read_text(), stat.S_IMODE(file.stat().st_mode)) == (content, 0o640)


SAFE = {"HOST": "127.0.0.1", "DEBUG": False, "SESSION_COOKIE_SECURE": False, "ALLOWED_HOSTS": ["localhost"]}


@pytest.mark.parametrize(
    ("changes", "ids"),
    [
        ({}, []),
        ({"HOST": "localhost"}, []),
        ({"HOST": "::1"}, []),
        ({"HOST": "127.0.0.2"}, []),
        ({"HOST": "0.0.0.0"}, ["W001"]),
        ({"HOST": "::", "SESSION_COOKIE_SECURE": True}, []),
        ({"HOST": "10.0.0.7"}, ["W001"]),
        ({"HOST": "10.0.0.7", "SESSION_COOKIE_SECURE": True}, []),
        ({"SECRET_KEY": KEY, "CONNECTION_SECRET_KEYS": ["x", KEY]}, ["E004"]),
        ({"ALLOWED_HOSTS": ["*"]}, ["W002"]),
    ],
)
def test_checks_of_settings(changes, ids, settings):
    for name, value in (SAFE | changes).items():
        setattr(settings, name, value)
    messages = [
        message for message in run_checks(tags=["security"]) if str(message.id).startswith("itempath.")
    ]
    assert sorted(str(message.id) for message in messages) == [f"itempath.{id}" for id in ids]
    assert all(message.hint for message in messages)


@pytest.mark.parametrize("command", ["check", "migrate", "serve"])
def test_an_error_of_the_checks_stops_every_command(command, empty_database):
    done = run("manage.py", command, **BASE | {"DATABASE_URL": empty_database(), "SECRET_KEY": KEY})
    assert done.returncode != 0
    assert "itempath.E004" in done.stderr


PUBLIC = [
    {"HTTPS": "1"},
    {"TRUSTED_PROXIES": "127.0.0.1"},
    {"HOST": "0.0.0.0"},
    {"HOST": "::"},
    {"HOST": "10.0.0.7"},
    {"HOST": "wms"},
]


@pytest.mark.parametrize("public", PUBLIC, ids=str)
def test_debug_goes_with_nothing_public(public, monkeypatch):
    monkeypatch.setenv("DEBUG", "1")
    for name, value in public.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(
        ImproperlyConfigured, match=r"\(DEBUG: its pages show internals [^\n]*\); "
    ) as refusal:
        read_environment()
    assert "\n" not in str(refusal.value)
    monkeypatch.setenv("DEBUG", "0")
    assert read_environment()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost", ""])
def test_debug_goes_with_this_machine(host, monkeypatch):
    monkeypatch.setenv("DEBUG", "1")
    monkeypatch.setenv("HOST", host)
    assert read_environment().debug


@pytest.mark.parametrize(
    "words",
    [
        ("manage.py", "check"),
        ("manage.py", "serve"),
        ("manage.py", "migrate"),
        ("-c", "import itempath.wsgi"),
    ],
    ids=" ".join,
)
def test_everything_refuses_a_public_debug(words):
    done = run(*words, **BASE | {"DEBUG": "1", "HTTPS": "1", "DJANGO_SETTINGS_MODULE": "itempath.settings"})
    assert done.returncode != 0
    assert "DEBUG: its pages show internals" in done.stderr.splitlines()[-1]


# Where settings are shown

SECRETS = {
    "SECRET_KEY": "s3cr3t-signing-key-" * 3,
    "CONNECTION_SECRET_KEYS": f"{KEY},{base64.urlsafe_b64encode(b'o' * 32).decode()}",
    "DATABASE_URL": "postgresql://me:hunter2-hunter2@127.0.0.1:1/none?sslpassword=hunter3-hunter3",
}
SHOWN_PARTS = [SECRETS["SECRET_KEY"], *SECRETS["CONNECTION_SECRET_KEYS"].split(","), "hunter2", "hunter3"]
PAGES = """
import os, sys, django
django.setup()
from django.core import mail
from django.conf import settings
from django.test import Client
from django.test.utils import setup_test_environment
from django.utils.log import AdminEmailHandler
import logging
debug = settings.DEBUG
setup_test_environment()
settings.DEBUG = debug
settings.ADMINS = [("me", "me@example.com")]
logging.getLogger("django.request").addHandler(AdminEmailHandler(include_html=True))
for path in ("/admin/login/", "/admin/", "/nothing", "/api/nothing", "/api/connections"):
    headers = {"authorization": "Bearer hunter2"}
    client = Client(SERVER_NAME="localhost", raise_request_exception=False, headers=headers)
    client.cookies["sessionid"] = client.cookies["csrftoken"] = "hunter3" * 4
    environ = {name: os.environ[name] for name in sys.argv[1:]}
    answer = client.post(path, {"username": "me", "password": "hunter2"}, **environ)
    print(path, answer.status_code, answer.content.decode())
print("mails:", len(mail.outbox), *(f"{each.body} {each.alternatives}" for each in mail.outbox))
print(settings.DATABASES["default"]["HOST"])
"""


@pytest.mark.parametrize("debug", ["0", "1"])
def test_no_page_about_a_failure_shows_a_secret_of_the_settings(debug):
    """The database cannot be reached, so that its driver fails with the password in local variables."""
    environment = BASE | SECRETS | {"DEBUG": debug, "DJANGO_SETTINGS_MODULE": "itempath.settings"}
    done = run("-c", PAGES, *SECRETS, **environment)
    assert done.stdout.count("127.0.0.1") > 0, done.stderr
    assert "mails: 0" not in done.stdout
    assert [
        part
        for part in SHOWN_PARTS
        if part in unescape(unescape(done.stdout)) or part in unescape(done.stderr)
    ] == []


@pytest.mark.parametrize(
    "words",
    [(), ("--all",), ("--output", "unified"), ("--default", "itempath.settings", "--all")],
    ids=" ".join,
)
def test_diffsettings_shows_no_secret(words):
    done = run("manage.py", "diffsettings", *words, **BASE | SECRETS)
    assert done.returncode == 0, done.stderr
    assert "DATABASES = {'default': {'ENGINE': 'core.db.postgresql'" in done.stdout
    assert [part for part in SHOWN_PARTS if part in done.stdout] == []


def test_no_secret_shows_in_what_was_read(monkeypatch):
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    read = read_environment()
    assert [part for part in SHOWN_PARTS if part in f"{read!r} {read} {read.model_dump()}"] == []


def test_the_settings_hold_their_secrets_under_names_that_are_hidden(settings):
    cleansed = get_default_exception_reporter_filter().get_safe_settings()
    shown = {
        name for name, value in cleansed.items() if settings.SECRET_KEY in repr(value) or KEY in repr(value)
    }
    assert shown == set()


@pytest.fixture
def make_database():
    """Return a function that creates a PostgreSQL database with options and returns its DATABASE_URL."""
    if connection.vendor != "postgresql":
        pytest.skip("the suite runs on SQLite, which has one encoding")
    admin_url = os.environ["DATABASE_URL"]
    names: list[str] = []

    def make(options: str) -> str:
        names.append(f"registry_checks_{uuid4().hex[:12]}")
        with psycopg.connect(admin_url, autocommit=True) as admin:
            admin.execute(f'CREATE DATABASE "{names[-1]}" TEMPLATE template0 {options}')
        return f"{admin_url.rpartition('/')[0]}/{names[-1]}"

    yield make
    with psycopg.connect(admin_url, autocommit=True) as admin:
        for name in names:
            admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def tables(url: str) -> list[str]:
    with closing(psycopg.connect(url)) as database:
        return [
            name
            for (name,) in database.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        ]


@pytest.mark.parametrize(
    ("command", "options", "id"),
    [
        ("migrate", "ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'", "itempath.E001"),
        ("migrate", "ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'", "itempath.E001"),
        ("migrate", "ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'", "itempath.E002"),
        ("migrate", "ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'POSIX'", "itempath.E002"),
        (
            "serve",
            "ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'",
            "itempath.E002",
        ),  # `serve` migrates by itself
    ],
)
def test_databases_that_cannot_fold_letters_are_refused(command, options, id, make_database):
    url = make_database(options)
    done = run("manage.py", command, **BASE | {"DATABASE_URL": url, "PORT": str(free_port())})
    assert done.returncode != 0
    assert id in done.stderr
    assert "createdb" in done.stderr  # what to do
    assert tables(url) == []


def test_a_database_made_as_the_hint_says_is_accepted(make_database):
    url = make_database("ENCODING 'UTF8' LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8'")
    done = run("manage.py", "migrate", "-v0", **BASE | {"DATABASE_URL": url})
    assert (done.returncode, done.stderr) == (0, "")
    assert "connections_connection" in tables(url)


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_healthy(path, client, db):
    answer = client.get(path)
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert answer["X-Request-ID"]


def test_healthz_asks_no_database(client):
    # Without the fixture `db`, a query fails the test.
    assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize("app", ["accounts", "connections", "logs", "auth"])
def test_not_ready_with_a_pending_migration(app, client, db, caplog):
    applied = MigrationRecorder.Migration.objects.filter(app=app)
    applied.filter(pk=applied.latest("pk").pk).delete()
    with caplog.at_level(logging.ERROR):
        answer = client.get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"status": "unavailable"})
    assert "migrations are not applied" in caplog.text
    assert client.get("/healthz").status_code == 200


def test_not_ready_with_other_keys(client, db, settings, caplog):
    KeyProof.verify()
    settings.CONNECTION_SECRET_KEYS = [KEY]
    with caplog.at_level(logging.ERROR):
        answer = client.get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"status": "unavailable"})
    assert "CONNECTION_SECRET_KEYS" in caplog.text
    assert KEY not in caplog.text


ASK = """
import time
import django
django.setup()
from django.test import Client
for path in ("/healthz", "/readyz"):
    start = time.monotonic()
    answer = Client(SERVER_NAME="localhost").get(path)
    print(answer.status_code, answer.content.decode(), time.monotonic() - start < 5)
"""


@pytest.mark.parametrize(
    "url", ["postgresql://me:hunter2@127.0.0.1:1/none", "sqlite:////nonexistent/registry.sqlite3"]
)
def test_not_ready_without_a_database(url):
    done = run("-c", ASK, **BASE | {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "itempath.settings"})
    assert done.stdout.splitlines() == ['200 {"status": "ok"} True', '503 {"status": "unavailable"} True']
    assert "Not ready: the database cannot be reached" in done.stderr
    assert "hunter2" not in done.stderr


def get(url: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, refusal.read()


@pytest.mark.live
def test_a_running_server_notices(new_server, tmp_path):
    server = new_server()
    assert get(f"{server.base}/readyz") == (200, b'{"status": "ok"}')
    assert server.manage("migrate", "-v0", "--fake", "connections", "0001").returncode == 0
    start = time.monotonic()
    assert get(f"{server.base}/readyz") == (503, b'{"status": "unavailable"}')
    assert time.monotonic() - start < 5
    assert get(f"{server.base}/healthz") == (200, b'{"status": "ok"}')
    assert "migrations are not applied" in (tmp_path / "errors-0.log").read_text()
    # It recovers without a restart.
    assert server.manage("migrate", "-v0", "--fake").returncode == 0
    assert get(f"{server.base}/readyz") == (200, b'{"status": "ok"}')
