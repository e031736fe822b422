"""Removes the example work items that nobody edited; `demo.py` makes them."""

from accounts.models import User
from workitems.models import WORK_ITEMS, Organization

# The user who made the examples: never logs in and has no credentials.
AUTHOR = "demo-author"


def remove_examples() -> int:
    """Remove the examples that nobody edited; return the number of their organisations."""
    untouched = list(Organization.objects.filter(demo=True).values_list("pk", flat=True))
    for model in WORK_ITEMS:
        model._default_manager.filter(organization__in=untouched).delete()
    Organization.objects.filter(pk__in=untouched).delete()
    if untouched:
        User.objects.filter(
            username=AUTHOR, last_login=None, organizations=None, apikey=None, applicationtoken=None
        ).delete()
    return len(untouched)
