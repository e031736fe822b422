"""Start the server processes and keep them running: `python -m itempath.server`.

Takes its settings from the environment, as everything does. `manage.py serve` becomes this.
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

# Open connections of each server process; idle ones count, and one more waits for another to close.
MAX_CONNECTIONS = 4096
# Seconds for the calls in hand when the server stops. A process that was only starting misses the signal and needs the
# end.
SHUTDOWN_TIMEOUT = 10
# Milliseconds in which a client must send the head of a request; also the time that a connection may be idle.
HEADER_TIMEOUT = 10_000


class Interrupt:
    """What the supervisor's main thread waits for, in place of an `Event`.

    A signal handler runs on the main thread, between any two of its steps, and setting an `Event` takes its lock. A
    second signal that comes while the first one's handler holds it waits for that lock for ever; with make in front,
    the group's signal and make's own come within microseconds. `SimpleQueue.put` may interrupt itself.
    """

    def __init__(self) -> None:
        self.calls: SimpleQueue[None] = SimpleQueue()

    def set(self) -> None:
        self.calls.put(None)

    def wait(self) -> None:
        self.calls.get()

    def clear(self) -> None:
        """Keep the calls that nobody waited for yet: one too many does no harm."""


class Supervisor(MPServer):
    """Granian's supervisor, which a second signal cannot lock."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.main_loop_interrupt = Interrupt()  # type: ignore[assignment]  # what is used of an event


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "itempath.settings")
    log_as_json()
    # Not forked: a process that replaces another after new code was put in place would have this one's old modules.
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
        http=HTTPModes.http1,  # bodies of HTTP/2 may come without any sign of them in the headers
        websockets=False,
        backlog=MAX_CONNECTIONS,
        backpressure=MAX_CONNECTIONS,
        http1_settings=HTTP1Settings(header_read_timeout=HEADER_TIMEOUT),
        log_level=LogLevels.warning,
        log_dictconfig=granian_log_config(),
        respawn_failed_workers=True,
        workers_kill_timeout=SHUTDOWN_TIMEOUT,
    ).serve(spawn_target=run_worker)
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)  # it ends already, and as it should


if __name__ == "__main__":
    main()
