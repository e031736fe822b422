"""Start the server processes and keep them running: `python -m itempath.server`.

The settings come from the environment. `manage.py serve` replaces its own process by this one.
"""

import multiprocessing
import os
import signal
from queue import SimpleQueue
from typing import Any

from granian.constants import HTTPModes, Interfaces, Loops, RuntimeModes
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.mp import MPServer

from itempath.environment import read_environment
from itempath.server.worker import run_worker
from itempath.startup_log import granian_log_config, log_as_json

# Open connections of each server process, idle ones included. A further one waits until another closes.
MAX_CONNECTIONS = 4096
# Seconds that calls in progress may take when the server stops; then the process is killed. A process that
# was just starting misses the signal, and is killed then, too.
SHUTDOWN_TIMEOUT = 10
# Milliseconds that a client has to send the headers of a request. Idle connections are closed after the same
# time.
HEADER_TIMEOUT = 10_000


class Interrupt:
    """Replaces the `Event` that the supervisor's main thread waits for, as an `Event` can deadlock.

    Signal handlers run on the main thread, between any two of its steps, and `Event.set()` takes a lock. If a
    second signal arrives while the handler of the first holds the lock, the second handler waits for it
    forever. Under make, both the terminal and make send a signal, within microseconds. `SimpleQueue.put()` is
    reentrant.
    """

    def __init__(self) -> None:
        self.signals: SimpleQueue[None] = SimpleQueue()

    def set(self) -> None:
        self.signals.put(None)

    def wait(self) -> None:
        self.signals.get()

    def clear(self) -> None:
        """Do nothing: a signal that nobody waited for yet must not be lost, and an extra one does no harm."""


class Supervisor(MPServer):
    """Granian's supervisor, with an interrupt that does not deadlock on a second signal."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.main_loop_interrupt = Interrupt()  # type: ignore[assignment]  # the methods used of an `Event`


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "itempath.settings")
    log_as_json()
    # A forked process would inherit the modules loaded here: after an update, it would run the old code.
    multiprocessing.set_start_method("spawn")
    environment = read_environment()
    Supervisor(
        "itempath.wsgi:application",
        address=environment.host,
        port=environment.port,
        interface=Interfaces.RSGI,
        workers=environment.web_concurrency,
        runtime_mode=RuntimeModes.mt,
        loop=Loops.asyncio,
        http=HTTPModes.http1,  # no header need announce the body of an HTTP/2 request
        websockets=False,
        backlog=MAX_CONNECTIONS,
        backpressure=MAX_CONNECTIONS,
        http1_settings=HTTP1Settings(header_read_timeout=HEADER_TIMEOUT),
        log_level=LogLevels.warning,
        log_dictconfig=granian_log_config(),
        respawn_failed_workers=True,
        workers_kill_timeout=SHUTDOWN_TIMEOUT,
    ).serve(spawn_target=run_worker)
    # The process is ending with success; another signal must not turn this into a failure.
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)


if __name__ == "__main__":
    main()
