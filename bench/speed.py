"""Measure the registry against its peers, and print a report in Markdown: `make bench ARGS="--rounds 5"`.

It starts a PostgreSQL server with the same connections for all servers and calls them in turn, round after
round. The results are medians of the rounds' ratios, because single figures depend on what else the machine
does.
"""

import argparse
import os
import platform
import re
import shlex
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import psycopg

from bench import memory
from bench.postgresql import temporary_postgresql
from bench.servers import PEERS, ROOT, Peers, Registry, Server, require_programs

REGISTRY = "registry"
# For each call, the ratios of the registry's rate to each peer's that are to be reached, in the order of
# PEERS.
GOALS: dict[str, tuple[float, ...]] = {
    "/1": (3, 1.3, 0.25),
    "?limit=1": (),
    "?limit=20": (4.5, 1.7, 0.45),
    "?limit=100": (6, 3, 0.65),
    "?limit=1000": (8, 4, 0.75),
}
UNCHANGED_GOAL = 10
LARGE, LARGE_GOAL, GROWTH_GOAL = "?limit=20000", 5, 60
WORKERS_GOAL = 1.4
# The kernel distributes connections by chance. With this many, both workers always have some.
CLIENTS_OF_WORKERS = 16
REPEATS = 5  # of measurements that take one request each


@dataclass
class Bench:
    """The options, the registry and the running servers of one benchmark run."""

    options: argparse.Namespace
    registry: Registry
    servers: dict[str, Server]

    @property
    def project(self) -> Server:
        return self.servers[REGISTRY]

    def rounds(self, measure: dict[str, Callable[[], float]], count: int = 0) -> dict[str, list[float]]:
        """Take each measurement in turn, round after round."""
        taken: dict[str, list[float]] = {name: [] for name in measure}
        for _ in range(count or self.options.rounds):
            for name, take in measure.items():
                taken[name].append(take())
        return taken

    def rates(self, path: str, clients: int = 4, **servers: Server) -> dict[str, list[float]]:
        """Return the requests a second of some servers, or of all, in each round."""
        seconds, measured = self.options.seconds, servers or self.servers
        return self.rounds(
            {name: partial(server.rate, path, seconds, clients) for name, server in measured.items()}
        )


def ratio(over: list[float], under: list[float]) -> float:
    """Return the median of the ratios of the rounds."""
    return statistics.median(a / b for a, b in zip(over, under, strict=True))


def verdict(value: float, goal: float, *, at_most: bool = False) -> str:
    return "met" if (value <= goal if at_most else value >= goal) else "**not met**"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    """Yield the lines of a Markdown table; all columns but the first are right-aligned."""
    names = list(head)
    yield f"| {' | '.join(names)} |"
    yield f"|---|{'---:|' * (len(names) - 1)}"
    yield from (f"| {' | '.join(row)} |" for row in rows)


def reads(bench: Bench) -> Iterator[str]:
    yield "## Reading\n"
    yield "Requests a second over 4 connections, and the registry's rate as a multiple of each peer's.\n"
    names = [*bench.servers, *(f"/ {peer}" for peer in PEERS)]
    yield from table(
        ["`GET /api/connections`", *names], (read_row(bench, path, goals) for path, goals in GOALS.items())
    )


def read_row(bench: Bench, path: str, goals: tuple[float, ...]) -> list[str]:
    rates = bench.rates(path)
    ratios = [ratio(rates[REGISTRY], rates[peer]) for peer in PEERS]
    medians = [f"{statistics.median(taken):,.0f}" for taken in rates.values()]
    if not goals:
        return [f"`{path}`", *medians, *(f"{value:.2f}" for value in ratios)]
    judged = [
        f"{value:.2f} (goal {goal}: {verdict(value, goal)})"
        for value, goal in zip(ratios, goals, strict=True)
    ]
    return [f"`{path}`", *medians, *judged]


def unchanged(bench: Bench) -> Iterator[str]:
    path, server, seconds = "?limit=1000", bench.project, bench.options.seconds
    tag = server.get(path).etag
    if (status := server.get(path, tag).status) != 304:
        sys.exit(f"An unchanged {path} is answered with {status} instead of 304.")
    taken = bench.rounds(
        {"304": partial(server.rate, path, seconds, tag=tag), "200": partial(server.rate, path, seconds)}
    )
    rates = [f"{statistics.median(taken[status]):,.0f}" for status in ("304", "200")]
    value = ratio(taken["304"], taken["200"])
    yield "## An unchanged list\n"
    yield f"`{path}` with `If-None-Match`, requests a second.\n"
    row = ["registry", *rates, f"{value:.1f}", f"{UNCHANGED_GOAL}", verdict(value, UNCHANGED_GOAL)]
    yield from table(["", "304", "200", "304 / 200", "goal", ""], [row])


def large(bench: Bench) -> Iterator[str]:
    plain, own = bench.servers["plain DRF"], bench.project
    taken = bench.rounds({"plain": partial(seconds_of, plain), "own": partial(seconds_of, own)}, REPEATS)
    value, growth = ratio(taken["plain"], taken["own"]), grown(bench)
    seconds = {name: f"{statistics.median(times):.2f} s" for name, times in taken.items()}
    yield "## A large list\n"
    answered = min(bench.options.rows, 20_000)
    yield (
        f"`{LARGE}` ({answered:,} rows): time as the median of {REPEATS} single requests, "
        "memory of a fresh worker.\n"
    )
    times = [f"{value:.1f} times", f"{LARGE_GOAL} times", verdict(value, LARGE_GOAL)]
    time_row = ["time", seconds["own"], seconds["plain"], *times]
    yield from table(
        ["", "registry", "plain DRF", "better", "goal", ""],
        [time_row, growth_row(growth, 1), growth_row(growth, REPEATS)],
    )


def growth_row(growth: list[float], requests: int) -> list[str]:
    value = growth[requests - 1]
    name = f"growth of peak memory, {requests} request{'s' * (requests > 1)}"
    return [name, f"{value:.0f} MB", "", "", f"{GROWTH_GOAL} MB", verdict(value, GROWTH_GOAL, at_most=True)]


def seconds_of(server: Server) -> float:
    begin = time.perf_counter()
    if server.get(LARGE).status != 200:
        sys.exit(f"{server.base} refuses {LARGE}.")
    return time.perf_counter() - begin


def grown(bench: Bench) -> list[float]:
    """Return the megabytes by which large answers, one after the other, raise the peak of a new worker.

    The worker has answered small calls before. One large answer would not do, because every thread of the
    worker keeps memory of its own.
    """
    with bench.registry.serve() as server:
        for path in ("?limit=20", "/1") * REPEATS:
            server.read(path)
        [worker] = server.workers()
        memory.reset_peak(worker)
        before = memory.peak(worker)
        return [peak_after(server, worker) - before for _ in range(REPEATS)]


def peak_after(server: Server, worker: int) -> float:
    server.get(LARGE)
    return memory.peak(worker)


def start(bench: Bench) -> Iterator[str]:
    runs = [started(bench.registry) for _ in range(bench.options.rounds)]
    seconds, rss, pss, parent = (statistics.median(values) for values in zip(*runs, strict=True))
    yield "## Start-up and idle memory\n"
    rows = [
        ["`manage.py serve` to the first list, on a migrated database", f"{seconds:.2f} s"],
        ["idle worker, resident", f"{rss:.0f} MB"],
        ["idle worker, proportional share", f"{pss:.0f} MB"],
        ["the process that watches the workers, resident", f"{parent:.0f} MB"],
    ]
    yield from table(["", "registry"], rows)


def started(registry: Registry) -> tuple[float, float, float, float]:
    """Return the seconds that a start takes, and the memory of the worker and its parent after it."""
    begin = time.perf_counter()
    with registry.serve() as server:
        seconds = time.perf_counter() - begin
        [worker] = server.workers()
        return (
            seconds,
            memory.resident(worker),
            memory.proportional(worker),
            memory.resident(server.process.pid),
        )


def workers(bench: Bench) -> Iterator[str]:
    yield "## Two workers\n"
    yield (
        f"Requests a second over {CLIENTS_OF_WORKERS} connections; "
        "the load generator and the database are on the same machine.\n"
    )
    with bench.registry.serve(workers=2) as two:
        rows = [workers_row(bench, two, path) for path in ("?limit=20", "/1")]
    yield from table(["`GET /api/connections`", "one worker", "two workers", "two / one", "goal", ""], rows)


def workers_row(bench: Bench, two: Server, path: str) -> list[str]:
    rates = bench.rates(path, CLIENTS_OF_WORKERS, one=bench.project, two=two)
    value = ratio(rates["two"], rates["one"])
    medians = [f"{statistics.median(taken):,.0f}" for taken in rates.values()]
    return [f"`{path}`", *medians, f"{value:.2f}", f"{WORKERS_GOAL}", verdict(value, WORKERS_GOAL)]


PARTS: dict[str, Callable[[Bench], Iterator[str]]] = {
    part.__name__: part for part in (reads, unchanged, large, start, workers)
}


def heading(options: argparse.Namespace, admin: str) -> Iterator[str]:
    with psycopg.connect(admin) as database:
        version = database.info.parameter_status("server_version")
    processor = re.search(r"^model name\s*: (.+)", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    arguments = f' ARGS="{shlex.join(sys.argv[1:])}"' if sys.argv[1:] else ""
    yield f"# Measured on {datetime.now(UTC):%Y-%m-%d %H:%M} UTC\n"
    machine = processor[1] if processor else platform.machine()
    rates = f"{options.rounds} x {options.seconds} s for each rate"
    yield f"- `make bench{arguments}`: {options.rows:,} connections, {rates}"
    yield f"- {machine}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before the run"
    yield (
        f"- Python {platform.python_version()}, PostgreSQL {version}; "
        "one worker with one thread each, everything on this machine\n"
    )


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=100_000, help="connections in each database")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=4, help="of each measurement")
    parser.add_argument(
        "--only", choices=PARTS, action="append", help="a part of the report; may be repeated"
    )
    parser.add_argument("--peers-python", type=Path, default=ROOT / ".venv-bench" / "bin" / "python")
    return parser.parse_args()


@contextmanager
def prepared(options: argparse.Namespace, admin: str) -> Iterator[Bench]:
    """Fill the databases and run the servers during the block."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        logs = Path(folder)
        peers = Peers(options.peers_python.absolute(), create_database(admin, "peers"), logs)
        registry = Registry(create_database(admin, "registry"), logs)
        fill(admin, peers, registry, dataset(options.rows, logs))
        say("starting the servers")
        servers = {REGISTRY: stack.enter_context(registry.serve())}
        servers |= {name: stack.enter_context(peers.serve(name)) for name in PEERS}
        yield Bench(options, registry, servers)


def create_database(admin: str, name: str) -> str:
    with psycopg.connect(admin, autocommit=True) as database:
        database.execute(f"CREATE DATABASE {name}")
    return f"{admin.rpartition('/')[0]}/{name}"


def dataset(rows: int, folder: Path) -> Path:
    say(f"generating {rows:,} connections")
    file = folder / "connections.json"
    with file.open("wb") as output:
        subprocess.run([sys.executable, ROOT / "bench" / "dataset.py", str(rows)], stdout=output, check=True)
    return file


def fill(admin: str, peers: Peers, registry: Registry, file: Path) -> None:
    say("loading them into both databases")
    for owner in (peers, registry):
        owner.load(file)
        # Otherwise PostgreSQL would do so by itself at some time, and disturb a measurement.
        with psycopg.connect(owner.database, autocommit=True) as database:
            database.execute("VACUUM (ANALYZE)")
    with psycopg.connect(admin, autocommit=True) as database:
        database.execute("CHECKPOINT")


def require_same_answers(servers: dict[str, Server]) -> None:
    """Exit if a server answers something else than the others: its speed would mean nothing."""
    for path in ("?limit=50", "/1"):
        answers = {name: server.read(path) for name, server in servers.items()}
        different = [name for name, answer in answers.items() if answer != answers["floor"]]
        if different:
            sys.exit(f"GET /api/connections{path}: {', '.join(different)} and the floor answer differently.")


def warm_up(servers: dict[str, Server]) -> None:
    for server in servers.values():
        server.rate("?limit=20", 1)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    options = read_options()
    require_programs(options.peers_python)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # an exception ends the servers, too
    with temporary_postgresql() as admin:
        lines = list(heading(options, admin))
        with prepared(options, admin) as bench:
            require_same_answers(bench.servers)
            warm_up(bench.servers)
            print(*lines, sep="\n", flush=True)
            for name in options.only or PARTS:
                say(f"measuring: {name}")
                print(*PARTS[name](bench), "", sep="\n", flush=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("interrupted")
