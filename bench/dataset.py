"""Print connections in the shape of `GET /api/connections`: `python bench/dataset.py 100000 > FILE`.

The output is the same for every run.
"""

import json
import random
import sys
from datetime import datetime, timedelta
from typing import Any

TYPES = [
    ("MSSQL", "Basic Authentication"),
    ("REST", "HMAC Authentication"),
    ("PostgreSQL", "Basic Authentication"),
    ("GraphQL", "Bearer Token"),
    ("PLC", "No Authentication"),
]
START = datetime(2026, 1, 1)


def iso(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds")


def connection(number: int, rng: random.Random) -> dict[str, Any]:
    """Return a connection. The numbers of one run must be made in order, as each draws from `rng`."""
    kind, authentication = TYPES[number % len(TYPES)]
    created = START + timedelta(seconds=number, microseconds=rng.randrange(10**6))
    checked = created + timedelta(days=30, microseconds=rng.randrange(10**9))
    up = rng.random() < 0.9
    log = (
        None
        if rng.random() < 0.05
        else {
            "id": number,
            "creationDate": iso(checked),
            "status": int(up),
            "description": "Connection test complete" if up else "Connection test failed",
            "error": None if up else "The host refused the connection.",
            "appId": 1 + number % 7,
            "integrationId": None,
            "workflowId": None,
            "taskId": None,
            "time": round(rng.random(), 3),
        }
    )
    return {
        "id": number,
        "appId": 1 + number % 7,
        "name": f"Connection {number}",
        "url": f"https://host{number}.example.com/api",
        "passwordExists": authentication == "Basic Authentication",
        "tokenExists": authentication in ("Bearer Token", "HMAC Authentication"),
        "isTestable": True,
        "authentication": authentication,
        "type": kind,
        "username": f"user{number}",
        "status": int(up),
        "latestConnection": iso(checked) if up else iso(created),
        "creationDate": iso(created),
        "latestLog": log,
        "integrationCount": number % 4,
        "lastCheck": iso(checked),
    }


def main() -> None:
    rng = random.Random(65230573)
    sys.stdout.write("[")
    for number in range(1, int(sys.argv[1]) + 1):
        sys.stdout.write((",\n" if number > 1 else "\n") + json.dumps(connection(number, rng)))
    sys.stdout.write("\n]\n")


if __name__ == "__main__":
    main()
