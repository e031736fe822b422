"""Measure calls while other clients stall: `python bench/slow_clients.py --sockets 200 --seconds 60`.

It starts the registry with its defaults on a new SQLite database. Each kind of stalling client keeps that
many sockets open, and opens a new one when the server closes one. Meanwhile one client calls again and again.
"""

import argparse
import asyncio
import contextlib
import statistics
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.servers import Registry, Server

CALL_INTERVAL = 0.02  # seconds between two calls of the client that is measured
SEND_INTERVAL = 2.0  # seconds between two bytes of a client that stalls
MAX_P99 = 200  # milliseconds

FORM = b"Host: localhost\r\nContent-Type: application/json\r\n"
BUNDLE = b"/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js"
# What each kind of client sends at first, and what it then sends every `SEND_INTERVAL`.
KINDS: dict[str, tuple[bytes, bytes]] = {
    "nothing": (b"", b""),
    "headers": (b"GET /api/connections HTTP/1.1\r\nHost: localhost\r\nX-Slow: ", b"x"),
    "body": (b"POST /api/users/login HTTP/1.1\r\n" + FORM + b"Content-Length: 5000000\r\n\r\n{", b" "),
    "chunks": (
        b"POST /api/users/login HTTP/1.1\r\n" + FORM + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
        b"1\r\n \r\n",
    ),
    "body of a page": (
        b"POST /admin/login/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900\r\n\r\nu",
        b"x",
    ),
    "readers": (b"GET " + BUNDLE + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", b""),
}


async def stall(host: str, port: int, kind: str, deadline: float) -> None:
    """Keep a socket of one kind of client open until `deadline`. Open a new one when the server closes it."""
    first, more = KINDS[kind]
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection(host, port, limit=1)  # buffers almost nothing
            writer.write(first)
            while time.monotonic() < deadline and not writer.is_closing() and not reader.at_eof():
                await asyncio.sleep(SEND_INTERVAL)
                writer.write(more)
            writer.close()
        await asyncio.sleep(0.05)


async def ask(host: str, port: int, token: str) -> float:
    """Return the milliseconds of one call over a new connection. Raises `OSError` if it fails."""
    start = time.perf_counter()
    reader, writer = await asyncio.open_connection(host, port)
    headers = f"Host: localhost\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n"
    writer.write(f"GET /api/connections?limit=1 HTTP/1.1\r\n{headers}\r\n".encode())
    head = await asyncio.wait_for(reader.read(), 30)
    writer.close()
    if not head.startswith(b"HTTP/1.1 200"):
        raise OSError(head[:80].decode("latin-1"))
    return (time.perf_counter() - start) * 1000


async def measure(server: Server, sockets: int, seconds: int) -> tuple[list[float], int]:
    """Return the milliseconds of each answered call, and the number of failed ones."""
    host, port = urlsplit(server.base).netloc.split(":")
    deadline = time.monotonic() + seconds
    stalling = [
        asyncio.create_task(stall(host, int(port), kind, deadline)) for kind in KINDS for _ in range(sockets)
    ]
    await asyncio.sleep(2)
    taken, failed = [], 0
    while time.monotonic() < deadline:
        try:
            taken.append(await ask(host, int(port), server.token))
        except (OSError, TimeoutError):
            failed += 1
        await asyncio.sleep(CALL_INTERVAL)
    await asyncio.gather(*stalling)
    return taken, failed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sockets", type=int, default=200, help="of each kind")
    parser.add_argument("--seconds", type=int, default=60)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        registry = Registry(f"sqlite:///{folder}/registry.sqlite3", Path(folder))
        registry.manage("migrate", "-v0")
        registry.token = registry.manage("issue_token", "bench", "--role", "reader").strip()
        with registry.serve() as server:
            before = server.workers()
            taken, failed = asyncio.run(measure(server, options.sockets, options.seconds))
            replaced = server.workers() != before
    report(taken, failed, replaced=replaced)


def report(taken: list[float], failed: int, *, replaced: bool) -> None:
    p99 = statistics.quantiles(taken, n=100)[98]
    times = " | ".join(f"{value:.1f} ms" for value in (statistics.median(taken), p99, max(taken)))
    print("| calls answered | failed | median | p99 | longest | processes replaced |")
    print("|---:|---:|---:|---:|---:|---|")
    print(f"| {len(taken)} | {failed} | {times} | {replaced} |")
    if failed or replaced or p99 > MAX_P99:
        sys.exit(f"not met: no failure, no process replaced, a p99 of at most {MAX_P99} ms")


if __name__ == "__main__":
    main()
