"""GET /api/connections/{owner}/{info}/{id}."""

import json
from datetime import UTC, date, datetime
from itertools import product

import pytest
from django.db import connection

from accounts.models import User
from accounts.tokens import AccessToken
from tests.conftest import make_user
from tests.workitems import EMPTY, PATH, SEED, Queries, linked, post, refused, show
from workitems.item_types import ITEM_TYPES_BY_NAME
from workitems.models import ENDS, PAIRS, WORK_ITEMS, Item, Link


def test_the_documented_answer_comes_back_as_it_is_printed(seed):
    assert json.dumps(seed.get(f"{PATH}/bugs/items/6").json()) == json.dumps(SEED)


def test_kinds_are_named_in_any_case_and_number(seed):
    for owner, info in product(["bug", "bugs", "Bugs", "BUG", "bUgS"], ["item", "Items", "ITEMS"]):
        assert seed.get(f"{PATH}/{owner}/{info}/6").json() == SEED, owner
        assert seed.get(f"{PATH}/{owner}/{info}/6/").json() == SEED, owner


@pytest.mark.parametrize("info", ITEM_TYPES_BY_NAME)
def test_every_link_is_listed_whatever_kind_is_asked_for(info, client, ours):
    linked(client, ours.bug, ours.initiative, ours.items[1], ours.backlog, ours.items[0])
    answer = show(client, ours.bug, info)
    assert list(answer) == ["success", "connections", "info"]
    assert [list(row) for row in answer["connections"]] == [
        ["id", "initiativeId", "backlogId", "itemId", "bugId"]
    ] * 4
    assert [list(row.values())[1:] for row in answer["connections"]] == [
        [ours.initiative.pk, None, None, ours.bug.pk],
        [None, None, ours.items[1].pk, ours.bug.pk],
        [None, ours.backlog.pk, None, ours.bug.pk],
        [None, None, ours.items[0].pk, ours.bug.pk],
    ]
    ids = [row["id"] for row in answer["connections"]]
    assert ids == sorted(ids)


def test_info_holds_the_records_of_its_kind_by_id(client, ours):
    linked(client, ours.bug, ours.items[2], ours.initiative, ours.items[0])
    assert [record["id"] for record in show(client, ours.bug, "items")["info"]] == [
        ours.items[0].pk,
        ours.items[2].pk,
    ]
    assert [record["id"] for record in show(client, ours.bug, "initiatives")["info"]] == [ours.initiative.pk]
    assert show(client, ours.bug, "backlogs")["info"] == []


def test_a_link_is_seen_from_both_ends(client, ours):
    linked(client, ours.bug, ours.backlog)
    assert (
        show(client, ours.backlog, "bugs")["connections"] == show(client, ours.bug, "backlogs")["connections"]
    )
    assert [record["id"] for record in show(client, ours.backlog, "bugs")["info"]] == [ours.bug.pk]


def test_info_of_the_owners_own_kind_is_the_owner_once(client, ours):
    linked(client, ours.bug, ours.items[0], ours.items[1])
    assert [record["id"] for record in show(client, ours.bug, "bugs")["info"]] == [ours.bug.pk]


def test_info_of_the_owners_own_kind_is_empty_without_a_link(client, ours):
    assert show(client, ours.bug, "bugs") == EMPTY


def test_what_is_no_record_has_two_empty_lists(client):
    for id in [
        "999",
        "0",
        "x",
        "-1",
        "1.0",
        "1e3",
        "%20",
        "+11",
        "٣",
        "²",
        "%00",
        "9" * 19,
        "9" * 400,
        "9" * 5000,
    ]:
        answer = client.get(f"{PATH}/bug/item/{id}")
        assert (answer.status_code, answer.json()) == (200, EMPTY), id


def test_an_id_may_have_zeros_before_it(client, ours):
    linked(client, ours.bug, ours.backlog)
    assert client.get(f"{PATH}/bug/item/{'0' * 30}{ours.bug.pk}").json() == show(client, ours.bug)


def test_a_name_that_is_no_kind(client):
    for names in [
        "nope/items",
        "items/nope",
        "nope/nope",
        "itemss/items",
        "%00/items",
        "1a/items",
        "%E2%98%83/items",
    ]:
        assert refused(client.get(f"{PATH}/{names}/1"), 404) == "not found this connections.", names


PLANNED = (
    "assignee organizationId id title description statusId points createdBy "
    "forecastedRelease actualRelease plannedOn"
)
FIELDS = {
    "items": f"{PLANNED} ownerId ownerTable mailers orderIndex archived",
    "backlogs": f"{PLANNED} archived",
    "bugs": (
        "id assignee organizationId mailers title description statusId severity createdBy reportedBy archived"
    ),
    "initiatives": (
        "id title description horizon statusId createdBy organizationId mailers archived orderIndex"
    ),
}


@pytest.mark.parametrize("info", FIELDS)
def test_the_fields_of_a_record_in_their_order(info, client, ours):
    linked(client, ours.items[0], ours.bug, ours.backlog, ours.initiative)
    [record] = show(client, ours.items[0], info)["info"]
    assert list(record) == FIELDS[info].split()


def test_the_values_of_an_item(client, ours, member):
    moment = datetime(2019, 6, 30, 12, 34, 56, 789999, UTC)
    fields = {
        "owner_id": 19,
        "owner_table": "backlogs",
        "mailers": "!a@example.com!",
        "order_index": 2,
        "points": 2.5,
        "status_id": 3,
    }
    dates = {
        "forecasted_release": moment,
        "actual_release": datetime(1, 1, 1, tzinfo=UTC),
        "planned_on": datetime(2019, 6, 30, tzinfo=UTC),
    }
    users = {"assignee": member, "created_by": member}
    item = ours.make(Item, 50, archived=True, description="ümlaut", **fields, **dates, **users)
    linked(client, ours.bug, item)
    assert show(client, ours.bug)["info"] == [
        {
            "assignee": member.pk,
            "organizationId": ours.organization.pk,
            "id": 50,
            "title": "Item 50",
            "description": "ümlaut",
            "statusId": 3,
            "points": 2.5,
            "createdBy": member.pk,
            "forecastedRelease": "2019-06-30T12:34:56.789Z",
            "actualRelease": "0001-01-01T00:00:00.000Z",
            "plannedOn": "2019-06-30T00:00:00.000Z",
            "ownerId": 19,
            "ownerTable": "backlogs",
            "mailers": "!a@example.com!",
            "orderIndex": 2,
            "archived": 1,
        }
    ]


def test_flags_and_whole_points_are_plain_numbers(client, ours):
    linked(client, ours.bug, ours.items[0])
    text = client.get(f"{PATH}/bug/item/{ours.bug.pk}").content.decode()
    assert '"points":0,' in text
    assert '"archived":0}' in text


def test_a_horizon_is_the_midnight_of_its_day(client, ours):
    ours.initiative.horizon = date(2019, 12, 31)
    ours.initiative.save()
    linked(client, ours.bug, ours.initiative)
    assert show(client, ours.bug, "initiatives")["info"][0]["horizon"] == "2019-12-31T00:00:00.000Z"


def test_arguments_and_bodies_are_not_looked_at(seed):
    assert (
        seed.generic("GET", f"{PATH}/bug/item/6?limit=0&x[y]=1", "no JSON", content_type="text/plain").json()
        == SEED
    )


def test_head_has_the_headers_alone(seed):
    answer = seed.head(f"{PATH}/bug/item/6")
    assert (answer.status_code, answer.content) == (200, b"")


# Who sees what


def test_a_user_of_another_organization_sees_nothing(client, ours, outsider, bearer):
    linked(client, ours.bug, ours.items[0])
    for info in ("bugs", "items"):
        assert show(bearer(outsider), ours.bug, info) == EMPTY


def test_a_user_without_organization_sees_nothing_whatever_their_role(client, ours, manager, bearer):
    linked(client, ours.bug, ours.items[0])
    assert show(bearer(manager), ours.bug) == EMPTY


def test_a_membership_that_ends_ends_the_view(client, ours, member):
    linked(client, ours.bug, ours.items[0])
    ours.organization.members.remove(member)
    assert show(client, ours.bug) == EMPTY


def test_a_superuser_sees_all(client, ours, theirs, outsider, bearer):
    linked(client, ours.bug, ours.items[0])
    linked(bearer(outsider), theirs.bug, theirs.items[0])
    root = bearer(str(AccessToken.for_user(make_user("root", is_superuser=True))))
    assert [record["id"] for record in show(root, ours.bug)["info"]] == [ours.items[0].pk]
    assert [record["id"] for record in show(root, theirs.bug)["info"]] == [theirs.items[0].pk]


def test_a_member_of_two_sees_both(client, ours, theirs, member, outsider, bearer):
    linked(client, ours.bug, ours.items[0])
    linked(bearer(outsider), theirs.bug, theirs.items[0])
    theirs.organization.members.add(member)
    assert len(show(client, ours.bug)["info"]) == len(show(client, theirs.bug)["info"]) == 1


@pytest.mark.parametrize("path", ["bug/item/11", "bug/11"])
def test_without_a_bearer(path, client, ours):
    client.credentials()
    if path.count("/") == 1:
        answer = client.post(f"{PATH}/{path}", "no JSON", content_type="text/plain")
    else:
        answer = client.get(f"{PATH}/{path}")
    assert refused(answer, 401) == "Authentication required"
    assert answer["WWW-Authenticate"] == "Bearer"
    assert answer.json()["error"] == "Unauthorized"


@pytest.mark.parametrize("path", ["nope/nope/x", "bug/nope", "bug/11"])
def test_a_bad_bearer_is_refused_before_anything_else(path, bearer, ours):
    method = "GET" if path.count("/") > 1 else "POST"
    for text in ("wrong", "a.b.c"):
        answer = bearer(text).generic(method, f"{PATH}/{path}")
        assert refused(answer, 401) == "Authentication required"


def test_a_good_credential_of_an_inactive_user(client, ours, member, bearer):
    access = bearer(str(AccessToken.for_user(member)))
    User.objects.filter(pk=member.pk).update(is_active=False)
    for each in (client, access):
        assert refused(each.get(f"{PATH}/nope/item/11"), 403) == "User not confirmed or inactive"
        answer = each.post(f"{PATH}/nope/11", "no JSON", content_type="text/plain")
        assert refused(answer, 403) == "User not confirmed or inactive"
    assert client.get(PATH).status_code == 401  # the registry's own answer stays as it is


def test_a_user_who_is_gone(ours, bearer):
    gone = make_user("gone")
    access = bearer(str(AccessToken.for_user(gone)))
    gone.delete()
    assert refused(access.get(f"{PATH}/bug/item/11"), 401) == "Authentication required"


# What it costs


@pytest.mark.parametrize("count", [0, 2, 40])
def test_two_queries_whatever_there_is_to_show(count, client, ours):
    items = [ours.make(Item, 1000 + number) for number in range(count)]
    if items:
        post(client, ours.bug, items=items)
    show(client, ours.bug)  # writes the last use of the key, which happens once a minute
    with Queries() as queries:
        assert len(show(client, ours.bug)["info"]) == count
    # 1 the key with its user and memberships of roles; 2 the links with the records that they lead to.
    assert len(queries) == 2
    with Queries() as queries:
        show(client, ours.bug, "bugs")
    # 1 the key; 2 the links; 3 the owner, if it has any.
    assert len(queries) == (3 if count else 2)


@pytest.fixture
def linked_all(ours):
    """Thirty records of each type, each linked to all records of the other types: 5,400 links."""
    records = {model: [ours.make(model, 1000 + number) for number in range(30)] for model in WORK_ITEMS}
    ends = {str(model._meta.model_name): records[model] for model in WORK_ITEMS}
    Link.objects.bulk_create(
        Link(**{first: one, second: other})
        for first, second in PAIRS
        for one in ends[first]
        for other in ends[second]
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


@pytest.mark.parametrize("end", ENDS)
def test_the_links_of_a_record_are_found_by_an_index(end, linked_all):
    assert f"links_of_{end}" in Link.objects.of(end, 1001).order_by("pk").explain()
