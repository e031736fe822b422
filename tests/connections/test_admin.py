import re
from datetime import UTC, datetime
from html import unescape
from typing import Any

import pytest
from auditlog.models import LogEntry
from django.contrib.auth.models import Group, Permission
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import ApiKey, ApplicationToken, User
from accounts.roles import Role
from connections.choices import Authentication, ConnectionType, authentications_of
from connections.forms import ConnectionForm
from connections.models import App, Connection, Integration
from connections.secrets.holder import SECRETS
from core.audit import log_created
from logs.models import ConnectionLog
from tests.canaries import CANARIES, found, whole_answer, whole_database
from tests.conftest import make_user
from tests.pages import (
    CONNECTIONS,
    browser,
    change,
    errors_of,
    filled,
    make_connection,
    make_superuser,
    manager_browser,
    page_of,
    reread,
)

POSTGRESQL = connection.vendor == "postgresql"
APPS, INTEGRATIONS, LOG = (
    "/admin/connections/app/",
    "/admin/connections/integration/",
    "/admin/logs/connectionlog/",
)
USERS, KEYS, TOKENS = "/admin/accounts/user/", "/admin/accounts/apikey/", "/admin/accounts/applicationtoken/"
RECORD = "/admin/auditlog/logentry/"

# Who opens what

CAST = (
    "anyone",
    "staff without a role",
    "reader who is no staff",
    "reader",
    "operator",
    "manager",
    "superuser",
)
ROLES = {"reader": Role.READER, "operator": Role.OPERATOR, "manager": Role.MANAGER}


def member(name: str) -> User | None:
    if name == "anyone":
        return None
    if name == "superuser":
        return make_superuser()
    return make_user("member", ROLES.get(name.split()[0], Role.NONE), is_staff="no staff" not in name)


@pytest.fixture
def rows(db) -> dict[str, int]:
    """One row of everything, by the name that stands for its id in a path."""
    app = App.objects.create(name="WMS")
    record = make_connection(app=app, password="hunter2")
    free = make_connection(name="unused")
    integration = Integration.objects.create(name="Orders", connection=record)
    log = ConnectionLog.objects.create(connection=record, status=1, description="done")
    Connection.objects.filter(pk=record.pk).update(latest_log=log)
    person, machine = (
        make_user("colleague", Role.READER, is_staff=True),
        make_user("machine", type=User.Type.APPLICATION),
    )
    ApiKey.issue(person)
    ApplicationToken.issue(machine)
    log_created(Connection, [record.pk], source="test")
    last = {model.__name__: model._default_manager.latest("pk").pk for model in (ApiKey, ApplicationToken)}
    named = {
        "app": app,
        "connection": record,
        "unused": free,
        "integration": integration,
        "log": log,
        "user": person,
        "machine": machine,
    }
    ids = {name: row.pk for name, row in named.items()} | {
        "key": last["ApiKey"],
        "token": last["ApplicationToken"],
    }
    return ids | {"entry": LogEntry.objects.latest("pk").pk, "spare": App.objects.create(name="Spare").pk}


SEES = (302, 403, 302, 200, 200, 200, 200)
CHANGES = (302, 403, 302, 403, 403, 200, 200)
NEVER = (302, 403, 302, 403, 403, 403, 403)

PAGES = {
    CONNECTIONS: SEES,
    f"{CONNECTIONS}?q=erp": SEES,
    f"{CONNECTIONS}add/": CHANGES,
    f"{CONNECTIONS}{{connection}}/change/": SEES,
    f"{CONNECTIONS}{{unused}}/delete/": CHANGES,
    APPS: SEES,
    f"{APPS}add/": CHANGES,
    f"{APPS}{{app}}/change/": SEES,
    f"{APPS}{{spare}}/delete/": CHANGES,
    INTEGRATIONS: SEES,
    f"{INTEGRATIONS}add/": CHANGES,
    f"{INTEGRATIONS}{{integration}}/change/": SEES,
    f"{INTEGRATIONS}{{integration}}/delete/": CHANGES,
    LOG: SEES,
    f"{LOG}{{log}}/change/": SEES,
    f"{LOG}add/": NEVER,
    f"{LOG}{{log}}/delete/": NEVER,
    USERS: CHANGES,
    f"{USERS}add/": CHANGES,
    f"{USERS}{{user}}/change/": CHANGES,
    f"{USERS}{{user}}/password/": CHANGES,
    f"{USERS}{{user}}/delete/": NEVER,  # has credentials, which stay on record
    KEYS: CHANGES,
    f"{KEYS}add/": CHANGES,
    f"{KEYS}{{key}}/change/": CHANGES,
    f"{KEYS}{{key}}/delete/": NEVER,
    TOKENS: CHANGES,
    f"{TOKENS}add/": CHANGES,
    f"{TOKENS}{{token}}/change/": CHANGES,
    f"{TOKENS}{{token}}/delete/": NEVER,
    RECORD: SEES,
    f"{RECORD}{{entry}}/change/": SEES,
    f"{RECORD}add/": NEVER,
    f"{RECORD}{{entry}}/delete/": NEVER,
    "/admin/autocomplete/?app_label=connections&model_name=integration&field_name=connection": SEES,
    "/admin/autocomplete/?app_label=accounts&model_name=apikey&field_name=user": CHANGES,
    "/admin/auth/group/": (302, 404, 302, 404, 404, 404, 404),
    "/admin/accounts/loginwindow/": (302, 404, 302, 404, 404, 404, 404),
    "/admin/connections/keyproof/": (302, 404, 302, 404, 404, 404, 404),
}


@pytest.mark.parametrize("name", CAST)
def test_who_opens_what(name, rows):
    client = browser(member(name))
    answers = {path: client.get(path.format(**rows)).status_code for path in PAGES}
    assert answers == {path: statuses[CAST.index(name)] for path, statuses in PAGES.items()}


# Who changes what

MODELS: tuple[Any, ...] = (
    App,
    Connection,
    Integration,
    ConnectionLog,
    User,
    ApiKey,
    ApplicationToken,
    LogEntry,
)
NEW_PASSWORD = {
    "password1": "a long enough phrase",
    "password2": "a long enough phrase",
    "usable_password": "true",
}
# Each is sent as the superuser's own page would send it: (path, changes to its form), or (path, data) if the
# path has no form.
FORMS = {
    "add a connection": (f"{CONNECTIONS}add/", {"name": "new", "type": "REST", "url": "https://new"}),
    "change a connection": (f"{CONNECTIONS}{{connection}}/change/", {"name": "renamed"}),
    "clear a secret": (f"{CONNECTIONS}{{connection}}/change/", {"clear_password": "on"}),
    "enter a secret": (f"{CONNECTIONS}{{connection}}/change/", {"new_token": "hunter3"}),
    "add an app": (f"{APPS}add/", {"name": "new"}),
    "change an app": (f"{APPS}{{app}}/change/", {"name": "renamed"}),
    "add an integration": (f"{INTEGRATIONS}add/", {"name": "new", "connection": "{connection}"}),
    "change an integration": (f"{INTEGRATIONS}{{integration}}/change/", {"name": "renamed"}),
    "add a user": (f"{USERS}add/", {"username": "new", "role": "1", **NEW_PASSWORD}),
    "change a user": (f"{USERS}{{user}}/change/", {"role": "3"}),
    "add a key": (f"{KEYS}add/", {"user": "{user}"}),
    "add a token": (f"{TOKENS}add/", {"user": "{machine}"}),
}
ACTIONS = {
    "set a password": (f"{USERS}{{user}}/password/", NEW_PASSWORD),
    "delete a connection": (f"{CONNECTIONS}{{unused}}/delete/", {"post": "yes"}),
    "delete an app": (f"{APPS}{{spare}}/delete/", {"post": "yes"}),
    "delete an integration": (f"{INTEGRATIONS}{{integration}}/delete/", {"post": "yes"}),
    "delete connections": (
        CONNECTIONS,
        {"action": "delete_selected", "_selected_action": "{unused}", "post": "yes"},
    ),
    "revoke keys": (KEYS, {"action": "revoke_selected", "_selected_action": "{key}"}),
    "revoke tokens": (TOKENS, {"action": "revoke_selected", "_selected_action": "{token}"}),
}
FORBIDDEN = {
    "delete a user": (f"{USERS}{{user}}/delete/", {"post": "yes"}),
    "delete a key": (f"{KEYS}{{key}}/delete/", {"post": "yes"}),
    "delete keys": (KEYS, {"action": "delete_selected", "_selected_action": "{key}", "post": "yes"}),
    "change a log entry": (f"{LOG}{{log}}/change/", {"description": "forged", "status": "0"}),
    "add a log entry": (f"{LOG}add/", {"description": "forged", "status": "0", "connection": "{connection}"}),
    "delete a log entry": (f"{LOG}{{log}}/delete/", {"post": "yes"}),
    "delete log entries": (LOG, {"action": "delete_selected", "_selected_action": "{log}", "post": "yes"}),
    "change the record": (
        f"{RECORD}{{entry}}/change/",
        {"object_repr": "forged", "changes": "{{}}", "actor": ""},
    ),
    "add to the record": (f"{RECORD}add/", {"object_repr": "forged", "object_pk": "1", "action": "1"}),
    "delete from the record": (f"{RECORD}{{entry}}/delete/", {"post": "yes"}),
    "delete the record": (
        RECORD,
        {"action": "delete_selected", "_selected_action": "{entry}", "select_across": "1", "post": "yes"},
    ),
}
ALL = {**FORMS, **ACTIONS, **FORBIDDEN}


def everything() -> list[Any]:
    return [list(model._default_manager.order_by("pk").values()) for model in MODELS]


def sent(client: Client, name: str, rows: dict[str, int]) -> tuple[str, dict[str, Any]]:
    path, changes = ALL[name]
    path, data = path.format(**rows), {field: value.format(**rows) for field, value in changes.items()}
    return path, filled(client.get(path), **data) if name in FORMS else data


@pytest.fixture
def requests(rows) -> dict[str, tuple[str, dict[str, Any]]]:
    """What each change would send, read from the superuser's own pages, which are gone again."""
    with transaction.atomic():
        client = browser(make_superuser())
        found = {name: sent(client, name, rows) for name in ALL}
        transaction.set_rollback(True)
    return found


@pytest.mark.parametrize("name", CAST)
def test_who_changes_what(name, requests):
    user, changed = member(name), {}
    for what, (path, data) in requests.items():
        with transaction.atomic():
            client, before = browser(user), everything()
            answer = client.post(path, data)
            changed[what] = everything() != before
            transaction.set_rollback(True)
        # A new credential is shown at once; a list without the action in its menu just shows itself again.
        assert answer.status_code in (
            (302, 200) if changed[what] else (200, 302, 403) if "action" in data else (302, 403)
        ), what
    allowed = name in ("manager", "superuser")
    assert changed == {what: allowed and what not in FORBIDDEN for what in ALL}


def test_only_a_signed_in_form_counts(rows):
    """Without its CSRF token a form changes nothing."""
    client = manager_browser(enforce_csrf_checks=True)
    before = everything()
    assert client.post(f"{APPS}add/", {"name": "forged"}).status_code == 403
    assert everything() == before


def test_everything_that_happened_is_shown_with_get_only(rows):
    """Opening every page changes nothing."""
    client = browser(member("superuser"))
    before = everything()
    for path in PAGES:
        client.get(path.format(**rows))
    assert everything() == before


# Secrets in forms

LABELS = {
    "password": "Password",
    "token": "Token",
    "private_key": "Private key",
    "private_headers": "Private headers",
}
REFUSED = {
    "no name": {"name": ""},
    "bad type": {"type": "Telepathy"},
    "bad timeout": {"timeout": "1000"},
    "bad extra headers": {"headers": "no header"},
    "bad private headers": {"new_private_headers": CANARIES["private_headers"] + "\n" + CANARIES["token"]},
    "too long": {"new_token": CANARIES["token"] * 2000},
    "a NUL": {"new_token": f"{CANARIES['token']}\0"},
    "placeholder": {"new_token": "***"},
    "bad pair": {"type": "PLC", "authentication": "Bearer Token"},
}


def stored_of(secret: str) -> str:
    """Return a canary that differs from what the form enters."""
    if secret == "token":
        return f"stored {CANARIES[secret]}"  # a token has no line ends
    return f"{'X-Stored: 1' if secret == 'private_headers' else 'stored'}\n{CANARIES[secret]}"


@pytest.mark.parametrize("page", ["add", "change"])
@pytest.mark.parametrize("why", REFUSED)
def test_a_refused_form_shows_no_secret(why, page, db):
    client = manager_browser()
    path = page_of(make_connection(**{secret: stored_of(secret) for secret in SECRETS}))
    path = path if page == "change" else f"{CONNECTIONS}add/"
    entered = {f"new_{secret}": text for secret, text in CANARIES.items()}
    answer = client.post(
        path, filled(client.get(path), **{"name": "new", "type": "REST", **entered, **REFUSED[why]})
    )
    assert answer.status_code == 200
    assert errors_of(answer)
    assert found(whole_answer(answer)) == []
    assert found(unescape(whole_answer(answer))) == []


def test_a_page_never_shows_a_secret(db):
    record = make_connection(**CANARIES)
    for user in (make_superuser(), make_user("reader", Role.READER, is_staff=True)):
        answer = browser(user).get(page_of(record))
        text = whole_answer(answer)
        assert found(text) == []
        assert not any(getattr(record, f"{secret}_sealed") in text for secret in SECRETS)
        assert not re.search(r"\*{3}|•{3}", unescape(text))


@pytest.mark.parametrize("secret", SECRETS)
def test_what_is_known_is_said(secret, db):
    record, client = make_connection(), manager_browser()
    texts = [client.get(page_of(record)).content.decode()]
    record.expect_secret(secret)
    record.save()
    texts.append(client.get(page_of(record)).content.decode())
    record.set_secret(secret, "X-Key: hunter2")
    setattr(record, f"{secret}_stored_at", datetime(2026, 5, 7, 13, 30, tzinfo=UTC))
    record.save()
    texts.append(client.get(page_of(record)).content.decode())
    said = [re.findall(r"Now: (.*?)\. Blank keeps it\.", text)[SECRETS.index(secret)] for text in texts]
    assert said == ["none", "expected, not entered", "stored since 2026-05-07 13:30 UTC"]
    assert [f'name="clear_{secret}"' in text for text in texts] == [False, True, True]


def test_readers_read_the_states_too(db):
    record = make_connection(password="hunter2")
    record.expect_secret("token")
    record.save()
    text = browser(make_user("reader", Role.READER, is_staff=True)).get(page_of(record)).content.decode()
    assert "password: stored since" in text
    assert "token: expected, not entered" in text
    assert "private key: none" in text
    assert "new_password" not in re.findall(r'name="(\w+)"', text)


@pytest.mark.parametrize("secret", SECRETS)
def test_blank_keeps_replace_replaces_clear_clears(secret, db):
    client, record = manager_browser(), make_connection(**{secret: "X-Key: hunter2"})
    before = getattr(record, f"{secret}_sealed")
    assert change(client, record, name="renamed").status_code == 302
    assert (reread(record).name, getattr(reread(record), f"{secret}_sealed")) == ("renamed", before)
    assert change(client, record, **{f"new_{secret}": "X-Key: hunter3"}).status_code == 302
    assert reread(record).reveal(secret).strip() == "X-Key: hunter3"
    both = change(client, record, **{f"new_{secret}": "X-Key: hunter4", f"clear_{secret}": "on"})
    assert "not both" in errors_of(both)
    assert reread(record).reveal(secret).strip() == "X-Key: hunter3"
    assert change(client, record, **{f"clear_{secret}": "on"}).status_code == 302
    assert reread(record).describe_secret(secret) == "none"


@pytest.mark.parametrize(
    ("secret", "text"), list(zip(SECRETS, ["***", "********", "••••••••", "*"], strict=True))
)
def test_a_placeholder_is_refused(secret, text, db):
    client, record = manager_browser(), make_connection(**{secret: "X-Key: hunter2"})
    answer = change(
        client, record, **{f"new_{secret}": f"X-Key: {text}" if secret == "private_headers" else text}
    )
    assert "This is a placeholder, not a secret." in errors_of(answer)
    assert reread(record).reveal(secret).strip() == "X-Key: hunter2"


def test_an_expected_secret_is_entered(db):
    client, record = manager_browser(), make_connection()
    record.expect_secret("password")
    record.save()
    assert change(client, record, new_password="hunter2").status_code == 302
    assert reread(record).reveal("password") == "hunter2"


def test_a_password_keeps_its_blanks(db):
    client, record = manager_browser(), make_connection()
    change(client, record, new_password="  hunter2  ")
    assert reread(record).reveal("password") == "  hunter2  "


@pytest.mark.parametrize(
    "move",
    [
        {"url": "https://evil.example.com/api"},
        {"verify_certificate": None},
        {"test_endpoint": "https://evil.example.com"},
    ],
)
def test_a_move_asks_for_every_secret(move, db):
    client, record = manager_browser(), make_connection(password="hunter2", token="hunter2")
    for partly in ({}, {"new_password": "hunter3"}, {"clear_token": "on"}):
        refusal = errors_of(change(client, record, **move, **partly))
        left = ["password, token", "token", "password"][len(partly) and ("clear_token" in partly) + 1]
        assert f"Enter or clear each of them in the same save: {left}." in refusal
    assert reread(record).reveal("password") == "hunter2"
    assert change(client, record, **move, new_password="hunter3", clear_token="on").status_code == 302
    moved = reread(record)
    assert (moved.reveal("password"), moved.describe_secret("token")) == ("hunter3", "none")


def test_a_password_in_the_address_is_refused(db):
    client, record = manager_browser(), make_connection()
    answer = change(client, record, url="https://me:hunter2@erp.example.com")
    assert "User name and password have fields of their own" in errors_of(answer)
    assert reread(record).url == "https://erp.example.com/api"


# Names and types


@pytest.mark.parametrize(
    ("app", "name", "refused"),
    [
        *(("WMS", "ERP", True), ("WMS", "erp", True), ("WMS", " ERP ", True), ("WMS", "ERP 2", False)),
        *(
            ("other", "ERP", False),
            (None, "ERP", False),
            (None, "FREE", True),
            ("WMS", "free", False),
            ("WMS", "STRASSE", True),
        ),
    ],
)
def test_names_are_checked_within_the_app(app, name, refused, db):
    apps = {each: App.objects.create(name=each) for each in ("WMS", "other")}
    make_connection(app=apps["WMS"])
    make_connection(app=apps["WMS"], name="Straße")
    make_connection(name="free")
    client, record = manager_browser(), make_connection(app=apps["other"], name="mine")
    answer = change(client, record, name=name, app=apps[app].pk if app else "")
    assert ("Another connection of this app has this name." in errors_of(answer)) is refused
    assert (reread(record).name == "mine") is refused


def test_a_name_may_change_its_own_case(db):
    client, record = manager_browser(), make_connection()
    assert change(client, record, name="erp").status_code == 302
    assert reread(record).name == "erp"


@pytest.mark.parametrize(
    ("type", "authentication"),
    [("SAP RFC", "Kerberos"), ("SAP RFC", ""), ("rest", "No Authentication"), ("PLC", "API Key")],
)
def test_what_was_imported_stays_as_it_is(type, authentication, db):
    client, record = manager_browser(), make_connection(type=type, authentication=authentication)
    assert change(client, record, name="renamed").status_code == 302
    kept = reread(record)
    assert (kept.name, kept.type, kept.authentication) == ("renamed", type, authentication)


def test_what_is_not_in_the_menu_is_not_taken(db):
    client, record = manager_browser(), make_connection()
    assert "type" in errors_of(change(client, record, type="SAP RFC"))
    assert "authentication" in errors_of(change(client, record, authentication="Kerberos"))
    assert "SAP RFC" not in client.get(f"{CONNECTIONS}add/").content.decode()


def test_the_pairs_that_are_offered_are_the_pairs_that_are_taken(db):
    record = make_connection(type="SAP RFC", authentication="Kerberos")
    data = filled(manager_browser().get(page_of(record)))
    for type in ConnectionType.values:
        forms = {
            each: ConnectionForm({**data, "type": type, "authentication": each}, instance=reread(record))
            for each in Authentication
        }
        assert {each for each, form in forms.items() if form.is_valid()} == set(authentications_of(type))


def test_headers_come_back_as_they_went_in(db):
    client, record = manager_browser(), make_connection()
    change(client, record, headers="X-Site: 7\r\nX-Empty:\r\n")
    assert reread(record).headers == [{"name": "X-Site", "value": "7"}, {"name": "X-Empty", "value": ""}]
    change(client, record, name="renamed")
    assert reread(record).headers == [{"name": "X-Site", "value": "7"}, {"name": "X-Empty", "value": ""}]


# The list


def add_rows(count: int) -> None:
    """Add `count` rows of everything that a list of the admin shows, each with rows of its own around it."""
    start = Connection.objects.count()
    for number in range(start, start + count):
        record = make_connection(name=f"C{number}", app=App.objects.create(name=f"App {number}"))
        log = ConnectionLog.objects.create(
            connection=record, status=number % 2, description=f"check {number}"
        )
        Connection.objects.filter(pk=record.pk).update(latest_log=log)
        Integration.objects.create(name=f"I{number}", connection=record)
        user = User.objects.create(username=f"user {number}", type=User.Type.APPLICATION)
        user.set_role(Role.READER)
        ApiKey.issue(user)
        ApplicationToken.issue(user)


LISTS = [
    CONNECTIONS,
    f"{CONNECTIONS}?q=c",
    f"{CONNECTIONS}?state=down&type=REST",
    APPS,
    INTEGRATIONS,
    LOG,
    USERS,
    KEYS,
    TOKENS,
    RECORD,
]


def count_queries(client, path: str) -> list[str]:
    with CaptureQueriesContext(connection) as captured:
        assert client.get(path).status_code == 200
    return [query["sql"] for query in captured.captured_queries]


def test_lists_ask_no_more_for_more_rows(db):
    client = browser(make_superuser())
    add_rows(10)
    for path in LISTS:
        client.get(path)  # what kinds of records there are is asked once in each process
    few = {path: len(count_queries(client, path)) for path in LISTS}
    add_rows(190)
    many = {path: len(count_queries(client, path)) for path in LISTS}
    assert many == few
    # Session, user and savepoints; the rows; one for each filter's choices.
    assert max(many.values()) <= 14


def test_big_lists_are_not_counted(db):
    client = browser(make_superuser())
    add_rows(60)
    for path in (CONNECTIONS, f"{CONNECTIONS}?q=c", f"{CONNECTIONS}?p=2", LOG, f"{LOG}?p=2", RECORD):
        assert [sql for sql in count_queries(client, path) if "COUNT(" in sql] == []


def test_the_change_page_asks_no_more_for_a_longer_log(db):
    client, record = manager_browser(), make_connection()
    few = len(count_queries(client, page_of(record)))
    ConnectionLog.objects.bulk_create(
        ConnectionLog(connection=record, status=1, description=f"check {n}") for n in range(500)
    )
    assert len(count_queries(client, page_of(record))) == few


def test_the_list_shows_what_an_operator_asks_for(rows):
    record = Connection.objects.get(pk=rows["connection"])
    Connection.objects.filter(pk=record.pk).update(last_check=timezone.now(), status=1)
    text = (
        browser(make_user("reader", Role.READER, is_staff=True)).get(f"{CONNECTIONS}?q=ERP").content.decode()
    )
    for shown in ("ERP", "REST", "WMS", "https://erp.example.com/api", "done", "up"):
        assert shown in text


@pytest.mark.parametrize(
    ("search", "names"), [("erp", {"ERP", "unused"}), ("unus", {"unused"}), ("nothing here", set())]
)
def test_search(search, names, rows):
    answer = manager_browser().get(CONNECTIONS, {"q": search})
    assert {record.name for record in answer.context["cl"].result_list} == names


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        *(
            ({"state": "up"}, {"up"}),
            ({"state": "unchecked"}, {"plc"}),
            ({"type": "PLC"}, {"plc"}),
            ({"authentication": "API Key"}, {"up"}),
        ),
        ({"app__id__exact": "{app}"}, {"plc"}),
    ],
)
def test_filters(filters, names, db):
    app = App.objects.create(name="WMS")
    make_connection(name="up", status=1, last_check=timezone.now(), authentication="API Key")
    make_connection(name="plc", type="PLC", app=app)
    answer = manager_browser().get(
        CONNECTIONS, {key: value.format(app=app.pk) for key, value in filters.items()}
    )
    assert {record.name for record in answer.context["cl"].result_list} == names


# The log


def test_the_log_is_paged_newest_first(db):
    client, record, other = manager_browser(), make_connection(), make_connection(name="other")
    for number in range(45):
        ConnectionLog.objects.create(connection=record, status=1, description=f"check {number}.")
        ConnectionLog.objects.create(connection=other, status=1, description="not this one")
    shown, path = [], page_of(record)
    for _ in range(3):
        text = client.get(path).content.decode()
        shown.append(re.findall(r"check (\d+)\.", text))
        older = re.search(r'href="(\?log_before=\d+)#log"', text)
        path = page_of(record) + older[1] if older else ""
    assert [int(number) for page in shown for number in page] == list(range(44, -1, -1))
    assert [len(page) for page in shown] == [20, 20, 5]
    assert "not this one" not in text


@pytest.mark.parametrize("before", ["", "x", "-1", "0", "9" * 30, "1e9", "²", "'"])
def test_any_page_of_the_log_opens(before, db):
    record = make_connection()
    ConnectionLog.objects.create(connection=record, status=0, description="<script>", error="<b>no</b>")
    text = manager_browser().get(page_of(record), {"log_before": before})
    assert text.status_code == 200
    assert "<b>no</b>" not in text.content.decode()


@pytest.mark.parametrize("id", ["0", "x", "9" * 30, "-1", "²"])
def test_an_unknown_connection_is_no_failure(id, db):
    assert manager_browser().get(f"{CONNECTIONS}{id}/change/").status_code == 302


def test_a_connection_goes_with_its_log(db):
    client, record = manager_browser(), make_connection()
    logs = ConnectionLog.objects.bulk_create(
        ConnectionLog(connection=record, status=1, description=f"check {n}") for n in range(200)
    )
    Connection.objects.filter(pk=record.pk).update(latest_log=logs[-1])
    asked = client.get(f"{CONNECTIONS}{record.pk}/delete/")
    assert "check 7" not in asked.content.decode()  # not listed entry by entry
    assert client.post(f"{CONNECTIONS}{record.pk}/delete/", {"post": "yes"}).status_code == 302
    assert (Connection.objects.count(), ConnectionLog.objects.count()) == (0, 0)


def test_a_connection_in_use_stays(db):
    client, record = manager_browser(), make_connection()
    Integration.objects.create(name="Orders", connection=record)
    assert "Orders" in client.get(f"{CONNECTIONS}{record.pk}/delete/").content.decode()
    client.post(f"{CONNECTIONS}{record.pk}/delete/", {"post": "yes"})
    assert Connection.objects.count() == 1


# At size

FILL = """
WITH a AS (
    INSERT INTO connections_app (name, demo)
    SELECT 'App ' || n, false FROM generate_series(1, 20) n RETURNING id
),
c AS (
    INSERT INTO connections_connection (
        uid, name, name_key, type, authentication, url, username, test_endpoint, database_name, headers,
        api_key_header, token_url, scope, verify_certificate, status, creation_date, last_check,
        integration_count, version, demo,
        password_sealed, password_exists, token_sealed, token_exists, private_key_sealed, private_key_exists,
        private_headers_sealed, private_headers_exists, app_id
    )
    SELECT gen_random_uuid(), 'C' || n, 'c' || n, 'REST', '', 'https://c', '', '', '', '[]',
        '', '', '', true, n % 2, now(), now(),
        0, n, false, '', false, '', false, '', false, '', false, (SELECT min(id) + n % 20 FROM a)
    FROM generate_series(1, 5000) n RETURNING id
)
INSERT INTO logs_connectionlog (connection_id, creation_date, status, description)
SELECT id, now(), 1, 'check ' || n FROM c, generate_series(1, 10) n;
UPDATE connections_connection c
SET latest_log_id = (SELECT max(id) FROM logs_connectionlog l WHERE l.connection_id = c.id);
SET CONSTRAINTS ALL IMMEDIATE;
ANALYZE connections_connection; ANALYZE connections_app; ANALYZE logs_connectionlog
"""
AT_SIZE = [
    *(
        CONNECTIONS,
        f"{CONNECTIONS}?p=2",
        f"{CONNECTIONS}?p=50",
        f"{CONNECTIONS}?q=C49",
        f"{CONNECTIONS}?state=up&type=REST",
    ),
    *(
        f"{CONNECTIONS}?o=1",
        f"{CONNECTIONS}?o=-6",
        f"{CONNECTIONS}?app__id__exact={{app}}",
        f"{CONNECTIONS}{{connection}}/change/",
    ),
    *(f"{CONNECTIONS}{{connection}}/change/?log_before=100000000", f"{CONNECTIONS}{{connection}}/delete/"),
    *(LOG, f"{LOG}?status=1", f"{LOG}?p=3"),
]


@pytest.mark.skipif(not POSTGRESQL, reason="reads PostgreSQL's plans")
def test_no_page_reads_the_whole_log(db):
    with connection.cursor() as cursor:
        for statement in FILL.split(";"):
            cursor.execute(statement)
    client = browser(make_superuser())
    ids = {"connection": Connection.objects.latest("pk").pk, "app": App.objects.latest("pk").pk}
    for path in AT_SIZE:
        queries = [sql for sql in count_queries(client, path.format(**ids)) if "logs_connectionlog" in sql]
        assert queries or "delete" in path, path
        for sql in queries:
            assert "Seq Scan on logs_connectionlog" not in plan_of(sql), f"{path}\n{sql}\n{plan_of(sql)}"
    sql = "SELECT DISTINCT status FROM logs_connectionlog"
    assert "Seq Scan on logs_connectionlog" in plan_of(sql)  # the table is big enough to tell


def plan_of(sql: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {sql}".replace("%", "%%"))
        return "\n".join(row[0] for row in cursor.fetchall())


# Credentials


@pytest.mark.parametrize(("path", "model"), [(KEYS, ApiKey), (TOKENS, ApplicationToken)])
def test_a_credential_is_shown_once_and_kept_nowhere(path, model, bearer, db):
    client, machine = manager_browser(), make_user("machine", Role.READER, type=User.Type.APPLICATION)
    answer = client.post(f"{path}add/", filled(client.get(f"{path}add/"), user=machine.pk, note="ERP"))
    [issued] = re.findall(r'<pre id="issued"[^>]*>(\S+?)</pre>', answer.content.decode())
    assert bearer(issued).get("/api/connections").status_code == 200
    assert "no-store" in answer["Cache-Control"]
    credential = model.objects.get()
    assert (credential.user, credential.note, credential.state()) == (machine, "ERP", "in use")
    assert issued not in whole_database()
    assert issued not in str(answer.cookies)
    for again in (path, f"{path}{credential.pk}/change/", f"{path}{credential.pk}/history/", RECORD):
        assert issued not in whole_answer(client.get(again, follow=True))


@pytest.mark.parametrize(("path", "model"), [(KEYS, ApiKey), (TOKENS, ApplicationToken)])
def test_a_revoked_credential_opens_nothing(path, model, bearer, db):
    client, machine = manager_browser(), make_user("machine", Role.READER, type=User.Type.APPLICATION)
    issued = model.issue(machine)
    credential = model.objects.get()
    client.post(path, {"action": "revoke_selected", "_selected_action": credential.pk})
    credential.refresh_from_db()
    first = credential.revoked_at
    assert first is not None
    assert bearer(issued).get("/api/connections").status_code == 401
    client.post(path, {"action": "revoke_selected", "_selected_action": credential.pk})
    credential.refresh_from_db()
    assert credential.revoked_at == first


@pytest.mark.parametrize(("path", "model"), [(KEYS, ApiKey), (TOKENS, ApplicationToken)])
def test_an_issued_credential_keeps_its_user(path, model, db):
    client, machine, other = (
        manager_browser(),
        make_user("machine", type=User.Type.APPLICATION),
        make_user("other"),
    )
    model.issue(machine)
    credential = model.objects.get()
    client.post(
        f"{path}{credential.pk}/change/",
        {"user": other.pk, "note": "changed", "revoked_at": "", "expires_at_0": "2099-01-01"},
    )
    after = model.objects.get()
    assert (after.user, after.note, after.expires_at) == (machine, "", None)


def test_the_last_use_is_shown(bearer, db):
    bearer(make_user("machine", Role.READER, type=User.Type.APPLICATION)).get("/api/connections")
    assert ApiKey.objects.get().last_used_at is not None
    assert f"{ApiKey.objects.get().last_used_at:%Y}" in manager_browser().get(KEYS).content.decode()


@pytest.mark.parametrize("path", [KEYS, TOKENS])
@pytest.mark.parametrize("fields", [{"is_superuser": True}, {"is_active": False}])
@pytest.mark.parametrize("by", ["manager", "superuser"])
def test_no_credential_for_whom_it_must_not_stand(by, fields, path, db):
    target = make_user("target", Role.READER, type=User.Type.APPLICATION, **fields)
    client = manager_browser() if by == "manager" else browser(make_superuser())
    answer = client.post(f"{path}add/", filled(client.get(f"{path}add/"), user=target.pk))
    assert "user" in errors_of(answer)
    assert not ApiKey.objects.exists()
    assert not ApplicationToken.objects.exists()


def test_no_application_token_for_a_person(db):
    client, person = manager_browser(), make_user("person", Role.READER)
    answer = client.post(f"{TOKENS}add/", filled(client.get(f"{TOKENS}add/"), user=person.pk))
    assert "user" in errors_of(answer)
    assert not ApplicationToken.objects.exists()


@pytest.mark.parametrize("fields", [{"is_superuser": True}, {"is_active": False}])
def test_what_must_not_be_issued_can_still_be_revoked(fields, db):
    """One that was issued before its user was promoted or left."""
    target = make_user("target", Role.READER)
    ApiKey.issue(target)
    User.objects.filter(pk=target.pk).update(**fields)
    client = manager_browser()
    assert client.get(f"{KEYS}{ApiKey.objects.get().pk}/change/").status_code == 200
    client.post(KEYS, {"action": "revoke_selected", "_selected_action": ApiKey.objects.get().pk})
    assert ApiKey.objects.get().state() == "revoked"


# A Manager stays a Manager

POWER = {
    "is_superuser": "on",
    "is_staff": "on",
    "groups": "1",
    "user_permissions": "1",
    "password": "pbkdf2_sha256$1$x$x",
    "token_generation": "99",
}


def powers(user: User) -> tuple[bool, bool]:
    return user.is_superuser, user.user_permissions.exists()


def test_a_manager_makes_no_superuser(db):
    client = manager_browser()
    every = {
        "groups": list(Group.objects.values_list("pk", flat=True)),
        "user_permissions": list(Permission.objects.values_list("pk", flat=True)),
    }
    data = filled(client.get(f"{USERS}add/"), username="new", role="1", **NEW_PASSWORD)
    assert client.post(f"{USERS}add/", {**data, **POWER, **every}).status_code == 302
    made = User.objects.get(username="new")
    assert (powers(made), made.role) == ((False, False), Role.READER)


@pytest.mark.parametrize("target", ["colleague", "boss"])
def test_a_manager_promotes_nobody_to_superuser(target, db):
    client, _ = manager_browser(), make_user("colleague", Role.READER, is_staff=True)
    user = User.objects.get(username=target)
    path = f"{USERS}{user.pk}/change/"
    assert "is_superuser" not in client.get(path).context["adminform"].form.fields
    assert client.post(path, {**filled(client.get(path)), **POWER}).status_code == 302
    after = User.objects.get(pk=user.pk)
    assert (powers(after), after.password, after.token_generation) == (
        powers(user),
        user.password,
        user.token_generation,
    )


@pytest.mark.parametrize("page", ["change", "password", "delete"])
def test_a_manager_does_not_touch_a_superuser(page, db):
    client, root = manager_browser(), make_superuser()
    before = User.objects.values().get(pk=root.pk)
    data = {"username": "mine", "role": "0", "type": "user", "post": "yes", **NEW_PASSWORD, **POWER}
    assert client.post(f"{USERS}{root.pk}/{page}/", data).status_code == 403
    client.post(USERS, {"action": "delete_selected", "_selected_action": root.pk, "post": "yes"})
    assert User.objects.values().get(pk=root.pk) == before
    assert client.get(f"{USERS}{root.pk}/password/").status_code == 403


@pytest.mark.parametrize("field", ["password", "user__password"])
@pytest.mark.parametrize("path", [USERS, KEYS, TOKENS])
def test_no_list_tells_password_hashes(path, field, db):
    client = manager_browser()
    if (path == USERS) == (field == "password"):
        assert client.get(path, {f"{field}__startswith": "md5"}).status_code == 400


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("path", [CONNECTIONS, INTEGRATIONS, LOG])
def test_no_list_is_filtered_by_ciphertexts(path, secret, db):
    prefix = "" if path == CONNECTIONS else "connection__"
    assert manager_browser().get(path, {f"{prefix}{secret}_sealed__startswith": "v1"}).status_code == 400


def test_a_superuser_makes_superusers(db):
    client, user = browser(make_superuser()), make_user("colleague", Role.READER)
    path = f"{USERS}{user.pk}/change/"
    assert client.post(path, filled(client.get(path), is_superuser="on")).status_code == 302
    assert User.objects.get(pk=user.pk).is_superuser


@pytest.mark.parametrize(
    ("type", "role", "enters"),
    [("user", "1", True), ("user", "3", True), ("user", "0", False), ("application", "3", False)],
)
def test_the_role_opens_the_admin_to_people(type, role, enters, db):
    client = manager_browser()
    assert (
        client.post(
            f"{USERS}add/",
            filled(client.get(f"{USERS}add/"), username="new", type=type, role=role, **NEW_PASSWORD),
        ).status_code
        == 302
    )
    user = User.objects.get(username="new")
    assert (user.role, user.type) == (Role(int(role)), type)
    assert (browser(user).get(CONNECTIONS).status_code == 200) is enters


def test_a_lowered_role_takes_effect_at_once(db):
    client, user = manager_browser(), make_user("colleague", Role.MANAGER, is_staff=True)
    theirs, path = browser(user), f"{USERS}{user.pk}/change/"
    assert theirs.get(USERS).status_code == 200
    assert client.post(path, filled(client.get(path), role="1")).status_code == 302
    assert (theirs.get(USERS).status_code, theirs.get(CONNECTIONS).status_code) == (403, 200)
    assert client.post(path, filled(client.get(path), role="0")).status_code == 302
    assert theirs.get(CONNECTIONS).status_code == 302
