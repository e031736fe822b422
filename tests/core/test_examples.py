"""The next import keeps examples that were edited in any way, and removes those that were only used."""

import io
import json
from typing import Any

import pytest
from auditlog.models import LogEntry
from django.core.management import call_command
from django.utils import timezone

from accounts.models import User
from accounts.roles import Role
from connections.demo import load_demo as load_connections
from connections.models import App, Connection, Integration
from connections.secrets.rotation import rotate
from logs.models import ConnectionLog
from tests.conftest import make_user
from tests.connections.records import record
from tests.pages import browser, change, filled, make_superuser
from workitems.demo import load_demo as load_work_items
from workitems.models import Bug, Item, Link, Organization


@pytest.fixture
def import_connections(tmp_path, db):
    def run() -> None:
        file = tmp_path / "connections.json"
        file.write_text(json.dumps([record(1000)]))
        call_command("import_connections", str(file), stdout=io.StringIO())

    return run


@pytest.fixture
def import_work_items(tmp_path, db):
    def run() -> None:
        file = tmp_path / "work-items.json"
        file.write_text(json.dumps({"organizations": [{"id": 1, "name": "Plant"}]}))
        call_command("import_workitems", str(file), stdout=io.StringIO())

    return run


def save(instance: Any, /, _only: Any = None, **values: Any) -> None:
    for name, value in values.items():
        setattr(instance, name, value)
    instance.save(update_fields=_only)


def update_together(instance: Any, **values: Any) -> None:
    for name, value in values.items():
        setattr(instance, name, value)
    type(instance)._default_manager.bulk_update([instance], list(values))


def example(pk: int = 2) -> Connection:
    return Connection.objects.get(pk=pk)


def with_secret() -> None:
    connection = example()
    connection.set_secret("password", "hunter2")
    connection.save()


def in_the_admin() -> None:
    assert change(browser(make_superuser()), example(), username="me").status_code == 302


def rename_integration_in_the_admin() -> None:
    client, path = browser(make_superuser()), f"/admin/connections/integration/{placeholder().pk}/change/"
    assert client.post(path, filled(client.get(path), name="Orders")).status_code == 302


def placeholder() -> Integration:
    """Return an integration of the first example connection."""
    return Integration.objects.filter(connection=1)[0]


# Edits, each with the primary key of the example connection that it edits.
CONNECTION_EDITS = {
    "the admin": (in_the_admin, 2),
    "save": (lambda: save(example(), username="me"), 2),
    "save of one field": (lambda: save(example(), ["username"], username="me"), 2),
    "save of a secret": (with_secret, 2),
    "update": (lambda: Connection.objects.filter(pk=2).update(username="me"), 2),
    "update of the app": (lambda: Connection.objects.filter(pk=2).update(app_id=None), 2),
    "bulk update": (lambda: update_together(example(), username="me"), 2),
    "a new integration": (lambda: Integration.objects.create(name="Orders", connection=example()), 2),
    "new integrations": (
        lambda: Integration.objects.bulk_create([Integration(name="Orders", connection=example())]),
        2,
    ),
    "an integration renamed": (lambda: save(placeholder(), name="Orders"), 1),
    "an integration renamed, one field": (lambda: save(placeholder(), ["name"], name="Orders"), 1),
    "an integration renamed by update": (
        lambda: Integration.objects.filter(pk=placeholder().pk).update(name="Orders"),
        1,
    ),
    "an integration renamed in the admin": (rename_integration_in_the_admin, 1),
    "an integration deleted": (lambda: placeholder().delete(), 1),
    "integrations deleted": (lambda: Integration.objects.filter(pk=placeholder().pk).delete(), 1),
    "an integration moved here": (lambda: save(placeholder(), connection=example()), 2),
    "an integration moved away": (lambda: save(placeholder(), connection=example()), 1),
    "integrations moved away": (
        lambda: Integration.objects.filter(pk=placeholder().pk).update(connection=example()),
        1,
    ),
}


@pytest.mark.parametrize("way", CONNECTION_EDITS)
def test_a_connection_that_was_edited_stays(way, import_connections):
    load_connections()
    edit, pk = CONNECTION_EDITS[way]
    edit()
    import_connections()
    assert Connection.objects.filter(pk=pk).exists()
    assert Connection.objects.filter(pk__lt=1000).count() < 7


USES = {
    "a check": lambda: Connection.objects.filter(pk=2).update(
        status=1, last_check=timezone.now(), latest_connection=timezone.now()
    ),
    "a check, saved": lambda: save(example(), ["status", "last_check"], status=1, last_check=timezone.now()),
    "a log entry": lambda: Connection.objects.filter(pk=2).update(
        latest_log=ConnectionLog.objects.create(connection=example(), status=1)
    ),
    "a change of the key": lambda: list(rotate()),
    "a look": lambda: browser(make_superuser()).get("/admin/connections/connection/2/change/"),
}


@pytest.mark.parametrize("use", USES)
def test_a_connection_that_was_used_goes(use, import_connections):
    load_connections()
    USES[use]()
    import_connections()
    assert list(Connection.objects.values_list("pk", flat=True)) == [1000]


@pytest.mark.parametrize(
    "edit",
    [
        lambda app: save(app, name="ERP of the plant"),
        lambda app: save(app, ["name"], name="ERP of the plant"),
        lambda app: App.objects.filter(pk=app.pk).update(name="ERP of the plant"),
        lambda app: update_together(app, name="ERP of the plant"),
    ],
)
def test_an_app_that_was_edited_stays(edit, import_connections):
    load_connections()
    edit(App.objects.get(pk=1))
    import_connections()
    assert list(App.objects.values_list("name", flat=True)) == ["ERP of the plant"]


# Work items


def call(bearer: Any, **lists: Any) -> None:
    client = bearer(make_user("member", Role.READER))
    Organization.members.through.objects.create(organization_id=17, user=User.objects.get(username="member"))
    body = {"items": [], "initiatives": [], "bugs": [], "backlogs": [], "delete": False, **lists}
    assert client.post("/api/connections/bug/6", body).status_code == 200


def item() -> Item:
    return Item.objects.get(pk=52)


def delete_in_the_admin() -> None:
    path = "/admin/workitems/item/52/delete/"
    assert browser(make_superuser()).post(path, {"post": "yes"}).status_code == 302


WORK_ITEM_EDITS = {
    "save": lambda: save(item(), title="mine"),
    "save of one field": lambda: save(item(), ["title"], title="mine"),
    "update": lambda: Item.objects.filter(pk=52).update(title="mine"),
    "bulk update": lambda: update_together(item(), title="mine"),
    "create": lambda: Bug.objects.create(title="mine", organization_id=17),
    "bulk create": lambda: Bug.objects.bulk_create([Bug(title="mine", organization_id=17)]),
    "delete": lambda: item().delete(),
    "delete together": lambda: Item.objects.filter(pk=52).delete(),
    "delete in the admin": delete_in_the_admin,
    "move here": lambda: save(other_bug(), organization_id=17),
    "move here by update": lambda: Bug.objects.filter(pk=other_bug().pk).update(organization=17),
    "rename the organization": lambda: save(Organization.objects.get(pk=17), name="mine"),
    "rename it by update": lambda: Organization.objects.filter(pk=17).update(name="mine"),
    "a member": lambda: Organization.objects.get(pk=17).members.add(make_user("ann")),
    "a member, from the user": lambda: make_user("ann").organizations.add(17),
    "no member": lambda: Organization.objects.get(pk=17).members.clear(),
    "no organization": lambda: User.objects.get(pk=13).organizations.clear(),
    "a link": lambda: Link.objects.create(item=item(), initiative_id=28),
    "links": lambda: Link.objects.bulk_create([Link(item=item(), initiative_id=28)]),
    "a link deleted": lambda: Link.objects.get(pk=7).delete(),
    "links deleted": lambda: Link.objects.filter(pk=7).delete(),
}


def other_bug() -> Bug:
    return Bug.objects.create(title="mine", organization=Organization.objects.create(name="other"))


@pytest.mark.parametrize("way", WORK_ITEM_EDITS)
def test_an_organization_that_was_edited_stays(way, import_work_items):
    load_work_items()
    assert Organization.objects.get(pk=17).demo
    WORK_ITEM_EDITS[way]()
    import_work_items()
    assert Organization.objects.filter(pk=17).exists()


@pytest.mark.parametrize(
    "lists", [{"items": [52]}, {"items": [52], "delete": True}, {}], ids=["link", "unlink", "unlink all"]
)
def test_an_organization_whose_links_changed_over_the_api_stays(lists, bearer, import_work_items):
    load_work_items()
    call(bearer, **lists)
    import_work_items()
    assert Organization.objects.filter(pk=17).exists()


def test_an_organization_that_was_read_goes(bearer, import_work_items):
    load_work_items()
    Organization.members.through.objects.create(organization_id=17, user=make_user("member", Role.READER))
    client = bearer(User.objects.get(username="member"))
    assert client.get("/api/connections/bug/item/6").json()["connections"]
    browser(make_superuser()).get("/admin/workitems/bug/6/change/")
    import_work_items()
    assert not Organization.objects.filter(pk=17).exists()


def test_others_edits_leave_the_examples_as_they_are(import_work_items):
    load_work_items()
    save(other_bug(), title="renamed")
    import_work_items()
    assert not Organization.objects.filter(pk=17).exists()


def test_what_becomes_of_an_example_is_not_recorded_as_a_change(db):
    load_connections()
    LogEntry.objects.all().delete()
    save(example(), username="me")
    assert [list(entry.changes) for entry in LogEntry.objects.all()] == [["username"]]
