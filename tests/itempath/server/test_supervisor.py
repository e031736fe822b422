"""The supervisor ends when it is signalled, however many signals arrive, and reloads its processes."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, children, free_port, until, wait_for

pytestmark = [pytest.mark.live, pytest.mark.any_database]

STORM = """
import signal
from itempath.server.__main__ import Interrupt

interrupt, calls = Interrupt(), 0

def call(*args):
    global calls
    calls += 1
    interrupt.set()

signal.signal(signal.SIGALRM, call)
signal.setitimer(signal.ITIMER_REAL, 0.0001, 0.00005)
while calls < 5000:
    interrupt.set()
    interrupt.wait()
signal.setitimer(signal.ITIMER_REAL, 0)
"""


def test_a_signal_may_come_at_any_moment():
    """With an `Event` instead, the main thread would deadlock within milliseconds."""
    subprocess.run([sys.executable, "-c", STORM], cwd=ROOT, check=True, timeout=60)


@pytest.mark.parametrize("signals", [1, 2, 100])
def test_a_group_that_is_signalled_ends(signals, new_database):
    environment = {**os.environ, "DATABASE_URL": new_database(), "PORT": str(free_port())}
    process = subprocess.Popen(
        [sys.executable, "manage.py", "serve"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_for(f"http://127.0.0.1:{environment['PORT']}", process)
        for _ in range(signals):
            os.killpg(process.pid, signal.SIGTERM)
        assert process.wait(12) == 0
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def test_a_reload_starts_processes_of_their_own(new_server):
    """Only a spawned process loads new code; a forked one would have the supervisor's old modules."""
    server = new_server()
    before = children(server.process.pid)
    server.process.send_signal(signal.SIGHUP)
    after = until(lambda: set(children(server.process.pid)) - set(before))
    until(lambda: not set(children(server.process.pid)) & set(before))
    assert all(b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes() for pid in after)
    wait_for(server.base, server.process)
