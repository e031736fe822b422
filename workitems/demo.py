"""Example work items for a first look; an import removes them unless somebody edited one."""

import json
from pathlib import Path

from django.db import transaction

from accounts.models import User
from workitems.importing import import_work_items
from workitems.models import WORK_ITEMS, Organization

FILE = Path(__file__).with_name("demo.json")
# Made the examples; never logs in and has no credentials.
AUTHOR = "demo-author"


@transaction.atomic
def load_demo(*members: User) -> None:
    """Store the examples of `demo.json` and let `members` see them; there must be no work items yet."""
    content = json.loads(FILE.read_text("utf-8"))
    import_work_items(content, demo=True)
    examples = Organization.objects.filter(pk__in=[record["id"] for record in content["organizations"]])
    for organization in examples:
        organization.members.add(*members)
    examples.update(demo=True)  # at the end: what is written around an example makes it none


def remove_demo() -> int:
    """Remove the examples that nobody edited; return the number of their organisations."""
    untouched = list(Organization.objects.filter(demo=True).values_list("pk", flat=True))
    for model in WORK_ITEMS:
        model._default_manager.filter(organization__in=untouched).delete()
    Organization.objects.filter(pk__in=untouched).delete()
    if untouched:
        User.objects.filter(username=AUTHOR, last_login=None, organizations=None, apikey=None, applicationtoken=None).delete()
    return len(untouched)
