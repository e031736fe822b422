"""Print the cost of a GET request, by layer: `DATABASE_URL=… python bench/profile.py "/api/connections/1"`.

It calls the WSGI application in this process, with an application token that is deleted at the end. The
counts are those of one request whose bearer is cached and whose statement is compiled, and are the same every
time. The times are those of many requests.
"""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)  # replaces this folder, in which cProfile would find this file as Python's `profile`
os.environ.update(API_RATE_PER_MINUTE="0", API_RATE_PER_DAY="0", DJANGO_SETTINGS_MODULE="itempath.settings")

if not os.environ.get("DATABASE_URL"):
    sys.exit("Set DATABASE_URL to a database that is migrated and filled.")

import django  # noqa: E402  # needs the path that is set above

django.setup()

import argparse  # noqa: E402
import cProfile  # noqa: E402
import io  # noqa: E402
import logging  # noqa: E402
import statistics  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable, Iterable, Iterator  # noqa: E402
from contextlib import contextmanager  # noqa: E402
from typing import Any, NamedTuple  # noqa: E402
from uuid import uuid4  # noqa: E402

from auditlog.context import disable_auditlog  # noqa: E402
from django.db import connection  # noqa: E402

from accounts.models import ApplicationToken, User  # noqa: E402
from accounts.roles import Role  # noqa: E402
from bench.layers import Layers  # noqa: E402
from itempath.wsgi import application  # noqa: E402


class Answer(NamedTuple):
    status: str
    headers: dict[str, str]
    length: int


def caller_of(address: str, token: str, tag: str = "") -> Callable[[], Answer]:
    """Return a function that calls the application as the server does. A `tag` is sent in `If-None-Match`."""
    path, _, query = address.partition("?")
    environ = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "HTTP_HOST": "localhost",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_AUTHORIZATION": f"Bearer {token}",
        "wsgi.url_scheme": "http",
    }
    if tag:
        environ["HTTP_IF_NONE_MATCH"] = tag

    def call() -> Answer:
        started: list[Any] = []

        def start(*arguments: Any) -> Callable[[bytes], object]:
            started.append(arguments)
            return len  # stands for WSGI's `write`, which is not called

        body = application({**environ, "wsgi.input": io.BytesIO(), "wsgi.errors": sys.stderr}, start)
        length = sum(map(len, body))
        status, headers = started[0]
        return Answer(status, dict(headers), length)

    return call


def profile(call: Callable[[], Answer], times: int) -> Layers:
    """Return the layers of so many calls, without the profiler's own functions."""
    profiler = cProfile.Profile()
    profiler.enable()
    for _ in range(times):
        call()
    profiler.disable()
    profiler.create_stats()
    stats: Any = profiler.stats
    return Layers({function: times for function, times in stats.items() if "_lsprof" not in function[2]})


def count_queries(call: Callable[[], Answer]) -> list[int]:
    """Return the number of rows that each query of a call finds; -1 where the driver does not report it."""
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
    """Return the duration of a call without the profiler: the median of five series of so many calls."""

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
    yield "\n| layer | share of the profiled time | that share of the wall-clock time | function calls |"
    yield "|---|---:|---:|---:|"
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
    log = open(os.devnull, "w")  # noqa: SIM115  # open until the process ends
    logging.getLogger().handlers[0].setStream(log)  # type: ignore[attr-defined]  # log lines are made, but not shown
    with reader_token() as token:
        run(options, token)


@contextmanager
def reader_token() -> Iterator[str]:
    """Yield the token of a new reader, who is deleted after the block.

    A transaction that is rolled back is no alternative: the first request would close its database
    connection.
    """
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
    for _ in range(10):  # until PostgreSQL has prepared every statement
        first = call()
    print(f"`GET {options.address}` answers {first.status}; times over {options.calls} calls.")
    print("The profiler makes layers of many small calls look dearer than they are.\n")
    print(*report(call, options.calls), sep="\n")


if __name__ == "__main__":
    main()
