"""Canaries in every secret field: no page, command or call shows, logs or stores one in clear."""

import base64
import io
import json
import logging
import re
import urllib.parse
import urllib.request
from collections.abc import Iterator
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.conf import settings as project
from django.contrib import admin
from django.core import mail
from django.core.management import CommandError, call_command
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import NoReverseMatch, path, reverse
from django.utils.log import AdminEmailHandler

from accounts.models import ApplicationToken, User
from accounts.roles import Role
from connections.models import App, Connection, Integration
from connections.secrets.holder import SECRETS
from core.redaction import RedactingFormatter
from itempath.urls import urlpatterns as site_urls
from logs.models import ConnectionLog
from tests.canaries import CANARIES, MARK, found, whole_answer, whole_database
from tests.conftest import make_user
from tests.pages import CONNECTIONS, browser, filled, make_connection, make_superuser, page_of, reread

ENTERED = {f"new_{secret}": text for secret, text in CANARIES.items()}


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """Everything that is logged, down to DEBUG, in the format of the console."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(RedactingFormatter("%(message)s"))
    root, level = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield written
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.fixture
def left(lines, capfd, db) -> Iterator[list[str]]:
    """A list for answers and output. At the end of the test it is searched, with the log and the database."""
    texts: list[str] = []
    yield texts
    out, err = capfd.readouterr()
    for text in [
        *texts,
        out,
        err,
        lines.getvalue(),
        whole_database(),
        *(f"{each.subject}\n{each.message()}" for each in mail.outbox),
    ]:
        assert found(text) == []


def entered(client: Client, left: list[str]) -> Connection:
    """Enter every canary in the admin, first in a form that is refused and then in a valid one."""
    page = client.get(f"{CONNECTIONS}add/")
    for name in ("", "Canary"):
        answer = client.post(
            f"{CONNECTIONS}add/",
            filled(page, **{"name": name, "type": "REST", "url": "https://erp.example.com", **ENTERED}),
        )
        left.append(whole_answer(answer))
    record = Connection.objects.get(name="Canary")
    # A browser would send the line ends of a text area as CRLF. Here they are stored as they are.
    assert {secret: record.reveal(secret) for secret in SECRETS} == CANARIES
    return record


def admin_pages(record: Connection) -> list[str]:
    """Return every list and every form of the admin, and every page of every record."""
    pages = ["/admin/", "/admin/password_change/", f"{page_of(record)}?log_before=1"]
    for model in admin.site._registry:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        pages += [
            reverse(f"{name}_changelist"),
            f"{reverse(f'{name}_changelist')}?q={MARK[:4]}",
            reverse(f"{name}_add"),
        ]
        rows = list(model._default_manager.order_by("-pk")[:5])
        pages += [
            reverse(f"{name}_{view}", args=[row.pk])
            for row in rows
            for view in ("change", "delete", "history")
        ]
    return pages


API = [
    *(
        "/api/connections",
        "/api/connections/{pk}",
        "/api/connections?countOnly=true",
        "/api/connections?name=Canary",
        "/api/nothing",
    ),
    *(
        "/api/connections?password=x",
        "/api/connections?orderby=password",
        "/api/connections?password_sealed[contains]=v1",
        "/api/schema",
    ),
    *("/healthz", "/readyz"),
]


def add_surroundings(record: Connection) -> None:
    ConnectionLog.objects.create(connection=record, status=0, description="failed", error="refused")
    Integration.objects.create(connection=record, name="Orders")
    ApplicationToken.issue(make_user("machine", Role.READER, type=User.Type.APPLICATION))


def test_no_page_or_call_leaves_a_canary(left, bearer):
    client = browser(make_superuser())
    record = entered(client, left)
    add_surroundings(record)
    left += [whole_answer(client.get(each, follow=True)) for each in admin_pages(record)]
    reader = bearer(make_user("reader", Role.READER))
    answers = [whole_answer(reader.get(each.format(pk=record.pk))) for each in API]
    assert "Canary" in answers[0]
    left += answers
    left.append(str(client.cookies))


def test_no_change_leaves_a_canary(left):
    """Secrets are replaced, moved, refused, cleared and deleted, each with the canaries in the form."""
    client = browser(make_superuser())
    record = entered(client, left)
    for changes in (
        *(
            {"name": "renamed"},
            ENTERED,
            {"url": "https://other.example.com"},
            {"url": "https://other.example.com", **ENTERED},
        ),
        *(
            {"type": "Telepathy", **ENTERED},
            {"timeout": "0", **ENTERED},
            {f"clear_{secret}": "on" for secret in SECRETS},
        ),
    ):
        left.append(
            whole_answer(
                client.post(page_of(record), filled(client.get(page_of(record)), **changes), follow=True)
            )
        )
    assert not any(reread(record).has_stored(secret) for secret in SECRETS)
    left.append(whole_answer(client.post(f"{CONNECTIONS}{record.pk}/delete/", {"post": "yes"}, follow=True)))


def test_no_field_but_its_own_takes_a_canary_along(left):
    """The secrets are sent without a session, without CSRF, to no existing page, or without permission."""
    record = make_connection(**CANARIES)
    addresses = [
        page_of(record),
        *(
            f"{CONNECTIONS}add/",
            f"{CONNECTIONS}999/change/",
            "/admin/nothing/",
            "/api/connections",
            "/nothing",
        ),
    ]
    for client in (
        Client(),
        Client(enforce_csrf_checks=True),
        browser(make_user("reader", Role.READER, is_staff=True)),
    ):
        for address in addresses:
            left.append(whole_answer(client.post(address, ENTERED)))


# Commands


def run(left: list[str], *words: str) -> None:
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command(*words, stdout=out, stderr=err)
    except CommandError as error:
        left.append(str(error))
    left += [out.getvalue(), err.getvalue()]


def test_no_command_leaves_a_canary(left, settings):
    record, broken = make_connection(**CANARIES), make_connection(name="broken", **CANARIES)
    Connection.objects.filter(pk=broken.pk).update(token_sealed=record.token_sealed)
    run(left, "check_secrets")
    run(left, "export_connections")
    key = base64.urlsafe_b64encode(b"k" * 32).decode()
    settings.CONNECTION_SECRET_KEYS = [key, *settings.CONNECTION_SECRET_KEYS]
    run(left, "rotate_secrets")
    settings.CONNECTION_SECRET_KEYS = [key]
    run(left, "check_secrets")
    run(left, "issue_token", "machine", "--role", "reader")
    run(left, "check")
    assert "7 secrets rotated, 1 remain" in "".join(left)
    assert "Connection" in "".join(left)


def imported(id: int, **fields: Any) -> dict[str, Any]:
    return {"id": id, "name": f"C{id}", "type": "REST", "url": "https://erp.example.com", **fields}


TOLD = imported(1, password=CANARIES["password"], token=CANARIES["token"])
IN_ADDRESS = imported(2, url=f"https://me:{quote(CANARIES['password'], safe='')}@erp.example.com")
FILES = {
    "told": json.dumps([TOLD]),
    "in the address": json.dumps([IN_ADDRESS]),
    "refused": json.dumps([TOLD, {"id": "x", "password": CANARIES["password"]}]),
    "too long": json.dumps([imported(1, token=MARK * 1000, password=MARK * 1000)]),
    "no text": json.dumps([imported(1, token=[MARK], password={MARK: MARK})]),
    "with a NUL": json.dumps([imported(1, token=f"{MARK}\0", password=f"\0{MARK}")]),
    "with half a letter": json.dumps([imported(1, token=f"{MARK}\ud800")]),
    "twice": json.dumps([TOLD, TOLD]),
    "key of the record": json.dumps([{**TOLD, MARK: MARK}]),
    "not quoted": f'[{{"id": 1, "password": {MARK}}}]',
    "cut off": json.dumps([TOLD])[:-10],
    "cut in the secret": f'[{{"id": 1, "password": "{MARK}',
    "control character": f'[{{"id": 1, "password": "{MARK}\n"}}]',
    "no array": json.dumps(TOLD),
    "not UTF-8": f'[{{"password": "{MARK}\xff"}}]',
}


@pytest.mark.parametrize("options", [(), ("--on-existing", "overwrite")])
@pytest.mark.parametrize("file", FILES)
def test_no_import_leaves_a_canary(file, options, left, tmp_path):
    make_connection(id=1, password="before", token="before")
    (tmp_path / "connections.json").write_bytes(
        FILES[file].encode("latin-1" if file == "not UTF-8" else "utf-8")
    )
    run(left, "import_connections", str(tmp_path / "connections.json"), *options)
    assert left
    run(left, "export_connections")


def test_an_imported_canary_is_stored(left, tmp_path):
    (tmp_path / "connections.json").write_text(json.dumps([TOLD, IN_ADDRESS]))
    run(left, "import_connections", str(tmp_path / "connections.json"))
    told, in_address = Connection.objects.order_by("pk")
    assert (told.reveal("password"), told.reveal("token")) == (CANARIES["password"], CANARIES["token"])
    assert (in_address.reveal("password"), in_address.url) == (
        CANARIES["password"],
        "https://erp.example.com",
    )


# Failures while a secret is handled


class Refused(Exception):
    """An error of a client library, with the whole request in its message."""


def fail(record: Connection, secret: str) -> None:
    """Fail like a check that has just decrypted the secret."""
    text = record.reveal(secret)
    credentials = base64.b64encode(f"{record.name}:{text}".encode()).decode()
    headers, address = (
        {"Authorization": f"Basic {credentials}"},
        f"https://{quote(text, safe='')}@erp.example.com",
    )
    body = json.dumps({"secret": text}).encode()
    logging.getLogger("probe").warning("sending %s %r to %s with %s", text, body, address, headers)
    try:
        raise ConnectionError(f"{address} refused {headers}")
    except ConnectionError as error:
        raise Refused(f"{text} / {text!r} / {body!r} / {headers}") from error


def failing_read(request: HttpRequest, pk: int, secret: str) -> HttpResponse:
    fail(Connection.objects.get(pk=pk), secret)
    raise AssertionError


def failing_form(request: HttpRequest) -> HttpResponse:
    """Fail before any form has read the request."""
    posted, body = request.POST, request.body[:10]
    raise Refused(f"{len(posted)} fields, {len(body)} bytes")


def logging_view(request: HttpRequest, pk: int, secret: str) -> HttpResponse:
    text = Connection.objects.get(pk=pk).reveal(secret)
    logging.getLogger("probe").error("sent %s", text, extra={"headers": {"X-Key": text}}, stack_info=True)
    return HttpResponse("done")


urlpatterns = [
    path("fail/<int:pk>/<str:secret>/", failing_read),
    path("api/fail/<int:pk>/<str:secret>/", failing_read),
    path("fail/form/", failing_form),
    path("log/<int:pk>/<str:secret>/", logging_view),
    *site_urls,
]
handler400, handler500 = "core.error_pages.bad_request", "core.error_pages.server_error"


@pytest.fixture
def mails(settings) -> Iterator[None]:
    """Make Django send its mails about errors, with the error page in HTML."""
    settings.ADMINS = [("Operator", "operator@example.com")]
    handler = AdminEmailHandler(include_html=True)
    handler.setLevel(logging.ERROR)
    logging.getLogger("django.request").addHandler(handler)
    yield
    logging.getLogger("django.request").removeHandler(handler)


@pytest.fixture
def failing(settings) -> Client:
    settings.ROOT_URLCONF = __name__
    return Client(raise_request_exception=False)


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize("place", ["fail", "api/fail"])
@pytest.mark.parametrize("secret", SECRETS)
def test_a_view_that_fails_with_a_secret(secret, place, debug, failing, mails, left, lines, settings):
    settings.DEBUG = debug
    record = make_connection(name="x" * (1 + SECRETS.index(secret)), **CANARIES)
    answer = failing.get(f"/{place}/{record.pk}/{secret}/")
    assert answer.status_code == 500
    assert ("Refused" in whole_answer(answer)) is debug
    left.append(whole_answer(answer))
    [sent] = mail.outbox
    assert "Refused" in sent.body
    assert "fail(Connection" in sent.alternatives[0][0]
    assert "[secret]" in sent.body
    left += [sent.body, sent.alternatives[0][0]]
    assert "sending [secret]" in lines.getvalue()
    assert "Refused" in lines.getvalue()


@pytest.mark.parametrize("debug", [True, False])
def test_a_view_that_fails_before_it_read_the_form(debug, failing, mails, left, settings):
    settings.DEBUG = debug
    answer = failing.post("/fail/form/", {"name": "shown", **ENTERED, "password1": MARK})
    assert answer.status_code == 500
    left += [whole_answer(answer), mail.outbox[0].body, mail.outbox[0].alternatives[0][0]]
    assert "shown" in mail.outbox[0].body


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize("step", ["save", "clean", "refuse_redirected_secrets", "set_secret_columns"])
def test_a_save_that_fails(step, debug, failing, mails, left, settings, monkeypatch):
    """The form of the admin fails while it handles the secrets."""
    settings.DEBUG = debug
    failing.force_login(make_superuser())
    data = filled(failing.get(f"{CONNECTIONS}add/"), name="new", type="REST", **ENTERED)

    def broken(record: Connection, *args: Any, **kwargs: Any) -> None:
        raise Refused(f"{step} of {record} failed")

    monkeypatch.setattr(Connection, step, broken)
    answer = failing.post(f"{CONNECTIONS}add/", data)
    assert answer.status_code == 500
    left += [whole_answer(answer), mail.outbox[0].body, mail.outbox[0].alternatives[0][0]]
    assert f"{step} of " in mail.outbox[0].body


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize("where", ["/admin/login/", "/api/users/login", "/api/token"])
def test_a_login_that_fails(where, debug, failing, mails, left, settings, monkeypatch):
    """The passwords of users are not shown, either."""
    settings.DEBUG = debug

    def broken(user: User, password: str) -> bool:
        raise Refused(f"no hash for {password!r}")

    make_user("someone")
    monkeypatch.setattr(User, "check_password", broken)
    data = {"username": "someone", "password": CANARIES["password"]}
    answer = (
        failing.post(where, data, content_type="application/json")
        if "api" in where
        else failing.post(where, data)
    )
    assert answer.status_code == 500
    left += [whole_answer(answer), mail.outbox[0].body, mail.outbox[0].alternatives[0][0]]
    assert "no hash for" in mail.outbox[0].body


@pytest.mark.parametrize("secret", SECRETS)
def test_a_line_that_is_logged_with_a_secret(secret, failing, left, lines):
    record = make_connection(**CANARIES)
    assert failing.get(f"/log/{record.pk}/{secret}/").status_code == 200
    assert "sent [secret]" in lines.getvalue()


def test_the_search_finds_what_it_looks_for(db):
    """The search itself works: a canary stored in clear is found in each of its encodings."""
    App.objects.create(name=f"WMS {MARK}")
    assert found(whole_database())
    for text in CANARIES.values():
        raw = text.encode()
        encoded = [
            text,
            repr(text),
            json.dumps(text),
            quote(text),
            *(base64.b64encode(b"-" * before + raw).decode() for before in range(3)),
        ]
        assert all(found(each) for each in encoded)


def test_every_page_is_in_the_list(db):
    pages = admin_pages(make_connection())
    for model in admin.site._registry:
        assert f"/admin/{model._meta.app_label}/{model._meta.model_name}/" in pages
    with pytest.raises(NoReverseMatch):
        reverse("admin:auth_group_changelist")
    assert project.DEFAULT_EXCEPTION_REPORTER == "core.redaction.Reporter"


# The real server's output


@pytest.mark.live
def test_the_real_server_writes_no_canary(new_server, tmp_path):
    server = new_server(LOG_LEVEL="DEBUG", DEBUG="1")
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))

    def read(address: str, data: dict[str, str] | None = None) -> str:
        body = urllib.parse.urlencode(data).encode() if data else None
        with opener.open(server.base + address, body, timeout=20) as answer:
            text: str = answer.read().decode()
            return text

    def token(page: str) -> dict[str, str]:
        return {"csrfmiddlewaretoken": re.findall(r'csrfmiddlewaretoken" value="(\w+)"', page)[0]}

    page = read("/admin/login/")
    read(
        "/admin/login/",
        {"username": "admin", "password": server.admin_password, "next": "/admin/", **token(page)},
    )
    page = read(f"{CONNECTIONS}add/")
    fields = {
        "name": "Canary",
        "type": "REST",
        "authentication": "Bearer Token",
        "url": "https://erp.example.com",
        "verify_certificate": "on",
    }
    answers = [read(f"{CONNECTIONS}add/", {**fields, "timeout": "0", **ENTERED, **token(page)})]
    answers.append(read(f"{CONNECTIONS}add/", {**fields, **ENTERED, **token(page)}))
    assert "Canary" in answers[1]
    assert "stored since" in read(f"{CONNECTIONS}8/change/")
    request = urllib.request.Request(
        f"{server.base}/api/connections", headers={"Authorization": f"Bearer {server.key}"}
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        answers.append(answer.read().decode())
    done = [
        server.manage(*words) for words in (["check_secrets"], ["rotate_secrets"], ["export_connections"])
    ]
    answers += [each.stdout + each.stderr for each in done]
    logged = "".join(Path(each).read_text() for each in tmp_path.glob("errors-*.log"))
    assert "POST" in logged
    for text in (*answers, logged, "\n".join(server.printed)):
        assert found(text.replace("\\r\\n", "\n")) == []
