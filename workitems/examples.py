"""Removal of the example work items that nobody edited. `demo.py` creates them."""

from accounts.models import User
from workitems.models import WORK_ITEMS, Organization

# The user who created the examples. It has no credentials and never logs in.
AUTHOR = "demo-author"


def remove_examples() -> int:
    """Remove the examples that nobody edited; return the number of removed organizations."""
    untouched = list(Organization.objects.filter(demo=True).values_list("pk", flat=True))
    for model in WORK_ITEMS:
        model._default_manager.filter(organization__in=untouched).delete()
    Organization.objects.filter(pk__in=untouched).delete()
    if untouched:
        User.objects.filter(
            username=AUTHOR, last_login=None, organizations=None, apikey=None, applicationtoken=None
        ).delete()
    return len(untouched)
