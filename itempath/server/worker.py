"""The main function of a server process: Granian's start of an RSGI worker, with a scheduler of this product.

Granian's own scheduler runs each request on an event loop. This one runs a request on the thread that
delivers it where possible, because every change of threads costs a small call a tenth of its time.
"""

import asyncio
from typing import Any, cast

from granian._granian import CallbackScheduler, RSGIWorker
from granian._signals import set_loop_signals
from granian.server.mp import WorkerProcess

from itempath.server.gateway import Gateway


class Scheduler(CallbackScheduler):
    """Hands each request to a gateway, on the thread of Granian that delivers it."""

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
    """Serve until a signal asks to stop; answer the calls in progress first. Granian sets the parameters."""
    from django.conf import settings  # configured only after Granian has loaded the application

    stopped = asyncio.Event()
    shutdown = set_loop_signals(loop)
    shutdown.add_cb(lambda: loop.call_soon_threadsafe(stopped.set))
    worker = cast("Any", RSGIWorker)(  # its type stub is out of date
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
