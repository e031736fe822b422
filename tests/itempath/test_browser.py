"""The work of operators in the admin, with a real browser and a server with example data."""

import http.client
import json
import os
import re
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect, sync_playwright

from tests.conftest import Server as RunningServer
from tests.conftest import running_server

pytestmark = [pytest.mark.live, pytest.mark.any_database]

REQUIRED = os.environ.get("CI_SERVERS") == "1"
BROWSERS = ("/usr/bin/chromium", "chromium", "chromium-browser", "google-chrome")
ARGUMENTS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync"
)

DESK, TABLET = (1440, 900), (820, 1180)
PAGES = [
    "connections/connection/",
    "connections/connection/?q=nothing-has-this-name",
    "connections/connection/?state=down",
    "connections/connection/add/",
    "connections/connection/1/change/",
    "connections/connection/1/delete/",
    "connections/app/",
    "connections/app/add/",
    "connections/app/1/change/",
    "connections/app/1/delete/",
    "connections/integration/",
    "connections/integration/add/",
    "connections/integration/1/change/",
    "logs/connectionlog/",
    "logs/connectionlog/?status=0",
    "workitems/bug/",
    "workitems/bug/6/change/",
    "workitems/link/",
    "workitems/link/add/",
    "workitems/organization/17/change/",
    "accounts/user/",
    "accounts/user/add/",
    "accounts/user/1/change/",
    "accounts/user/1/password/",
    "accounts/apikey/",
    "accounts/apikey/add/",
    "accounts/apikey/1/change/",
    "accounts/applicationtoken/",
    "accounts/applicationtoken/add/",
    "auditlog/logentry/",
    "auditlog/logentry/1/change/",
    "password_change/",
]

# Fields that are shown only in some cases, and the cases.
COMING_AND_GOING = [
    *("username", "database_name", "test_endpoint", "headers", "api_key_header", "token_url", "scope"),
    *("new_password", "new_token", "new_private_key", "new_private_headers"),
]
HTTP_FIELDS = {"test_endpoint", "headers", "new_private_headers"}
SHOWN = [
    ("MSSQL", "No Authentication", {"database_name"}),
    ("MSSQL", "Basic Authentication", {"database_name", "username", "new_password"}),
    ("PLC", "No Authentication", set()),
    ("SFTP", "Private Key", {"username", "new_password", "new_private_key"}),
    ("REST", "No Authentication", HTTP_FIELDS),
    ("REST", "Basic Authentication", HTTP_FIELDS | {"username", "new_password"}),
    ("REST", "Digest Authentication", HTTP_FIELDS | {"username", "new_password"}),
    ("REST", "Bearer Token", HTTP_FIELDS | {"new_token"}),
    ("REST", "API Key", HTTP_FIELDS | {"api_key_header", "new_token"}),
    ("REST", "HMAC Authentication", HTTP_FIELDS | {"username", "new_token"}),
    ("GraphQL", "OAuth2 Client Credentials", HTTP_FIELDS | {"username", "new_token", "token_url", "scope"}),
]


@pytest.fixture(scope="module")
def chromium():
    """The browser. It is closed with the module: Django refuses queries while its event loop runs."""
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        (pytest.fail if REQUIRED else pytest.skip)("no Chromium is installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS.split())
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def registry(new_database, tmp_path_factory) -> Iterator[RunningServer]:
    """A server with data that these tests may change."""
    with running_server(new_database(), tmp_path_factory.mktemp("browser")) as running:
        yield running


@pytest.fixture
def open_page(chromium, registry):
    """Return a function that opens pages. The test fails if one does what no page may do."""
    problems: list[str] = []
    contexts = []

    def make(size=DESK, scheme="light"):
        context = chromium.new_context(
            viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, base_url=registry.base
        )
        context.set_default_timeout(15_000)
        watch(context, registry.base, problems)
        contexts.append(context)
        return context.new_page()

    yield make
    for context in contexts:
        context.close()
    assert problems == []


def watch(context, base, problems):
    """Collect requests to other hosts, errors of scripts and of the console, and server errors."""

    def on_request(request):
        if not request.url.startswith((f"{base}/", "data:", "blob:")):
            problems.append(f"request to {request.url}")

    context.on("request", on_request)
    context.on(
        "requestfailed",
        lambda request: aborted(request) or problems.append(f"{request.url}: {request.failure}"),
    )
    context.on(
        "response",
        lambda response: response.status >= 500 and problems.append(f"{response.status} of {response.url}"),
    )
    context.on(
        "console", lambda message: message.type == "error" and problems.append(f"console: {message.text}")
    )
    context.on("weberror", lambda error: problems.append(f"script: {error.error}"))


def aborted(request) -> bool:
    """Return whether the request ended because the browser left the page."""
    return "ERR_ABORTED" in (request.failure or "")


def log_in(page, registry, password=None):
    page.goto("/admin/")
    page.fill("[name=username]", "admin")
    page.fill("[name=password]", password or registry.admin_password)
    page.click("button[type=submit]")


@pytest.fixture
def page(open_page, registry):
    """A page of desktop size, logged in."""
    page = open_page()
    log_in(page, registry)
    page.wait_for_selector("#result_list")
    return page


def save(page):
    with page.expect_navigation():
        page.click("[name=_save]")


def ask(registry, path, bearer=None):
    """Call the API and return its status and answer."""
    connection = http.client.HTTPConnection(urlsplit(registry.base).netloc, timeout=20)
    connection.request("GET", f"/api/{path}", headers={"Authorization": f"Bearer {bearer or registry.key}"})
    answer = connection.getresponse()
    status, content = answer.status, json.load(answer)
    connection.close()
    return status, content


def add_connection(page, **fields):
    page.goto("/admin/connections/connection/add/")
    for name in ("type", "authentication"):
        page.select_option(f"[name={name}]", fields.pop(name))
    for name, value in fields.items():
        page.fill(f"[name={name}]", value)
    save(page)


def open_connection(page, name):
    page.goto(f"/admin/connections/connection/?q={name}")
    page.click(f"#result_list >> text={name}")
    page.wait_for_selector("#connection_form")


def shown(page, expected):
    """Return the fields that are shown, as soon as they are the expected ones, or after 5 seconds."""
    deadline = time.monotonic() + 5
    while True:
        there = {name for name in COMING_AND_GOING if page.locator(f"[name={name}]").is_visible()}
        if there == expected or time.monotonic() > deadline:
            return there
        page.wait_for_timeout(50)


def test_a_wrong_password_is_refused_and_the_right_one_leads_to_the_connections(open_page, registry):
    page = open_page()
    log_in(page, registry, "wrong")
    expect(page.get_by_text("The user name or the password is wrong")).to_be_visible()
    log_in(page, registry)
    page.wait_for_url("**/admin/connections/connection/")
    assert page.locator("#result_list tbody").count() >= 7


def test_a_login_that_came_from_nowhere_leads_to_the_connections_too(open_page, registry):
    page = open_page()
    page.goto("/admin/login/")
    page.fill("[name=username]", "admin")
    page.fill("[name=password]", registry.admin_password)
    page.click("button[type=submit]")
    page.wait_for_url("**/admin/connections/connection/")


def test_the_form_shows_what_type_and_authentication_need_without_a_reload(page):
    page.goto("/admin/connections/connection/add/")
    page.evaluate("window.stillHere = true")
    for type, authentication, expected in SHOWN:
        page.select_option("[name=type]", type)
        page.select_option("[name=authentication]", authentication)
        assert (type, authentication, shown(page, expected)) == (type, authentication, expected)
    assert page.evaluate("window.stillHere")


def test_the_form_says_which_secret_goes_where(page):
    page.goto("/admin/connections/connection/add/")
    page.select_option("[name=type]", "REST")
    page.select_option("[name=authentication]", "HMAC Authentication")
    expect(page.get_by_text("the token is the secret that signs")).to_be_visible()
    page.select_option("[name=authentication]", "Bearer Token")
    expect(page.get_by_text("The token is sent as the bearer.")).to_be_visible()
    expect(page.get_by_text("the token is the secret that signs")).not_to_be_visible()


def test_an_mssql_connection_moves_only_together_with_its_password(page, registry):
    password = "Gr33n pallet 7"
    place = {"type": "MSSQL", "url": "sql.plant.example.com:1433", "database_name": "stock"}
    add_connection(
        page,
        name="Stock database",
        authentication="Basic Authentication",
        username="wms",
        new_password=password,
        **place,
    )
    open_connection(page, "Stock database")
    expect(page.get_by_text("stored since")).to_be_visible()
    assert page.input_value("[name=new_password]") == ""
    assert password not in page.content()

    page.fill("[name=url]", "sql.elsewhere.example.com:1433")
    save(page)
    refusal = page.get_by_text("This sends stored secrets to another place")
    expect(refusal).to_contain_text("same save: password.")
    assert ask(registry, "connections?name=Stock%20database")[1][0]["url"] == place["url"]

    page.fill("[name=new_password]", password)
    save(page)
    expect(page.get_by_text("was changed successfully")).to_be_visible()
    assert ask(registry, "connections?name=Stock%20database")[1][0]["url"] == "sql.elsewhere.example.com:1433"


def test_a_rest_connection_keeps_its_token_and_private_headers_to_itself(page, registry):
    secrets = {"new_token": "rates-token-81c2", "new_private_headers": "X-Site-Key: plant-81c2"}
    add_connection(
        page,
        name="Parcel rates",
        type="REST",
        authentication="Bearer Token",
        url="https://parcel.example.com/v2",
        **secrets,
    )
    expect(page.get_by_text("was added successfully")).to_be_visible()
    open_connection(page, "Parcel rates")
    expect(page.get_by_text("stored since")).to_have_count(2)
    assert "81c2" not in page.content()
    status, answer = ask(registry, "connections?name=Parcel%20rates")
    assert (status, len(answer)) == (200, 1)
    assert "81c2" not in json.dumps(answer)


def test_a_key_is_shown_once_and_the_api_refuses_it_once_it_is_revoked(page, registry):
    page.goto("/admin/accounts/apikey/add/")
    page.click(".field-user .select2-selection")
    page.click(".select2-results__option >> text=demo-reader")
    page.fill("[name=note]", "label printer")
    save(page)
    key = page.inner_text("#issued")
    assert ask(registry, "connections", key)[0] == 200

    page.click("text=Done, I have copied it")
    page.wait_for_selector("#result_list")
    assert key not in page.content()
    page.click(f"#result_list >> text={key[:8]}")
    page.wait_for_selector("#apikey_form")
    assert page.locator("[name=_save]").count() == 0
    with page.expect_navigation():
        page.get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("is revoked.")).to_be_visible()
    assert ask(registry, "connections", key)[0] == 401

    page.click(f"#result_list >> text={key[:8]}")
    page.wait_for_selector("#apikey_form")
    assert page.get_by_role("button", name="Revoke").count() == 0


def test_a_connection_goes_with_its_log_but_not_while_integrations_use_it(page, registry):
    page.goto("/admin/connections/connection/1/delete/")
    expect(page.get_by_text("Integration: Integration 1")).to_be_visible()
    assert page.locator("[name=post]").count() == 0
    open_connection(page, "Scale readings")
    page.click("text=Delete connection")
    with page.expect_navigation():
        page.click("form:has([name=post]) [type=submit]")
    expect(page.get_by_text("was deleted successfully")).to_be_visible()
    assert ask(registry, "connections?name=Scale%20readings") == (200, [])


def test_a_change_is_on_record_with_who_made_it(page):
    page.goto("/admin/connections/app/1/change/")
    page.fill("[name=name]", "ERP of the plant")
    save(page)
    page.goto("/admin/auditlog/logentry/")
    row = page.locator("#result_list tbody").first
    assert all(
        word in row.inner_text()
        for word in ("admin", "127.0.0.1", "update", "App", "ERP of the plant", "name")
    )
    row.locator("a").first.click()
    page.wait_for_selector("text=Changes")
    expect(page.locator("td >> text='ERP of the plant'")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESK, TABLET], ids=["desk", "tablet"])
def test_every_page_fits_its_screen(size, scheme, open_page, registry):
    page = open_page(size, scheme)
    log_in(page, registry)
    page.wait_for_selector("#result_list")
    for path in PAGES:
        answer = page.goto(f"/admin/{path}")
        assert (path, answer.status) == (path, 200)
        assert (path, page.evaluate("document.documentElement.scrollWidth")) == (path, size[0])


@pytest.fixture
def locked(registry):
    """Return a context in which another process writes to the registry's database."""
    url = registry.environment["DATABASE_URL"]
    if not url.startswith("sqlite"):
        pytest.skip("SQLite has one writer")

    @contextmanager
    def lock():
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as writer:
            writer.execute("BEGIN IMMEDIATE")
            yield

    return lock


def test_what_was_typed_outlives_a_locked_database(chromium, registry, locked):
    """A reload sends the form again, secrets included; going back shows what was typed."""
    page = chromium.new_context(base_url=registry.base).new_page()
    log_in(page, registry)
    open_connection(page, "PowerPick")
    with locked():
        page.fill("[name=username]", "typed")
        save(page)
        expect(page.get_by_role("heading")).to_have_text("The database is busy or away.")
        page.go_back()
        assert page.input_value("[name=username]") == "typed"
        save(page)
        expect(page.get_by_role("heading")).to_have_text("The database is busy or away.")
    page.reload()
    page.wait_for_url("**/admin/connections/connection/*")
    open_connection(page, "PowerPick")
    assert page.input_value("[name=username]") == "typed"
    page.context.close()


def test_filters_menus_and_the_theme_run_under_the_policy(page):
    """`page` fails on a violation of its Content-Security-Policy, which the console reports."""
    page.locator("[x-on\\:click='filterOpen = true']").first.click()
    page.locator("#changelist-filter").get_by_text("down", exact=True).click()
    page.wait_for_url("**state=down**")
    page.evaluate('document.querySelector("[x-on\\\\:click=\\"switchTheme(\'dark\')\\"]").click()')
    expect(page.locator("html")).to_have_class(re.compile("dark"))
    page.goto("/admin/connections/connection/add/")
    page.click(".select2-selection >> nth=0")
    page.wait_for_selector(".select2-results__option")


def test_the_description_of_the_api_runs_under_the_policy(open_page):
    page = open_page()
    page.goto("/api/docs/")
    page.locator(".opblock-summary").first.wait_for()
    page.locator("#operations-api-connections_list, .opblock-get").first.locator("button").first.click()
    page.get_by_role("button", name="Try it out").first.click()
    expect(page.get_by_role("button", name="Execute").first).to_be_visible()


INJECTED = """() => new Promise(done => {
    document.addEventListener('securitypolicyviolation', event => done(event.effectiveDirective))
    const script = document.createElement('script')
    script.textContent = 'window.ran = true'
    document.head.append(script)
    setTimeout(() => done(window.ran ? 'ran' : 'nothing'), 5000)
})"""


@pytest.mark.parametrize("path", ["/admin/login/", "/api/docs/", "/admin/nothing/"])
def test_nothing_that_is_written_into_a_page_becomes_a_script(path, chromium, registry):
    context = chromium.new_context(base_url=registry.base)  # not watched: a violation does not fail the test
    page = context.new_page()
    page.goto(path)
    assert page.evaluate(INJECTED) == "script-src-elem"
    context.close()
