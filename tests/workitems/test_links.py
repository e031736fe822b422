"""The rules that the models and the database enforce for every writer: admin, import, scripts and SQL."""

import http.client
import json
import threading
import urllib.request
from contextlib import closing
from itertools import combinations
from urllib.parse import urlsplit

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import IntegrityError, connection, connections, transaction
from django.db.models import F

from accounts.tokens import AccessToken
from core.db.bulk import upsert
from tests.conftest import make_user, running_server
from tests.workitems import PATH, SampleOrganization, change_body, pairs, post, refused
from workitems.models import ENDS, PAIRS, Bug, Item, Link, Organization


def records(owner: SampleOrganization):
    """Return one record of each type, by the name of the type."""
    return {
        "item": owner.items[0],
        "bug": owner.bug,
        "backlog": owner.backlog,
        "initiative": owner.initiative,
    }


def insert(**ends) -> None:
    """Insert a link by SQL, which no model checks."""
    columns = ", ".join(f"{end}_id" for end in ends)
    values = ", ".join(str(each.pk) for each in ends.values())
    row = f"({columns}) VALUES ({values})" if ends else "DEFAULT VALUES"
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO workitems_link {row}")


# What the database refuses


@pytest.mark.parametrize("count", [0, 1, 3, 4])
def test_a_link_has_exactly_two_ends(count, ours):
    for chosen in combinations(ENDS, count):
        with pytest.raises(IntegrityError):
            insert(**{end: records(ours)[end] for end in chosen})
    assert pairs() == []


@pytest.mark.parametrize("pair", PAIRS)
def test_a_pair_is_there_once(pair, ours):
    ends = {end: records(ours)[end] for end in pair}
    insert(**ends)
    with pytest.raises(IntegrityError):
        insert(**dict(reversed(ends.items())))


def test_a_record_has_many_links(ours):
    for item in ours.items:
        insert(bug=ours.bug, item=item)
    assert len(pairs()) == 3


def test_both_ends_are_there(ours):
    def insert_dangling():
        with transaction.atomic():
            insert(bug=ours.bug, item=Item(pk=999))
            connection.check_constraints()

    with pytest.raises(IntegrityError):
        insert_dangling()


# Links die with their ends


@pytest.mark.parametrize("end", ENDS)
def test_sql_that_deletes_a_record_leaves_no_link(end, ours):
    for pair in PAIRS:
        insert(**{each: records(ours)[each] for each in pair})
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM workitems_{end}")
        connection.check_constraints()
    assert len(pairs()) == 3
    assert all(end not in ends for ends in pairs())


@pytest.mark.parametrize("end", ENDS)
def test_a_record_is_deleted_with_its_links(end, ours):
    for pair in PAIRS:
        insert(**{each: records(ours)[each] for each in pair})
    records(ours)[end].delete()
    connection.check_constraints()
    assert len(pairs()) == 3


@pytest.mark.django_db(transaction=True)
def test_the_rule_can_be_taken_back_and_made_again():
    call_command("migrate", "workitems", "0001", verbosity=0)
    try:
        ours = SampleOrganization("ours", 1)
        insert(bug=ours.bug, item=ours.items[0])
        with pytest.raises(IntegrityError), connection.cursor() as cursor:
            cursor.execute("DELETE FROM workitems_bug")
    finally:
        call_command("migrate", "workitems", verbosity=0)
    ours.bug.delete()
    assert pairs() == []


# Organizations


def test_a_link_never_crosses_organizations(ours, theirs):
    with pytest.raises(ValidationError, match="different organizations"):
        Link.objects.create(bug=ours.bug, item=theirs.items[0])
    with pytest.raises(ValidationError, match="different organizations"):
        Link.objects.bulk_create(
            [Link(bug=ours.bug, item=ours.items[0]), Link(bug=ours.bug, item=theirs.items[0])]
        )
    assert pairs() == []


def test_a_link_is_not_turned_across_organizations(ours, theirs):
    link = Link.objects.create(bug=ours.bug, item=ours.items[0])
    link.item = theirs.items[0]
    with pytest.raises(ValidationError, match="different organizations"):
        link.save()
    for values in ({"item": theirs.items[0]}, {"item_id": theirs.items[0].pk}):
        with pytest.raises(TypeError):
            Link.objects.update(**values)
    with pytest.raises(TypeError), transaction.atomic():
        Link.objects.bulk_update([link], ["item"])
    with pytest.raises(TypeError), transaction.atomic():
        theirs.items[0].links.add(link)
    assert pairs() == [{"item": ours.items[0].pk, "bug": ours.bug.pk}]


def save(item, organization):
    item.organization = organization
    item.save()


def save_the_field(item, organization):
    item.organization = organization
    item.save(update_fields=["organization"])


def update_in_bulk(item, organization):
    item.organization = organization
    Item.objects.bulk_update([item], ["organization"])


def by_upsert(item, organization):
    item.organization = organization
    upsert(Item.objects.all(), [item])


MOVES = {
    "save": save,
    "save the field": save_the_field,
    "update": lambda item, organization: Item.objects.filter(pk=item.pk).update(organization=organization),
    "update the id": lambda item, organization: Item.objects.update(organization_id=organization.pk),
    "update by an expression": lambda item, organization: Item.objects.update(
        organization_id=F("organization_id") + 1
    ),
    "update from the other side": lambda item, organization: organization.items.add(item, bulk=True),
    "bulk_update": update_in_bulk,
    "upsert": by_upsert,
}


@pytest.mark.parametrize("move", MOVES)
def test_a_linked_record_stays_in_its_organization(move, ours, theirs):
    insert(bug=ours.bug, item=ours.items[0])
    with pytest.raises(ValidationError, match="It has links"), transaction.atomic():
        MOVES[move](ours.items[0], theirs.organization)
    assert Item.objects.get(pk=ours.items[0].pk).organization == ours.organization


@pytest.mark.parametrize("move", sorted(MOVES.keys() - {"update the id", "update by an expression"}))
def test_a_record_without_links_moves(move, ours, theirs):
    insert(bug=ours.bug, item=ours.items[0])
    MOVES[move](ours.items[1], theirs.organization)
    assert Item.objects.get(pk=ours.items[1].pk).organization == theirs.organization


def test_a_linked_record_changes_in_every_other_way(ours):
    insert(bug=ours.bug, item=ours.items[0])
    ours.items[0].title = "new"
    ours.items[0].save()
    assert Item.objects.filter(pk=ours.items[0].pk).update(title="newer") == 1


def test_an_organization_has_a_name(db):
    with pytest.raises(IntegrityError, match="organization_has_a_name"):
        Organization.objects.bulk_create([Organization(name="")])


def test_an_organization_with_records_is_not_deleted(ours):
    with pytest.raises(IntegrityError):
        ours.organization.delete()


def test_records_outlive_the_users_that_they_name(ours, member):
    Bug.objects.filter(pk=ours.bug.pk).update(assignee=member, created_by=member, reported_by=member)
    member.delete()
    ours.bug.refresh_from_db()
    assert (ours.bug.assignee, ours.bug.created_by, ours.bug.reported_by) == (None, None, None)


def test_names(ours):
    link = Link.objects.create(bug=ours.bug, item=ours.items[0])
    assert (str(link), str(ours.bug), str(ours.organization)) == ("item 1 and bug 11", "Bug 11", "ours")


# Several writers at once

postgresql_only = pytest.mark.skipif(
    "connection.vendor == 'sqlite'", reason="SQLite has one writer at a time"
)


def at_once(*calls):
    """Run each call in a thread of its own, all at the same moment; return their results."""
    results, start = [], threading.Barrier(len(calls))

    def run(call):
        start.wait(10)
        results.append(call())
        connections.close_all()

    threads = [threading.Thread(target=run, args=[call]) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return results


def sender(server, path, **lists):
    """Return a function that sends one POST to a running server and returns the status.

    Each call opens a connection of its own.
    """
    address, headers = urlsplit(server.base).netloc, {"Authorization": f"Bearer {server.key}"}

    def send():
        with closing(http.client.HTTPConnection(address, timeout=30)) as client:
            client.request("POST", f"{PATH}/{path}", json.dumps(change_body(**lists)), headers)
            return client.getresponse().status

    return send


def rows_of(server, path):
    request = urllib.request.Request(
        f"{server.base}{PATH}/{path}", headers={"Authorization": f"Bearer {server.key}"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return [tuple(row.values())[1:] for row in json.load(answer)["connections"]]


@pytest.fixture(scope="module")
def live(empty_database, tmp_path_factory):
    """A server with example data that these tests may change."""
    with running_server(empty_database(), tmp_path_factory.mktemp("links")) as running:
        yield running


@pytest.mark.live
def test_the_same_link_from_both_ends_at_once_is_one_row_and_no_error(live):
    """The unique constraint prevents a second row, and `ignore_conflicts` the error that it would raise."""
    calls = [sender(live, "item/53", bugs=[6]), sender(live, "bug/6", items=[52, 53])] * 4
    for _ in range(5):
        assert sender(live, "bug/6")() == 200
        assert at_once(*calls) == [200] * 8
        assert sorted(row[2] for row in rows_of(live, "bug/item/6")) == [52, 53]


@pytest.mark.live
def test_writers_that_name_each_others_records_do_not_wait_forever(live):
    """Rows are locked in the same order whichever record is the owner, so the writers do not deadlock."""
    everyone = {"items": [52], "bugs": [6], "backlogs": [19], "initiatives": [28]}
    calls = [sender(live, f"{plural}/{pk}", **everyone | {plural: []}) for plural, [pk] in everyone.items()]
    for _ in range(5):
        assert at_once(*calls, *calls) == [200] * 8
        assert len(rows_of(live, "bug/item/6")) == 3 + ((None, None, 53, 6) in rows_of(live, "bug/item/6"))


@pytest.fixture
def committed(transactional_db):
    """An organization that is committed, so that other database connections see it."""
    return SampleOrganization("ours", 1)


@postgresql_only
def test_a_record_that_is_being_moved_is_waited_for(committed, bearer):
    """If a link and a move did not wait for each other, a link across organizations could result."""
    elsewhere, answers = Organization.objects.create(name="elsewhere"), []
    root = bearer(str(AccessToken.for_user(make_user("root", is_superuser=True))))
    thread = threading.Thread(
        target=lambda: answers.extend(at_once(lambda: post(root, committed.bug, items=[committed.items[0]])))
    )
    with transaction.atomic():
        save(committed.items[0], elsewhere)
        thread.start()
        thread.join(0.5)
        assert answers == []
    thread.join(10)
    assert refused(answers[0], 404) == "not found items."
    assert pairs() == []


@postgresql_only
def test_a_record_that_is_being_linked_does_not_move(committed, theirs):
    outcome = []

    def move():
        with pytest.raises(ValidationError, match="It has links"):
            save(Item.objects.get(pk=committed.items[0].pk), theirs.organization)
        outcome.append("refused")

    thread = threading.Thread(target=lambda: at_once(move))
    with transaction.atomic():
        Link.objects.create(bug=committed.bug, item=committed.items[0])
        thread.start()
        thread.join(0.5)
        assert outcome == []
    thread.join(10)
    assert outcome == ["refused"]
