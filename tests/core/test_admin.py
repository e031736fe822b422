"""Every page of the admin, with odd and forbidden values in its address or form: none fails with a 500."""

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
from core.admin import MAX_SEARCH_WORDS, MAX_TERMS
from logs.models import ConnectionLog
from tests.conftest import make_user
from tests.pages import CONNECTIONS, browser, make_connection, make_superuser
from workitems.models import Backlog, Bug, Initiative, Item, Link, Organization

LISTS: dict[str, Any] = {
    str(model._meta.model_name): model_admin for model, model_admin in admin.site._registry.items()
}
HUGE_NUMBERS = ["9223372036854775808", "-9223372036854775809", "9" * 30, "9" * 5000]
ODD_VALUES = [*HUGE_NUMBERS, "x", "-1", "²", "((", "'", "\\", "%", "\0", "a\0b", "🚚", "", "1.5", "nan"]


@pytest.fixture
def client(db) -> Client:
    """A superuser's browser, with a record of each model in the database."""
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
    """Yield queries with each parameter that the list reads, and odd values or many of them."""
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
        yield from (f"{lookup}={quote(value)}" for value in ODD_VALUES)
        yield "&".join([f"{lookup}=1"] * 900)
    yield from (
        f"q={quote(' '.join(['a'] * number))}" for number in (MAX_SEARCH_WORDS, MAX_SEARCH_WORDS + 1, 1100)
    )
    yield from (f"o={quote('.'.join(['1'] * number))}" for number in (MAX_TERMS, MAX_TERMS + 1, 5000))


def is_handled(answer: Any) -> bool:
    """Return whether the answer is a page, a redirect, or a refusal with a message of the registry."""
    if answer.status_code == 414:
        return bool(answer.content == b"The query is too long.")
    if answer.status_code == 400:
        return "<h1" in answer.content.decode() and "To the connections" in answer.content.decode()
    return answer.status_code in (200, 302, 403, 404)


@pytest.mark.parametrize("name", LISTS)
def test_a_list_handles_any_query(name, client):
    assert [query for query in queries(name) if not is_handled(client.get(f"{address(name)}?{query}"))] == []


@pytest.mark.parametrize("name", LISTS)
def test_a_page_handles_any_id(name, client):
    pages = [
        f"{address(name)}{quote(odd)}/{page}/"
        for odd in ODD_VALUES
        if odd
        for page in ("change", "delete", "history", "password")
    ]
    assert [page for page in pages if not is_handled(client.get(page))] == []


@pytest.mark.parametrize("name", LISTS)
def test_a_form_handles_any_initial_value(name, client):
    fields = [field.name for field in LISTS[name].model._meta.get_fields()]
    pages = [
        f"{address(name, 'add')}?" + "&".join(f"{field}={quote(odd)}" for field in fields)
        for odd in ODD_VALUES
    ]
    assert [page for page in pages if not is_handled(client.get(page))] == []


@pytest.mark.parametrize("name", LISTS)
def test_a_form_handles_any_sent_value(name, client):
    fields = [field.name for field in LISTS[name].model._meta.get_fields()]
    row = LISTS[name].model._default_manager.first()
    for page in (address(name, "add"), address(name, "change", row.pk)):
        for odd in ODD_VALUES:
            answer = client.post(page, dict.fromkeys(fields, odd))
            assert is_handled(answer), (page, odd)


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("action", ["delete_selected", "revoke_selected", "nothing"])
def test_an_action_handles_any_selection(name, action, client):
    for odd in ODD_VALUES:
        data = {"action": action, "_selected_action": odd}
        for sent in (data, {**data, "index": odd, "select_across": odd}):
            assert is_handled(client.post(address(name), sent)), (odd, sent)


@pytest.mark.parametrize("page", ["change", "delete"])
@pytest.mark.parametrize("name", LISTS)
def test_a_page_handles_any_parameter(name, page, client):
    path = address(name, page, LISTS[name].model._default_manager.first().pk)
    names = ("log_before", "links_after", "_popup", "_to_field", "_changelist_filters")
    asked = [f"{path}?{each}={quote(odd)}" for each in names for odd in ODD_VALUES]
    assert [each for each in asked if not is_handled(client.get(each))] == []


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
def test_an_autocomplete_handles_any_search(choice, client):
    base = "/admin/autocomplete/?" + "&".join(
        f"{name}={quote(value)}"
        for name, value in zip(("app_label", "model_name", "field_name"), choice, strict=True)
    )
    asked = [
        f"{base}&{name}={quote(odd)}"
        for name in ("term", "page")
        for odd in [*ODD_VALUES, " ".join(["a"] * 1100)]
    ]
    assert [each for each in asked if not is_handled(client.get(each))] == []


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
def test_other_pages_handle_any_value(page, client):
    assert [odd for odd in ODD_VALUES if not is_handled(client.get(page.format(quote(odd))))] == []


# Messages


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
def test_a_refusal_says_what_is_wrong(query, sentence, client):
    answer = client.get(f"{CONNECTIONS}?{query}")
    assert (answer.status_code, sentence in answer.content.decode()) == (400, True)


@pytest.mark.parametrize("query", ["p=999999999999", "app__id__exact=x", "app__id__exact=1.5"])
def test_a_filter_that_cannot_be_used_leads_to_the_whole_list(query, client):
    answer = client.get(f"{CONNECTIONS}?{query}", follow=True)
    assert answer.redirect_chain == [(f"{CONNECTIONS}?e=1", 302)]
    assert "This filter cannot be used: the list shows everything." in answer.content.decode()
    assert len(answer.context["cl"].result_list) == 1


# Lookups that a list accepts

FORBIDDEN_LOOKUPS = {
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
    ("name", "lookup"), [(name, lookup) for name, lookups in FORBIDDEN_LOOKUPS.items() for lookup in lookups]
)
def test_a_list_refuses_lookups_that_it_does_not_offer(name, lookup, client):
    answer = client.get(address(name), {lookup: "1"})
    assert (answer.status_code, "not offered here" in answer.content.decode()) == (400, True)


OFFERED_QUERIES = {
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
    ("name", "query"), [(name, query) for name, queries in OFFERED_QUERIES.items() for query in queries]
)
def test_a_list_accepts_the_filters_that_it_offers(name, query, client):
    assert client.get(f"{address(name)}?{query}").status_code == 200


@pytest.mark.parametrize("name", LISTS)
def test_every_link_of_a_list_works(name, client):
    """The links to filters, sorts and pages that the list itself has."""
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
