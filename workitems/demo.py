"""Example work items for a first look; an import removes them unless somebody edited one."""

import json
from pathlib import Path

from django.db import transaction

from accounts.models import User
from workitems.importing import import_work_items
from workitems.models import Organization

FILE = Path(__file__).with_name("demo.json")


@transaction.atomic
def load_demo(*members: User) -> None:
    """Store the examples of `demo.json` and make `members` see them. There must be no work items yet."""
    content = json.loads(FILE.read_text("utf-8"))
    import_work_items(content, demo=True)
    examples = Organization.objects.filter(pk__in=[record["id"] for record in content["organizations"]])
    for organization in examples:
        organization.members.add(*members)
    examples.update(demo=True)  # last, because every write around an example clears its flag
