"""Compare processor time with that of another checkout: `python bench/cpu.py ../other --rounds 7`.

It calls both servers in turn, round after round, on two databases with the same few connections, and prints
the median of the rounds' ratios. Processor time, unlike wall time, hardly depends on what else the machine
does.
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
# ItemPath documents its calls with a body that holds no arguments.
BODIES = {"without a body": None, "with a body": b"GET /api/connections/1"}


def processor_seconds(pid: int) -> float:
    """Return the seconds of processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def milliseconds(server: Server, body: bytes | None) -> float:
    """Return the processor time of one call, the mean of `CALLS` over one connection to the server."""
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
    """Return the registry of the checkout in `folder`, with a new database that has the example data."""
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
        admin = stack.enter_context(temporary_postgresql())
        logs = Path(stack.enter_context(tempfile.TemporaryDirectory()))
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
    call = f"GET /api/connections/1 {label}"
    return f"{call}: {median['this']:.3f} ms, other {median['other']:.3f} ms, ratio {ratio:.2f}"


if __name__ == "__main__":
    main()
