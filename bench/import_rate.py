"""Time an import and an export on the database of DATABASE_URL: `python bench/import_rate.py 100000`.

The database must be migrated and empty. It prints records a second. On PostgreSQL, it also prints the ratio
to the floor: an insert of the same records as texts, by psycopg alone, into a table without indexes.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench.dataset import connection  # noqa: E402  # needs the path that is set above


def timed(*arguments: str) -> float:
    """Run a command of manage.py; return the seconds that it took."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "manage.py", *arguments], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def floor(lines: list[str]) -> float:
    """Return the seconds that psycopg alone takes to insert `lines`."""
    import psycopg

    start = time.perf_counter()
    with psycopg.connect(os.environ["DATABASE_URL"]) as database, database.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE floor (record text)")
        cursor.executemany("INSERT INTO floor VALUES (%s)", [(line,) for line in lines])
    return time.perf_counter() - start


def main() -> None:
    count = int(sys.argv[1])
    rng = random.Random(1)
    lines = [json.dumps(connection(number, rng)) for number in range(1, count + 1)]
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        file.write("[" + ",\n".join(lines) + "]")
        file.flush()
        imported = timed("import_connections", file.name)
    exported = timed("export_connections")
    print(f"import: {count / imported:,.0f} records a second; export: {count / exported:,.0f}")
    if os.environ["DATABASE_URL"].startswith("postgres"):
        print(f"import / one INSERT a record by psycopg alone: {floor(lines) / imported:.2f}")


if __name__ == "__main__":
    main()
