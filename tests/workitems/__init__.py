import json
from pathlib import Path
from typing import Any

from auditlog.models import LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts import bearer_cache
from accounts.models import ApiKey, User
from workitems.models import WORK_ITEMS, Backlog, Bug, Initiative, Item, Link, Organization, WorkItem

PATH = "/api/connections"
SEED = json.loads((Path(__file__).parents[1] / "data/work-items.json").read_text("utf-8"))
SEED_BODY = {"items": [], "initiatives": [28], "bugs": [], "backlogs": [], "delete": False}
EMPTY = {"success": True, "connections": [], "info": []}
DONE = {"success": True}
KEYS = ["statusCode", "error", "message", "success"]


class SampleOrganization:
    """An organization with records of all types. Their ids start at `first`, and no two of them are equal."""

    def __init__(self, name: str, first: int) -> None:
        [self.organization] = Organization.objects.bulk_create([Organization(name=name)])
        self.items = [self.make(Item, first + number) for number in range(3)]
        self.bug = self.make(Bug, first + 10)
        self.backlog = self.make(Backlog, first + 20)
        self.initiative = self.make(Initiative, first + 30)

    def make(self, model: Any, pk: int, **fields: Any) -> Any:
        record = model(pk=pk, title=f"{model.__name__} {pk}", organization=self.organization, **fields)
        return model.objects.bulk_create([record])[0]  # writes no audit entries, and is faster


def change_body(delete: Any = False, **lists: Any) -> dict[str, Any]:
    """Return the body of a POST. The lists hold ids or records."""
    filled = {name: [getattr(each, "pk", each) for each in members] for name, members in lists.items()}
    return {"items": [], "initiatives": [], "bugs": [], "backlogs": [], "delete": delete} | filled


def path_of(record: WorkItem) -> str:
    return f"{PATH}/{record._meta.model_name}/{record.pk}"


def post(client: Any, record: WorkItem, delete: Any = False, **lists: Any) -> Any:
    return client.post(path_of(record), change_body(delete, **lists))


def linked(client: Any, record: WorkItem, *records: Any) -> None:
    """Link records of any types to `record`, one call for each."""
    for each in records:
        answer = post(client, record, **{f"{each._meta.model_name}s": [each]})
        assert (answer.status_code, answer.json()) == (200, DONE)


def show(client: Any, record: WorkItem, info: str = "items") -> Any:
    answer = client.get(f"{PATH}/{record._meta.model_name}/{info}/{record.pk}")
    assert answer.status_code == 200, answer.content
    return answer.json()


def pairs() -> list[dict[str, int]]:
    """Return the ends of every stored link, ordered by id."""
    return [link.ends() for link in Link.objects.order_by("pk")]


def refused(answer: Any, status: int) -> str:
    """Return the message of an error. Check its status and that it has pm415's shape."""
    assert answer.status_code == status, answer.content
    body = answer.json()
    assert list(body) == KEYS
    assert (body["statusCode"], body["success"]) == (status, False)
    assert body["error"]
    return str(body["message"])


class Queries(CaptureQueriesContext):
    """Captures the statements of a call whose bearer is not cached.

    Statements that only begin or end a transaction do not count.
    """

    def __init__(self) -> None:
        super().__init__(connection)
        bearer_cache.clear()

    def __len__(self) -> int:
        return len(self.statements)

    @property
    def statements(self) -> list[str]:
        transactions = ("BEGIN", "SAVEPOINT", "RELEASE", "COMMIT")
        return [each["sql"] for each in self.captured_queries if not each["sql"].startswith(transactions)]


def everything() -> list[list[dict[str, Any]]]:
    """Return every row that an import may change, table by table."""
    models: list[Any] = [
        User,
        ApiKey,
        Organization,
        Organization.members.through,
        *WORK_ITEMS,
        Link,
        LogEntry,
    ]
    return [list(model.objects.order_by("pk").values()) for model in models]
