"""Reading and planning of an import of work items: no test here may ask the database."""

from typing import Any

import pytest

from accounts.models import ApiKey, User
from tests.workitems.test_importing import KEY, changed, content, link
from workitems.item_types import ITEM_TYPES
from workitems.models import Bug, Item, Link, Organization
from workitems.planning import Stored, WorkItemFile, WorkItemPlan, plan_work_items

pytestmark = pytest.mark.any_database  # no test here reads or writes one

ITEM, BUG, BACKLOG, INITIATIVE = ITEM_TYPES


def plan(file: dict[str, Any] | None = None, **stored: Any) -> WorkItemPlan:
    read = WorkItemFile.read(content() if file is None else file)
    assert read.faults == []
    return plan_work_items(read, Stored(**stored))


def refused(file: dict[str, Any] | None = None, **stored: Any) -> list[str]:
    planned = plan(file, **stored)
    assert (planned.organizations.create, planned.work_items, planned.links.create) == ([], {}, [])
    return planned.refuse


def user(pk: int, name: str) -> User:
    return User(pk=pk, username=name)


def test_everything_is_new():
    planned = plan()
    assert planned.refuse == []
    assert [each.name for each in planned.organizations.create] == ["Plant"]
    assert [(each.pk, each.username, each.password) for each in planned.users.create] == [(13, "ann", "")]
    assert planned.members == {17: [13]}
    assert planned.keys == {13: KEY}
    assert [row.title for rows in planned.work_items.values() for row in rows.create] == [
        *("item", "bug", "backlog", "aim"),
    ]
    assert [(each.pk, each.ends()) for each in planned.links.create] == [
        (7, {"bug": 6, "initiative": 28}),
        (8, {"item": 52, "bug": 6}),
    ]
    assert KEY not in str(planned)


def test_what_is_stored_is_changed_or_left():
    planned = plan(
        organizations={17: Organization(pk=17, name="mine")},
        users={13: user(13, "ann")},
        work_items={"item": {52: Item(pk=52, organization_id=17)}},
        key_owners={ApiKey.digest_of(KEY): 13},
        links={7: Link(pk=7, bug_id=6, initiative_id=28)},
    )
    assert planned.refuse == []
    assert [each.name for each in planned.organizations.change] == ["Plant"]
    assert (planned.users.create, planned.users.leave, planned.keys) == ([], [13], {})
    items = planned.work_items[ITEM]
    assert ([each.title for each in items.change], items.create) == (["item"], [])
    assert [each.pk for each in planned.work_items[BUG].create] == [6]
    assert ([each.pk for each in planned.links.create], planned.links.leave) == ([8], [7])


def test_bad_records_are_read_out_of_the_file():
    file = content(extra=[], bugs={}, items=[{"id": 52}, *content()["items"] * 2])
    assert WorkItemFile.read(file).faults == [
        "'extra' is no part of the file; it takes organizations, users, items, bugs, backlogs, initiatives, "
        "connections.",
        "items 0 (counted from 0): organizationId: Field required",
        "items 0 (counted from 0): title: Field required",
        "items 2 (counted from 0): id: 52 stands in the file before",
        "bugs is not an array.",
    ]


def test_users_are_who_they_are_here():
    assert refused(users={13: user(13, "bob")}) == ["users 0 (counted from 0): id: the user 13 is 'bob' here"]
    assert refused(user_ids_by_name={"ann": 7}) == [
        "users 0 (counted from 0): username: 'ann' has the id 7 here"
    ]


def test_keys_have_one_user():
    fault = "users 0 (counted from 0): apiKey: "
    assert refused(key_owners={ApiKey.digest_of(KEY): 7}) == [f"{fault}another user has this key"]
    assert refused(key_faults={13: "No credentials."}) == [f"{fault}No credentials."]


def test_what_records_name_is_in_the_file_or_stored():
    file = changed("items", organizationId=5, createdBy=99)
    assert refused(file) == [
        "items 0 (counted from 0): organizationId: there is no organization 5",
        "items 0 (counted from 0): createdBy: there is no user 99",
    ]
    file["connections"] = []
    assert plan(file, organization_ids={5}, user_ids={99}).refuse == []


def test_a_linked_record_stays():
    file = changed("items", organizationId=17)
    stored = {"item": {52: Item(pk=52, organization_id=18)}}
    assert refused(file, work_items=stored, linked={"item": {52}}) == [
        "items 0 (counted from 0): organizationId: it has links here and stays in organization 18"
    ]
    assert plan(file, work_items=stored).refuse == []


def test_links_join_two_records_of_one_organization():
    file = {"connections": [link(9, itemId=1, bugId=2), link(10, itemId=1, bugId=3)]}
    assert refused(file, locations={"item": {1: 17}, "bug": {2: 18}}) == [
        "connections 0 (counted from 0): itemId, bugId: the two belong to different organizations",
        "connections 1 (counted from 0): bugId: there is no bug 3",
    ]
    planned = plan(file, locations={"item": {1: 17}, "bug": {2: 17, 3: 17}})
    assert [each.pk for each in planned.links.create] == [9, 10]


def test_the_file_comes_before_what_is_stored():
    # The link's two records meet in the organization that the file moves one of them to.
    file = content(connections=[link(9, itemId=52, bugId=1)])
    stored = {"work_items": {"item": {52: Item(pk=52, organization_id=18)}}}
    locations = {"item": {52: 18}, "bug": {1: 17}}
    assert plan(file, locations=locations, **stored).refuse == []


def test_an_id_that_another_link_has():
    stored = {7: Link(pk=7, item_id=52, bug_id=6)}
    assert refused(links=stored) == [
        "connections 0 (counted from 0): id: here, the link of this id joins other records"
    ]


def test_links_are_compared_once_their_records_are_good():
    file = changed("bugs", organizationId=5)
    assert refused(file) == ["bugs 0 (counted from 0): organizationId: there is no organization 5"]


def test_links_are_created_in_the_order_of_their_ids():
    file = content(connections=[link(9, itemId=52, bugId=6), link(8, itemId=52, bugId=6)])
    assert [each.pk for each in plan(file).links.create] == [8, 9]


def test_rows_have_the_values_of_their_records():
    [row] = plan().work_items[BUG].create
    assert isinstance(row, Bug)
    assert (row.organization_id, row.created_by_id, row.reported_by_id) == (17, 13, 13)
    assert (row.severity, row.status_id, row.archived) == ("P2", 3, False)
