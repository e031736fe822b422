"""Say what one GET request costs, and where: `DATABASE_URL=… python bench/profile.py "/api/connections?limit=20"`.

Calls the WSGI application in this process, with an application token that is deleted at the end. The counts are of one
request whose bearer is recognised and whose statement is compiled, and come out alike every time; the times are of many.
"""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)  # in the place of this folder, whose `profile` would hide Python's own from cProfile
os.environ.update(API_RATE_PER_MINUTE="0", API_RATE_PER_DAY="0", DJANGO_SETTINGS_MODULE="itempath.settings")

if not os.environ.get("DATABASE_URL"):
    sys.exit("Set DATABASE_URL to a database that is migrated and filled.")

import django  # noqa: E402  # the path was not right before

django.setup()

import argparse  # noqa: E402
import cProfile  # noqa: E402
import io  # noqa: E402
import logging  # noqa: E402
import statistics  # noqa: E402
import sysconfig  # noqa: E402
import time  # noqa: E402
from collections import defaultdict  # noqa: E402
from collections.abc import Callable, Iterable, Iterator  # noqa: E402
from contextlib import contextmanager  # noqa: E402
from typing import Any, NamedTuple  # noqa: E402
from uuid import uuid4  # noqa: E402

from auditlog.context import disable_auditlog  # noqa: E402
from django.db import connection  # noqa: E402

from accounts.models import ApplicationToken, User  # noqa: E402
from accounts.roles import Role  # noqa: E402
from itempath.wsgi import application  # noqa: E402

Function = tuple[str, int, str]  # as cProfile names it: file, line, name
# Of a function: its own calls, all its calls, its own time, its time with what it calls, and the same for each caller.
Stats = dict[Function, tuple[int, int, float, float, dict[Function, tuple[int, int, float, float]]]]

# A function's layer is the first that has a part of its `file:name`; one without a layer counts for its callers'.
LAYERS = {
    "access log": ("/itempath/access_log.py", "/itempath/scrubbing.py", "/pythonjsonlogger/", "/logging/"),
    "records and JSON": (
        "orjson",
        "/itempath/api/rows.py",
        "/pagination.py:add",
        "/pagination.py:body",
        "/itempath/api/http.py:render",
    ),
    # psycopg's compiled parts are unknown to the profiler: their time is that of the function that calls them.
    "sending a query, waiting for the answer": ("/psycopg/connection.py:wait", "/psycopg/waiting.py"),
    "database driver": (
        "psycopg",
        "sqlite3",
        "/django/db/backends/",
        "/django/db/utils.py",
        "/itempath/postgresql/",
        ":batches",
    ),
    "throttle": ("/accounts/limits.py", "/rest_framework/throttling.py"),
    "authentication and role": (
        "/accounts/",
        "/rest_framework_simplejwt/",
        "/jwt/",
        "/rest_framework/authentication.py",
    ),
    "DRF dispatch": (
        "/rest_framework/",
        "/django/views/",
        "/itempath/api/viewsets.py",
        "/itempath/api/http.py",
    ),
    "arguments and query": (
        "/itempath/api/",
        "/connections/",
        "/django_filters/",
        "/django/forms/",
        "/django/db/",
    ),
    "server glue, WSGI": ("/itempath/wsgi.py", "/granian/", "/django/core/handlers/wsgi.py", "/bench/"),
    "Django handler and middleware": ("/django/", "/itempath/", "/whitenoise/", "/auditlog/", "/asgiref/"),
}
OTHER = "other"
# Paths count from here on: a folder above may be called as one of the parts.
PLACES = (sysconfig.get_path("purelib"), str(ROOT), sysconfig.get_path("stdlib"))


def layer_of(function: Function) -> str:
    file, _, name = function
    place = next((place for place in PLACES if file.startswith(place)), "")
    text = f"{file.removeprefix(place)}:{name}"
    return next((layer for layer, parts in LAYERS.items() if any(part in text for part in parts)), "")


class Layers:
    """The calls and the seconds of a profile, by layer."""

    def __init__(self, stats: Stats) -> None:
        self.stats = stats
        self.calls: dict[str, float] = defaultdict(float)
        self.seconds: dict[str, float] = defaultdict(float)
        for function, (_, calls, seconds, _, callers) in stats.items():
            for caller, (_, some, part, _) in callers.items():
                self.add(function, caller, some, part)
            if not callers:
                self.add(function, function, calls, seconds)

    def add(self, function: Function, caller: Function, calls: float, seconds: float) -> None:
        own = layer_of(function)
        for layer, weight in (
            {own: 1.0}.items() if own else self.weights(caller, frozenset([function])).items()
        ):
            self.calls[layer] += calls * weight
            self.seconds[layer] += seconds * weight

    def weights(self, function: Function, below: frozenset[Function]) -> dict[str, float]:
        """Return the layers that a call from `function` counts for, by how often each of them calls it."""
        if own := layer_of(function):
            return {own: 1.0}
        callers = {
            caller: calls
            for caller, (_, calls, _, _) in self.stats[function][4].items()
            if caller not in below | {function}
        }
        found: dict[str, float] = defaultdict(float)
        for caller, calls in callers.items():
            for layer, weight in self.weights(caller, below | {function}).items():
                found[layer] += weight * calls / sum(callers.values())
        return found or {OTHER: 1.0}


class Answer(NamedTuple):
    status: str
    headers: dict[str, str]
    length: int


def caller_of(address: str, token: str, tag: str = "") -> Callable[[], Answer]:
    """Return a function that calls the application as the server does."""
    path, _, query = address.partition("?")
    environ = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_PROTOCOL": "HTTP/1.1",
    }
    environ |= {
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "HTTP_HOST": "localhost",
        "REMOTE_ADDR": "127.0.0.1",
    }
    environ |= {"HTTP_AUTHORIZATION": f"Bearer {token}", "wsgi.url_scheme": "http"} | (
        {"HTTP_IF_NONE_MATCH": tag} if tag else {}
    )

    def call() -> Answer:
        started: list[Any] = []

        def start(*words: Any) -> Callable[[bytes], object]:
            started.append(words)
            return len  # the writer, which nobody calls

        body = application({**environ, "wsgi.input": io.BytesIO(), "wsgi.errors": sys.stderr}, start)
        length = sum(map(len, body))
        status, headers = started[0]
        return Answer(status, dict(headers), length)

    return call


def profile(call: Callable[[], Answer], times: int) -> Layers:
    profiler = cProfile.Profile()
    profiler.enable()
    for _ in range(times):
        call()
    profiler.disable()
    profiler.create_stats()
    stats: Any = profiler.stats
    return Layers({function: times for function, times in stats.items() if "_lsprof" not in function[2]})


def count_queries(call: Callable[[], Answer]) -> list[int]:
    """Return how many rows each query of a call has found; -1 where the driver does not tell."""
    rows: list[int] = []

    def counting(
        execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]
    ) -> Any:
        result = execute(sql, params, many, context)
        rows.append(context["cursor"].rowcount)
        return result

    with connection.execute_wrapper(counting):
        call()
    return rows


def microseconds(call: Callable[[], Answer], times: int, clock: Callable[[], float]) -> float:
    """Return what a call takes without the profiler, the median of five series."""

    def series() -> float:
        begin = clock()
        for _ in range(times):
            call()
        return (clock() - begin) / times * 1e6

    return statistics.median(series() for _ in range(5))


def report(call: Callable[[], Answer], times: int) -> Iterable[str]:
    answer, rows = call(), count_queries(call)
    counted, timed = profile(call, 1), profile(call, times)
    wall = microseconds(call, times, time.perf_counter)
    yield "| | |\n|---|---:|"
    yield f"| wall-clock time | {wall:,.0f} µs |"
    yield f"| processor time of this process | {microseconds(call, times, time.process_time):,.0f} µs |"
    yield f"| function calls | {sum(counted.calls.values()):,.0f} |"
    yield f"| queries | {len(rows)} |"
    yield f"| rows that they found | {'the driver does not tell' if -1 in rows else f'{sum(rows):,}'} |"
    yield f"| bytes of the body | {answer.length:,} |"
    yield "\n| layer | share of the profiled time | that share of the wall-clock time | function calls |\n|---|---:|---:|---:|"
    total = sum(timed.seconds.values())
    for layer in sorted(timed.seconds, key=lambda name: -timed.seconds[name]):
        share = timed.seconds[layer] / total
        yield f"| {layer} | {share:.1%} | {share * wall:,.0f} µs | {counted.calls[layer]:,.0f} |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("address", help="path and query, as /api/connections?limit=20")
    parser.add_argument("--calls", type=int, default=100, help="over which times are taken")
    parser.add_argument("--unchanged", action="store_true", help="send the ETag of the answer along")
    options = parser.parse_args()
    log = open(os.devnull, "w")  # noqa: SIM115  # as long as the process
    logging.getLogger().handlers[0].setStream(log)  # type: ignore[attr-defined]  # lines are written, and not seen
    with reader_token() as token:
        run(options, token)


@contextmanager
def reader_token() -> Iterator[str]:
    """Give a reader's token for as long as the block lasts. A transaction to roll back would be dropped with the first request."""
    with disable_auditlog():
        user = User.objects.create_user(f"profile-{uuid4().hex[:12]}", type=User.Type.APPLICATION)
        try:
            user.set_role(Role.READER)
            yield ApplicationToken.issue(user)
        finally:
            user.delete()


def run(options: argparse.Namespace, token: str) -> None:
    call = caller_of(options.address, token)
    first = call()
    if not first.status.startswith("200"):
        sys.exit(f"GET {options.address} answers {first.status}.")
    if options.unchanged:
        call = caller_of(options.address, token, first.headers["ETag"])
    for _ in range(10):  # until every statement is prepared
        first = call()
    print(f"`GET {options.address}` answers {first.status}; times over {options.calls} calls.")
    print("The profiler makes layers of many small calls look dearer than they are.\n")
    print(*report(call, options.calls), sep="\n")


if __name__ == "__main__":
    main()
