"""Example connections for a first look; an import removes those that nobody touched."""

import json
from pathlib import Path

from django.db import transaction

from connections.importing import import_records
from connections.models import App, Connection

# The application user whose key is printed to look at the examples.
DEMO_READER = "demo-reader"
FILE = Path(__file__).with_name("demo.json")


@transaction.atomic
def load_demo() -> None:
    """Store the examples of `demo.json`; the registry must be empty."""
    content = json.loads(FILE.read_text("utf-8"))
    App.objects.bulk_create([App(pk=int(pk), name=name, demo=True) for pk, name in content["apps"].items()])
    import_records(content["connections"], demo=True)


def has_demo() -> bool:
    return Connection.objects.filter(demo=True).exists()
