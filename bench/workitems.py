"""Compare the list of a bug's links with one connection, in requests a second: `python bench/workitems.py`.

It runs a server of one process on the database of DATABASE_URL, which must be empty, with the small set of
`bench/work_item_dataset.py` (2 links) and then with the large one (25 links of 50,000). Each round measures
both calls, so that other work of the machine affects both. It needs wrk, and prints the medians of the
rounds.
"""

import json
import os
import random
import re
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from statistics import median
from tempfile import NamedTemporaryFile

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench.dataset import connection  # noqa: E402  # needs the path that is set above
from bench.work_item_dataset import KEY, dataset  # noqa: E402

ROUNDS = int(os.environ.get("ROUNDS", "5"))
SECONDS = int(os.environ.get("SECONDS", "5"))
SETTINGS = {
    "API_RATE_PER_MINUTE": "0",
    "API_RATE_PER_DAY": "0",
    "LOG_LEVEL": "WARNING",
    "DEMO": "0",
    "WEB_CONCURRENCY": "1",
}
CONNECTION, LINKS = "/api/connections/1", "/api/connections/bug/item/1"
GRANT = """
from accounts.models import User
from accounts.roles import Role
User.objects.get(username="bench").set_role(Role.READER)
"""


def manage(environment: dict[str, str], *arguments: str) -> None:
    subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environment,
        check=True,
        stdout=subprocess.DEVNULL,
    )


def load(environment: dict[str, str], command: str, content: object) -> float:
    """Import `content` by `command`; return the seconds that it took."""
    with NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(content, file)
        file.flush()
        start = time.perf_counter()
        manage(environment, command, file.name)
        return time.perf_counter() - start


def serve(environment: dict[str, str]) -> "subprocess.Popen[bytes]":
    silent = subprocess.DEVNULL
    server = subprocess.Popen(
        [sys.executable, "manage.py", "serve"], cwd=ROOT, env=environment, stdout=silent, stderr=silent
    )
    for _ in range(300):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{environment['PORT']}/readyz", timeout=1).close()
            return server
        except OSError:
            time.sleep(0.1)
    server.terminate()
    raise SystemExit("The server does not answer.")


def rate(port: str, path: str) -> float:
    """Return the requests a second that wrk counts, with 8 connections."""
    command = [
        "wrk",
        "-t1",
        "-c8",
        f"-d{SECONDS}s",
        "-H",
        f"Authorization: Bearer {KEY}",
        f"http://127.0.0.1:{port}{path}",
    ]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in printed:
        raise SystemExit(f"{path} was refused:\n{printed}")
    found = re.search(r"Requests/sec:\s*([\d.]+)", printed)
    return float(found[1]) if found else 0.0


def measure(environment: dict[str, str]) -> tuple[float, float]:
    """Return the requests a second of the links, and their ratio to those of one connection."""
    server = serve(environment)
    try:
        rounds = [
            (rate(environment["PORT"], CONNECTION), rate(environment["PORT"], LINKS)) for _ in range(ROUNDS)
        ]
    finally:
        server.terminate()
        server.wait(20)
    return median(links for _, links in rounds), median(links / one for one, links in rounds)


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def main() -> None:
    environment = {**os.environ, **SETTINGS, "PORT": free_port()}
    manage(environment, "migrate")
    connections = [connection(number, random.Random(1)) for number in range(1, 101)]
    load(environment, "import_connections", connections)
    found, ratios = {}, {}
    for size in ("small", "large"):
        found[size], ratios[size] = measure_set(environment, size)
    # The ratios hardly depend on what else the machine did during the two measurements.
    by_rate, by_ratio = (each["small"] / each["large"] for each in (found, ratios))
    print(f"small / large: {by_rate:.2f}; by the ratios: {by_ratio:.2f}")


def measure_set(environment: dict[str, str], size: str) -> tuple[float, float]:
    """Import one of the two sets, measure it, and print and return the results of `measure()`."""
    seconds = load(environment, "import_workitems", dataset(size))
    manage(environment, "shell", "-c", GRANT)
    found, ratio = measure(environment)
    rates = f"{found:,.0f} requests a second, {ratio:.2f} of GET {CONNECTION}"
    print(f"{size}: imported in {seconds:.1f} s; {rates}")
    return found, ratio


if __name__ == "__main__":
    main()
