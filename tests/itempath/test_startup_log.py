"""A server process writes only JSON to standard error, from its start on, unless that is a terminal."""

import io
import json
import os
import pty
import subprocess
import sys

import pytest

from itempath.startup_log import JsonLines
from tests.conftest import ROOT, free_port
from tests.itempath.test_settings import KEY, SECRET, run

pytestmark = pytest.mark.any_database

BASE = {
    "SECRET_KEY": SECRET,
    "CONNECTION_SECRET_KEYS": KEY,
    "ENV_FILE": os.devnull,
    "DATABASE_URL": "sqlite:////nowhere/registry.sqlite3",
}


def parsed(text: str) -> list[dict[str, str]]:
    """Return the parsed lines of `text`, each of which must be JSON with the keys of every log line."""
    lines = [json.loads(line) for line in text.splitlines()]
    assert all(line.keys() >= {"time", "level", "logger", "message", "request_id"} for line in lines)
    return lines


@pytest.mark.parametrize(
    ("words", "changes", "level", "named"),
    [
        ([], {"SECRET_KEY": ""}, "ERROR", "SECRET_KEY"),
        ([], {}, "ERROR", "is in a folder that is not there"),
        ([], {"DEBUG": "1", "HOST": "0.0.0.0"}, "ERROR", "DEBUG: its pages show internals"),
        (["--nonsense"], {}, "ERROR", "unrecognized arguments: --nonsense"),
        (
            [],
            {"PYTHONWARNINGS": "default", "HOST": "10.255.255.1"},
            "ERROR",
            "cannot be used: Cannot assign requested address.",
        ),
    ],
)
def test_a_start_that_is_refused_says_so_in_json(words, changes, level, named):
    done = run("manage.py", "serve", *words, **BASE | changes)
    assert done.returncode != 0
    assert done.stdout == ""
    line = parsed(done.stderr)[-1]
    assert line["level"] == level
    assert named in line["message"]


def test_other_commands_talk_to_people():
    done = run("manage.py", "check_secrets", **BASE)
    assert (
        done.stderr
        == "The database cannot be used: /nowhere/registry.sqlite3 is in a folder that is not there.\n"
    )


def test_a_terminal_shows_plain_text():
    ours, theirs = pty.openpty()
    environment = {**os.environ, **BASE, "SECRET_KEY": ""}
    process = subprocess.Popen(
        [sys.executable, "manage.py", "serve"], cwd=ROOT, env=environment, stderr=theirs
    )
    os.close(theirs)
    text = os.read(ours, 10_000).decode()
    process.wait()
    os.close(ours)
    assert text.startswith("The environment or .env has settings")


SERVE = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "itempath.settings"
sys.path[:0] = sys.argv[1:3]
from granian import Granian
from itempath.startup_log import granian_log_config, log_as_json
if __name__ == "__main__":
    log_as_json()
    Granian(
        "broken:application", port=int(sys.argv[3]), interface="wsgi", log_level="info",
        log_dictconfig=granian_log_config(), respawn_failed_workers=True,
    ).serve()
"""
BROKEN = """
import sys, threading, warnings
warnings.warn("careful", stacklevel=1)
print("said by a library", file=sys.stderr)
thread = threading.Thread(target=lambda: [][0], name="helper")
thread.start()
thread.join()
try:
    1 / 0
except ZeroDivisionError as error:
    raise RuntimeError("cannot start") from error
"""


def test_every_line_of_the_servers_processes_is_json(tmp_path):
    (tmp_path / "broken.py").write_text(BROKEN)
    (tmp_path / "serve.py").write_text(SERVE)
    done = run(str(tmp_path / "serve.py"), str(ROOT), str(tmp_path), str(free_port()), **BASE)
    assert done.stdout == ""
    lines = parsed(done.stderr)
    found = {(line["logger"], line["level"], line["message"].splitlines()[0]) for line in lines}
    assert found >= {
        ("_granian", "INFO", "Spawning worker-1 with PID: " + lines_with(lines, "Spawning")[-1]),
        ("_granian", "ERROR", "Worker crash loop detected, exiting"),
        ("stderr", "ERROR", "said by a library"),
        ("stderr", "ERROR", "Exception in thread helper:"),
    }
    assert any(line["logger"] == "py.warnings" and "careful" in line["message"] for line in lines)
    errors = [line["message"] for line in lines if line["message"].endswith("RuntimeError: cannot start")]
    assert errors
    assert all("Traceback (most recent call last)" in message for message in errors)


def lines_with(lines: list[dict[str, str]], word: str) -> list[str]:
    return [line["message"].rpartition(" ")[2] for line in lines if line["message"].startswith(word)]


def test_lines_of_json_pass_as_they_are_and_others_become_some():
    out = io.StringIO()
    stream = JsonLines(out)
    for text in ('{"time":1}\n', "plain\n", "in ", "pieces\n", "cut", '{"time":2}\n', "{'a': 1}\n", "left"):
        stream.write(text)
    stream.flush()
    lines = out.getvalue().splitlines()
    assert [lines.pop(0), lines.pop(3)] == ['{"time":1}', '{"time":2}']
    assert [json.loads(line)["message"] for line in lines] == [
        "plain",
        "in pieces",
        "cut",
        "{'a': 1}",
        "left",
    ]
