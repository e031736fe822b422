import unicodedata
from datetime import UTC, datetime, timedelta
from io import StringIO

import jwt
import pytest
import time_machine
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command
from rest_framework.test import APIClient

from accounts.models import ApiKey, ApplicationToken, User
from accounts.roles import ROLES, Role
from tests.conftest import make_user

START = datetime(2026, 5, 7, 13, 30, tzinfo=UTC)


def issue(*words: str) -> str:
    """Run the command; return what it printed on standard output."""
    out, errors = StringIO(), StringIO()
    call_command("issue_token", *words, stdout=out, stderr=errors)
    assert errors.getvalue() == ""
    return out.getvalue()


def status_of(credential: str) -> int:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {credential}")
    return client.get("/api/connections").status_code


@pytest.mark.parametrize(("options", "model"), [((), ApplicationToken), (("--api-key",), ApiKey)])
@pytest.mark.parametrize("role", ROLES)
def test_it_works(role, options, model, db):
    printed = issue("erp", "--role", role.name.lower(), *options)
    credential = printed.removesuffix("\n")
    assert printed == f"{credential}\n"
    assert credential.split() == [credential]
    user = User.objects.get()
    assert (user.username, user.type, user.role, user.has_usable_password()) == (
        "erp",
        "application",
        role,
        False,
    )
    assert (user.is_staff, user.is_superuser) == (False, False)
    stored = model.objects.get()
    assert (stored.user, stored.note, stored.expires_at, stored.last_used_at) == (user, "", None, None)
    assert status_of(credential) == 200
    assert ApiKey.objects.count() + ApplicationToken.objects.count() == 1


def test_the_kinds_of_credential(db):
    assert len(issue("erp", "--role", "reader", "--api-key").strip()) == 64
    token = jwt.decode(issue("erp", "--role", "reader").strip(), options={"verify_signature": False})
    assert "exp" not in token
    assert token["jti"] == ApplicationToken.objects.get().jti


@pytest.mark.parametrize("options", [(), ("--api-key",)])
def test_every_call_issues_another_one(options, db):
    credentials = {issue("erp", "--role", "reader", *options).strip() for _ in range(3)}
    assert len(credentials) == 3
    assert [status_of(credential) for credential in credentials] == [200, 200, 200]
    assert User.objects.count() == 1


@pytest.mark.parametrize(
    ("note", "stored"), [("the ERP's nightly job", "the ERP's nightly job"), ("n" * 300, "n" * 200)]
)
def test_note(note, stored, db):
    issue("erp", "--role", "reader", "--note", note)
    assert ApplicationToken.objects.get().note == stored


@pytest.mark.parametrize(("options", "model"), [((), ApplicationToken), (("--api-key",), ApiKey)])
@pytest.mark.parametrize(("days", "lifetime"), [("30", timedelta(days=30)), ("0.5", timedelta(hours=12))])
def test_expiry(days, lifetime, options, model, db):
    with time_machine.travel(START, tick=False) as clock:
        credential = issue("erp", "--role", "reader", "--expires-in", days, *options).strip()
        assert model.objects.get().expires_at == START + lifetime
        clock.move_to(START + lifetime - timedelta(seconds=1))
        assert status_of(credential) == 200
        clock.move_to(START + lifetime)
        assert status_of(credential) == 401


def test_the_role_is_replaced(db):
    for role in (*ROLES, *reversed(ROLES)):
        issue("erp", "--role", role.name.lower())
        assert [group.name for group in User.objects.get().groups.all()] == [role.group_name]


def test_other_groups_stay(db):
    user = make_user("erp", Role.MANAGER, type=User.Type.APPLICATION)
    user.groups.add(Group.objects.create(name="Site 7"))
    issue("erp", "--role", "reader")
    assert {group.name for group in user.groups.all()} == {"Reader", "Site 7"}


def test_a_key_for_a_person(reader):
    assert status_of(issue("reader", "--role", "operator", "--api-key").strip()) == 200
    assert User.objects.get().type == User.Type.USER


@pytest.mark.parametrize(
    ("fields", "options", "reason"),
    [
        ({"is_superuser": True}, ("--api-key",), "superuser"),
        ({"is_superuser": True, "type": "application"}, (), "superuser"),
        ({"is_active": False}, ("--api-key",), "inactive"),
        ({"is_active": False, "type": "application"}, (), "inactive"),
        ({"type": "user"}, (), "--api-key"),
    ],
)
def test_refused_users(fields, options, reason, db):
    user = make_user("someone", Role.READER, **fields)
    with pytest.raises(CommandError, match=reason):
        issue("someone", "--role", "manager", *options)
    assert not ApiKey.objects.exists()
    assert not ApplicationToken.objects.exists()
    assert [group.name for group in user.groups.all()] == ["Reader"]


@pytest.mark.parametrize(
    "name", ["", " ", "two words", "semi;colon", "line\nbreak", "n" * 151, "half a pair \udcff"]
)
def test_refused_names(name, db):
    with pytest.raises(CommandError):
        issue(name, "--role", "reader")
    assert not User.objects.exists()


def test_a_name_finds_its_user_in_any_form(db):
    for form in ("NFC", "NFD"):
        issue(unicodedata.normalize(form, "jürgen"), "--role", "reader")
    assert User.objects.get().username == unicodedata.normalize("NFC", "jürgen")


@pytest.mark.parametrize("name", ["erp", "erp.example.com", "a@b", "Größe-7", "n" * 150])
def test_accepted_names(name, db):
    assert status_of(issue(name, "--role", "reader").strip()) == 200


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("erp",),
        ("--role", "reader"),
        ("erp", "--role", "admin"),
        ("erp", "--role", "none"),
        ("erp", "--role", "reader", "--expires-in", "0"),
        ("erp", "--role", "reader", "--expires-in=-1"),
        ("erp", "--role", "reader", "--expires-in", "soon"),
        ("erp", "--role", "reader", "--expires-in", "nan"),
        ("erp", "--role", "reader", "--expires-in", "inf"),
        ("erp", "--role", "reader", "--expires-in", "1e300"),
        ("erp", "--role", "reader", "--expires-in", "36500"),
    ],
)
def test_refused_options(words, db):
    with pytest.raises(CommandError):
        issue(*words)
    assert not User.objects.exists()
