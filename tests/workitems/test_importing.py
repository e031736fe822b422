"""manage.py import_workitems."""

import io
import json
import re
import unicodedata
from typing import Any

import pytest
from auditlog.models import LogEntry
from django.core.management import CommandError, call_command
from django.db import connection

from accounts.models import ApiKey, User
from accounts.roles import Role
from bench.work_item_dataset import dataset
from connections.demo import load_demo as load_demo_connections
from connections.models import Connection
from tests.conftest import make_user
from tests.workitems import PATH, Queries, everything, pairs, show
from workitems.demo import FILE, load_demo
from workitems.examples import AUTHOR
from workitems.item_types import ITEM_TYPES
from workitems.models import Backlog, Bug, Initiative, Item, Link, Organization

Content = dict[str, Any]
KEY = "50ca9ba0f7b1444fa55d5"


def content(**sections: Any) -> Content:
    """Return a file with one record of each section, which `sections` replace."""
    shared = {
        "organizationId": 17,
        "createdBy": 13,
        "description": "Description",
        "statusId": 3,
        "archived": 0,
    }
    planned = {
        "assignee": 13,
        "points": 2.5,
        "forecastedRelease": "2019-06-30T12:34:56.000Z",
        "actualRelease": None,
        "plannedOn": None,
    }
    return {
        "organizations": [{"id": 17, "name": "Plant"}],
        "users": [
            {"id": 13, "username": "ann", "email": "ann@example.com", "organizations": [17], "apiKey": KEY}
        ],
        "backlogs": [{"id": 19, "title": "backlog", **shared, **planned}],
        "items": [
            {
                "id": 52,
                "title": "item",
                **shared,
                **planned,
                "ownerId": 19,
                "ownerTable": "backlogs",
                "mailers": None,
                "orderIndex": 2,
            }
        ],
        "bugs": [
            {
                "id": 6,
                "title": "bug",
                **shared,
                "assignee": None,
                "mailers": "!a@example.com!",
                "severity": "P2",
                "reportedBy": 13,
            }
        ],
        "initiatives": [
            {
                "id": 28,
                "title": "aim",
                **shared,
                "horizon": "2019-06-30T00:00:00.000Z",
                "mailers": None,
                "orderIndex": 0,
            }
        ],
        "connections": [link(7, initiativeId=28, bugId=6), link(8, itemId=52, bugId=6)],
        **sections,
    }


def link(id: Any, **ends: Any) -> Content:
    return {"id": id, "initiativeId": None, "backlogId": None, "itemId": None, "bugId": None} | ends


def changed(section: str, **values: Any) -> Content:
    """Return a file whose record of `section` has other values."""
    file = content()
    return file | {section: [file[section][0] | values, *file[section][1:]]}


@pytest.fixture
def load(tmp_path, db):
    """Import a file by the command; return the lines that it printed."""

    def run(file: object, *options: str) -> list[str]:
        path, out = tmp_path / "work-items.json", io.StringIO()
        path.write_bytes(file if isinstance(file, bytes) else json.dumps(file).encode())
        call_command("import_workitems", str(path), *options, stdout=out)
        return out.getvalue().splitlines()

    return run


@pytest.fixture
def refuse(load):
    """Import what is refused; return the sentences, and see that nothing was changed."""

    def run(file: object, *options: str) -> str:
        before = everything()
        with pytest.raises(CommandError) as refusal:
            load(file, *options)
        assert everything() == before
        *faults, last = str(refusal.value).splitlines()
        assert last == "Nothing was imported."
        return "\n".join(faults)

    return run


def test_a_file_is_imported(load):
    assert load(content()) == [
        "organizations: 1 created, 0 updated.",
        "users: 1 created, 0 kept.",
        "API keys: 1 created.",
        "items: 1 created, 0 updated.",
        "bugs: 1 created, 0 updated.",
        "backlogs: 1 created, 0 updated.",
        "initiatives: 1 created, 0 updated.",
        "connections: 2 created, 0 kept.",
    ]


@pytest.mark.parametrize("item_type", ITEM_TYPES, ids=lambda item_type: item_type.name)
def test_what_was_imported_comes_back_equal(item_type, load, bearer):
    file = content(connections=[link(1, itemId=52, bugId=6), link(2, backlogId=19, initiativeId=28)])
    load(file)
    owner = {"item": Bug, "bug": Item, "backlog": Initiative, "initiative": Backlog}[item_type.name]
    answer = show(bearer(KEY), owner.objects.get(), item_type.plural)
    assert answer["connections"] == [
        each for each in file["connections"] if each["bugId" if owner in (Item, Bug) else "backlogId"]
    ]
    assert [dict(sorted(each.items())) for each in answer["info"]] == [
        dict(sorted(each.items())) for each in file[item_type.plural]
    ]


def test_a_key_opens_the_api_and_is_stored_as_a_digest(load, bearer):
    load(content())
    assert len(bearer(KEY).get(f"{PATH}/bug/item/6").json()["connections"]) == 2
    key = ApiKey.objects.get()
    assert (key.user.username, key.digest) == ("ann", ApiKey.digest_of(KEY))
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM accounts_apikey")
        assert KEY not in str(cursor.fetchall())


def test_an_imported_user_has_no_role_and_no_password(load):
    load(content())
    user = User.objects.get(pk=13)
    assert (user.username, user.email, user.role, user.is_staff, user.is_superuser) == (
        "ann",
        "ann@example.com",
        Role.NONE,
        False,
        False,
    )
    assert not user.has_usable_password()


def test_importing_twice_changes_nothing(load):
    load(content())
    before = everything()
    lines = load(content())
    assert everything() == before
    assert lines == [
        "organizations: 0 created, 1 updated.",
        "users: 0 created, 1 kept.",
        "items: 0 created, 1 updated.",
        "bugs: 0 created, 1 updated.",
        "backlogs: 0 created, 1 updated.",
        "initiatives: 0 created, 1 updated.",
        "connections: 0 created, 2 kept.",
    ]


def test_what_is_there_is_updated_and_nothing_is_removed(load):
    load(content())
    load(
        {
            "items": [{"id": 52, "organizationId": 17, "title": "new"}],
            "connections": [link(9, itemId=52, backlogId=19)],
        }
    )
    item = Item.objects.get()
    assert (item.title, item.description, item.created_by, item.points) == ("new", None, None, None)
    assert len(pairs()) == 3
    assert Bug.objects.get().title == "bug"


def test_new_records_get_ids_above_those_that_came_in(load):
    high, record = 10**9, {"id": 10**9, "organizationId": 10**9, "title": "high"}
    users, links = [{"id": high, "username": "high"}], [link(high, itemId=high, bugId=high)]
    items = {item_type.plural: [record] for item_type in ITEM_TYPES}
    load({"organizations": [{"id": high, "name": "high"}], "users": users, **items, "connections": links})
    [organization] = Organization.objects.all()
    made = [
        model.objects.create(title="new", organization=organization)
        for model in (Item, Bug, Backlog, Initiative)
    ]
    made += [
        Organization.objects.create(name="new"),
        User.objects.create(username="new"),
        Link.objects.create(item=made[0], bug=made[1]),
    ]
    assert [each.pk for each in made] == [high + 1] * 7


@pytest.mark.parametrize("file", [{}, {"items": []}])
def test_an_empty_file(file, load):
    assert load(file) == ["The file holds nothing to import."]


def test_a_dry_run_changes_nothing_and_says_the_same(load):
    before = everything()
    first, *rest = load(content(), "--dry-run")
    assert everything() == before
    assert first == "This would change (nothing was changed):"
    assert rest == load(content())


def test_standard_input(monkeypatch, db):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(json.dumps(content()).encode())))
    call_command("import_workitems", "-", stdout=io.StringIO())
    assert len(pairs()) == 2


def test_a_byte_order_mark(load):
    load(b"\xef\xbb\xbf" + json.dumps(content()).encode())
    assert len(pairs()) == 2


# Values


@pytest.mark.parametrize(
    ("section", "field", "sent", "stored"),
    [
        ("items", "points", "3", 3),
        ("items", "points", None, None),
        ("items", "archived", None, False),
        ("items", "archived", 1, True),
        ("items", "archived", True, True),
        ("items", "mailers", "", ""),
        ("items", "title", "x" * 255, "x" * 255),
        ("items", "description", "日本語 🚚\n", "日本語 🚚\n"),
        ("bugs", "severity", None, None),
        ("initiatives", "horizon", "2019-06-30", "2019-06-30"),
        ("initiatives", "horizon", "2019-06-30T23:30:00.000-02:00", "2019-07-01"),
    ],
)
def test_values_are_stored_as_they_are(section, field, sent, stored, load):
    load(changed(section, **{field: sent}))
    model = {"items": Item, "bugs": Bug, "initiatives": Initiative}[section]
    value = model.objects.values_list(field, flat=True).get()
    assert (str(value) if field == "horizon" else value) == stored


# What is refused


@pytest.mark.parametrize(
    "file",
    [
        b"",
        b"{",
        b"[]",
        b"5",
        b"null",
        b"\xff",
        b"[" * 100_000,
        json.dumps(content()).encode("utf-16"),
        {"items": {}},
        {"items": None},
    ],
    ids=range(10),
)
def test_a_file_that_is_none(file, refuse):
    assert refuse(file)


def test_an_unknown_part_is_named(refuse):
    assert refuse(content() | {"item": []}).startswith(
        "'item' is no part of the file; it takes organizations, users, items, bugs"
    )


def test_a_file_that_cannot_be_read():
    with pytest.raises(CommandError, match=r"no-such-file cannot be read: No such file"):
        call_command("import_workitems", "no-such-file")


BAD: dict[tuple[str, str], list[Any]] = {
    ("organizations", "id"): [None, 0, -1, "1", 1.5, True, 2**63, []],
    ("organizations", "name"): [None, "", 5, "x" * 256, "a\0b", " ", "\u00a0", "\u200b"],
    ("users", "id"): [None, 0, "1", 2**53, 2**63],
    ("users", "username"): [None, "", " ", "\u200b", 5, "x" * 151, "a b", "a\0b"],
    ("users", "email"): [5, "x" * 255],
    ("users", "organizations"): [None, 5, [None], ["17"], [999]],
    ("users", "apiKey"): [
        "",
        "short",
        "has a blank in the middle",
        "x" * 201,
        "aaaaaaaa.bbbbbbbb.cccccccc",
        "ümlaut-ümlaut-ümlaut",
        5,
    ],
    **{
        (section, field): values
        for section in ("items", "bugs", "backlogs", "initiatives")
        for field, values in dict[str, list[Any]](
            {
                "id": [None, 0, -1, "1", 1.5, True, 2**63, []],
                "organizationId": [None, 0, "17", 999],
                "title": [None, "", 5, "x" * 256, "a\0b", " \t", "\u00a0"],
                "description": [5, [], "a\0b"],
                "statusId": ["3", 1.5, True, 2**31],
                "createdBy": ["13", 999, 0],
                "archived": [2, "maybe", []],
            }
        ).items()
    },
    ("items", "points"): ["many", [], float("nan"), float("inf")],
    ("items", "plannedOn"): ["soon", 5, "2019-02-30", "0001-01-01T00:00+02:00"],
    ("items", "ownerId"): ["19", 1.5, 2**63],
    ("items", "ownerTable"): [5, "x" * 51],
    ("items", "orderIndex"): ["2", 2**31],
    ("items", "mailers"): [5, "\0"],
    ("items", "assignee"): [999, "13"],
    ("backlogs", "forecastedRelease"): ["soon", 5],
    ("bugs", "reportedBy"): [999],
    ("bugs", "severity"): [2, "x" * 51],
    ("initiatives", "horizon"): ["soon", 5, "2019-13"],
    ("connections", "id"): [None, 0, "7"],
    ("connections", "bugId"): ["6", 0, 999],
    ("connections", "initiativeId"): [999],
}


@pytest.mark.parametrize("section", content())
def test_a_bad_record_is_named_with_its_kind_position_and_field(section, refuse):
    for field, value in [
        (field, value) for (part, field), values in BAD.items() for value in values if part == section
    ]:
        faults = refuse(changed(section, **{field: value}))
        assert re.search(rf"^{section} 0 \(counted from 0\): {field}\b", faults, re.MULTILINE), (
            value,
            faults,
        )


@pytest.mark.parametrize("section", content())
def test_needed_fields(section, refuse):
    file = content()
    needed = {"organizations": ["name"], "users": ["username"], "connections": []}.get(
        section, ["organizationId", "title"]
    )
    for field in ["id", *needed]:
        bad = {name: value for name, value in file[section][0].items() if name != field}
        assert refuse(file | {section: [bad, *file[section][1:]]}).startswith(
            f"{section} 0 (counted from 0): {field}: Field required"
        )


@pytest.mark.parametrize("section", content())
def test_an_id_that_stands_in_the_file_twice(section, refuse):
    file = content()
    file[section].append(file[section][0])
    position = len(file[section]) - 1
    assert (
        f"{section} {position} (counted from 0): id: {file[section][0]['id']} stands in the file before"
        in refuse(file)
    )


@pytest.mark.parametrize("ends", [{}, {"bugId": 6}, {"bugId": 6, "itemId": 52, "backlogId": 19}])
def test_a_link_that_joins_other_than_two(ends, refuse):
    faults = refuse(content(connections=[link(1, itemId=52, bugId=6), link(2, **ends)]))
    assert re.fullmatch(r"connections 1 \(counted from 0\): .*exactly two must be filled", faults)


def test_a_link_across_organizations(refuse):
    file = changed("items", organizationId=18)
    file["organizations"].append({"id": 18, "name": "Other"})
    assert (
        refuse(file)
        == "connections 1 (counted from 0): itemId, bugId: the two belong to different organizations"
    )


def test_a_link_to_a_record_of_another_organization_that_is_stored(load, refuse, theirs):
    file = {"connections": [link(9, bugId=6, itemId=theirs.items[0].pk)]}
    load(content())
    assert (
        refuse(file)
        == "connections 0 (counted from 0): itemId, bugId: the two belong to different organizations"
    )


def test_all_bad_records_are_named(refuse):
    file = content()
    file["items"] += [{"id": 53}, {"id": 54, "title": "x", "organizationId": 5}, {"id": "x"}]
    faults = refuse(file).splitlines()
    assert [fault.partition(" (")[0] for fault in faults] == [
        "items 1",
        "items 1",
        "items 3",
        "items 3",
        "items 3",
    ]


def test_very_many_bad_records_are_not_all_named(refuse):
    faults = refuse({"items": [{} for _ in range(500)]}).splitlines()
    assert (len(faults), faults[-1]) == (101, "… and perhaps more.")


def test_user_names_are_one_in_any_unicode_form(load, refuse):
    file = content()
    file["users"][0]["username"] = unicodedata.normalize("NFD", "jürgen")
    load(file)
    assert User.objects.get(pk=13).username == unicodedata.normalize("NFC", "jürgen")
    load(file)
    file["users"].append({"id": 14, "username": unicodedata.normalize("NFC", "jürgen")})
    assert "users 0 (counted from 0): username: stands in the file twice" in refuse(file)


def test_a_refusal_tells_no_key(refuse):
    file = changed("users", apiKey="canary canary canary", organizations=[999])
    assert "canary" not in refuse(file)


def test_a_linked_record_stays_in_its_organization(load, refuse):
    load(content())
    file = {
        "organizations": [{"id": 18, "name": "Other"}],
        "items": [{"id": 52, "organizationId": 18, "title": "moved"}],
    }
    assert (
        refuse(file)
        == "items 0 (counted from 0): organizationId: it has links here and stays in organization 17"
    )
    Link.objects.all().delete()
    load(file)
    assert Item.objects.get().organization_id == 18


# Users


def test_a_user_id_under_another_name_is_refused(refuse):
    make_user("bob", pk=13)
    assert refuse(content()) == "users 0 (counted from 0): id: the user 13 is 'bob' here"


def test_a_name_under_another_id_is_refused(refuse):
    make_user("ann", pk=7)
    assert refuse(content()) == "users 0 (counted from 0): username: 'ann' has the id 7 here"


def test_a_name_that_two_users_have_is_refused(refuse):
    file = content()
    file["users"].append({"id": 14, "username": "ann"})
    assert "users 1 (counted from 0): username: stands in the file twice" in refuse(file)


def test_the_fields_of_a_user_who_is_there_never_change(load):
    user = make_user("ann", Role.OPERATOR, pk=13, email="ann@here.example.com", first_name="Ann")
    before = User.objects.values().get(pk=13)
    other = Organization.objects.create(pk=1, name="other")
    other.members.add(user)
    load(content())
    assert User.objects.values().get(pk=13) == before
    assert set(user.organizations.values_list("pk", flat=True)) == {1, 17}


def test_memberships_are_added_to(load):
    load(content())
    load({"users": [{"id": 13, "username": "ann", "organizations": []}]})
    assert Organization.objects.get(pk=17).members.count() == 1


def test_a_key_that_stands_for_somebody_else_is_refused(refuse):
    key = ApiKey(user=make_user("bob"))
    key.mint(KEY)
    key.save()
    assert refuse(content()) == "users 0 (counted from 0): apiKey: another user has this key"


def test_a_key_that_two_users_have_is_refused(refuse):
    file = content()
    file["users"].append({"id": 14, "username": "bob", "apiKey": KEY})
    assert refuse(file).splitlines() == [
        f"users {number} (counted from 0): apiKey: another user has this key" for number in (0, 1)
    ]


def test_a_revoked_key_stays_revoked(load, bearer):
    load(content())
    ApiKey.objects.get().revoke()
    load(content())
    assert bearer(KEY).get(f"{PATH}/bug/item/6").status_code == 401


def test_a_superuser_gets_no_key(refuse):
    make_user("ann", pk=13, is_superuser=True)
    assert refuse(content()).startswith("users 0 (counted from 0): apiKey: A superuser has no credentials")


# Links


def test_a_pair_that_the_file_has_twice_is_linked_once(load):
    file = content(connections=[link(9, itemId=52, bugId=6), link(8, itemId=52, bugId=6)])
    assert load(file)[-2:] == [
        "connections: 1 created, 0 kept.",
        "connections: 1 left out, as the two records are linked already, under another id.",
    ]
    assert list(Link.objects.values_list("pk", flat=True)) == [8]


def test_a_link_that_is_there_under_another_id_keeps_it(load):
    load(content())
    assert "connections: 1 left out" in load({"connections": [link(99, itemId=52, bugId=6)]})[-1]
    assert list(Link.objects.values_list("pk", flat=True)) == [7, 8]


def test_an_id_that_another_link_has_is_refused(load, refuse):
    load(content())
    file = {"connections": [link(7, itemId=52, bugId=6)]}
    assert refuse(file) == "connections 0 (counted from 0): id: here, the link of this id joins other records"


# The audit


def test_what_an_import_made_is_on_record(load):
    load(content())
    entries = LogEntry.objects.exclude(content_type__model="apikey").order_by("pk")
    made = [
        (entry.content_type.model, entry.object_id, entry.object_repr)
        for entry in entries
        if entry.additional_data == {"source": "import"}
    ]
    assert made == [
        ("organization", 17, "Plant"),
        ("user", 13, "ann"),
        *(("item", 52, "item"), ("bug", 6, "bug"), ("backlog", 19, "backlog"), ("initiative", 28, "aim")),
        *(("link", 7, "bug 6 and initiative 28"), ("link", 8, "item 52 and bug 6")),
    ]
    assert [str(each) for each in Link.objects.order_by("pk")] == [
        "bug 6 and initiative 28",
        "item 52 and bug 6",
    ]


def test_what_an_import_changed_is_on_record(load):
    load(content())
    LogEntry.objects.all().delete()
    load(changed("items", title="new"))
    [entry] = LogEntry.objects.all()
    assert (entry.changes, entry.additional_data) == ({"title": ["item", "new"]}, {"source": "import"})


# Examples


def test_the_first_import_removes_the_examples(load):
    reader = make_user("shown")
    load_demo(reader)
    lines = load({"organizations": [{"id": 1, "name": "Plant"}]})
    assert lines[0] == "1 untouched example organizations removed, with their work items."
    assert list(Organization.objects.values_list("name", flat=True)) == ["Plant"]
    assert not Item.objects.exists()
    assert not User.objects.filter(username=AUTHOR).exists()
    assert User.objects.filter(username="shown").exists()


def test_examples_make_room_for_records_of_their_ids(load):
    load_demo()
    load(content())
    assert User.objects.get(pk=13).username == "ann"
    assert Item.objects.get().title == "item"


def test_an_import_that_is_refused_leaves_the_examples(load, refuse):
    load_demo()
    refuse({"items": [{}]})
    load({}, "--dry-run")
    assert Organization.objects.filter(demo=True).exists()


@pytest.mark.parametrize("path", ["item/52", "organization/17", "link/7"])
def test_examples_that_somebody_edited_stay(path, load, admin_client):
    from tests.pages import filled

    load_demo()
    address = f"/admin/workitems/{path}/change/"
    assert admin_client.post(address, filled(admin_client.get(address))).status_code == 302
    load({"organizations": [{"id": 1, "name": "Plant"}]})
    assert Item.objects.filter(pk=52).exists()


def test_the_other_examples_are_the_other_imports_matter(load):
    load_demo_connections()
    load(content())
    assert Connection.objects.count() == 7


def test_the_examples_are_an_import_file(load):
    load(json.loads(FILE.read_text("utf-8")))
    assert not Organization.objects.filter(demo=True).exists()
    assert pairs()[:2] == [{"bug": 6, "initiative": 28}, {"item": 52, "bug": 6}]


# Many records


def test_the_number_of_queries_does_not_grow_with_every_record(load):
    file = dataset("small")
    with Queries() as few:
        load(file)
    more = dataset("large")
    many = {name: records[:300] for name, records in more.items()}
    ids = {"itemId": 300, "bugId": 300, "initiativeId": 200, "backlogId": 100}
    many["connections"] = [
        each for each in more["connections"] if all((each[key] or 0) <= most for key, most in ids.items())
    ][:300]
    Organization.objects.all().update(demo=False)
    with Queries() as queries:
        load(many)
    assert len(queries) - len(few) < 80  # some of SQLite's statements take 66 rows


def test_an_import_of_users_alone_leaves_the_examples(load):
    load_demo()
    load({"users": [{"id": 500, "username": "ann"}]})
    assert Organization.objects.filter(demo=True).exists()


# What would be taken and do harm


@pytest.mark.parametrize(
    "section", [*(item_type.plural for item_type in ITEM_TYPES), "organizations", "connections"]
)
def test_an_id_that_leaves_no_room_for_new_ones(section, refuse):
    fault = refuse(changed(section, id=2**53))
    assert "id:" in fault


def test_half_a_surrogate_pair(refuse):
    fault = refuse(json.dumps(changed("items", title="\ud800")).encode())
    assert "title: Value error, holds half a surrogate pair, which is no character" in fault


@pytest.mark.parametrize("value", ["yes", 2, "1", []])
def test_archived_is_0_or_1(value, refuse):
    fault = refuse(changed("items", archived=value))
    assert "archived:" in fault


def test_a_look_alike_of_a_user_name_is_that_name(load, refuse):
    load({"users": [{"id": 500, "username": "admin"}]})
    fault = refuse({"users": [{"id": 501, "username": "\uff41dmin"}]})
    assert "'admin' has the id 500 here" in fault
