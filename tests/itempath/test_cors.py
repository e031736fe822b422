"""Calls of the API by pages of other origins, which browsers refuse unless a setting names the origin."""

import json
import os
import subprocess
import sys

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client

from itempath.environment import read_environment
from tests.conftest import ROOT

pytestmark = pytest.mark.any_database

APP = "https://app.example.com"
PREFLIGHT = {
    "Origin": APP,
    "Access-Control-Request-Method": "GET",
    "Access-Control-Request-Headers": "authorization,if-none-match,prefer",
}
CORS = "corsheaders.middleware.CorsMiddleware"


@pytest.fixture
def opened(settings):
    """The settings that follow from a value of `CORS_ORIGINS`."""
    settings.CORS_ALLOWED_ORIGINS = [APP]
    settings.MIDDLEWARE = [*settings.MIDDLEWARE[:4], CORS, *settings.MIDDLEWARE[4:]]


def cors_of(response):
    return {name for name in response.headers if name.startswith("Access-Control")}


def test_it_is_off(api):
    for response in (
        api.get("/api/connections", headers={"Origin": APP}),
        Client().options("/api/connections", headers=PREFLIGHT),
    ):
        assert cors_of(response) == set()
        assert "origin" not in response.get("Vary", "").lower()


def test_a_named_origin_may_call(api, opened):
    response = api.get("/api/connections?after=1", headers={"Origin": APP})
    assert response["Access-Control-Allow-Origin"] == APP
    assert "Access-Control-Allow-Credentials" not in response
    exposed = response["Access-Control-Expose-Headers"].split(", ")
    assert {"ETag", "Link", "X-Ignored-Parameters", "X-Ignored-Body", "X-Request-ID", "Retry-After"} <= set(
        exposed
    )
    assert "origin" in response["Vary"]


def test_a_preflight_is_answered_without_a_bearer(db, opened, django_assert_num_queries):
    with django_assert_num_queries(0):
        response = Client().options("/api/connections", headers=PREFLIGHT)
    assert (response.status_code, response["Access-Control-Allow-Origin"]) == (200, APP)
    assert {"authorization", "content-type", "if-none-match", "prefer", "x-request-id"} <= set(
        response["Access-Control-Allow-Headers"].split(", ")
    )
    assert {"GET", "POST"} <= set(response["Access-Control-Allow-Methods"].split(", "))


def test_errors_can_be_read_too(db, opened):
    for path, status in (("/api/connections", 401), ("/api/nothing", 404)):
        response = Client().get(path, headers={"Origin": APP})
        assert (response.status_code, response["Access-Control-Allow-Origin"]) == (status, APP)


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example.com",
        "https://app.example.com.evil.example",
        "http://app.example.com",
        f"{APP}:8443",
        "null",
    ],
)
def test_no_other_origin_may(api, opened, origin):
    assert "Access-Control-Allow-Origin" not in api.get("/api/connections", headers={"Origin": origin})
    assert "Access-Control-Allow-Origin" not in Client().options(
        "/api/connections", headers=PREFLIGHT | {"Origin": origin}
    )


@pytest.mark.parametrize("path", ["/admin/login/", "/admin/", "/healthz", "/"])
def test_nothing_but_the_api_is_open(db, opened, path):
    assert cors_of(Client().get(path, headers={"Origin": APP})) == set()
    assert cors_of(Client().options(path, headers=PREFLIGHT)) == set()


@pytest.mark.parametrize(
    ("written", "origins"),
    [
        ("", []),
        (f"{APP}, http://localhost:3000,", [APP, "http://localhost:3000"]),
        ("HTTPS://App.Example.com:443,http://a:80", [APP, "http://a"]),
        (
            "https://a:80,http://a:443,http://[::1]:5173",
            ["https://a:80", "http://a:443", "http://[::1]:5173"],
        ),
    ],
)
def test_origins_are_read_as_browsers_send_them(written, origins, monkeypatch):
    monkeypatch.setenv("CORS_ORIGINS", written)
    assert read_environment().cors_origins == origins


@pytest.mark.parametrize(
    "written",
    [
        "*",
        "app.example.com",
        f"{APP}/",
        "https://*.example.com",
        "https://me@a",
        "null",
        f"{APP} {APP}",
        "ftp://a",
        "https://a:b",
    ],
)
def test_what_is_no_origin_stops_the_start(written, monkeypatch):
    monkeypatch.setenv("CORS_ORIGINS", written)
    with pytest.raises(ImproperlyConfigured, match=r"\(CORS_ORIGINS: it takes "):
        read_environment()


def test_the_setting_puts_the_middleware_in_place():
    code = (
        "from django.conf import settings; import json; "
        "print(json.dumps([settings.MIDDLEWARE, settings.CORS_ALLOWED_ORIGINS]))"
    )
    for origins, there in (("", False), (APP, True)):
        environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "itempath.settings", "CORS_ORIGINS": origins}
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        middleware, allowed = json.loads(done.stdout)
        assert (CORS in middleware, allowed) == (there, [origins] if there else [])
        assert not there or middleware.index(CORS) == 4
