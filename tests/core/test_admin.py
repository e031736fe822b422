"""Every list of the admin, asked for what it does not offer and for what no database takes: a sentence, never a failure."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from accounts.models import ApiKey, ApplicationToken, User
from accounts.roles import Role
from connections.models import App, Integration
from connections.secrets.holder import SECRETS
from core.admin import MAX_TERMS, MAX_SEARCH_WORDS
from logs.models import ConnectionLog
from tests.conftest import make_user
from tests.pages import CONNECTIONS, browser, make_connection, make_superuser
from workitems.models import Backlog, Bug, Initiative, Item, Link, Organization

LISTS: dict[str, Any] = {
    str(model._meta.model_name): model_admin for model, model_admin in admin.site._registry.items()
}
HUGE = ["9223372036854775808", "-9223372036854775809", "9" * 30, "9" * 5000]
ODD = [*HUGE, "x", "-1", "²", "((", "'", "\\", "%", "\0", "a\0b", "🚚", "", "1.5", "nan"]


@pytest.fixture
def client(db) -> Client:
    """The superuser's browser, on a site with a record of every kind."""
    record = make_connection(app=App.objects.create(name="WMS"), password="hunter2")
    Integration.objects.create(name="Orders", connection=record)
    ConnectionLog.objects.create(connection=record, status=1)
    machine = make_user("machine", Role.READER, type=User.Type.APPLICATION)
    ApiKey.issue(machine)
    ApplicationToken.issue(machine)
    organization = Organization.objects.create(name="Plant")
    ends: list[Any] = [
        model.objects.create(title="one", organization=organization)
        for model in (Item, Bug, Backlog, Initiative)
    ]
    Link.objects.create(item=ends[0], bug=ends[1])
    return browser(make_superuser())


def address(name: str, page: str = "changelist", *args: Any) -> str:
    opts = LISTS[name].model._meta
    return reverse(f"admin:{opts.app_label}_{opts.model_name}_{page}", args=args)


def queries(name: str) -> Iterator[str]:
    """Yield what the list may be asked for, each with an odd value."""
    model_admin = LISTS[name]
    offered = [lookup for each in model_admin.list_filter for lookup in model_admin.lookups_of(each)]
    for lookup in (
        "q",
        "p",
        "o",
        "all",
        "_facets",
        "_popup",
        "_to_field",
        "_changelist_filters",
        *offered,
        *model_admin.linked_lookups,
    ):
        yield from (f"{lookup}={quote(value)}" for value in ODD)
        yield "&".join([f"{lookup}=1"] * 900)
    yield from (
        f"q={quote(' '.join(['a'] * number))}" for number in (MAX_SEARCH_WORDS, MAX_SEARCH_WORDS + 1, 1100)
    )
    yield from (f"o={quote('.'.join(['1'] * number))}" for number in (MAX_TERMS, MAX_TERMS + 1, 5000))


def is_sentence(answer: Any) -> bool:
    """Return whether this is a page, a way to one, or the house's own words about what was asked."""
    if answer.status_code == 414:
        return bool(answer.content == b"The query is too long.")
    if answer.status_code == 400:
        return "<h1" in answer.content.decode() and "To the connections" in answer.content.decode()
    return answer.status_code in (200, 302, 403, 404)


@pytest.mark.parametrize("name", LISTS)
def test_a_list_answers_whatever_it_is_asked(name, client):
    assert [query for query in queries(name) if not is_sentence(client.get(f"{address(name)}?{query}"))] == []


@pytest.mark.parametrize("name", LISTS)
def test_a_page_answers_whatever_its_id(name, client):
    pages = [
        f"{address(name)}{quote(odd)}/{page}/"
        for odd in ODD
        if odd
        for page in ("change", "delete", "history", "password")
    ]
    assert [page for page in pages if not is_sentence(client.get(page))] == []


@pytest.mark.parametrize("name", LISTS)
def test_a_form_answers_whatever_is_proposed(name, client):
    fields = [field.name for field in LISTS[name].model._meta.get_fields()]
    pages = [
        f"{address(name, 'add')}?" + "&".join(f"{field}={quote(odd)}" for field in fields) for odd in ODD
    ]
    assert [page for page in pages if not is_sentence(client.get(page))] == []


@pytest.mark.parametrize("name", LISTS)
def test_a_form_answers_whatever_is_sent(name, client):
    fields = [field.name for field in LISTS[name].model._meta.get_fields()]
    row = LISTS[name].model._default_manager.first()
    for page in (address(name, "add"), address(name, "change", row.pk)):
        for odd in ODD:
            answer = client.post(page, dict.fromkeys(fields, odd))
            assert is_sentence(answer), (page, odd)


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("action", ["delete_selected", "revoke_selected", "nothing"])
def test_an_action_answers_whatever_was_selected(name, action, client):
    for odd in ODD:
        data = {"action": action, "_selected_action": odd}
        for sent in (data, {**data, "index": odd, "select_across": odd}):
            assert is_sentence(client.post(address(name), sent)), (odd, sent)


@pytest.mark.parametrize("page", ["change", "delete"])
@pytest.mark.parametrize("name", LISTS)
def test_a_page_answers_whatever_comes_with_its_address(name, page, client):
    path = address(name, page, LISTS[name].model._default_manager.first().pk)
    names = ("log_before", "links_after", "_popup", "_to_field", "_changelist_filters")
    asked = [f"{path}?{each}={quote(odd)}" for each in names for odd in ODD]
    assert [each for each in asked if not is_sentence(client.get(each))] == []


CHOICES = [
    *(
        ("connections", "connection", "app"),
        ("connections", "integration", "connection"),
        ("accounts", "apikey", "user"),
    ),
    *(
        ("workitems", "item", "organization"),
        ("workitems", "organization", "members"),
        ("workitems", "link", "item"),
    ),
    *(("nothing", "like", "this"), ("connections", "connection", "name"), ("a\0b", "connection", "app")),
]


@pytest.mark.parametrize("choice", CHOICES, ids="-".join)
def test_a_choice_answers_whatever_is_searched(choice, client):
    base = "/admin/autocomplete/?" + "&".join(
        f"{name}={quote(value)}"
        for name, value in zip(("app_label", "model_name", "field_name"), choice, strict=True)
    )
    asked = [
        f"{base}&{name}={quote(odd)}" for name in ("term", "page") for odd in [*ODD, " ".join(["a"] * 1100)]
    ]
    assert [each for each in asked if not is_sentence(client.get(each))] == []


OTHER_PAGES = [
    *(
        "/admin/search/?s={}",
        "/admin/search/?s=a&page={}",
        "/admin/search/?s=a&extended={}",
        "/admin/login/?next={}",
        "/admin/r/{}/1/",
    ),
    *(
        "/admin/r/1/{}/",
        "/admin/{}",
        "/admin/connections/{}/",
        "/admin/jsi18n/?x={}",
        "/admin/password_change/?x={}",
        "/{}",
    ),
]


@pytest.mark.parametrize("page", OTHER_PAGES)
def test_other_pages_answer(page, client):
    assert [odd for odd in ODD if not is_sentence(client.get(page.format(quote(odd))))] == []


# What is said


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        (f"q={'+'.join(['word'] * 1100)}", f"A search takes at most {MAX_SEARCH_WORDS} words."),
        ("type__exact=a%00b", "The address holds a NUL character, and no text here has one."),
        ("q=%00", "The address holds a NUL character, and no text here has one."),
        (f"o={'.'.join(['1'] * 3000)}", f"The address sorts or filters by more than {MAX_TERMS} terms."),
        ("type=" + "&type=".join("a" * 900), f"The address sorts or filters by more than {MAX_TERMS} terms."),
        ("creation_date__year=99999999", "The address asks for something that is not offered here."),
        ("name__regex=((", "The address asks for something that is not offered here."),
    ],
)
def test_what_is_wrong_is_said(query, sentence, client):
    answer = client.get(f"{CONNECTIONS}?{query}")
    assert (answer.status_code, sentence in answer.content.decode()) == (400, True)


@pytest.mark.parametrize("query", ["p=999999999999", "app__id__exact=x", "app__id__exact=1.5"])
def test_a_filter_that_cannot_be_used_leads_to_the_whole_list(query, client):
    answer = client.get(f"{CONNECTIONS}?{query}", follow=True)
    assert answer.redirect_chain == [(f"{CONNECTIONS}?e=1", 302)]
    assert "This filter cannot be used: the list shows everything." in answer.content.decode()
    assert len(answer.context["cl"].result_list) == 1


# What a list may be asked for

FORBIDDEN = {
    "apikey": [
        "digest__startswith",
        "digest",
        "digest__exact",
        "prefix__contains",
        "user__password__startswith",
        "user__email",
        "note",
    ],
    "applicationtoken": ["jti", "jti__startswith", "user__password__startswith", "user__email__contains"],
    "user": [
        "password",
        "password__startswith",
        "email",
        "email__contains",
        "token_generation__gt",
        "apikey__digest__startswith",
    ],
    "connection": [
        *(f"{secret}_sealed{suffix}" for secret in SECRETS for suffix in ("", "__startswith")),
        *(
            "creation_date__year",
            "name__regex",
            "uid",
            "headers__contains",
            "version__gt",
            "app__name",
            "integrations__name",
        ),
    ],
    "integration": ["connection__password_sealed__startswith", "connection__name", "name__regex"],
    "connectionlog": ["connection__password_sealed__startswith", "error__contains", "creation_date__year"],
    "logentry": [
        "changes__contains",
        "changes",
        "actor__password__startswith",
        "actor__email",
        "object_repr",
        "object_pk__startswith",
    ],
    "app": ["connections__password_sealed__startswith", "name__regex", "demo"],
    "organization": ["members__password__startswith", "members__email", "name"],
    "item": [
        "organization__members__password__startswith",
        "created_by__email",
        "title__regex",
        "description__contains",
    ],
    "link": ["item__title__startswith", "item__organization__members__email"],
}


@pytest.mark.parametrize(
    ("name", "lookup"), [(name, lookup) for name, lookups in FORBIDDEN.items() for lookup in lookups]
)
def test_what_a_list_does_not_offer_is_no_filter(name, lookup, client):
    answer = client.get(address(name), {lookup: "1"})
    assert (answer.status_code, "not offered here" in answer.content.decode()) == (400, True)


OFFERED = {
    "connection": [
        "state=up",
        "type=REST",
        "type__isnull=True",
        "authentication=x",
        "app__id__exact=1",
        "app__isnull=True",
    ],
    "integration": ["active__exact=1"],
    "connectionlog": ["status=1"],
    "logentry": ["action__exact=1", "content_type__id__exact=1", "object_pk=1"],
    "user": ["type__exact=user", "groups__id__exact=1", "is_active__exact=1"],
    "apikey": ["revoked_at__isempty=1"],
    "applicationtoken": ["revoked_at__isempty=0"],
    "item": ["archived__exact=1", "organization__id__exact=1"],
}


@pytest.mark.parametrize(
    ("name", "query"), [(name, query) for name, queries in OFFERED.items() for query in queries]
)
def test_what_a_list_offers_is_a_filter(name, query, client):
    assert client.get(f"{address(name)}?{query}").status_code == 200


@pytest.mark.parametrize("name", LISTS)
def test_every_link_of_a_list_leads_to_a_list(name, client):
    """Filters, sorts and pages, as the list itself links them."""
    page = client.get(address(name))
    changelist = page.context["cl"]
    choices = [
        choice["query_string"]
        for spec in changelist.filter_specs
        for choice in spec.choices(changelist)
        if "query_string" in choice
    ]
    sorts = [f"?o={number}" for number in range(len(changelist.list_display))]
    assert [
        each for each in (*choices, *sorts, "?p=2") if client.get(f"{address(name)}{each}").status_code != 200
    ] == []
