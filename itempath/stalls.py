"""What a server process does about clients that stall in the middle of a body."""

import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from django.conf import settings

logger = logging.getLogger(__name__)

# Seconds. The server takes a process that ends sooner for one that cannot start, and gives up.
YOUTH = 6
started = time.monotonic()

# When each thread that waits for a client began to, by the thread.
since: dict[int, float] = {}


@contextmanager
def waiting() -> Iterator[None]:
    """Mark this thread as one that waits for a client."""
    watch()
    since[threading.get_ident()] = time.monotonic()
    try:
        yield
    finally:
        del since[threading.get_ident()]


@cache
def watch() -> None:
    """End the process once clients keep all of its threads for `BODY_TIMEOUT` seconds; the server starts another.

    The server has no limit for bodies and cannot be told to give one up.
    """
    threading.Thread(target=end_when_stalled, daemon=True).start()


def end_when_stalled() -> None:
    while not is_stalled():
        time.sleep(0.5)
    logger.error("Clients kept the process for %d s with bodies that did not come; it is replaced", settings.BODY_TIMEOUT)
    os._exit(1)


def is_stalled() -> bool:
    """Say whether every thread waits, the last one for too long already."""
    starts, now = list(since.values()), time.monotonic()
    return len(starts) >= settings.WEB_THREADS and now - max(starts) >= settings.BODY_TIMEOUT and now - started >= YOUTH
