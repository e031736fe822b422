"""Compare the processor time of calls with that of another checkout: `python bench/cpu.py ../other --rounds 7`.

Asks both servers in turn, round after round, on databases of their own with one connection each, and prints the median
of each round's ratio. Processor time, unlike wall time, hardly depends on what else the machine does.
"""

import argparse
import http.client
import os
import statistics
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.postgresql import temporary_postgresql
from bench.servers import ROOT, Registry, Server

TICKS = os.sysconf("SC_CLK_TCK")
CALLS = 2000
# ItemPath documents its calls with a body, which is not read.
BODIES = {"without a body": None, "with a body": b"GET /api/connections/1"}


def processor_seconds(pid: int) -> float:
    """Return the seconds of processor time that a process has taken, as Linux counts them."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def milliseconds(server: Server, body: bytes | None) -> float:
    """Return the processor time of one call for a connection, the mean of many over one connection to the server."""
    [worker] = server.workers()
    connection = http.client.HTTPConnection(urlsplit(server.base).netloc, timeout=30)
    before = processor_seconds(worker)
    for _ in range(CALLS):
        connection.request("GET", "/api/connections/1", body, server.headers())
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            sys.exit(f"{server.base} answers {answer.status}.")
    connection.close()
    return (processor_seconds(worker) - before) / CALLS * 1000


def prepared(admin: str, name: str, folder: Path, logs: Path) -> Registry:
    import psycopg

    with psycopg.connect(admin, autocommit=True) as database:
        database.execute(f'CREATE DATABASE "{name}"')
    registry = Registry(f"{admin.rpartition('/')[0]}/{name}", logs, folder)
    registry.load(ROOT / "tests" / "data" / "seed.json")
    return registry


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("other", type=Path, help="the other checkout")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    folders = {"this": ROOT, "other": options.other.resolve()}
    with ExitStack() as stack:
        admin, logs = (
            stack.enter_context(temporary_postgresql()),
            Path(stack.enter_context(tempfile.TemporaryDirectory())),
        )
        servers = {
            name: stack.enter_context(prepared(admin, name, each, logs).serve())
            for name, each in folders.items()
        }
        for label, body in BODIES.items():
            taken = [
                {name: milliseconds(server, body) for name, server in servers.items()}
                for _ in range(options.rounds)
            ]
            print(report(label, taken), flush=True)


def report(label: str, taken: list[dict[str, float]]) -> str:
    median = {name: statistics.median(each[name] for each in taken) for name in taken[0]}
    ratio = statistics.median(each["this"] / each["other"] for each in taken)
    return f"GET /api/connections/1 {label}: {median['this']:.3f} ms, other {median['other']:.3f} ms, ratio {ratio:.2f}"


if __name__ == "__main__":
    main()
