import base64
import hashlib
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import jwt
import pytest
import time_machine
from auditlog.models import LogEntry
from django.conf import settings as django_settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from accounts import bearer_cache
from accounts.models import ApiKey, ApplicationToken, User
from accounts.roles import ROLES, Role
from accounts.tokens import AccessToken, RefreshToken
from connections.models import Connection
from tests.conftest import make_user

LIST = ("GET", "/api/connections")
SHOW = ("GET", "/api/connections/1")
REFRESH = ("POST", "/api/users/refresh")
APPLICATION_TOKEN = ("POST", "/api/users/application-token")
PATHS = (LIST, SHOW, REFRESH, APPLICATION_TOKEN)
READS = (200, 200, 401, 401)
REFRESHES = (401, 401, 200, 403)
NOTHING = (401, 401, 401, 401)


@pytest.fixture(autouse=True)
def one_connection(db) -> None:
    Connection.objects.create(pk=1, name="ERP", type="REST")


def call(header: str | None, method: str, path: str):
    client = APIClient()
    if header is not None:
        client.credentials(HTTP_AUTHORIZATION=header)
    return client.generic(method, path)


def statuses(header: str | None) -> tuple[int, ...]:
    return tuple(call(header, method, path).status_code for method, path in PATHS)


def access(user: User) -> str:
    return str(AccessToken.for_user(user))


def refresh(user: User) -> str:
    return str(RefreshToken.for_user(user))


def past(issue: Callable[..., str]) -> Callable[[User], str]:
    return lambda user: issue(user, expires_at=timezone.now() - timedelta(seconds=1))


def future(issue: Callable[..., str]) -> Callable[[User], str]:
    return lambda user: issue(user, expires_at=timezone.now() + timedelta(minutes=1))


def expired(issue: Callable[[User], str]) -> Callable[[User], str]:
    def issue_long_ago(user: User) -> str:
        with time_machine.travel(datetime.now(UTC) - timedelta(days=31), tick=False):
            return issue(user)

    return issue_long_ago


def revoked(issue: Callable[[User], str]) -> Callable[[User], str]:
    def issue_and_revoke(user: User) -> str:
        bearer = issue(user)
        for credential in (*ApiKey.objects.all(), *ApplicationToken.objects.all()):
            credential.revoke()
        return bearer

    return issue_and_revoke


def given_key(user: User) -> str:
    credential = ApiKey(user=user)
    key = credential.mint("0123456789abcdef01234")  # in the form of ItemPath's keys
    credential.save()
    return key


def without_record(user: User) -> str:
    token = ApplicationToken.issue(user)
    ApplicationToken.objects.all().delete()
    return token


def forged(issue: Callable[[User], str], key: str, algorithm: str) -> Callable[[User], str]:
    def forge(user: User) -> str:
        claims = jwt.decode(issue(user), options={"verify_signature": False})
        return jwt.encode(claims, key, algorithm=algorithm)

    return forge


OTHER_KEY = "k" * 64

BEARERS: list[tuple[str, Callable[[User], str], tuple[int, ...]]] = [
    ("access", access, READS),
    ("application", ApplicationToken.issue, READS),
    ("application, to expire", future(ApplicationToken.issue), READS),
    ("key", ApiKey.issue, READS),
    ("key, to expire", future(ApiKey.issue), READS),
    ("short key", given_key, READS),
    ("refresh", refresh, REFRESHES),
    ("expired access", expired(access), NOTHING),
    ("expired refresh", expired(refresh), NOTHING),
    ("expired application", past(ApplicationToken.issue), NOTHING),
    ("expired key", past(ApiKey.issue), NOTHING),
    ("revoked application", revoked(ApplicationToken.issue), NOTHING),
    ("revoked key", revoked(ApiKey.issue), NOTHING),
    ("application without a record", without_record, NOTHING),
    ("access of another key", forged(access, OTHER_KEY, "HS256"), NOTHING),
    ("refresh of another key", forged(refresh, OTHER_KEY, "HS256"), NOTHING),
    ("application of another key", forged(ApplicationToken.issue, OTHER_KEY, "HS256"), NOTHING),
    ("access without algorithm", forged(access, "", "none"), NOTHING),
    ("refresh without algorithm", forged(refresh, "", "none"), NOTHING),
    ("application without algorithm", forged(ApplicationToken.issue, "", "none"), NOTHING),
    (
        "access of another algorithm",
        lambda user: forged(access, django_settings.SECRET_KEY, "HS512")(user),
        NOTHING,
    ),
    ("cut access", lambda user: access(user)[:-4], NOTHING),
    ("digest of a key", lambda user: ApiKey.digest_of(ApiKey.issue(user)), NOTHING),
    ("start of a key", lambda user: ApiKey.issue(user)[:8], NOTHING),
]


@pytest.mark.parametrize(("issue", "expected"), [row[1:] for row in BEARERS], ids=[row[0] for row in BEARERS])
def test_what_each_bearer_opens(issue, expected, reader):
    assert statuses(f"Bearer {issue(reader)}") == expected


def test_an_applications_refresh_token(application):
    assert statuses(f"Bearer {refresh(application)}") == (401, 401, 200, 200)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
@pytest.mark.parametrize(
    ("issue", "expected"), [(access, READS), (ApiKey.issue, READS), (refresh, REFRESHES)]
)
def test_the_scheme_in_any_case(scheme, issue, expected, reader):
    assert statuses(f"{scheme} {issue(reader)}") == expected


@pytest.mark.parametrize(
    "form", ["{}", "Basic {}", "Token {}", "JWT {}", "Bearer{}", "Bearer: {}", "Bearer {} x", "Bearer x {}"]
)
@pytest.mark.parametrize("issue", [access, ApiKey.issue, refresh])
def test_wrong_schemes(form, issue, reader):
    assert statuses(form.format(issue(reader))) == NOTHING


@pytest.mark.parametrize(
    "header",
    [
        *(
            None,
            "",
            "Bearer",
            "Bearer ",
            "bearer\t",
            "Bearer .",
            "Bearer ..",
            "Bearer a.b.c",
            "Bearer é",
            "Bearer \udcff.\udcff.x",
        ),
        *(
            "Bearer eyJhbGciOiJIUzI1NiJ9..",
            "Bearer " + "x" * 60_000,
            "Bearer null",
            "Bearer $TOKEN",
            "Bearer \0",
            ",",
        ),
        *("Bearer bnVsbA.bnVsbA.bnVsbA", "Bearer W10.W10.W10"),  # JSON that is no object
    ],
)
def test_garbage(header, reader):
    if header is not None:
        header = header.encode("utf-8", "surrogateescape").decode("latin-1")  # as WSGI carries bytes
    assert statuses(header) == NOTHING


@pytest.mark.parametrize(
    "header",
    [None, "Bearer garbage", "Bearer a.b.c", "Basic cmVhZGVyOng=", "Bearer a b"],
    ids=["none", "key", "jwt", "basic", "two"],
)
@pytest.mark.parametrize(("method", "path"), PATHS)
def test_401_names_the_scheme(header, method, path, reader):
    answer = call(header, method, path)
    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Bearer")
    assert list(answer.json()) == ["msg", "errors"]
    assert answer.json()["errors"] == []


@pytest.mark.parametrize("issue", [access, ApplicationToken.issue, ApiKey.issue])
@pytest.mark.parametrize(
    ("role", "superuser", "status"),
    [(Role.NONE, False, 403), *((role, False, 200) for role in ROLES), (Role.NONE, True, 200)],
)
def test_roles(issue, role, superuser, status, db):
    bearer = issue(make_user("someone", role, is_superuser=superuser))
    for method, path in (LIST, SHOW):
        answer = call(f"Bearer {bearer}", method, path)
        assert answer.status_code == status
        assert "WWW-Authenticate" not in answer


def test_a_user_without_a_role_learns_nothing(stranger):
    header = f"Bearer {access(stranger)}"
    # The answer is 403 before anything is looked up, so it does not tell which ids exist or which arguments
    # are valid.
    for path in (
        "/api/connections/1",
        "/api/connections/999",
        "/api/connections?limit=x",
        "/api/connections?countOnly=true",
    ):
        assert call(header, "GET", path).status_code == 403
    assert call(header, *REFRESH).status_code == 401


@pytest.mark.parametrize("issue", [access, ApplicationToken.issue, ApiKey.issue])
def test_a_new_role_counts_at_once(issue, reader):
    header = f"Bearer {issue(reader)}"
    reader.set_role(Role.NONE)
    assert call(header, *LIST).status_code == 403
    reader.set_role(Role.MANAGER)
    assert call(header, *LIST).status_code == 200


@pytest.mark.parametrize("issue", [access, refresh, ApplicationToken.issue, ApiKey.issue])
def test_inactive_and_deleted_users(issue, application):
    header = f"Bearer {issue(application)}"
    application.is_active = False
    application.save()
    assert statuses(header) == NOTHING
    application.delete()
    assert statuses(header) == NOTHING


def test_a_changed_password_ends_access_and_refresh_tokens_only(application):
    bearers = {issue: issue(application) for issue in (access, refresh, ApplicationToken.issue, ApiKey.issue)}
    application.set_password("another horse battery")
    application.save()
    assert [statuses(f"Bearer {bearers.pop(issue)}") for issue in (access, refresh)] == [NOTHING, NOTHING]
    assert {statuses(f"Bearer {bearer}") for bearer in bearers.values()} == {READS}
    assert statuses(f"Bearer {access(application)}") == READS
    assert statuses(f"Bearer {refresh(application)}") == (401, 401, 200, 200)


@pytest.mark.parametrize("issue", [access, refresh])
@pytest.mark.parametrize("fields", [None, ["is_active"]])
def test_tokens_stay_ended_after_a_reactivation(fields, issue, reader):
    before = issue(reader)
    for active in (False, True):
        reader.is_active = active
        reader.save(update_fields=fields)
    assert statuses(f"Bearer {before}") == NOTHING
    assert statuses(f"Bearer {refresh(User.objects.get(pk=reader.pk))}") == REFRESHES


def test_other_edits_end_nothing(reader):
    before = refresh(reader)
    reader.first_name = "Ada"
    reader.save()
    reader.set_role(Role.MANAGER)
    assert statuses(f"Bearer {before}") == REFRESHES


def test_a_token_without_a_stamp_is_refused(reader):
    """Such tokens were issued before tokens had stamps."""
    token = AccessToken.for_user(reader)
    del token["stamp"]
    assert statuses(f"Bearer {token}") == NOTHING


# Bearers that are costly to parse or to hash: long or deeply nested ones.
HOSTILE = [
    "x" * 60_000,
    "a." * 30_000,
    f"{'W' * 60_000}.x.y",
    f"{base64.urlsafe_b64encode(b'[' * 3000).decode()}.x.y",
    "..",
    "é.ü.ö",
]


@pytest.mark.parametrize("bearer", HOSTILE, ids=lambda text: f"{text[:8]} {len(text)}")
@pytest.mark.parametrize("path", ["/api/connections", "/api/users/refresh"])
def test_a_hostile_bearer_is_refused(bearer, path):
    client = APIClient(raise_request_exception=False)
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {bearer}")
    assert client.get(path).status_code == 401


@pytest.mark.parametrize("bearer", HOSTILE, ids=lambda text: f"{text[:8]} {len(text)}")
@pytest.mark.parametrize(
    ("path", "field"), [("/api/token/refresh", "refresh"), ("/api/token/verify", "token")]
)
def test_a_hostile_token_in_a_body_is_refused(bearer, path, field):
    answer = APIClient(raise_request_exception=False).post(path, {field: bearer})
    assert answer.status_code in (401, 422)


def test_a_refused_token_is_logged_by_its_kind(reader, caplog):
    client = APIClient(REMOTE_ADDR="192.0.2.1")
    for bearer in (refresh(reader), "0" * 64, "a.b.c"):
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {bearer}")
        assert client.get("/api/connections").status_code == 401
    lines = [
        (record.kind, record.address)
        for record in caplog.records
        if record.message.startswith("A bearer was refused")
    ]
    assert lines == [
        ("JSON web token", "192.0.2.1"),
        ("API key", "192.0.2.1"),
        ("JSON web token", "192.0.2.1"),
    ]
    assert "0000" not in caplog.text


@pytest.mark.parametrize(
    ("path", "field"), [("/api/token/refresh", "refresh"), ("/api/token/verify", "token")]
)
def test_a_refused_token_in_a_body_is_logged(path, field, db, caplog):
    APIClient().post(path, {field: "a.b.c"})
    assert [
        record.kind for record in caplog.records if record.message.startswith("A bearer was refused")
    ] == ["JSON web token"]


def test_a_session_ends_with_a_deactivation(db):
    user = make_user("boss", Role.MANAGER, is_staff=True)
    client = Client()
    client.force_login(user)
    assert client.get("/admin/connections/connection/").status_code == 200
    for active in (False, True):
        user.is_active = active
        user.save()
        assert client.get("/admin/connections/connection/").status_code == 302


def test_a_change_counts_once_it_is_committed(reader, django_capture_on_commit_callbacks):
    """Until the commit, another thread may cache the old state of the user."""
    with django_capture_on_commit_callbacks(execute=True):
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {access(reader)}")
        reader.save()
        assert client.get("/api/connections").status_code == 200
        assert len(bearer_cache.bearers) == 1
    assert len(bearer_cache.bearers) == 0


def test_a_flood_of_refused_tokens_does_not_drown_the_log(db, caplog):
    client = APIClient(REMOTE_ADDR="192.0.2.1")
    client.credentials(HTTP_AUTHORIZATION="Bearer garbage")
    with time_machine.travel(datetime(2026, 5, 7, 13, 30, tzinfo=UTC), tick=False):
        for _ in range(30):
            client.get("/api/connections")
    assert (
        len([record for record in caplog.records if record.message.startswith("A bearer was refused")]) == 10
    )


def refused_line(caplog: pytest.LogCaptureFixture, header: str) -> logging.LogRecord:
    assert call(header, *LIST).status_code == 401
    return caplog.records[-1]


@pytest.mark.parametrize(
    ("issue", "token_type"),
    [(refresh, "refresh"), (expired(access), "access"), (revoked(ApplicationToken.issue), "application")],
)
def test_a_refused_token_is_logged_by_its_id(issue, token_type, reader, caplog):
    bearer = issue(reader)
    line = refused_line(caplog, f"Bearer {bearer}")
    token_id = jwt.decode(bearer, options={"verify_signature": False})["jti"]
    assert (line.token_type, line.token_id) == (token_type, token_id)
    assert bearer.rpartition(".")[2] not in str(vars(line))


@pytest.mark.parametrize(
    "claims",
    [{"jti": "hunter2", "token_type": "hunter2"}, {"jti": ["hunter2"]}, {"jti": None, "token_type": {}}, {}],
)
def test_what_a_forged_token_claims_is_not_logged_unless_it_looks_like_ours(claims, db, caplog):
    line = refused_line(caplog, f"Bearer {jwt.encode(claims, OTHER_KEY, algorithm='HS256')}")
    assert not {"token_type", "token_id"} & vars(line).keys()


def test_a_revoked_key_is_logged_by_its_prefix_and_an_unknown_one_by_nothing(reader, caplog):
    key = revoked(ApiKey.issue)(reader)
    assert refused_line(caplog, f"Bearer {key}").prefix == key[:8]
    assert not hasattr(refused_line(caplog, "Bearer hunter2hunter2"), "prefix")
    assert key not in str([vars(record) for record in caplog.records])
    assert "hunter2" not in str([vars(record) for record in caplog.records])


def test_a_flood_is_logged_again_in_the_next_minute_with_what_was_left_out(db, caplog):
    """Also if the flood never pauses, and if it comes from many addresses of one network."""
    with time_machine.travel(datetime(2026, 5, 7, 13, 30, tzinfo=UTC), tick=False) as clock:
        for number in range(90):
            client = APIClient(REMOTE_ADDR=f"2001:db8::{number:x}")
            client.credentials(HTTP_AUTHORIZATION="Bearer garbage")
            client.get("/api/connections")
            clock.shift(2)
    lines = [getattr(record, "left_out", 0) for record in caplog.records]
    assert lines == [0] * 10 + [20] + [0] * 9 + [20] + [0] * 9


def test_an_access_token_carries_nothing_but_its_user(reader):
    claims = jwt.decode(str(RefreshToken.for_user(reader).access_token), options={"verify_signature": False})
    assert set(claims) == {"token_type", "exp", "iat", "jti", "user_id", "stamp"}


@pytest.mark.parametrize(
    ("issue", "model"), [(ApiKey.issue, ApiKey), (ApplicationToken.issue, ApplicationToken)]
)
def test_last_use_is_written_at_most_once_a_minute(issue, model, reader):
    start = datetime(2026, 5, 7, 13, 30, tzinfo=UTC)
    with time_machine.travel(start, tick=False) as clock:
        header = f"Bearer {issue(reader)}"
        assert model.objects.get().last_used_at is None
        for seconds, used in [(0, 0), (1, 0), (59, 0), (60, 60), (61, 60), (119, 60), (3600, 3600)]:
            clock.move_to(start + timedelta(seconds=seconds))
            with CaptureQueriesContext(connection) as queries:
                assert call(header, *LIST).status_code == 200
            writes = [
                query["sql"]
                for query in queries
                if "last_used_at" in query["sql"] and query["sql"].startswith("UPDATE")
            ]
            assert (model.objects.get().last_used_at, len(writes)) == (
                start + timedelta(seconds=used),
                int(seconds == used),
            )


@pytest.mark.parametrize(
    "issue",
    [
        past(ApiKey.issue),
        revoked(ApiKey.issue),
        past(ApplicationToken.issue),
        revoked(ApplicationToken.issue),
    ],
)
def test_a_refused_credential_is_not_used(issue, reader):
    assert statuses(f"Bearer {issue(reader)}") == NOTHING
    assert [each.last_used_at for each in (*ApiKey.objects.all(), *ApplicationToken.objects.all())] == [None]


def test_a_second_revocation_keeps_the_first_time(reader):
    ApiKey.issue(reader)
    with time_machine.travel(datetime(2026, 5, 7, tzinfo=UTC), tick=False) as clock:
        ApiKey.objects.get().revoke()
        clock.shift(60)
        ApiKey.objects.get().revoke()
    assert ApiKey.objects.get().revoked_at == datetime(2026, 5, 7, tzinfo=UTC)


def test_keys_are_stored_as_digests_only(reader):
    key = ApiKey.issue(reader, note="for the ERP")
    stored = ApiKey.objects.get()
    assert stored.digest == hashlib.sha256(key.encode()).hexdigest()
    assert key.startswith(stored.prefix)
    # The prefix identifies a key; the rest of the key is in no column.
    assert key[len(stored.prefix) :][:16] not in str([*ApiKey.objects.values(), *LogEntry.objects.values()])
    assert len(key) - len(stored.prefix) >= 32


def test_keys_are_random(reader):
    assert len({ApiKey.issue(reader) for _ in range(100)}) == 100


def test_application_tokens_are_recorded_by_id_only(reader):
    signature = ApplicationToken.issue(reader).rpartition(".")[2]
    assert signature not in str([*ApplicationToken.objects.values(), *LogEntry.objects.values()])


@pytest.mark.parametrize("issue", [ApiKey.issue, ApplicationToken.issue, access])
def test_queries_of_a_call(issue, reader, django_assert_num_queries):
    header = f"Bearer {issue(reader)}"
    # 1. bearer, user and role; 2. the use of a credential, once a minute; 3. the list
    with django_assert_num_queries(2 if issue is access else 3):
        call(header, *LIST)
    with django_assert_num_queries(1):  # the list
        call(header, *LIST)
    bearer_cache.clear()
    with django_assert_num_queries(2):  # 1. bearer, user and role; 2. the list
        call(header, *LIST)
