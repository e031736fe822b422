"""What a process holds in memory, as Linux tells it, in megabytes."""

import contextlib
import re
from pathlib import Path


def peak(pid: int) -> float:
    return read(pid, "status", "VmHWM")


def resident(pid: int) -> float:
    return read(pid, "status", "VmRSS")


def proportional(pid: int) -> float:
    """Return what is the process's own and its share of what several hold; NaN where others may not see it."""
    try:
        return read(pid, "smaps_rollup", "Pss")
    except OSError:
        return float("nan")


def forget_peak(pid: int) -> None:
    """Let the peak count from now: start-up takes more than serving does, and would hide a growth."""
    with contextlib.suppress(OSError):  # then the growth is over the highest peak before
        Path(f"/proc/{pid}/clear_refs").write_text("5")


def read(pid: int, file: str, name: str) -> float:
    found = re.search(rf"^{name}:\s+(\d+) kB", Path(f"/proc/{pid}/{file}").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) / 1024
