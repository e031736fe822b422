"""Print PostgreSQL's plan for each filter, sort field and count: `DATABASE_URL=… python bench/plans.py`.

It calls the API in this process on a database that `bench/grow.py` filled, and explains the statements that
ran. It prints a Markdown table: the call, the milliseconds of the statement and the scans of its plan.
"""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ |= {"DJANGO_SETTINGS_MODULE": "itempath.settings", "LOG_LEVEL": "ERROR"}

import django

django.setup()

from django.db import connection, transaction  # noqa: E402
from django.test.utils import CaptureQueriesContext  # noqa: E402
from rest_framework.test import APIClient  # noqa: E402

from accounts.models import ApiKey, User  # noqa: E402
from accounts.roles import Role  # noqa: E402
from connections.api.serializers import ConnectionSerializer  # noqa: E402  # needs the path that is set above

FIELDS = [column.name for column in ConnectionSerializer.scalars()]
FILTERS = [
    *("id=500000", "id[gt]=900000", "id=[or]5;500000;999999", "appId=3", "appId=[not]null"),
    *("name=Connection 500000", "name=[like]500000", "name=[gte]Connection 9999"),
    *("url=https://host500000.example.com/api", "url=[like]host500000."),
    *(
        "passwordExists=true",
        "tokenExists=false",
        "isTestable=true",
        "authentication=Bearer Token",
        "type=PLC",
        "type=[or]PLC;REST",
    ),
    *(
        "username=user500000",
        "username=[like]r500000",
        "status=0",
        "status=1",
        "integrationCount=3",
        "integrationCount=[gt]3",
    ),
    *(
        "latestConnection=[gte]2026-02-12",
        "creationDate=[gte]2026-01-12",
        "creationDate=[lt]2026-01-01T01:00:00",
    ),
    *(
        "lastCheck=[gte]2026-02-12",
        "lastCheck=[lt]2026-02-01T01:00:00",
        "lastCheck=null",
        "status=0&type=PLC",
        "status=0&orderby=-lastCheck",
    ),
]


def calls() -> Iterator[str]:
    yield from ("limit=100", "limit=100&page=9999", "limit=1000&page=999", "countOnly=true")
    for field in FIELDS:
        yield from (f"limit=100&orderby={field}", f"limit=100&orderby=-{field}")
    for condition in FILTERS:
        yield from (f"limit=100&{condition}", f"countOnly=true&{condition}")


def scans(plan: dict[str, Any]) -> Iterator[str]:
    """Yield the scans and sorts of a plan with their indexes or tables."""
    name = plan["Node Type"]
    if "Scan" in name or "Sort" in name:
        yield f"{name} {plan.get('Index Name', plan.get('Alias', ''))}".strip()
    for child in plan.get("Plans", []):
        yield from scans(child)


def explain(client: APIClient, call: str) -> str:
    """Return the row of the table for a call."""
    with CaptureQueriesContext(connection) as queries:
        answer = client.get(f"/api/connections?{call}")
    assert answer.status_code == 200, answer.content
    best = min((timed(queries[-1]["sql"]) for _ in range(3)), key=lambda found: found["Execution Time"])
    used = ", ".join(dict.fromkeys(scans(best["Plan"])))
    return f"| `{call}` | {best['Execution Time']:.1f} | {used} |"


def timed(sql: str) -> dict[str, Any]:
    """Run a statement; return what PostgreSQL explains of it."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON, TIMING OFF) {sql.replace('%', '%%')}", [])
        found = cursor.fetchone()[0]
    plan: dict[str, Any] = (json.loads(found) if isinstance(found, str) else found)[0]
    return plan


def main() -> None:
    with transaction.atomic():
        user = User.objects.create_user("plans", type=User.Type.APPLICATION)
        user.set_role(Role.READER)
        client = APIClient(headers={"Authorization": f"Bearer {ApiKey.issue(user)}", "Host": "localhost"})
        print("| call | ms | scans |\n|---|---:|---|")
        for call in calls():
            print(explain(client, call))
        transaction.set_rollback(True)


if __name__ == "__main__":
    main()
