"""The memory of a process in megabytes, from Linux's /proc."""

import contextlib
import re
from pathlib import Path


def peak(pid: int) -> float:
    """Return the highest resident memory so far, or since `reset_peak()`."""
    return read(pid, "status", "VmHWM")


def resident(pid: int) -> float:
    """Return the resident memory now."""
    return read(pid, "status", "VmRSS")


def proportional(pid: int) -> float:
    """Return the proportional set size: shared pages count in part. NaN if this user may not see it."""
    try:
        return read(pid, "smaps_rollup", "Pss")
    except OSError:
        return float("nan")


def reset_peak(pid: int) -> None:
    """Start a new peak. That of the start would hide a growth, because it is higher than that of serving."""
    with contextlib.suppress(
        OSError
    ):  # not permitted: the growth is then measured from the highest peak so far
        Path(f"/proc/{pid}/clear_refs").write_text("5")


def read(pid: int, file: str, name: str) -> float:
    found = re.search(rf"^{name}:\s+(\d+) kB", Path(f"/proc/{pid}/{file}").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) / 1024
