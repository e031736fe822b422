"""POST /api/connections/{owner}/{id}."""

import json
from typing import Any

import pytest
from django.db import DatabaseError, OperationalError

from accounts import rate_limits
from accounts.tokens import AccessToken
from tests.conftest import make_user
from tests.workitems import DONE, PATH, Queries, change_body, linked, pairs, path_of, post, refused, show
from workitems.item_types import ITEM_TYPES
from workitems.link_commands import LIST_KEYS
from workitems.models import Backlog, Bug, Item, Link


def test_the_documented_call(seed, body):
    seed.post(f"{PATH}/bug/6", change_body())
    answer = seed.post(f"{PATH}/Bugs/6", body)
    assert (answer.status_code, answer.json()) == (200, DONE)
    assert pairs()[-1] == {"bug": 6, "initiative": 28}


# Creating


def test_every_kind_links_to_every_other(client, ours):
    records = [ours.items[0], ours.bug, ours.backlog, ours.initiative]
    for number, record in enumerate(records):
        others = records[number + 1 :]
        if others:
            post(client, record, **{f"{other._meta.model_name}s": [other] for other in others})
    for record in records:
        assert len(show(client, record)["connections"]) == 3
    assert Link.objects.count() == 6


def test_new_links_come_in_the_order_of_the_kinds_and_lists(client, ours):
    post(
        client,
        ours.bug,
        initiatives=[ours.initiative],
        backlogs=[ours.backlog],
        items=[ours.items[2], ours.items[0], ours.items[1]],
    )
    others = [{end: pk for end, pk in ends.items() if end != "bug"} for ends in pairs()]
    items = [{"item": ours.items[number].pk} for number in (2, 0, 1)]
    assert others == [*items, {"backlog": ours.backlog.pk}, {"initiative": ours.initiative.pk}]


def test_new_links_add_to_what_is_there(client, ours):
    linked(client, ours.bug, ours.items[0])
    before = show(client, ours.bug)["connections"]
    linked(client, ours.bug, ours.items[1], ours.initiative)
    assert show(client, ours.bug)["connections"][:1] == before
    assert len(pairs()) == 3


def test_a_link_that_is_there_keeps_its_id(client, ours):
    linked(client, ours.bug, ours.items[0])
    before = show(client, ours.bug)["connections"]
    linked(client, ours.bug, ours.items[0])
    linked(client, ours.items[0], ours.bug)
    assert show(client, ours.bug)["connections"] == before


def test_ids_may_be_texts(client, ours):
    assert (
        post(
            client, ours.bug, items=[str(ours.items[0].pk), f"00{ours.items[1].pk}", ours.items[2].pk]
        ).json()
        == DONE
    )
    assert len(pairs()) == 3


# Removing


@pytest.mark.parametrize("delete", [True, "true", "True", "TRUE"])
def test_links_are_removed_from_whichever_end_they_were_made(delete, client, ours):
    linked(client, ours.bug, ours.items[0], ours.items[1])
    linked(client, ours.items[2], ours.bug)
    assert post(client, ours.bug, delete, items=[ours.items[2], ours.items[0]]).json() == DONE
    assert pairs() == [{"item": ours.items[1].pk, "bug": ours.bug.pk}]


@pytest.mark.parametrize("delete", [False, "false", "False", "FALSE"])
def test_false_means_false(delete, client, ours):
    """Python takes the text "false" for true; the call would then remove links instead of adding them."""
    linked(client, ours.bug, ours.items[0])
    assert post(client, ours.bug, delete, items=[ours.items[0], ours.items[1]]).json() == DONE
    assert len(pairs()) == 2


def test_removing_what_is_not_there_is_no_error(client, ours):
    linked(client, ours.bug, ours.items[0])
    assert post(client, ours.bug, True, items=[ours.items[1]], backlogs=[ours.backlog]).json() == DONE
    assert len(pairs()) == 1


def test_only_the_links_between_the_two_are_removed(client, ours):
    other = ours.make(Bug, 60)
    linked(client, ours.bug, ours.items[0])
    linked(client, other, ours.items[0])
    post(client, ours.bug, True, items=[ours.items[0]])
    assert pairs() == [{"item": ours.items[0].pk, "bug": other.pk}]


@pytest.mark.parametrize("delete", [True, False, "true", "false"])
def test_four_empty_lists_remove_every_link_of_the_owner(delete, client, ours):
    linked(client, ours.bug, ours.items[0], ours.backlog, ours.initiative)
    linked(client, ours.items[1], ours.bug, ours.backlog)
    assert client.post(path_of(ours.bug), change_body(delete)).json() == DONE
    assert pairs() == [{"item": ours.items[1].pk, "backlog": ours.backlog.pk}]


@pytest.mark.parametrize("delete", [False, True])
def test_lists_that_are_longer_than_one_look_up_takes(delete, client, ours, monkeypatch):
    monkeypatch.setattr("workitems.models.SLICE_SIZE", 2)
    linked(client, ours.bug, ours.items[0], ours.items[2])
    assert post(client, ours.bug, delete, items=ours.items, backlogs=[ours.backlog]).json() == DONE
    assert len(pairs()) == (0 if delete else 4)


# All or nothing


@pytest.mark.parametrize("plural", ["items", "backlogs", "initiatives"])
@pytest.mark.parametrize("bad", [999, "x"])
@pytest.mark.parametrize("delete", [True, False])
def test_one_bad_id_and_nothing_changes(delete, bad, plural, client, ours):
    linked(client, ours.bug, ours.items[0])
    before = pairs()
    lists = {
        "items": [ours.items[0], ours.items[1]],
        "backlogs": [ours.backlog],
        "initiatives": [ours.initiative],
    }
    answer = post(client, ours.bug, delete, **lists | {plural: [*lists[plural], bad]})
    assert refused(answer, 404) == f"not found {plural}."
    assert pairs() == before


def test_a_write_that_fails_leaves_nothing(client, ours, monkeypatch):
    def fail(*args):
        Link.objects.create(bug=ours.bug, item=ours.items[0])
        raise DatabaseError("out of luck")

    monkeypatch.setattr("workitems.models.LinkQuerySet.add", fail)
    refused(post(client, ours.bug, items=[ours.items[0]]), 500)
    assert pairs() == []


# What the body may hold


def test_a_body_that_is_no_json_object(client, ours):
    for content in [
        *(
            b"",
            b"{",
            b"nonsense",
            b"[]",
            b"5",
            b"null",
            b'"x"',
            b"NaN",
            b"\xff\xfe\x00",
            b'{"items": [NaN]}',
            b'{"items": [Infinity]}',
        ),
        *(b"[" * 100_000, b'{"a":' * 50_000, b"items=1&delete=true", b'{"items": [1,]}', b"{'items': []}"),
    ]:
        assert refused(
            client.post(f"{PATH}/nope/x", content, content_type="application/json"), 400
        ).startswith("The body is not")


def test_the_content_type_is_not_looked_at(client, ours):
    for content_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "x",
        "",
    ]:
        answer = client.generic(
            "POST",
            path_of(ours.bug),
            json.dumps(change_body(items=[ours.items[0]])),
            content_type=content_type,
        )
        assert (answer.status_code, answer.json()) == (200, DONE)
        assert len(pairs()) == 1


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_json_in_other_encodings(encoding, client, ours):
    content = json.dumps(change_body(items=[ours.items[0]])).encode(encoding)
    assert client.generic("POST", path_of(ours.bug), content, content_type="application/json").json() == DONE


@pytest.mark.parametrize("missing", range(5))
def test_the_first_missing_key_is_named(missing, client, ours):
    keys = [*LIST_KEYS, "delete"]
    body = {key: value for key, value in change_body().items() if key in keys[:missing]} | {"more": 1}
    assert refused(client.post(path_of(ours.bug), body), 400) == f'"{keys[missing]}" is required'


@pytest.mark.parametrize("key", LIST_KEYS)
def test_a_list_that_is_none(key, client, ours):
    for value in (None, 5, "x", {}, True, 1.5):
        assert (
            refused(client.post(path_of(ours.bug), change_body() | {key: value}), 400)
            == f'"{key}" must be an array'
        )


def test_of_several_faults_the_first_key_counts(client, ours):
    assert (
        refused(client.post(path_of(ours.bug), {"bugs": 1, "initiatives": 2, "items": [], "x": 1}), 400)
        == '"backlogs" is required'
    )
    assert (
        refused(client.post(path_of(ours.bug), change_body(5, bugs=[]) | {"bugs": 1, "x": 1}), 400)
        == '"bugs" must be an array'
    )


def test_delete_is_a_boolean_or_its_name(client, ours):
    for value in [None, 1, 0, 1.0, "", "yes", "1", [], {}, "true "]:
        assert (
            refused(client.post(path_of(ours.bug), change_body(value) | {"x": 1}), 400)
            == '"delete" must be a boolean'
        )


def test_an_unknown_key(client, ours):
    for key in ["x", "Items", "", "ümlaut ☃", "a\0b"]:
        answer = client.post(f"{PATH}/nope/x", change_body() | {key: 1, "y": 2})
        assert refused(answer, 400) == f'"{key}" is not allowed'


def test_half_a_surrogate_in_a_key(client, ours):
    content = json.dumps(change_body())[:-1] + ', "\\ud800": 1}'
    assert refused(client.generic("POST", path_of(ours.bug), content), 400) == '"\\ud800" is not allowed'


BAD_IDS: list[Any] = [
    True,
    False,
    None,
    1.0,
    1.5,
    -1,
    0,
    2**63,
    10**30,
    int("9" * 400),
    "",
    " 1",
    "1.0",
    "+1",
    "-1",
    "٣",
    "²",
    "x",
    "1\0",
    [],
    {},
    [1],
]


def test_what_is_no_id(client, ours):
    for bad in BAD_IDS:
        assert (
            refused(client.post(path_of(ours.bug), change_body() | {"items": [ours.items[0].pk, bad]}), 404)
            == "not found items."
        )
        assert pairs() == []


def test_a_number_of_5000_digits_is_no_id(client, ours):
    content = json.dumps(change_body()).replace('"items": []', f'"items": [{"9" * 5000}]')
    assert refused(client.generic("POST", path_of(ours.bug), content), 404) == "not found items."


@pytest.mark.parametrize("delete", [True, False])
def test_an_id_that_is_listed_twice(delete, client, ours):
    for again in (ours.items[0].pk, str(ours.items[0].pk), f"0{ours.items[0].pk}"):
        assert (
            refused(post(client, ours.bug, delete, items=[ours.items[0], again]), 404) == "not found items."
        )


@pytest.mark.parametrize("item_type", ITEM_TYPES, ids=lambda item_type: item_type.name)
def test_the_owners_own_kind_cannot_be_linked(item_type, client, ours):
    records = {"item": ours.items[0], "bug": ours.bug, "backlog": ours.backlog, "initiative": ours.initiative}
    record = records[item_type.name]
    other = ours.make(type(record), 70)
    for member in (record.pk, other.pk, 999, "x"):
        lists = {"items": ["x"], item_type.plural: [member]}  # a bad id in another list is found later
        message = refused(post(client, record, **lists), 400)
        assert f'"{item_type.plural}" must be empty for a' in message
    assert pairs() == []


def test_an_unknown_kind_is_named_as_it_was_sent(client, ours):
    for owner in ["nope", "Bugss", "1a", "☃", "a b", "%00"]:
        sent = owner.replace("%00", "\0")
        assert (
            refused(client.post(f"{PATH}/{owner}/1", change_body(bugs=["x"])), 404)
            == f"not found this {sent}."
        )


def test_an_owner_that_is_not_there(client, ours):
    for id in ["999", "x", "1.0", "-1", "%20", "9" * 19, "9" * 400, "9" * 5000]:
        assert (
            refused(client.post(f"{PATH}/Bugs/{id}", change_body(bugs=["x"], items=["x"])), 404)
            == "not found this Bugs."
        )


def test_of_several_bad_lists_the_first_counts(client, ours):
    lists = {"initiatives": [999], "backlogs": ["x"], "items": [998]}
    answers = []
    while lists:
        answers.append(refused(post(client, ours.bug, **lists), 404))
        lists.popitem()
    assert answers == ["not found items.", "not found backlogs.", "not found initiatives."]
    assert refused(post(client, ours.items[0], bugs=[999], backlogs=[999]), 404) == "not found bugs."


def test_a_slash_at_the_end(client, ours):
    assert client.post(f"{path_of(ours.bug)}/", change_body(items=[ours.items[0]])).json() == DONE


# Organizations


def test_nothing_is_learned_of_what_others_have(client, ours, theirs):
    """An id of another organization gets the same bytes as an id that nobody uses."""
    for delete in (True, False):
        for lists in ({}, {"items": [ours.items[0].pk]}, {"bugs": [1]}, {"items": [theirs.items[0].pk]}):
            answers = [
                client.post(f"{PATH}/bug/{pk}", change_body(delete, **lists)) for pk in (theirs.bug.pk, 999)
            ]
            assert answers[0].content == answers[1].content
            assert refused(answers[0], 404) == "not found this bug."
        for item in (theirs.items[0].pk, 999):
            assert refused(post(client, ours.bug, delete, items=[item]), 404) == "not found items."
    assert pairs() == []


def test_others_links_are_not_removed(client, ours, theirs, outsider, bearer):
    linked(bearer(outsider), theirs.bug, theirs.items[0])
    refused(post(client, theirs.bug), 404)
    refused(post(client, theirs.bug, True, items=theirs.items[:1]), 404)
    refused(post(client, ours.bug, True, items=theirs.items[:1]), 404)
    assert len(pairs()) == 1


def test_a_member_of_two_links_within_each_and_never_across(client, ours, theirs, member):
    theirs.organization.members.add(member)
    linked(client, ours.bug, ours.items[0])
    linked(client, theirs.bug, theirs.items[0])
    before = pairs()
    assert refused(post(client, ours.bug, items=[ours.items[1], theirs.items[1]]), 404) == "not found items."
    assert refused(post(client, ours.bug, True, items=[theirs.items[0]]), 404) == "not found items."
    assert pairs() == before


def test_a_superuser_links_everywhere_and_never_across(ours, theirs, bearer):
    root = bearer(str(AccessToken.for_user(make_user("root", is_superuser=True))))
    linked(root, ours.bug, ours.items[0])
    linked(root, theirs.bug, theirs.items[0])
    assert refused(post(root, ours.bug, items=[theirs.items[0]]), 404) == "not found items."
    assert len(pairs()) == 2


def test_a_role_is_no_membership(ours, manager, bearer):
    assert refused(post(bearer(manager), ours.bug, items=[ours.items[0]]), 404) == "not found this bug."


# The other errors


def test_the_paths_take_one_method_each(client, ours):
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        answer = client.generic(method, path_of(ours.bug))
        refused(answer, 405)
        assert answer["Allow"] == "POST, OPTIONS"
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        answer = client.generic(method, f"{PATH}/bug/item/11")
        refused(answer, 405)
        assert answer["Allow"] == "GET, HEAD, OPTIONS"


def test_a_body_that_is_too_large(client, ours, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    assert refused(post(client, ours.bug, items=["x" * 1000]), 413) == "The body is too large."


def test_too_many_calls(client, ours, settings, monkeypatch):
    monkeypatch.setattr(rate_limits, "WINDOWS", (rate_limits.RateWindow(60, "API_RATE_PER_MINUTE"),))
    settings.API_RATE_PER_MINUTE = 1
    answers = [client.get(f"{PATH}/bug/item/11") for _ in range(2)]
    assert answers[0].status_code == 200
    assert refused(answers[1], 429)
    assert 0 < int(answers[1]["Retry-After"]) <= 60


def test_a_database_that_is_away(client, ours, monkeypatch):
    def fail(*args):
        raise OperationalError("gone")

    monkeypatch.setattr("workitems.views.read_links", fail)
    monkeypatch.setattr("workitems.link_commands.lock_organizations", fail)
    for answer in (client.get(f"{PATH}/bug/item/11"), post(client, ours.bug, items=[ours.items[0]])):
        assert refused(answer, 503) == "The database cannot be reached; try again."
        assert answer["Retry-After"] == "5"


def test_a_bug_of_ours(client, monkeypatch, caplog):
    def fail(*args):
        raise ZeroDivisionError("what only the log says")

    monkeypatch.setattr("workitems.views.read_links", fail)
    answer = client.get(f"{PATH}/bug/item/11", headers={"X-Request-ID": "job-7"})
    assert refused(answer, 500) == "The server failed; its log has the details under job-7."
    assert "what only the log says" in caplog.text
    assert answer["X-Request-ID"] == "job-7"


@pytest.mark.parametrize("path", ["1/item/6", "1/6", "6/bug", "bug", "bug/", "a/b/c/d", "bug//6"])
def test_other_paths_have_the_registrys_shape(path, client):
    answer = client.get(f"{PATH}/{path}")
    assert (answer.status_code, list(answer.json())) == (404, ["msg", "errors"])


# What it costs


@pytest.mark.parametrize("count", [1, 3, 40])
@pytest.mark.parametrize("delete", [True, False])
def test_the_number_of_queries_depends_on_the_types_alone(delete, count, client, ours):
    items = [ours.make(Item, 1000 + number) for number in range(count)]
    backlogs = [ours.make(Backlog, 1000 + number) for number in range(count)]
    show(client, ours.bug)  # writes the last use of the key, which happens once a minute
    calls = [
        {"items": items},
        {"items": items, "backlogs": backlogs},
        {"items": items, "backlogs": backlogs, "initiatives": [31]},
    ]
    for types, lists in enumerate(calls, start=1):
        with Queries() as queries:
            assert post(client, ours.bug, delete, **lists).json() == DONE
        # 1 the key with its user; 2 the owner, locked; one for each type locks its records; one inserts, or
        # one for each type deletes; the last clears the organization's example flag.
        assert len(queries) == 3 + types + (types if delete else 1) <= 3 + 2 * types


def test_removing_everything_takes_four_queries(client, ours):
    linked(client, ours.bug, ours.items[0], ours.backlog)
    with Queries() as queries:
        post(client, ours.bug)
    # 1 the key with its user; 2 the owner, locked; 3 deletes; 4 clears the organization's example flag.
    assert len(queries) == 4


def test_a_call_is_one_transaction(client, ours):
    with Queries() as queries:
        post(client, ours.bug, items=ours.items, backlogs=[ours.backlog])
    begun = [each["sql"] for each in queries.captured_queries if each["sql"].startswith("SAVEPOINT")]
    assert len(begun) == 1  # a savepoint, as the test itself is a transaction


def test_a_key_that_comes_twice_unlinks_nothing(client, ours):
    """If the last value counted, all four lists would be empty here and remove every link."""
    linked(client, ours.bug, ours.items[0])
    again = json.dumps(change_body(items=[ours.items[1]]))[:-1] + ', "items": []}'
    answer = client.generic("POST", path_of(ours.bug), again, content_type="application/json")
    assert answer.status_code == 400
    assert len(pairs()) == 1


def test_a_letter_that_only_folds_to_one_of_a_kind(client, ours):
    answer = client.post(f"{PATH}/bac\u212alog/{ours.backlog.pk}", change_body())
    assert answer.json()["message"] == "not found this bac\u212alog."
