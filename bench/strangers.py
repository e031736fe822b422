"""Measure the cost of requests by someone without an account: `python bench/strangers.py`.

It prints the processor time that each takes in milliseconds, the median of several, on a new SQLite database.
The first line is a login whose password is checked: it costs a hash, on purpose.
"""

import argparse
import http.client
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.cpu import processor_seconds
from bench.servers import Registry, Server

MAX_COST = 20  # milliseconds
JSON = {"Content-Type": "application/json"}
AWKWARD = "\"'<>\\é"


def login(name: str, password: str) -> tuple[str, str, str, dict[str, str]]:
    return "POST", "/api/users/login", json.dumps({"username": name, "password": password}), JSON


# Method, path, body, headers.
REQUESTS: dict[str, tuple[str, str, str, dict[str, str]]] = {
    "a password of 1 MB": login("admin", "x" * 1_000_000),
    "a password of 40,000 awkward characters": login("admin", AWKWARD * 6_666),
    "a name of 60,000": login("x" * 60_000, "x"),
    "brackets in a body": ("POST", "/api/users/login", "[" * 60_000, JSON),
    "many keys in a body": ("POST", "/api/users/login", json.dumps({f"k{n}": n for n in range(4_000)}), JSON),
    "operators in a GET body": ("GET", "/api/connections", json.dumps({"[" * 60_000: 1}), JSON),
    "a bearer of 60,000": ("GET", "/api/connections", "", {"Authorization": f"Bearer {'x' * 60_000}"}),
    "a token of 60,000": ("GET", "/api/connections", "", {"Authorization": f"Bearer {'W' * 60_000}.x.y"}),
    "a token in a body": ("POST", "/api/token/verify", json.dumps({"token": "W" * 60_000 + ".x.y"}), JSON),
    "a query of 60,000": ("GET", f"/api/connections?{'a=&' * 20_000}", "", {}),
    "a path of 60,000": ("GET", f"/admin/{'x/' * 30_000}", "", {}),
    "cookies of 60,000": ("GET", "/admin/", "", {"Cookie": "a=" + '"\\' * 30_000}),
    "a form of 1 MB": (
        "POST",
        "/admin/login/",
        "a=&" * 333_000,
        {"Content-Type": "application/x-www-form-urlencoded"},
    ),
    "a media type of 60,000": (
        "POST",
        "/admin/login/",
        "x",
        {"Content-Type": "multipart/form-data; " + "a;" * 30_000},
    ),
    "X-Forwarded-For of 60,000": ("GET", "/api/connections", "", {"X-Forwarded-For": "1," * 30_000}),
    "the description": ("GET", "/api/schema/", "", {}),
    "the description's page": ("GET", "/api/docs/", "", {}),
    "the login page": ("GET", "/admin/login/", "", {}),
    "a page that is not there": ("GET", "/admin/nothing/", "", {}),
    "a file that is not there": ("GET", "/static/nothing.js", "", {}),
    "OPTIONS": ("OPTIONS", "/api/connections", "", {}),
    "/readyz": ("GET", "/readyz", "", {}),
    "/healthz": ("GET", "/healthz", "", {}),
}


def ask(server: Server, method: str, path: str, body: str, headers: dict[str, str]) -> None:
    connection = http.client.HTTPConnection(urlsplit(server.base).netloc, timeout=60)
    try:
        connection.request(method, path, body.encode() or None, headers)
        connection.getresponse().read()
    finally:
        connection.close()


def milliseconds(worker: int, call: Callable[[], None], times: int, rounds: int = 5) -> float:
    """Return the processor time of one call, the median of rounds of so many.

    A round needs many calls, as Linux counts in hundredths of a second.
    """
    taken = []
    for _ in range(rounds):
        before = processor_seconds(worker)
        for _ in range(times):
            call()
        time.sleep(0.05)  # the server may still be busy with the end of the call
        taken.append((processor_seconds(worker) - before) / times * 1000)
    return statistics.median(taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=20, help="calls in a round")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        registry = Registry(f"sqlite:///{folder}/registry.sqlite3", Path(folder))
        registry.manage("migrate", "-v0")
        registry.token = registry.manage("issue_token", "bench", "--role", "reader").strip()
        with registry.serve() as server:
            expensive = print_costs(server, options.times)
    if expensive:
        sys.exit(f"more than {MAX_COST} ms: {', '.join(expensive)}")


def print_costs(server: Server, times: int) -> list[str]:
    """Print the cost of each request; return the names of those above `MAX_COST`."""
    [worker] = server.workers()
    hashed = milliseconds(worker, lambda: ask(server, *login("nobody", "x")), 1)
    print(f"| request | ms of the processor |\n|---|---:|\n| a login that is checked | {hashed:.0f} |")
    expensive = []
    for name, request in REQUESTS.items():
        cost = milliseconds(worker, lambda request=request: ask(server, *request), times)  # type: ignore[misc]
        print(f"| {name} | {cost:.1f} |", flush=True)
        expensive += [name] if cost > MAX_COST else []
    return expensive


if __name__ == "__main__":
    main()
