"""The admin's pages of work items, links and organizations."""

from typing import Any

import pytest
from auditlog.models import LogEntry
from django.contrib.contenttypes.models import ContentType

from accounts.roles import Role
from tests.conftest import make_user
from tests.pages import browser, errors_of, filled, manager_browser
from tests.workitems import Queries, pairs
from workitems.models import WORK_ITEMS, Backlog, Bug, Item, Link, Organization

ADMIN = "/admin/workitems"
MODELS = ["organization", "item", "bug", "backlog", "initiative", "link"]


def page_of(record: Any) -> str:
    return f"{ADMIN}/{record._meta.model_name}/{record.pk}/change/"


@pytest.fixture
def boss(db):
    return manager_browser()


@pytest.fixture
def link(ours):
    return Link.objects.create(bug=ours.bug, item=ours.items[0])


def save(client, record, **changes):
    return client.post(page_of(record), filled(client.get(page_of(record)), **changes))


@pytest.mark.parametrize("page", ["", "add/", "?q=1"])
def test_the_pages_open(page, boss, ours, link):
    for model in MODELS:
        assert boss.get(f"{ADMIN}/{model}/{page}").status_code == 200


def test_the_pages_of_records_open_and_save(boss, ours, link):
    for record in (ours.organization, *ours.items, ours.bug, ours.backlog, ours.initiative, link):
        assert save(boss, record).status_code == 302


@pytest.mark.parametrize("who", ["reader", "operator", "stranger"])
def test_only_managers_see_the_records_of_every_organization(who, ours, link):
    """The pages show the records of every organization, so they are only for those who run the registry."""
    role = Role.NONE if who == "stranger" else Role[who.upper()]
    client = browser(make_user(who, role, is_staff=True))
    for model in MODELS:
        assert client.get(f"{ADMIN}/{model}/").status_code == 403
        assert client.get(f"{ADMIN}/{model}/add/").status_code == 403
    assert f"{ADMIN}/" not in client.get("/admin/password_change/").content.decode()  # the menu


@pytest.mark.parametrize("model", WORK_ITEMS)
def test_a_reader_learns_nothing_from_the_record_of_changes(model, boss, ours):
    save(boss, model._default_manager.first(), title="a secret plan")
    entry = LogEntry.objects.get(
        content_type=ContentType.objects.get_for_model(model), action=LogEntry.Action.UPDATE
    )
    reader = browser(make_user("reader", Role.READER, is_staff=True))
    assert "secret plan" in boss.get("/admin/auditlog/logentry/").content.decode()
    assert "secret plan" not in reader.get("/admin/auditlog/logentry/").content.decode()
    assert (
        "secret plan"
        not in reader.get(f"/admin/auditlog/logentry/{entry.pk}/change/", follow=True).content.decode()
    )


def test_a_record_is_added(boss, ours, member):
    page = boss.get(f"{ADMIN}/bug/add/")
    sent = filled(page, title="new", organization=ours.organization.pk, assignee=member.pk, severity="P1")
    assert boss.post(f"{ADMIN}/bug/add/", sent).status_code == 302
    assert Bug.objects.filter(
        title="new", organization=ours.organization, assignee=member, severity="P1"
    ).exists()


def test_texts_that_are_left_empty_are_null(boss, ours):
    save(boss, ours.items[0], description="", mailers="", owner_table="")
    item = Item.objects.get(pk=ours.items[0].pk)
    assert (item.description, item.mailers, item.owner_table) == (None, None, None)


@pytest.mark.parametrize("field", ["assignee", "created_by", "organization"])
def test_people_and_organizations_are_chosen_by_typing(field, boss, ours, member):
    term = "ours" if field == "organization" else "memb"
    query = f"?app_label=workitems&model_name=item&field_name={field}&term={term}"
    found = boss.get(f"/admin/autocomplete/{query}").json()["results"]
    assert [each["text"] for each in found] == ["ours" if field == "organization" else "member"]
    assert "admin-autocomplete" in str(boss.get(page_of(ours.items[0])).context["adminform"].form[field])


def test_members_are_chosen_by_typing(boss, ours, outsider):
    query = "?app_label=workitems&model_name=organization&field_name=members&term=outs"
    assert [each["text"] for each in boss.get(f"/admin/autocomplete/{query}").json()["results"]] == [
        "outsider"
    ]
    save(boss, ours.organization, members=[outsider.pk])
    assert list(ours.organization.members.all()) == [outsider]


@pytest.mark.parametrize("term", ["ITEM 2", "2"])
def test_ends_are_chosen_by_typing_a_title_or_an_id(term, boss, ours):
    query = f"?app_label=workitems&model_name=link&field_name=item&term={term}"
    assert [each["id"] for each in boss.get(f"/admin/autocomplete/{query}").json()["results"]] == ["2"]


# Links


def add_link(client, **ends):
    data = {end: getattr(each, "pk", each) for end, each in ends.items()}
    return client.post(f"{ADMIN}/link/add/", filled(client.get(f"{ADMIN}/link/add/"), **data))


def test_a_link_is_added(boss, ours):
    assert add_link(boss, bug=ours.bug, item=ours.items[0]).status_code == 302
    assert pairs() == [{"item": ours.items[0].pk, "bug": ours.bug.pk}]


def test_a_link_that_joins_other_than_two_is_refused(boss, ours):
    everything = {"bug": ours.bug, "item": ours.items[0], "backlog": ours.backlog}
    for ends in ({}, {"bug": ours.bug}, everything):
        assert "choose exactly two" in errors_of(add_link(boss, **ends))
    assert pairs() == []


def test_a_link_that_is_there_is_refused(boss, ours, link):
    assert "This link is there already." in errors_of(add_link(boss, bug=ours.bug, item=ours.items[0]))


def test_a_link_across_organizations_is_refused(boss, ours, theirs):
    assert "different organizations" in errors_of(add_link(boss, bug=ours.bug, item=theirs.items[0]))
    assert pairs() == []


def test_a_record_offers_to_be_linked(boss, ours):
    page = boss.get(page_of(ours.bug)).content.decode()
    assert f'href="{ADMIN}/link/add/?bug={ours.bug.pk}"' in page
    assert boss.get(f"{ADMIN}/link/add/?bug={ours.bug.pk}").context["adminform"].form["bug"].value() == str(
        ours.bug.pk
    )


@pytest.mark.parametrize("end", [0, 1])
def test_a_records_page_shows_its_links_with_kind_and_title(end, boss, ours, link):
    record, other = [(ours.bug, ours.items[0]), (ours.items[0], ours.bug)][end]
    page = boss.get(page_of(record))
    assert page.context["links"] == [
        (link, f'<a href="{page_of(other)}">{other._meta.model_name.capitalize()} {other.pk}</a> {other}')
    ]
    assert page_of(other) in page.content.decode()


def test_titles_are_shown_as_texts(boss, ours):
    item = ours.make(Item, 60)
    Item.objects.filter(pk=60).update(title="<script>x</script>")
    Link.objects.create(bug=ours.bug, item=item)
    for page in (page_of(ours.bug), f"{ADMIN}/link/"):
        assert "<script>x" not in boss.get(page).content.decode()


def test_many_links_are_shown_in_pages(boss, ours):
    items = Item.objects.bulk_create(
        Item(pk=1000 + number, title="x", organization=ours.organization) for number in range(120)
    )
    Link.objects.bulk_create(Link(bug=ours.bug, item=item) for item in items)
    seen, address = [], page_of(ours.bug)
    while address:
        page = boss.get(address)
        seen += [link.pk for link, _ in page.context["links"]]
        address = (
            f"{page_of(ours.bug)}?links_after={seen[-1]}" if "More links" in page.content.decode() else ""
        )
    assert seen == list(Link.objects.order_by("pk").values_list("pk", flat=True))


@pytest.mark.parametrize("after", ["x", "-1", "9" * 30, "²"])
def test_odd_pages_of_links_are_the_first(after, boss, ours, link):
    assert len(boss.get(f"{page_of(ours.bug)}?links_after={after}").context["links"]) == 1


def queries_of(client, page):
    client.get(page)
    with Queries() as queries:
        assert client.get(page).status_code == 200
    return len(queries)


def test_the_number_of_queries_of_a_page_does_not_grow(boss, ours, link, member):
    ours.organization.members.add(member)
    pages = [page_of(ours.bug), *(f"{ADMIN}/{model}/" for model in MODELS)]
    before = [queries_of(boss, page) for page in pages]
    for number in range(200, 220):
        records = [ours.make(model, number) for model in WORK_ITEMS]
        Link.objects.create(item=records[0], bug=ours.bug)
        Link.objects.create(backlog=records[2], initiative=records[3])
        Organization.objects.create(name=f"Organization {number}")
    assert [queries_of(boss, page) for page in pages] == before


# The rules of the models


def test_a_linked_record_stays_in_its_organization(boss, ours, theirs, link):
    answer = save(boss, ours.bug, organization=theirs.organization.pk, title="moved")
    assert "It has links" in errors_of(answer)
    assert Bug.objects.get(pk=ours.bug.pk).title == ours.bug.title


def test_a_record_without_links_moves(boss, ours, theirs):
    assert save(boss, ours.bug, organization=theirs.organization.pk).status_code == 302
    assert Bug.objects.get(pk=ours.bug.pk).organization == theirs.organization


def test_a_record_is_deleted_with_its_links(boss, ours, link):
    page = boss.get(f"{ADMIN}/bug/{ours.bug.pk}/delete/")
    assert "with 1 links" in page.content.decode()
    assert boss.post(f"{ADMIN}/bug/{ours.bug.pk}/delete/", {"post": "yes"}).status_code == 302
    assert pairs() == []


def test_an_organization_with_records_is_not_deleted(boss, ours):
    assert (
        "would require deleting the following protected"
        in boss.get(f"{ADMIN}/organization/{ours.organization.pk}/delete/").content.decode()
    )
    boss.post(f"{ADMIN}/organization/{ours.organization.pk}/delete/", {"post": "yes"})
    assert Organization.objects.count() == 1


# The audit


def changes(record):
    return (
        LogEntry.objects.get_for_object(record)
        .order_by("pk")
        .values_list("action", "changes", "actor__username")
    )


def test_changes_are_on_record(boss, ours):
    LogEntry.objects.all().delete()
    save(boss, ours.backlog, title="renamed", points="2.5")
    assert list(changes(ours.backlog)) == [
        (LogEntry.Action.UPDATE, {"title": ["Backlog 21", "renamed"], "points": ["0", "2.5"]}, "boss")
    ]


def test_links_and_members_are_on_record(boss, ours, member):
    LogEntry.objects.all().delete()
    add_link(boss, bug=ours.bug, item=ours.items[0])
    save(boss, ours.organization, members=[])
    [link] = Link.objects.all()
    assert [(action, who) for action, _, who in changes(link)] == [(LogEntry.Action.CREATE, "boss")]
    [(_, change, who)] = changes(ours.organization)
    assert (change["members"]["operation"], change["members"]["objects"], who) == (
        "delete",
        ["member"],
        "boss",
    )


def test_the_history_of_a_record_is_its_part_of_the_record(boss, ours):
    ours.make(Backlog, 60)
    save(boss, ours.backlog, title="renamed")
    page = boss.get(f"{ADMIN}/backlog/{ours.backlog.pk}/history/", follow=True)
    assert {entry.object_id for entry in page.context["cl"].result_list} == {ours.backlog.pk}
