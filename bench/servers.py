"""The servers that a benchmark calls: the registry, and peers that users would write instead."""

import contextlib
import http.client
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import jwt

from bench.postgresql import free_port

ROOT = Path(__file__).resolve().parent.parent
PEERS = {
    "plain DRF": ("--interface=wsgi", "--blocking-threads=1", "plain_drf:application"),
    "FastAPI + SQLAlchemy": ("--interface=asgi", "--loop=uvloop", "fastapi_sqlalchemy:app"),
    "floor": ("--interface=wsgi", "--blocking-threads=1", "floor:application"),
}
# Seconds after which an answer counts as missing.
TIMEOUT = 60
# The environment that every server starts from, so that no other setting of this machine reaches it.
CLEAN_ENVIRONMENT = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}


class Answer(NamedTuple):
    status: int
    body: bytes
    etag: str


@dataclass
class Server:
    """A running server, and a bearer that it accepts."""

    process: subprocess.Popen[bytes]
    base: str
    token: str

    def headers(self, tag: str = "") -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} | ({"If-None-Match": tag} if tag else {})

    def get(self, path: str, tag: str = "") -> Answer:
        """Make one call over a new connection. Raises `OSError` while the server is not reachable."""
        connection = http.client.HTTPConnection(urlsplit(self.base).netloc, timeout=TIMEOUT)
        try:
            connection.request("GET", f"/api/connections{path}", headers=self.headers(tag))
            response = connection.getresponse()
            return Answer(response.status, response.read(), response.getheader("ETag", ""))
        finally:
            connection.close()

    def read(self, path: str) -> Any:
        """Return the parsed answer to a call. Exits if its status is not 200."""
        answer = self.get(path)
        if answer.status != 200:
            sys.exit(f"{self.base}: GET /api/connections{path} answers {answer.status}.")
        return json.loads(answer.body)

    def wait(self) -> None:
        """Wait for the first answer to a list call. Raises `NotServing` if none comes."""
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(OSError):
                if self.get("?limit=1").status == 200:
                    return
            time.sleep(0.005)
        raise NotServing

    def rate(self, path: str, seconds: int, clients: int = 4, tag: str = "") -> float:
        """Return the requests a second over `clients` connections, each of which calls again at once."""
        lines = [option for name, value in self.headers(tag).items() for option in ("-H", f"{name}: {value}")]
        command = [
            "wrk",
            "-t1",
            f"-c{clients}",
            f"-d{seconds}s",
            "--timeout=30s",
            *lines,
            f"{self.base}/api/connections{path}",
        ]
        output = subprocess.run(command, capture_output=True, text=True, check=False).stdout
        found = re.search(r"Requests/sec:\s+([\d.]+)", output)
        if found is None or "Non-2xx" in output or "Socket errors" in output:
            sys.exit(f"wrk could not measure {self.base}/api/connections{path}:\n{output}")
        return float(found[1])

    def workers(self) -> list[int]:
        """Return the server processes: the children, except for Python's resource tracker."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [
            int(child)
            for child in children
            if b"resource_tracker" not in Path(f"/proc/{child}/cmdline").read_bytes()
        ]


class NotServing(Exception):
    """A server ended or does not answer."""


@contextmanager
def serving(
    command: Sequence[str], environment: dict[str, str], port: int, token: str, log: Path, folder: Path
) -> Iterator[Server]:
    """Run a server during the block, which begins with its first answer. Its output goes to `log`."""
    with log.open("wb") as output:
        # Ctrl-C does not reach another session: the processes are stopped here, in order.
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**CLEAN_ENVIRONMENT, **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    server = Server(process, f"http://127.0.0.1:{port}", token)
    try:
        server.wait()
        yield server
    except NotServing:
        sys.exit(f"{' '.join(command)} does not answer:\n{log.read_text()[-2000:]}")
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a server and those of its workers that outlive it."""
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(20)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@dataclass
class Peers:
    """The peers, which share a database with tables of their own."""

    python: Path
    database: str
    logs: Path
    key = "k" * 64

    def load(self, file: Path) -> None:
        command = [str(self.python), "load.py", self.database, str(file)]
        subprocess.run(command, cwd=ROOT / "bench" / "peers", env=CLEAN_ENVIRONMENT, check=True)

    def serve(self, name: str) -> AbstractContextManager[Server]:
        """Return the context of a running peer."""
        *options, application = PEERS[name]
        port = free_port()
        granian = str(self.python.with_name("granian"))
        command = [granian, f"--port={port}", "--workers=1", "--log-level=warning", *options, application]
        environment = {"DATABASE_URL": self.database, "JWT_KEY": self.key}
        log = self.logs / f"{application.partition(':')[0]}.log"
        return serving(command, environment, port, self.token(), log, ROOT / "bench" / "peers")

    def token(self) -> str:
        claims = {"user_id": "1", "token_type": "access", "jti": "x", "exp": 4_000_000_000}
        return jwt.encode(claims, self.key, algorithm="HS256")


class Registry:
    """This project, or another checkout of it, on its own database, with default settings but no rates."""

    def __init__(self, database: str, logs: Path, folder: Path = ROOT) -> None:
        self.database, self.logs, self.folder = database, logs, folder
        self.environment = {
            "ENV_FILE": os.devnull,
            "SECRET_KEY": secrets.token_urlsafe(48),
            "CONNECTION_SECRET_KEYS": urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "DATABASE_URL": database,
            "API_RATE_PER_MINUTE": "0",
            "API_RATE_PER_DAY": "0",
            "DEMO": "0",
            "CHECK_RUNNER": "0",
            "HOST": "127.0.0.1",
        }
        self.token = ""

    def load(self, file: Path) -> None:
        self.manage("migrate", "-v0")
        self.manage("import_connections", str(file))
        self.token = self.manage("issue_token", "bench", "--role", "reader").strip()

    def manage(self, *arguments: str) -> str:
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={**CLEAN_ENVIRONMENT, **self.environment},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            sys.exit(f"manage.py {' '.join(arguments)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
        return done.stdout

    def serve(self, workers: int = 1) -> AbstractContextManager[Server]:
        """Return the context of a running registry."""
        port = free_port()
        environment = {
            **self.environment,
            "PORT": str(port),
            "WEB_CONCURRENCY": str(workers),
            "WEB_THREADS": "1",
        }
        log = self.logs / f"registry-{port}.log"
        return serving(
            [sys.executable, "manage.py", "serve"], environment, port, self.token, log, self.folder
        )


def require_programs(python: Path) -> None:
    """Exit if a program is missing, before minutes are spent on data."""
    if shutil.which("wrk") is None:
        sys.exit("The load generator wrk is missing: apt-get install wrk")
    if not python.with_name("granian").exists():
        sys.exit(
            f"{python} has no packages for the peers: run make bench, which installs bench/requirements.txt."
        )
