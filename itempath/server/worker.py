"""What a server process does: Granian's own start of an RSGI worker, with a scheduler of ours.

Granian runs each request on its event loop. Here the thread that brings a request runs it at once where it can: every
hop to another thread costs a small call a tenth of its time.
"""

import asyncio
from typing import Any, cast

from granian._granian import CallbackScheduler, RSGIWorker
from granian._signals import set_loop_signals
from granian.server.mp import WorkerProcess

from itempath.server.gateway import Gateway


class Scheduler(CallbackScheduler):
    """Hands each request to a gateway, on the thread that brought it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, gateway: Gateway, *unused: None) -> None:
        super().__init__()
        self._schedule_fn = gateway.handle


@WorkerProcess.wrap_target
def run_worker(
    worker_id: int,
    application: Any,
    sock: Any,
    ipc: Any,
    loop: asyncio.AbstractEventLoop,
    runtime_mode: Any,
    runtime_threads: int,
    runtime_blocking_threads: int,
    blocking_threads: int,
    blocking_threads_idle_timeout: int,
    backpressure: int,
    task_impl: Any,
    http_mode: Any,
    http1_settings: Any,
    *unused: Any,
) -> None:
    """Serve until a signal asks to stop; calls in hand are answered first. The parameters are Granian's."""
    from django.conf import settings  # ready once the application is loaded

    stopped = asyncio.Event()
    shutdown = set_loop_signals(loop)
    shutdown.add_cb(lambda: loop.call_soon_threadsafe(stopped.set))
    worker = cast("Any", RSGIWorker)(  # its stub is of an older version
        worker_id,
        sock,
        ipc,
        runtime_threads,
        runtime_blocking_threads,
        settings.WEB_THREADS,
        blocking_threads_idle_timeout,
        backpressure,
        http_mode,
        http1_settings,
    )
    gateway = Gateway(application, loop)
    worker.serve_mtr(Scheduler(loop, gateway, None, None, None), gateway, shutdown)
    loop.run_until_complete(stopped.wait())
