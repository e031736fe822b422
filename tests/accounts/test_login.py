import json
import re
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.contrib.auth.hashers import MD5PasswordHasher
from rest_framework.test import APIClient

from accounts.jwt import ApplicationJWT
from accounts.models import ApplicationToken, User
from accounts.roles import Role
from accounts.tokens import AccessToken, RefreshToken
from tests.conftest import make_user

LOGIN = "/api/users/login"
PASSWORD = "correct horse battery"
KEYS = [
    *("login", "id", "username", "isAdmin", "accessToken", "refreshToken"),
    *("accessExpiryDate", "refreshExpiryDate", "viewId", "timeZone"),
]


@pytest.fixture
def anyone() -> APIClient:
    return APIClient(raise_request_exception=False)


def log_in(client: APIClient, name: str, password: str = PASSWORD):
    return client.post(LOGIN, {"username": name, "password": password})


def test_it_works(reader, anyone):
    with time_machine.travel(datetime(2026, 5, 7, 13, 30, tzinfo=UTC), tick=False):
        answer = log_in(anyone, "reader")
        body = answer.json()
        assert (answer.status_code, list(body)) == (200, KEYS)
        assert AccessToken(body.pop("accessToken"))["user_id"] == str(reader.pk)
        assert RefreshToken(body.pop("refreshToken"))["user_id"] == str(reader.pk)
    assert body == {
        "login": True,
        "id": reader.pk,
        "username": "reader",
        "isAdmin": False,
        "accessExpiryDate": "05/07/2026, 13:45:00",
        "refreshExpiryDate": "06/06/2026, 13:30:00",
        "viewId": None,
        "timeZone": None,
    }


@pytest.mark.parametrize("path", [LOGIN, f"{LOGIN}/"])
def test_with_and_without_a_slash(path, reader, anyone):
    assert anyone.post(path, {"username": "reader", "password": PASSWORD}).status_code == 200


def test_a_bad_bearer_does_not_hinder_a_login(reader, bearer):
    # Clients send their expired token along with the login by which they replace it.
    assert log_in(bearer("garbage"), "reader").status_code == 200


@pytest.mark.parametrize(
    ("role", "superuser", "expected"),
    [
        (Role.NONE, False, False),
        (Role.READER, False, False),
        (Role.OPERATOR, False, False),
        (Role.MANAGER, False, True),
        (Role.NONE, True, True),
    ],
)
def test_is_admin(role, superuser, expected, db, anyone):
    make_user("someone", role, is_superuser=superuser)
    assert log_in(anyone, "someone").json()["isAdmin"] is expected


@pytest.fixture
def hashed(monkeypatch) -> list[str]:
    """The passwords that were hashed. Hashing takes nearly all of the time of a login."""
    calls: list[str] = []
    encode = MD5PasswordHasher.encode

    def counted(self, password, salt):
        calls.append(password)
        return encode(self, password, salt)

    monkeypatch.setattr(MD5PasswordHasher, "encode", counted)
    return calls


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("nobody", PASSWORD),
        ("reader", "wrong"),
        ("reader", PASSWORD.upper()),
        ("reader", f" {PASSWORD} "),
        ("inactive", PASSWORD),
        ("inactive", "wrong"),
        ("locked", PASSWORD),
        ("locked", "!"),
        ("n" * 150, PASSWORD),
    ],
)
def test_every_refusal_has_the_same_answer_and_duration(name, password, reader, anyone, hashed):
    make_user("inactive", Role.READER, is_active=False)
    User.objects.create_user("locked", password=None)
    hashed.clear()
    answer = log_in(anyone, name, password)
    assert answer.status_code == 404
    assert answer.json() == {"msg": "No active user has this name and password.", "errors": []}
    assert "WWW-Authenticate" not in answer
    assert len(hashed) == 1


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["username", "password"]),
        ({"username": "reader"}, ["password"]),
        ({"password": "x"}, ["username"]),
        ({"username": None, "password": "x"}, ["username"]),
        ({"username": "reader", "password": ""}, ["password"]),
        ({"username": ["reader"], "password": {}}, ["username", "password"]),
        ({"username": "a\0b", "password": "x"}, ["username"]),
        ({"username": "half a pair \ud800", "password": "x"}, ["username"]),
        ([], []),
        ("reader", []),
        (None, []),
    ],
)
def test_bad_fields_are_named_together(body, fields, db, anyone):
    answer = anyone.generic("POST", LOGIN, json.dumps(body), content_type="application/json")
    assert answer.status_code == 422
    assert list(answer.json()) == ["msg", "errors"]
    assert answer.json()["msg"]
    assert [name for fault in answer.json()["errors"] for name in fault] == fields
    assert all(detail["message"] for fault in answer.json()["errors"] for detail in fault.values())


VALID_BODY = '{"username": "reader", "password": "correct horse battery"}'


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        ("{", "application/json", 400),
        ("", "application/json", 422),
        ('{"username": "reader"', "application/json", 400),
        ('{"username": NaN}', "application/json", 400),
        (b'{"username": "\xff"}', "application/json", 400),
        ('{"x":' * 10_000 + "1" + "}" * 10_000, "application/json", 400),
        ("[" * 60_000, "application/json", 400),
        (VALID_BODY, "application/json", 200),
        (VALID_BODY, "Application/JSON; charset=utf-8", 200),
        (VALID_BODY, "text/plain", 415),
        (VALID_BODY, "application/jsonp", 415),
        ("username=reader&password=x", "application/x-www-form-urlencoded", 415),
        (VALID_BODY + " " * 1_048_576, "application/json", 413),
        ("x" * 3_000_000, "application/json", 413),
    ],
    ids=lambda value: str(value)[:30],
)
def test_bodies(body, content_type, status, reader, anyone):
    answer = anyone.generic("POST", LOGIN, body, content_type=content_type)
    assert answer.status_code == status
    if status != 200:
        assert list(answer.json()) == ["msg", "errors"]
        assert answer["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", LOGIN, {"POST"}),
        ("PUT", LOGIN, {"POST"}),
        ("GET", "/api/token", {"POST"}),
        ("GET", "/api/token/refresh", {"POST"}),
        ("GET", "/api/token/verify", {"POST"}),
    ],
)
def test_wrong_methods(method, path, allowed, db, anyone):
    answer = anyone.generic(method, path)
    assert answer.status_code == 405
    assert allowed <= set(answer["Allow"].split(", ")) <= allowed | {"OPTIONS"}


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", ["/api/users/refresh", "/api/users/refresh/"])
def test_login_refresh_list(method, path, reader, anyone, bearer):
    tokens = log_in(anyone, "reader").json()
    start = datetime.now(UTC)
    # After the first access token has expired.
    with time_machine.travel(start + timedelta(minutes=16), tick=False):
        assert bearer(tokens["accessToken"]).get("/api/connections").status_code == 401
        answer = bearer(tokens["refreshToken"]).generic(method, path)
        assert (answer.status_code, list(answer.json())) == (200, ["accessToken", "accessExpiryDate"])
        assert re.fullmatch(r"\d\d/\d\d/\d{4}, \d\d:\d\d:\d\d", answer.json()["accessExpiryDate"])
        expiry = datetime.strptime(answer.json()["accessExpiryDate"], "%m/%d/%Y, %H:%M:%S").replace(
            tzinfo=UTC
        )
        assert abs(expiry - start - timedelta(minutes=31)) < timedelta(seconds=2)
        assert bearer(answer.json()["accessToken"]).get("/api/connections").json() == []


def test_a_refresh_token_lasts_thirty_days(reader, anyone, bearer):
    start = datetime(2026, 5, 7, 13, 30, tzinfo=UTC)
    with time_machine.travel(start, tick=False) as clock:
        client = bearer(log_in(anyone, "reader").json()["refreshToken"])
        clock.move_to(start + timedelta(days=30, seconds=-1))
        assert client.get("/api/users/refresh").status_code == 200
        clock.move_to(start + timedelta(days=30, seconds=9))  # the leeway for clocks that differ
        assert client.get("/api/users/refresh").status_code == 200
        clock.move_to(start + timedelta(days=30, seconds=11))
        assert client.get("/api/users/refresh").status_code == 401


def test_application_token(application, anyone, bearer):
    tokens = log_in(anyone, "application").json()
    answer = bearer(tokens["refreshToken"]).post("/api/users/application-token")
    assert (answer.status_code, list(answer.json())) == (200, ["applicationToken"])
    token = ApplicationJWT(answer.json()["applicationToken"])
    assert "exp" not in token
    assert ApplicationToken.objects.get().jti == token["jti"]
    with time_machine.travel(datetime.now(UTC) + timedelta(days=4000), tick=False):
        assert bearer(str(token)).get("/api/connections").status_code == 200


@pytest.mark.parametrize("role", Role)
def test_application_tokens_are_for_application_users(role, db, anyone, bearer):
    make_user("person", role)
    client = bearer(log_in(anyone, "person").json()["refreshToken"])
    assert client.post("/api/users/application-token").status_code == 403
    assert not ApplicationToken.objects.exists()


def test_simple_jwts_views(reader, anyone, bearer):
    pair = anyone.post("/api/token", {"username": "reader", "password": PASSWORD})
    assert (pair.status_code, set(pair.json())) == (200, {"access", "refresh"})
    fresh = anyone.post("/api/token/refresh", {"refresh": pair.json()["refresh"]})
    assert (fresh.status_code, list(fresh.json())) == (200, ["access"])
    for access in (pair.json()["access"], fresh.json()["access"]):
        assert bearer(access).get("/api/connections").status_code == 200
    # The refresh token works for the login calls of ItemPath too.
    assert bearer(pair.json()["refresh"]).get("/api/users/refresh").status_code == 200


@pytest.mark.parametrize("token_of", ["access", "refresh", "application"])
def test_verify(token_of, application, anyone):
    refresh = RefreshToken.for_user(application)
    tokens = {
        "refresh": str(refresh),
        "access": str(refresh.access_token),
        "application": ApplicationToken.issue(application),
    }
    answer = anyone.post("/api/token/verify", {"token": tokens[token_of]})
    assert (answer.status_code, answer.json()) == (200, {})


def revoke(user: User) -> None:
    for token in ApplicationToken.objects.filter(user=user):
        token.revoke()


def deactivate(user: User) -> None:
    user.is_active = False
    user.save()


def change_password(user: User) -> None:
    user.set_password("another horse battery")
    user.save()


@pytest.mark.parametrize(
    ("kind", "end"),
    [
        ("application", revoke),
        ("application", User.delete),
        ("refresh", deactivate),
        ("refresh", change_password),
        ("refresh", User.delete),
        ("application", deactivate),
        ("access", deactivate),
        ("access", change_password),
        ("access", User.delete),
    ],
)
def test_verify_refuses_what_the_api_refuses(kind, end, application, anyone):
    refresh = RefreshToken.for_user(application)
    tokens = {
        "refresh": str(refresh),
        "access": str(refresh.access_token),
        "application": ApplicationToken.issue(application),
    }
    end(application)
    answer = anyone.post("/api/token/verify", {"token": tokens[kind]})
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"].startswith("Bearer")
    assert answer.json()["errors"] == []


@pytest.mark.parametrize("end", [User.delete, deactivate, change_password])
def test_ended_refresh_tokens_are_401_everywhere(end, application, anyone, bearer):
    token = str(RefreshToken.for_user(application))
    end(application)
    answers = [
        bearer(token).get("/api/users/refresh"),
        bearer(token).post("/api/users/application-token"),
        anyone.post("/api/token/refresh", {"refresh": token}),
    ]
    assert [answer.status_code for answer in answers] == [401, 401, 401]
    assert all(answer["WWW-Authenticate"].startswith("Bearer") for answer in answers)


@pytest.mark.parametrize(
    ("path", "body", "status", "fields"),
    [
        ("/api/token", {"username": "reader", "password": "wrong"}, 401, []),
        ("/api/token", {"username": "nobody", "password": "wrong"}, 401, []),
        ("/api/token", {}, 422, ["username", "password"]),
        ("/api/token/refresh", {}, 422, ["refresh"]),
        ("/api/token/refresh", {"refresh": "garbage"}, 401, []),
        ("/api/token/verify", {}, 422, ["token"]),
        ("/api/token/verify", {"token": "garbage"}, 401, []),
        ("/api/token/verify", {"token": "a.b.c"}, 401, []),
    ],
)
def test_simple_jwts_refusals_have_the_one_shape(path, body, status, fields, reader, anyone):
    answer = anyone.post(path, body)
    assert (answer.status_code, list(answer.json())) == (status, ["msg", "errors"])
    assert sorted(name for fault in answer.json()["errors"] for name in fault) == sorted(fields)


def test_refreshing_refuses_an_access_token(reader, anyone):
    token = str(AccessToken.for_user(reader))
    assert anyone.post("/api/token/refresh", {"refresh": token}).status_code == 401
