"""The audit: who changed what, when and from where, field by field."""

import json
from datetime import timedelta
from typing import Any

import pytest
from auditlog.models import LogEntry
from django.core.management import call_command
from django.utils import timezone

from accounts.models import ApiKey, ApplicationToken, User
from accounts.roles import Role
from accounts.tokens import RefreshToken
from connections.models import App, Connection, Integration
from connections.secrets.holder import SECRETS
from tests.canaries import CANARIES, found
from tests.conftest import make_user
from tests.pages import (
    CONNECTIONS,
    browser,
    change,
    filled,
    make_connection,
    make_superuser,
    manager_browser,
    page_of,
)

AUDIT = "/admin/auditlog/logentry/"


@pytest.fixture
def client(db):
    """A manager's browser, with an empty audit."""
    signed_in = manager_browser(REMOTE_ADDR="192.0.2.7")
    LogEntry.objects.all().delete()
    return signed_in


def entries(**filters: Any) -> list[LogEntry]:
    return list(LogEntry.objects.filter(**filters).order_by("pk"))


def changes_of(model: type, action: int = LogEntry.Action.UPDATE) -> dict[str, list[str]]:
    [entry] = entries(content_type__model=model.__name__.lower(), action=action)
    changes: dict[str, list[str]] = entry.changes
    return changes


def make_unaudited(**fields: Any) -> Connection:
    record = make_connection(**fields)
    LogEntry.objects.all().delete()
    return record


def test_who_when_from_where_and_what(client):
    record = make_unaudited()
    start = timezone.now()
    change(client, record, name="renamed", username="someone")
    [entry] = entries()
    assert (entry.actor.username, entry.remote_addr, entry.action) == (
        "boss",
        "192.0.2.7",
        LogEntry.Action.UPDATE,
    )
    assert (entry.object_id, entry.object_repr, entry.content_type.model) == (
        record.pk,
        "renamed",
        "connection",
    )
    assert entry.changes == {"name": ["ERP", "renamed"], "username": ["", "someone"]}
    assert start <= entry.timestamp <= start + timedelta(minutes=1)


def test_an_entry_leads_to_the_log_lines_of_its_request(client):
    record = make_unaudited()
    answer = client.post(
        page_of(record),
        filled(client.get(page_of(record)), name="renamed"),
        headers={"X-Request-ID": "job-7"},
    )
    assert answer["X-Request-ID"] == "job-7"
    assert entries()[0].cid == "job-7"


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-For": "203.0.113.9"},
        {"X-Forwarded-For": "203.0.113.9, 192.0.2.7"},
        {"X-Forwarded-For": "no address"},
        {"X-Forwarded-For": "x" * 5000},
        {"X-Forwarded-For": "[::1]:80"},
        {"X-Real-IP": "203.0.113.9", "Forwarded": "for=203.0.113.9", "X-Client-IP": "203.0.113.9"},
        {"X-Forwarded-Port": "443"},
        {"X-Forwarded-Port": "-1"},
        {"X-Forwarded-Port": "99999999999999999999"},
    ],
)
def test_headers_of_the_client_do_not_change_its_address(headers, client):
    record = make_unaudited()
    answer = client.post(
        page_of(record), filled(client.get(page_of(record)), name="renamed"), headers=headers
    )
    assert answer.status_code == 302
    [entry] = entries()
    assert (entry.remote_addr, entry.remote_port) == ("192.0.2.7", None)


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_recorded_as_changed(secret, client):
    column, text = f"{secret}_sealed", CANARIES[secret]
    record = make_unaudited()
    steps = [
        ({f"new_{secret}": text}, ["", "changed"]),
        ({f"new_{secret}": f"{text}2"}, ["changed", "changed"]),
    ]
    for sent, recorded in [*steps, ({f"clear_{secret}": "on"}, ["changed", ""])]:
        LogEntry.objects.all().delete()
        assert change(client, record, **sent).status_code == 302
        [entry] = entries()
        assert entry.changes[column] == recorded
        assert set(entry.changes) <= {column, f"{secret}_exists"}
        assert found(json.dumps(entry.changes)) == []
        assert "v1." not in json.dumps(entry.changes)


def test_an_expected_secret_that_is_cleared_is_recorded(client):
    record = make_connection()
    record.expect_secret("token")
    record.save()
    LogEntry.objects.all().delete()
    change(client, record, clear_token="on")
    assert changes_of(Connection) == {"token_exists": ["True", "False"]}


def test_a_new_connection_is_recorded_without_its_secrets(client):
    data = filled(
        client.get(f"{CONNECTIONS}add/"),
        name="new",
        type="REST",
        **{f"new_{secret}": CANARIES[secret] for secret in SECRETS},
    )
    assert client.post(f"{CONNECTIONS}add/", data).status_code == 302
    recorded = changes_of(Connection, LogEntry.Action.CREATE)
    assert recorded["name"] == ["None", "new"]
    assert [recorded[f"{secret}_sealed"][1] for secret in SECRETS] == ["changed"] * 4
    assert found(json.dumps(recorded)) == []


def test_a_deleted_connection_is_recorded_without_its_secrets(client):
    record = make_unaudited(**CANARIES)
    client.post(f"{CONNECTIONS}{record.pk}/delete/", {"post": "yes"})
    [entry] = entries()
    assert (entry.action, entry.object_repr, entry.actor.username) == (LogEntry.Action.DELETE, "ERP", "boss")
    assert found(json.dumps(entry.changes)) == []
    assert "v1." not in json.dumps(entry.changes)


def test_a_save_without_a_change_is_no_change(client):
    record = make_unaudited(password="hunter2")
    assert change(client, record).status_code == 302
    assert entries() == []


def test_a_refused_save_is_no_change(client):
    record = make_unaudited(password="hunter2")
    assert change(client, record, url="https://evil.example.com").status_code == 200
    assert entries() == []


def test_the_result_of_a_check_is_no_change(db):
    record = make_unaudited()
    record.status, record.last_check, record.latest_connection = 1, timezone.now(), timezone.now()
    record.save()
    assert entries() == []


def test_apps_and_integrations_are_recorded(client):
    record = make_unaudited()
    client.post("/admin/connections/app/add/", {"name": "WMS"})
    app = App.objects.get()
    client.post(f"/admin/connections/app/{app.pk}/change/", {"name": "ERP"})
    client.post(
        "/admin/connections/integration/add/", {"name": "Orders", "connection": record.pk, "active": "on"}
    )
    integration = Integration.objects.get()
    client.post(
        f"/admin/connections/integration/{integration.pk}/change/",
        {"name": "Orders", "connection": record.pk},
    )
    client.post(f"/admin/connections/integration/{integration.pk}/delete/", {"post": "yes"})
    assert changes_of(App) == {"name": ["WMS", "ERP"]}
    assert changes_of(Integration) == {"active": ["True", "False"]}
    assert [entry.action for entry in entries(content_type__model="integration")] == [0, 1, 2]
    assert {entry.actor.username for entry in entries()} == {"boss"}


def test_users_and_roles_are_recorded(client):
    user = make_user("colleague", Role.READER)
    LogEntry.objects.all().delete()
    path = f"/admin/accounts/user/{user.pk}/"
    client.post(
        f"{path}change/",
        filled(client.get(f"{path}change/"), role=str(int(Role.MANAGER)), email="a@b.example"),
    )
    fields = {name: values for entry in entries() for name, values in entry.changes.items()}
    assert fields["email"] == ["", "a@b.example"]
    assert [
        (entry.changes["groups"]["operation"], entry.changes["groups"]["objects"])
        for entry in entries()
        if "groups" in entry.changes
    ] == [
        ("delete", ["Reader"]),
        ("add", ["Manager"]),
    ]
    assert {entry.actor.username for entry in entries()} == {"boss"}


def test_a_role_that_stays_is_no_change(client):
    user = make_user("colleague", Role.READER, is_staff=True)
    LogEntry.objects.all().delete()
    path = f"/admin/accounts/user/{user.pk}/change/"
    assert client.post(path, filled(client.get(path), first_name="Ada")).status_code == 302
    assert changes_of(User) == {"first_name": ["", "Ada"]}


def test_a_new_password_is_recorded_as_changed(client):
    user = make_user("colleague", Role.READER)
    LogEntry.objects.all().delete()
    sent = {"password1": CANARIES["password"], "password2": CANARIES["password"], "usable_password": "true"}
    assert client.post(f"/admin/accounts/user/{user.pk}/password/", sent).status_code == 302
    assert changes_of(User) == {"password": ["changed", "changed"]}


@pytest.mark.parametrize("model", [ApiKey, ApplicationToken])
def test_credentials_are_recorded(model, client):
    machine = make_user("machine", Role.READER, type=User.Type.APPLICATION)
    LogEntry.objects.all().delete()
    path = f"/admin/accounts/{model.__name__.lower()}/"
    client.post(f"{path}add/", filled(client.get(f"{path}add/"), user=machine.pk, note="ERP"))
    client.post(path, {"action": "revoke_selected", "_selected_action": model.objects.get().pk})
    made, revoked = entries(content_type__model=model.__name__.lower())
    assert (made.action, made.changes["note"], made.actor.username) == (
        LogEntry.Action.CREATE,
        ["None", "ERP"],
        "boss",
    )
    assert (revoked.action, list(revoked.changes), revoked.remote_addr) == (
        LogEntry.Action.UPDATE,
        ["revoked_at"],
        "192.0.2.7",
    )
    if model is ApiKey:
        assert model.objects.get().digest not in json.dumps([made.changes, revoked.changes])


def test_the_use_of_a_credential_is_no_change(bearer, reader):
    key = bearer(reader)
    LogEntry.objects.all().delete()
    key.get("/api/connections")
    assert ApiKey.objects.get().last_used_at is not None
    assert entries() == []


def test_a_token_that_was_asked_for_over_the_api_is_recorded(application, bearer):
    client = bearer(str(RefreshToken.for_user(application)))
    LogEntry.objects.all().delete()
    issued = client.post("/api/users/application-token", REMOTE_ADDR="192.0.2.8").json()
    [entry] = entries()
    assert (entry.actor, entry.remote_addr, entry.content_type.model) == (
        application,
        "192.0.2.8",
        "applicationtoken",
    )
    assert issued["applicationToken"] not in json.dumps(entry.changes)


def test_a_login_is_no_change(db, client):
    user = make_user("colleague", Role.READER, is_staff=True)
    LogEntry.objects.all().delete()
    browser(None).post("/admin/login/", {"username": "colleague", "password": "correct horse battery"})
    user.refresh_from_db()
    assert user.last_login is not None
    assert entries() == []


def record_of(id: int, **fields: Any) -> dict[str, Any]:
    return {
        "id": id,
        "name": f"C{id}",
        "type": "REST",
        "url": "https://erp.example.com",
        "creationDate": "2026-05-07T13:30:00",
        **fields,
    }


@pytest.fixture
def load(tmp_path, db):
    def run(*records: dict[str, Any]) -> None:
        file = tmp_path / "connections.json"
        file.write_text(json.dumps(records), "utf-8")
        call_command("import_connections", str(file), "--on-existing", "overwrite", verbosity=0)

    return run


def test_an_import_is_recorded(load):
    load(record_of(1, appId=3, password=CANARIES["password"]), record_of(2))
    made = entries(action=LogEntry.Action.CREATE)
    assert [(entry.content_type.model, entry.object_id) for entry in made] == [
        ("app", 3),
        ("connection", 1),
        ("connection", 2),
    ]
    LogEntry.objects.all().delete()
    load(record_of(1, appId=3, name="renamed", password=CANARIES["password"] + "2"), record_of(2))
    [entry] = entries()
    assert (entry.object_id, entry.actor, entry.additional_data) == (1, None, {"source": "import"})
    assert entry.changes == {"name": ["C1", "renamed"], "password_sealed": ["changed", "changed"]}


def test_a_refused_import_is_not_recorded(load):
    with pytest.raises(Exception, match="type"):
        load(record_of(1), {"id": 2, "name": "without a type"})
    assert entries() == []


# Which entries a user sees

ADDRESS = "ann.secret@example.com"


@pytest.fixture
def user_changes(db):
    """Audit entries of a user with an e-mail address, made by a user whose name is an e-mail address."""
    boss = browser(make_superuser_named("boss@plant.example"))
    ann = make_user("ann.login@example.com", Role.READER, email=ADDRESS)
    page = f"/admin/accounts/user/{ann.pk}/change/"
    assert (
        boss.post(page, filled(boss.get(page), email=f"new.{ADDRESS}", first_name="Ann-Kathrin")).status_code
        == 302
    )
    assert boss.post("/admin/connections/app/add/", {"name": "WMS"}).status_code == 302
    return entries(content_type__model="user")


def make_superuser_named(name):
    return make_user(name, is_staff=True, is_superuser=True)


SEARCHES = (
    "",
    "?q=ann.secret",
    "?q=ann.login",
    "?q=example.com",
    "?q=Kathrin",
    "?q=boss%40plant",
    "?q=plant.example",
    "?action__exact=1",
)


@pytest.mark.parametrize("role", [Role.READER, Role.OPERATOR])
def test_without_permission_for_users_no_address_of_one_is_shown(role, user_changes):
    theirs = browser(make_user("reader", role, is_staff=True))
    pages = [f"{AUDIT}{search}" for search in SEARCHES]
    pages += [f"{AUDIT}{entry.pk}/change/" for entry in LogEntry.objects.all()]
    pages += [f"/admin/accounts/user/{entry.object_id}/history/" for entry in user_changes]
    texts = {page: theirs.get(page, follow=True).content.decode() for page in pages}
    for part in ("ann.secret", "ann.login", "Kathrin", "@example.com", "plant.example"):
        assert [
            page for page, text in texts.items() if part in text.replace(page.partition("?q=")[2] or "\0", "")
        ] == []
    assert "boss@…" in texts[AUDIT]
    assert "WMS" in texts[AUDIT]


@pytest.mark.parametrize("search", ["boss%40plant", "plant.example", "ann.secret", "ann.login", "Kathrin"])
def test_without_permission_for_users_a_search_for_their_addresses_finds_nothing(search, user_changes):
    theirs = browser(make_user("reader", Role.READER, is_staff=True))
    assert list(theirs.get(f"{AUDIT}?q={search}").context["cl"].result_list) == []


def test_with_permission_for_users_their_changes_are_shown(user_changes):
    boss = browser(make_user("manager", Role.MANAGER, is_staff=True))
    text = boss.get(AUDIT).content.decode()
    assert "ann.login@example.com" in text
    assert "boss@plant.example" in text
    changed = next(entry for entry in user_changes if entry.changes.get("email", [""])[0] == ADDRESS)
    assert ADDRESS in boss.get(f"{AUDIT}{changed.pk}/change/").content.decode()
    assert {entry.object_repr for entry in boss.get(f"{AUDIT}?q=boss%40plant").context["cl"].result_list} >= {
        "WMS"
    }


# The audit is read-only


def test_the_audit_can_be_read(client):
    change(client, make_unaudited(), name="renamed")
    [entry] = entries()
    for text in (
        client.get(AUDIT).content.decode(),
        client.get(f"{AUDIT}{entry.pk}/change/").content.decode(),
    ):
        for shown in ("boss", "192.0.2.7", "renamed"):
            assert shown in text
    assert "ERP" in client.get(f"{AUDIT}{entry.pk}/change/").content.decode()


@pytest.mark.parametrize("who", ["reader", "operator", "manager", "superuser"])
def test_nobody_edits_or_deletes_the_audit(who, client):
    change(client, make_unaudited(), name="renamed")
    user = make_superuser() if who == "superuser" else make_user(who, Role[who.upper()], is_staff=True)
    theirs = browser(user)
    before = list(LogEntry.objects.order_by("pk").values())
    pk = before[0]["id"]
    forged = {"object_repr": "forged", "changes": "{}", "actor": "", "action": "0", "_save": "Save"}
    assert theirs.post(f"{AUDIT}{pk}/change/", forged).status_code == 403
    assert theirs.post(f"{AUDIT}{pk}/delete/", {"post": "yes"}).status_code == 403
    assert theirs.post(f"{AUDIT}add/", forged).status_code == 403
    theirs.post(AUDIT, {"action": "delete_selected", "_selected_action": pk, "post": "yes"})
    theirs.post(
        AUDIT, {"action": "delete_selected", "_selected_action": pk, "select_across": "1", "post": "yes"}
    )
    assert list(LogEntry.objects.order_by("pk").values()) == before
    page = theirs.get(f"{AUDIT}{pk}/change/").content.decode()
    assert "delete_selected" not in theirs.get(AUDIT).content.decode()
    assert 'name="changes"' not in page


def test_entries_outlive_their_record(client):
    record = make_unaudited()
    change(client, record, name="renamed")
    client.post(f"{CONNECTIONS}{record.pk}/delete/", {"post": "yes"})
    assert [entry.object_repr for entry in entries()] == ["renamed", "renamed"]
    assert client.get(AUDIT).status_code == 200
    assert client.get(f"{AUDIT}{entries()[0].pk}/change/").status_code == 200


def test_a_user_who_made_a_change_cannot_be_deleted(client):
    change(client, make_unaudited(), name="renamed")
    root, boss = browser(make_superuser()), User.objects.get(username="boss")
    assert root.post(f"/admin/accounts/user/{boss.pk}/delete/", {"post": "yes"}).status_code == 403
    root.post(
        "/admin/accounts/user/", {"action": "delete_selected", "_selected_action": boss.pk, "post": "yes"}
    )
    assert entries()[0].actor == boss


def test_the_history_of_a_record_is_its_part_of_the_audit(client):
    first, second = make_connection(name="first"), make_connection(name="second")
    LogEntry.objects.all().delete()
    change(client, first, username="one")
    change(client, second, username="two")
    page = client.get(f"{CONNECTIONS}{first.pk}/history/", follow=True)
    assert [entry.object_id for entry in page.context["cl"].result_list] == [first.pk]
