"""Who may call what: every route of the API, every method, every role."""

from typing import NamedTuple

import pytest
from django.urls import get_resolver
from django.urls.resolvers import URLResolver
from rest_framework.test import APIClient

from tests.core.api import make

METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")
# From the least to the most. All but the first have an API key; a superuser can have none.
CALLERS = ("anyone", "stranger", "reader", "operator", "manager")
READ = ("GET", "HEAD", "OPTIONS")


class Route(NamedTuple):
    """A path, the least caller for each method that is offered, and for those that are not."""

    path: str
    offered: dict[str, str]
    least: str


def open_to(least: str, path: str, *methods: str) -> Route:
    return Route(path, dict.fromkeys(methods, least), least)


# No API key opens these: they take a refresh token.
REFRESH = "nobody with an API key"

# By the pattern that each route is declared with. A new route, or a new method of one, needs its line here.
ROUTES = {
    "connections/?$": open_to("reader", "/api/connections", *READ),
    "connections/(?P<pk>[0-9]+)/?$": open_to("reader", "/api/connections/1", *READ),
    # Work items: whoever is a member, whatever the role.
    "connections/(?P<owner>[0-9]*[^0-9/][^/]*)/(?P<id>[^/]+)/?$": open_to(
        "stranger", "/api/connections/bug/1", "POST", "OPTIONS"
    ),
    "connections/(?P<owner>[0-9]*[^0-9/][^/]*)/(?P<info>[^/]+)/(?P<id>[^/]+)/?$": open_to(
        "stranger", "/api/connections/bug/item/1", *READ
    ),
    "users/login/?$": open_to("anyone", "/api/users/login", "POST", "OPTIONS"),
    "users/refresh/?$": open_to(REFRESH, "/api/users/refresh", "GET", "POST"),
    "users/application-token/?$": open_to(REFRESH, "/api/users/application-token", "POST"),
    "token/?$": open_to("anyone", "/api/token", "POST", "OPTIONS"),
    "token/refresh/?$": open_to("anyone", "/api/token/refresh", "POST", "OPTIONS"),
    "token/verify/?$": open_to("anyone", "/api/token/verify", "POST", "OPTIONS"),
    "$": open_to("anyone", "/api/", *READ),
    "schema/?$": open_to("anyone", "/api/schema", *READ),
    r"schema\.(?P<format>json|yaml)$": open_to("anyone", "/api/schema.json", *READ),
    "docs/?$": open_to("anyone", "/api/docs", *READ),
    # Any other path: 404, by every method.
    "": open_to("anyone", "/api/nothing/here", *METHODS),
}


def routes_of(patterns, prefix=""):
    """Yield the pattern of each route below `patterns`."""
    for each in patterns:
        pattern = prefix + str(each.pattern).removeprefix("^")
        if isinstance(each, URLResolver):
            yield from routes_of(each.url_patterns, pattern)
        else:
            yield pattern


def test_every_route_is_in_the_table():
    found = [route for route in routes_of(get_resolver().url_patterns) if route.startswith("api/")]
    assert sorted(route.removeprefix("api/") for route in found) == sorted(ROUTES)


def expected(route: Route, method: str, caller: str) -> str:
    """Return what a caller hears: 401, 403, 405, or an answer of the view itself."""
    least = route.offered.get(method, route.least)
    if least == REFRESH or caller == "anyone" != least:
        return "401"
    if CALLERS.index(caller) < CALLERS.index(least):
        return "403"
    return "an answer" if method in route.offered else "405"


def heard(response) -> str:
    return str(response.status_code) if response.status_code in (401, 403, 405) else "an answer"


@pytest.fixture
def callers(bearer, stranger, reader, operator, manager):
    users = {"stranger": stranger, "reader": reader, "operator": operator, "manager": manager}
    return {"anyone": APIClient()} | {name: bearer(user) for name, user in users.items()}


@pytest.mark.parametrize("route", ROUTES.values(), ids=lambda route: route.path)
def test_each_method_is_for_its_role(route, callers):
    make("one")
    calls = [(method, caller) for method in METHODS for caller in CALLERS]
    found = {call: heard(callers[call[1]].generic(call[0], route.path)) for call in calls}
    assert found == {(method, caller): expected(route, method, caller) for method, caller in calls}
