"""A temporary PostgreSQL server for one benchmark run."""

import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MISSING = "PostgreSQL's programs initdb and pg_ctl are missing: apt-get install postgresql"
# Without fsync, loading is several times faster and reading as fast as with it. No data has to survive the
# run.
OPTIONS = "-c listen_addresses=127.0.0.1 -c fsync=off"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def find_programs() -> Path:
    """Return the folder of the newest PostgreSQL's programs: Debian's own, or that on the PATH."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), key=lambda path: float(path.parts[-3]))
    found = str(debian[-1]) if debian else shutil.which("pg_ctl")
    if found is None or not Path(found).with_name("initdb").exists():
        sys.exit(MISSING)
    return Path(found).parent


class Cluster:
    """A PostgreSQL server with its data in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.programs, self.port = folder, find_programs(), free_port()

    @property
    def url(self) -> str:
        return f"postgresql://bench@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        self.run("initdb", "-U", "bench", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")
        options = f"-p {self.port} -c unix_socket_directories={self.folder} {OPTIONS}"
        self.run("pg_ctl", "-w", "-l", str(self.folder / "log"), "-o", options, "start")

    def stop(self) -> None:
        if (self.folder / "data" / "postmaster.pid").exists():
            self.run("pg_ctl", "-w", "-m", "immediate", "stop")

    def run(self, program: str, *arguments: str) -> None:
        command = [str(self.programs / program), "-D", str(self.folder / "data"), *arguments]
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            command = ["runuser", "-u", "postgres", "--", *command]
        try:
            subprocess.run(command, check=True, cwd=self.folder, stdout=subprocess.DEVNULL, timeout=60)
        except subprocess.CalledProcessError as error:
            sys.exit(f"PostgreSQL's {program} ended with {error.returncode}.")


@contextmanager
def temporary_postgresql() -> Iterator[str]:
    """Run a server on the loopback address during the block; yield the URL of its superuser."""
    find_programs()
    folder = Path(tempfile.mkdtemp(prefix="registry-bench-"))
    cluster = Cluster(folder)
    try:
        hand_over(folder)
        cluster.start()
        yield cluster.url
    finally:
        try:
            cluster.stop()
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def hand_over(folder: Path) -> None:
    """If this is root, give the folder to the user postgres, which runs the server then."""
    if os.geteuid() == 0:
        try:
            user = pwd.getpwnam("postgres")
        except KeyError:
            sys.exit(f"There is no user postgres to run PostgreSQL as. {MISSING}")
        os.chown(folder, user.pw_uid, user.pw_gid)
