"""The commands that stream, and what they need at 100,000 records."""

import json
import os
import subprocess
import sys

from tests.conftest import ROOT
from tests.connections.test_volume import ROWS, dataset


def test_import_and_export_run_in_bounded_memory(empty_database, tmp_path):
    file = tmp_path / "connections.json"
    file.write_text(json.dumps(list(dataset())))
    environment = {**os.environ, "DATABASE_URL": empty_database()}

    def run(*words):
        code = (
            "import re, sys\n"
            "from django.core.management import execute_from_command_line\n"
            "execute_from_command_line(['manage.py', *sys.argv[1:]])\n"
            # Not by getrusage, where a process begins with the peak of the one that started it.
            "peak = re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())\n"
            "print(int(peak[1]) // 1024, file=sys.stderr)"
        )
        command = [sys.executable, "-c", code, *words]
        environment["DJANGO_SETTINGS_MODULE"] = "itempath.settings"
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=900, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout, int(done.stderr.split()[-1])

    run("migrate", "-v0")
    imported, memory = run("import_connections", str(file))
    assert f"{ROWS} records: {ROWS} created" in imported
    assert memory < 300
    exported, memory = run("export_connections")
    assert memory < 300
    assert exported.count("\n") == ROWS + 2
