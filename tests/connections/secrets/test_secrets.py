import base64
import io
import json
import re
import secrets as random
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from datetime import timedelta
from threading import Event

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, connections, transaction
from django.utils import timezone

from connections.models import App, Connection, KeyProof
from connections.secrets import rotation
from connections.secrets.encryption import DecryptionError, Keyring, key_id
from connections.secrets.holder import REDIRECTION_REFUSED, SECRETS
from connections.secrets.rotation import find_unreadable, remaining, rotate
from tests.conftest import ROOT
from tests.environment import KEY
from tests.pages import (
    CONNECTIONS,
    browser,
    change,
    errors_of,
    filled,
    make_connection,
    make_superuser,
    page_of,
    reread,
)

STORED = {
    "password": "hunter2 pass",
    "token": "hunter2 token",
    "private_key": "hunter2 key\n",
    "private_headers": "X-Key: hunter2",
}
POSTGRESQL = connection.vendor == "postgresql"


def new_key() -> str:
    return base64.urlsafe_b64encode(random.token_bytes(32)).decode()


def command(*words: str) -> str:
    out = io.StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


def spoil(record: Connection, secret: str) -> None:
    """Alter a stored ciphertext so that it does not decrypt, as a broken disk or a restored backup may."""
    ciphertext = getattr(record, f"{secret}_sealed")
    Connection.objects.filter(pk=record.pk).update(**{f"{secret}_sealed": f"{ciphertext[:-8]}AAAAAAA="})


# Encryption

TEXTS = [
    "x",
    "pässwörd",
    "日本語 🚚",
    "a\nb\r\nc",
    " blanks ",
    "\"'<&>\\",
    "x" * 10_000,
    "v1.looks.encrypted",
]
# Texts for each secret that are stored and revealed without a change.
FORMS = {
    "password": lambda text: text,
    "token": lambda text: " ".join(text.split()),
    "private_key": lambda text: text.strip().replace("\r\n", "\n") + "\n",
    "private_headers": lambda text: f"X-Key: {' '.join(text.split())}",
}


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_comes_back_as_it_was(secret, text, db):
    text = FORMS[secret](text)
    record = make_connection(**{secret: text})
    ciphertext = getattr(reread(record), f"{secret}_sealed")
    assert reread(record).reveal(secret) == text
    assert ciphertext.startswith(f"v1.{key_id(KEY)}.")
    assert text not in ciphertext or len(text) == 1


PASTED = {
    "password": [("  hunter2 \n", "  hunter2 \n")],
    "token": [
        (" \t\u00a0hunter2\r\n", "hunter2"),
        ("\u200bhunter2\ufeff", "hunter2"),
        ("hunter 2", "hunter 2"),
        *(
            (f"{sign}hunter2{sign}", "hunter2")
            for sign in "\u200e\u202a\u202c\u00ad\u3000\u2060\ufe0f\u3164\x00"
        ),
        (" \n", ""),
    ],
    "private_key": [
        (
            "-----BEGIN KEY-----\r\nhunter2\r\n-----END KEY-----",
            "-----BEGIN KEY-----\nhunter2\n-----END KEY-----\n",
        ),
        (
            "\ufeff\n\n-----BEGIN KEY-----\rhunter2\r-----END KEY-----\n\n \n",
            "-----BEGIN KEY-----\nhunter2\n-----END KEY-----\n",
        ),
        ("\r\n", ""),
    ],
    "private_headers": [
        ("\r\n X-Key:hunter2 \r\n\r\nX-Two : a: b\r\n", "X-Key: hunter2\nX-Two: a: b"),
        ("\n", ""),
    ],
}


@pytest.mark.parametrize(
    ("secret", "pasted", "kept"), [(secret, *each) for secret, cases in PASTED.items() for each in cases]
)
def test_what_a_paste_brings_along_is_left_out(secret, pasted, kept, db):
    record = make_connection(**{secret: pasted})
    assert (reread(record).reveal(secret), reread(record).has_stored(secret)) == (kept, bool(kept))


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        *(
            ("hunter2", "is not of the form"),
            (": hunter2", "is not of the form"),
            ("X Key: hunter2", "is not of the form"),
        ),
        *(("X-Kéy: hunter2", "is not of the form"), ("X(Key): hunter2", "is not of the form")),
        *((f"X-Key: hun{sign}ter2", "has a control character") for sign in "\0\x0b\x0c\x1b\x7f\x85\u2028"),
    ],
)
def test_private_headers_that_no_client_sends_are_refused(line, fault, db):
    record = make_connection(private_headers="X-Key: before")
    with pytest.raises(ValidationError, match=f"Line 2 {fault}") as refusal:
        record.set_secret("private_headers", f"X-Good: 1\n{line}")
    assert "hunter2" not in str(refusal.value)
    assert record.reveal("private_headers") == "X-Key: before"


LINES_IN_TOKENS = ["hun\nter2", "hun\r\nHost: evil", "hun\rter2", "hun\0ter2", "hun\x85ter2", "hun\u2028ter2"]


@pytest.mark.parametrize("text", LINES_IN_TOKENS)
def test_a_token_with_a_control_character_is_refused(text, db):
    """It is sent as the value of a header."""
    record = make_connection(token="before")
    with pytest.raises(ValidationError, match="A token has no line ends") as refusal:
        record.set_secret("token", text)
    assert "hun" not in str(refusal.value)
    answer = change(browser(make_superuser()), record, authentication="Bearer Token", new_token=text)
    assert list(answer.context["adminform"].form.errors) == ["new_token"]
    assert reread(record).reveal("token") == "before"


@pytest.mark.parametrize("text", [text for text in LINES_IN_TOKENS if "\0" not in text])
def test_an_import_refuses_such_a_token(text, tmp_path, db):
    file = tmp_path / "connections.json"
    file.write_text(json.dumps([{"id": 1, "name": "ERP", "type": "REST", "token": text}]), "utf-8")
    with pytest.raises(CommandError, match=r"token: Value error, A token has no line ends") as refusal:
        call_command("import_connections", str(file))
    assert "hun" not in str(refusal.value)
    assert not Connection.objects.exists()


def test_equal_secrets_have_different_ciphertexts(db):
    first, second = (
        make_connection(password="same", token="same"),
        make_connection(name="other", password="same"),
    )
    assert len({first.password_sealed, first.token_sealed, second.password_sealed}) == 3


def test_a_secret_is_bound_to_its_row_before_it_has_an_id(db):
    record = Connection(name="new", type="REST")
    record.set_secret("password", "hunter2")
    assert record.pk is None
    assert record.reveal("password") == "hunter2"
    other = Connection(name="other", type="REST", password_sealed=record.password_sealed)
    with pytest.raises(DecryptionError):
        other.reveal("password")


@pytest.mark.parametrize("target", ["another row", "another column"])
def test_a_copied_ciphertext_does_not_decrypt(target, db):
    record, other = (
        make_connection(password="hunter2"),
        make_connection(name="other", password="mine", token="mine"),
    )
    row, column = (other, "password") if target == "another row" else (record, "token")
    fields = {
        f"{column}_sealed": record.password_sealed,
        f"{column}_exists": True,
        f"{column}_stored_at": timezone.now(),
    }
    Connection.objects.filter(pk=row.pk).update(**fields)
    with pytest.raises(DecryptionError):
        reread(row).reveal(column)
    assert reread(record).reveal("password") == "hunter2"


def altered(ciphertext: str) -> list[str]:
    form, key, body = ciphertext.split(".")
    raw = base64.urlsafe_b64decode(body)
    flipped = [
        raw[:index] + bytes([raw[index] ^ 1]) + raw[index + 1 :] for index in (0, 11, 12, len(raw) - 1)
    ]
    bodies = [
        base64.urlsafe_b64encode(each).decode() for each in (*flipped, raw[:-1], raw[:12], raw[:3], b"")
    ]
    return [
        *(f"{form}.{key}.{each}" for each in bodies),
        f"{form}.00000000.{body}",
        body,
        "",
        ".",
        "..",
        "ünlesbar",
        f"{ciphertext}.x",
        "x" * 50,
    ]


def test_an_altered_ciphertext_is_refused_and_not_quoted():
    ring = Keyring((KEY,))
    ciphertext = ring.encrypt("hunter2", "row:field")
    for text in altered(ciphertext):
        with pytest.raises(DecryptionError) as refusal:
            ring.decrypt(text, "row:field")
        assert refusal.value.__suppress_context__
        assert "hunter2" not in str(refusal.value)
    assert ring.decrypt(ciphertext, "row:field") == "hunter2"


def test_a_ciphertext_names_its_key_and_does_not_reveal_it():
    ciphertext = Keyring((KEY,)).encrypt("hunter2", "row:field")
    assert ciphertext.split(".")[1] == key_id(KEY)
    assert key_id(KEY) not in KEY
    assert key_id(KEY) != key_id(new_key())


def test_the_first_key_encrypts_and_every_key_decrypts():
    old, new = new_key(), new_key()
    by_old = Keyring((old,)).encrypt("hunter2", "row:field")
    both = Keyring((new, old))
    assert both.decrypt(by_old, "row:field") == "hunter2"
    assert both.encrypt("hunter2", "row:field").startswith(f"v1.{key_id(new)}.")
    with pytest.raises(DecryptionError, match=key_id(old)):
        Keyring((new,)).decrypt(by_old, "row:field")


def test_the_encryption_does_not_depend_on_secret_key(db, settings):
    record = make_connection(password="hunter2")
    settings.SECRET_KEY = random.token_urlsafe(48)
    assert reread(record).reveal("password") == "hunter2"
    assert settings.SECRET_KEY not in settings.CONNECTION_SECRET_KEYS


# What is known without decrypting

STATES = {
    "none": lambda record: None,
    "stored": lambda record: [record.set_secret(secret, STORED[secret]) for secret in SECRETS],
    "expected": lambda record: [record.expect_secret(secret) for secret in SECRETS],
    "stored and cleared": lambda record: [
        (record.set_secret(each, STORED[each]), record.clear_secret(each)) for each in SECRETS
    ],
    "stored and blanked": lambda record: [
        (record.set_secret(each, STORED[each]), record.set_secret(each, "")) for each in SECRETS
    ],
    "expected and cleared": lambda record: [
        (record.expect_secret(each), record.clear_secret(each)) for each in SECRETS
    ],
    "expected, then entered": lambda record: [
        (record.expect_secret(each), record.set_secret(each, STORED[each])) for each in SECRETS
    ],
    "stored, then expected": lambda record: [
        (record.set_secret(each, STORED[each]), record.expect_secret(each)) for each in SECRETS
    ],
}


@pytest.mark.parametrize(
    ("state", "exists", "said"),
    [
        *(
            ("none", False, "none"),
            ("stored", True, "stored since "),
            ("expected", True, "expected, not entered"),
        ),
        *(
            ("stored and cleared", False, "none"),
            ("stored and blanked", False, "none"),
            ("expected and cleared", False, "none"),
        ),
        *(
            ("expected, then entered", True, "stored since "),
            ("stored, then expected", True, "expected, not entered"),
        ),
    ],
)
def test_states(state, exists, said, api, monkeypatch):
    record = Connection(name="ERP", type="REST")
    STATES[state](record)
    record.save()
    monkeypatch.setattr(Keyring, "decrypt", lambda *args: pytest.fail("a secret was opened"))
    answer = api.get(f"/api/connections/{record.pk}").json()
    assert (answer["passwordExists"], answer["tokenExists"]) == (exists, exists)
    for secret in SECRETS:
        assert reread(record).describe_secret(secret).startswith(said)
        assert reread(record).has_stored(secret) is said.startswith("stored")
        assert (reread(record).stored_at(secret) is not None) is said.startswith("stored")


@pytest.mark.parametrize(
    "broken",
    [
        {"password_sealed": "v1.x.y"},
        {"password_sealed": "v1.x.y", "password_exists": True},
        {"token_sealed": "v1.x.y", "token_stored_at": timezone.now()},
        {"private_key_stored_at": timezone.now()},
        {"private_headers_stored_at": timezone.now(), "private_headers_exists": True},
    ],
)
def test_the_database_refuses_an_inconsistent_secret(broken, db):
    record = make_connection()
    with pytest.raises(IntegrityError), transaction.atomic():
        Connection.objects.filter(pk=record.pk).update(**broken)


@pytest.mark.parametrize("text", ["*", "***", "********", "•" * 8, "●●●", " *** ", "*•●·"])
@pytest.mark.parametrize("secret", SECRETS)
def test_a_placeholder_is_refused(secret, text, db):
    record = make_connection(**{secret: STORED[secret]})
    with pytest.raises(ValidationError, match="placeholder"):
        record.set_secret(secret, f"X-Key: {text}" if secret == "private_headers" else text)
    assert record.reveal(secret) == STORED[secret]


@pytest.mark.parametrize("text", ["*a*", "***x", "p*ssword", "....", "-----"])
def test_a_password_may_have_asterisks(text, db):
    assert make_connection(password=text).reveal("password") == text


# Where secrets go

HOME = {
    "type": "REST",
    "url": "https://erp.example.com/api",
    "token_url": "https://idp.example.com/token",
    "test_endpoint": "/health",
    "database_name": "wms",
}
BARE = {"type": "PostgreSQL", "url": "db.example.com:5432/wms"}
LIST = {"type": "MSSQL", "url": "Server=tcp:erp01,1433;Database=WMS;Encrypt=True"}
ORACLE = {
    "type": "Oracle",
    "url": "(DESCRIPTION=(ADDRESS=(PROTOCOL=TCP)(HOST=ora1)(PORT=1521))(CONNECT_DATA=(SID=wms)))",
}
ROUTED = [{"name": "X-Forwarded-Host", "value": "erp.example.com"}]
REDIRECTIONS = {
    "host": (HOME, {"url": "https://evil.example.com/api"}),
    "sub-domain": (HOME, {"url": "https://erp.example.com.evil.com/api"}),
    "scheme down": (HOME, {"url": "http://erp.example.com/api"}),
    "scheme up": (HOME | {"url": "http://erp.example.com"}, {"url": "https://erp.example.com"}),
    "port": (HOME, {"url": "https://erp.example.com:8443/api"}),
    "no address": (HOME, {"url": ""}),
    "host before an @": (HOME, {"url": "https://erp.example.com@evil.example.com/api"}),
    "host before a backslash": (HOME, {"url": "https://evil.example.com\\erp.example.com/api"}),
    "other protocol": (HOME, {"url": "sftp://erp.example.com/api"}),
    "verification off": (HOME, {"verify_certificate": False}),
    "database name": (HOME, {"database_name": "other"}),
    "token URL's host": (HOME, {"token_url": "https://evil.example.com/token"}),
    "token URL without scheme": (HOME, {"token_url": "evil.example.com/token"}),
    "token URL for the first time": (
        HOME | {"token_url": ""},
        {"token_url": "https://evil.example.com/token"},
    ),
    "token URL at the address": (HOME, {"token_url": "https://erp.example.com/token"}),
    "test at another host": (HOME, {"test_endpoint": "https://evil.example.com/health"}),
    "test at another host, scheme left out": (HOME, {"test_endpoint": "//evil.example.com/health"}),
    "test at another host, half a scheme": (HOME, {"test_endpoint": "https:evil.example.com"}),
    "test at another host, backslashes": (HOME, {"test_endpoint": "/\\evil.example.com"}),
    "test at another host, blank before": (HOME, {"test_endpoint": " https://evil.example.com"}),
    "type without a scheme": (BARE, {"type": "MySQL"}),
    "type and a scheme for it": (BARE, {"url": "ftp://db.example.com:5432/wms"}),
    "port without a scheme": (BARE, {"url": "db.example.com:5433/wms"}),
    "database in the path": (BARE, {"url": "db.example.com:5432/other"}),
    "database in the path of a URL": (
        {"type": "Oracle", "url": "oracle://db/one"},
        {"url": "oracle://db/two"},
    ),
    "database in the query": (
        {"type": "MSSQL", "url": "mssql://db/?database=one"},
        {"url": "mssql://db/?database=two"},
    ),
    "instance": ({"type": "MSSQL", "url": "SQL01\\WMS"}, {"url": "SQL01\\OTHER"}),
    "protocol of the type": (HOME, {"type": "FTP"}),
    "protocol of the type, unknown": (HOME, {"type": "SAP"}),
    "protocol of the type, back": (HOME | {"type": "FTP"}, {"type": "GraphQL"}),
    "test before an @": (HOME, {"test_endpoint": "@evil.example.com/x"}),
    "test at a sub-domain": (HOME, {"test_endpoint": ".evil.example.com/x"}),
    "test at another port": (HOME, {"test_endpoint": ":8443/x"}),
    "test at another host after a port": (HOME, {"test_endpoint": ":80@evil.example.com"}),
    "test at a sub-domain, bare": (HOME, {"test_endpoint": "evil.example.com"}),
    "host before a backslash and an @": (HOME, {"url": "https://evil.example.com\\@erp.example.com"}),
    "header Host": (HOME, {"headers": [{"name": "Host", "value": "evil.example.com"}]}),
    "header of a proxy": (HOME, {"headers": [{"name": "x-Forwarded-HOST", "value": "evil.example.com"}]}),
    "header of a proxy, changed": (
        HOME | {"headers": ROUTED},
        {"headers": [ROUTED[0] | {"value": "evil.example.com"}]},
    ),
    "header of a proxy, removed": (HOME | {"headers": ROUTED}, {"headers": []}),
    "list's host": (LIST, {"url": LIST["url"].replace("erp01", "evil")}),
    "list's database": (LIST, {"url": LIST["url"].replace("WMS", "other")}),
    "list's proxy": (LIST, {"url": f"{LIST['url']};Failover Partner=evil"}),
    "Oracle's host": (ORACLE, {"url": ORACLE["url"].replace("ora1", "evil")}),
    "Oracle's port": (ORACLE, {"url": ORACLE["url"].replace("1521", "1522")}),
    "list of hosts": ({"type": "AMQP", "url": "amqp://mq1,mq2/v"}, {"url": "amqp://mq1,evil/v"}),
    **{
        f"hidden host: {url}": (HOME, {"url": url})
        for url in (
            "https://evil.example.com:/@erp.example.com",
            "https://evil.example.com:?@erp.example.com/",
            "https://evil.example.com:#@erp.example.com",
            "https://evil.example.com:443/@erp.example.com",
            "https://evil.example.com:4_43/@erp.example.com",
            "https://evil:x/@erp.example.com.evil.com",
            "https://evil\u3002example/@erp.example.com",
            "https://erp\u3002example.com/api",
            "https://erp.example.com\uff20evil.example.com/",
            "https://erp.example.com%40evil.example.com/",
        )
    },
    **{
        f"hidden host of {field}: {tail}": (HOME, {field: f"https://evil.example.com{tail}idp.example.com"})
        for field in ("token_url", "test_endpoint")
        for tail in (":/@", ":?@", ":#@", "\u3002/@", "/@")
    },
    # A driver reads every part of an address, whatever its scheme says.
    "path of a database on HTTP": (
        {"type": "MSSQL", "url": "https://erp.example.com/wms"},
        {"url": "https://erp.example.com/other"},
    ),
    **{
        f"{type} on HTTP with {tail}": (
            {"type": type, "url": "https://erp.example.com/wms"},
            {"url": f"https://erp.example.com/wms{tail}"},
        )
        for type in ("MSSQL", "PostgreSQL", "MySQL", "MQTT", "FTP", "SAP")
        for tail in ("?host=evil.example.com", "?hostaddr=6.6.6.6", ";failoverPartner=evil", "#x", "/x")
    },
    "test endpoint of a database": (
        {"type": "PostgreSQL", "url": "https://erp.example.com/wms"},
        {"test_endpoint": "?host=evil.example.com"},
    ),
    "test endpoint of a database, changed": (
        {"type": "PostgreSQL", "url": "db", "test_endpoint": "/x"},
        {"test_endpoint": "/y"},
    ),
    **{
        f"routing header {name!r}": (HOME, {"headers": [{"name": name, "value": value}]})
        for name, value in (
            *((name, "evil") for name in ("X-HTTP-Host-Override", "X-Original-Forwarded-Host")),
            *((name, "evil") for name in ("X-Host-Override", "x-forwarded-port", "host ", "Host:", " host")),
            *(("X\r\nHost", "evil"), ("X-Site", "7\r\nHost: evil"), ("", "evil")),
        )
    },
    "IPv6": ({"url": "http://[::1]:80/"}, {"url": "http://[::2]:80/"}),
}
SAME_DESTINATIONS = {
    "path": (HOME, {"url": "https://erp.example.com/other?x=1#y"}),
    "letter case of the host": (HOME, {"url": "HTTPS://ERP.example.com/api"}),
    "name and user": (HOME, {"name": "new", "username": "someone"}),
    "type with a scheme": (HOME, {"type": "GraphQL"}),
    "test path": (HOME, {"test_endpoint": "/other?full=1"}),
    "token path": (HOME, {"token_url": "https://idp.example.com/v2/token"}),
    "no token URL": (HOME, {"token_url": ""}),
    "verification on": (HOME | {"verify_certificate": False}, {"verify_certificate": True}),
    "headers around that of a proxy": (
        HOME | {"headers": ROUTED},
        {"headers": [{"name": "X-Site", "value": "7"}, *ROUTED]},
    ),
    "GraphQL path and query": (
        HOME | {"type": "GraphQL"},
        {"url": "https://erp.example.com/other?x=1", "test_endpoint": "/y?z=1"},
    ),
    "database's name and timeout": (
        {"type": "MSSQL", "url": "https://erp.example.com/wms", "test_endpoint": "/x"},
        {"name": "new", "timeout": 5},
    ),
    "timeout": (HOME, {"timeout": 5, "headers": [{"name": "X-Site", "value": "7"}], "scope": "read"}),
}


def apply(record: Connection, changes: dict[str, object]) -> Connection:
    for name, value in changes.items():
        setattr(record, name, value)
    return record


def is_refused(save) -> bool:
    """Return whether `save` is refused as it redirects a secret; any other refusal fails the test."""
    try:
        with transaction.atomic():
            save()
    except ValidationError as error:
        if getattr(error, "code", None) != "secrets_redirected":
            raise
        return True
    return False


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("move", REDIRECTIONS)
def test_a_stored_secret_is_not_redirected(move, secret, db):
    before, changes = REDIRECTIONS[move]
    record = make_connection(**{**before, secret: STORED[secret]})
    moved = apply(reread(record), changes)
    for save in (
        moved.save,
        moved.refuse_redirected_secrets,
        lambda: moved.save(update_fields=list(changes)),
    ):
        assert is_refused(save)
    assert reread(record).destinations() == record.destinations()


def test_a_form_refuses_to_redirect_a_secret_too(db):
    moved = apply(reread(make_connection(password="hunter2")), {"url": "https://evil.example.com"})
    with pytest.raises(ValidationError) as refusal:
        moved.full_clean()
    assert refusal.value.message_dict == {"__all__": [REDIRECTION_REFUSED.format(labels="password")]}


@pytest.mark.parametrize("move", SAME_DESTINATIONS)
def test_what_redirects_nothing_is_saved(move, db):
    before, changes = SAME_DESTINATIONS[move]
    record = make_connection(**{**before, **STORED})
    apply(reread(record), changes).save()
    assert {name: getattr(reread(record), name) for name in changes} == changes
    assert reread(record).reveal("password") == STORED["password"]


@pytest.mark.parametrize("move", REDIRECTIONS)
def test_without_secrets_any_destination_is_saved(move, db):
    before, changes = REDIRECTIONS[move]
    record = make_connection(**before)
    record.expect_secret("password")
    record.save()
    apply(reread(record), changes).save()
    assert {name: getattr(reread(record), name) for name in changes} == changes


@pytest.mark.parametrize("left", SECRETS)
def test_every_secret_must_be_entered_or_cleared(left, db):
    record = reread(make_connection(**HOME, **STORED))
    record.url = "https://new.example.com"
    for number, secret in enumerate(each for each in SECRETS if each != left):
        record.set_secret(secret, STORED[secret]) if number % 2 else record.clear_secret(secret)
    with pytest.raises(ValidationError) as refusal:
        record.save()
    assert refusal.value.messages == [REDIRECTION_REFUSED.format(labels=left.replace("_", " "))]
    record.set_secret(left, STORED[left])  # the same text again is entered, too
    record.save()
    assert reread(record).url == "https://new.example.com"
    assert reread(record).reveal(left) == STORED[left]


def test_a_redirected_secret_does_not_go_back_without_being_entered(db):
    record = reread(make_connection(**HOME, password="hunter2"))
    record.url = "https://new.example.com"
    record.set_secret("password", "hunter2")
    record.save()
    record.url = HOME["url"]
    assert is_refused(record.save)


# Ways to save without `clean()`, each of which would send the password to another host.


def by_part(record: Connection) -> None:
    """The record is read in part, without its secrets."""
    apply(Connection.objects.only("url").get(pk=record.pk), {"url": "https://evil.example.com"}).save()


def by_deferred(record: Connection) -> None:
    deferred = Connection.objects.defer("password_sealed", "token_sealed").get(pk=record.pk)
    apply(deferred, {"url": "https://evil.example.com"}).save()


def by_unread(record: Connection) -> None:
    Connection(pk=record.pk, url="https://evil.example.com").save(update_fields=["url"])


def by_unread_whole(record: Connection) -> None:
    fields = {
        field.attname: getattr(record, field.attname)
        for field in Connection._meta.concrete_fields
        if not field.generated
    }
    Connection(**fields | {"url": "https://evil.example.com"}).save()


def by_cleared_in_memory(record: Connection) -> None:
    """The secret is cleared, and the clearing is not saved."""
    found = apply(reread(record), {"url": "https://evil.example.com"})
    found.clear_secret("password")
    found.save(update_fields=["url"])


def by_stale_read(record: Connection) -> None:
    """The record is read before the password is stored."""
    Connection.objects.filter(pk=record.pk).update(
        password_sealed="", password_exists=False, password_stored_at=None
    )
    stale = reread(record)
    reread(record).save()
    fresh = reread(record)
    fresh.set_secret("password", "hunter2")
    fresh.save()
    apply(stale, {"url": "https://evil.example.com"}).save(update_fields=["url"])


def by_rotation(record: Connection) -> None:
    """A new ciphertext of the same secret does not count as entered."""
    stale = reread(record)
    Connection.objects.filter(pk=record.pk).update(password_sealed=record.reencrypted("password"))
    apply(stale, {"url": "https://evil.example.com"}).save()


def by_refresh(record: Connection) -> None:
    found = apply(reread(record), {"url": "https://evil.example.com"})
    found.refresh_from_db(fields=["password_sealed"])
    found.save()


def by_update_or_create(record: Connection) -> None:
    Connection.objects.update_or_create(pk=record.pk, defaults={"url": "https://evil.example.com"})


def by_upsert(record: Connection) -> None:
    Connection.objects.upsert([apply(reread(record), {"url": "https://evil.example.com"})])


def by_two_steps(record: Connection) -> None:
    """Verification first, the host second: each of them redirects the secret."""
    apply(reread(record), {"verify_certificate": False}).save()


@pytest.mark.parametrize(
    "way",
    [
        *(
            by_part,
            by_deferred,
            by_unread,
            by_unread_whole,
            by_cleared_in_memory,
            by_stale_read,
            by_rotation,
            by_refresh,
        ),
        *(by_update_or_create, by_upsert, by_two_steps),
    ],
)
def test_a_save_without_clean_is_refused_with_a_sentence(way, db):
    record = make_connection(password="hunter2")
    assert is_refused(lambda: way(record))
    assert (reread(record).url, reread(record).verify_certificate) == ("https://erp.example.com/api", True)


def bulk_update(field: str):
    return lambda record: Connection.objects.bulk_update([apply(reread(record), {field: "x"})], [field])


@pytest.mark.parametrize(
    "way",
    [
        lambda record: Connection.objects.filter(pk=record.pk).update(url="https://evil.example.com"),
        lambda record: Connection.objects.update(verify_certificate=False),
        lambda record: Connection.objects.update(database_name="other"),
        lambda record: Connection.objects.update(token_url="https://evil.example.com"),
        lambda record: Connection.objects.update(test_endpoint="https://evil.example.com"),
        lambda record: Connection.objects.update(type="MySQL"),
        lambda record: record.app.connections.update(url="https://evil.example.com"),
        bulk_update("url"),
        bulk_update("token_url"),
        bulk_update("type"),
        lambda record: Connection.objects.bulk_create(
            [record], update_conflicts=True, update_fields=["url"], unique_fields=["pk"]
        ),
        lambda record: Connection.objects.bulk_create([record], None, False, True, ["url"], ["pk"]),
        lambda record: Connection.objects.upsert(
            [Connection(pk=record.pk, name="x", type="REST", url="https://evil.example.com")]
        ),
        lambda record: Connection.objects.upsert([Connection.objects.only("url").get(pk=record.pk)]),
    ],
)
def test_writes_that_cannot_ask_for_secrets_raise_type_errors(way, db):
    record = make_connection(url="db.example.com", app=App.objects.create(name="WMS"), password="hunter2")
    before = Connection.objects.values().get(pk=record.pk)
    with pytest.raises(TypeError), transaction.atomic():
        way(record)
    assert Connection.objects.values().get(pk=record.pk) == before


def test_a_copy_takes_no_secret_along(db):
    record = reread(make_connection(password="hunter2"))
    record.pk, record._state.adding, record.url = None, True, "https://evil.example.com"
    assert is_refused(record.save)
    copied = Connection(name="copy", type="REST", url="https://evil.example.com", **secret_columns(record))
    copied.save()
    with pytest.raises(DecryptionError):
        reread(copied).reveal("password")


def secret_columns(record: Connection) -> dict[str, object]:
    return {
        column: getattr(record, column)
        for column in ("password_sealed", "password_exists", "password_stored_at")
    }


def test_a_refreshed_record_saves_where_another_writer_put_it(db):
    stale = reread(make_connection(password="hunter2"))
    moved = reread(stale)
    moved.url = "https://new.example.com"
    moved.set_secret("password", "hunter3")
    moved.save()
    stale.refresh_from_db()
    stale.name = "renamed"
    stale.save()
    assert (reread(stale).name, reread(stale).reveal("password")) == ("renamed", "hunter3")


@pytest.mark.skipif(not POSTGRESQL, reason="SQLite has one writer at a time")
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("first", ["store", "move"])
def test_concurrent_writers(first):
    """One writer stores a secret for the old host while another changes the host.

    Whoever comes second is compared with what the first one wrote.
    """
    record = make_connection()
    store, move = reread(record), apply(reread(record), {"url": "https://evil.example.com"})
    store.set_secret("password", "hunter2")
    written = Event()

    def leading() -> None:
        try:
            with transaction.atomic():
                (store if first == "store" else move).save(
                    update_fields=None if first == "store" else ["url"]
                )
                written.set()
                wait_until_blocked()
        finally:
            connections.close_all()

    def following() -> bool:
        try:
            assert written.wait(10)
            return is_refused(lambda: move.save(update_fields=["url"]) if first == "store" else store.save())
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        leader, follower = pool.submit(leading), pool.submit(following)
        leader.result(20)
        refused = follower.result(20)
    # A writer who saves the whole row after the host changed restores the old address, for which the secret
    # was entered.
    assert refused is (first == "store")
    assert (reread(record).url, reread(record).reveal("password")) == (
        "https://erp.example.com/api",
        "hunter2",
    )


def wait_until_blocked() -> None:
    """Return when another session waits for a lock that this one holds.

    `pg_locks` is read, as `pg_stat_activity` does not change within a transaction.
    """
    deadline = timezone.now() + timedelta(seconds=10)
    with connection.cursor() as cursor:
        while timezone.now() < deadline:
            cursor.execute(
                "SELECT count(*) FROM pg_locks "
                "WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
            )
            if cursor.fetchone()[0]:
                return
    raise AssertionError("nobody waited")


@pytest.mark.skipif(not POSTGRESQL, reason="SQLite has one writer at a time")
@pytest.mark.django_db(transaction=True)
def test_concurrent_saves_in_the_admin(monkeypatch):
    """The page locks the row before it reads it: a password stored meanwhile is not lost or redirected."""
    client, record = browser(make_superuser()), make_connection()
    opened = client.get(page_of(record))
    written, answers = Event(), []

    def store() -> None:
        try:
            with transaction.atomic():
                locked = Connection.objects.select_for_update().get(pk=record.pk)
                locked.set_secret("password", "hunter2")
                locked.save()
                written.set()
                wait_until_blocked()
        finally:
            connections.close_all()

    def move() -> None:
        try:
            assert written.wait(10)
            answers.append(client.post(page_of(record), filled(opened, url="https://evil.example.com")))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(store), pool.submit(move)]:
            done.result(20)
    assert "sends stored secrets to another place" in errors_of(answers[0])
    assert (reread(record).url, reread(record).reveal("password")) == (
        "https://erp.example.com/api",
        "hunter2",
    )


# An address holds no secret


@pytest.mark.parametrize("field", ["url", "token_url", "test_endpoint"])
@pytest.mark.parametrize(
    "text",
    ["https://me:hunter2@erp.example.com", "https://:hunter2@erp.example.com", "https://me@erp.example.com"],
)
def test_an_address_with_a_password_is_refused(field, text, db):
    with pytest.raises(ValidationError) as refusal:
        Connection(name="new", type="REST", **{field: text}).full_clean()
    assert list(refusal.value.message_dict) == [field]
    assert "hunter2" not in str(refusal.value)


# Rotation


@pytest.fixture
def keys(db, settings):
    """An old key that encrypted what is stored, and a new first one; returned as (new, old)."""
    old, new = new_key(), new_key()
    settings.CONNECTION_SECRET_KEYS = [old]
    KeyProof.renew()

    def take_both() -> tuple[str, str]:
        settings.CONNECTION_SECRET_KEYS = [new, old]
        return new, old

    return take_both


def make_many(count: int) -> list[Connection]:
    return [make_connection(name=f"C{number}", **STORED) for number in range(count)]


def on_key(key: str) -> int:
    return sum(
        Connection.objects.filter(**{f"{secret}_sealed__startswith": f"v1.{key_id(key)}."}).count()
        for secret in SECRETS
    )


def test_rotation(keys, settings, client):
    records = make_many(3)
    versions = list(Connection.objects.order_by("pk").values_list("version", "password_stored_at"))
    new, old = keys()
    assert remaining() == on_key(old) == 12
    printed = command("rotate_secrets")
    assert "12 secrets rotated, 0 remain on old keys." in printed
    assert "Old keys can be removed" in printed
    assert (on_key(new), on_key(old), remaining()) == (12, 0, 0)
    # Nothing that clients see has changed: no version, no date.
    assert list(Connection.objects.order_by("pk").values_list("version", "password_stored_at")) == versions
    settings.CONNECTION_SECRET_KEYS = [new]
    assert [reread(record).reveal(secret) for record in records for secret in SECRETS] == [
        *STORED.values()
    ] * 3
    assert client.get("/readyz").status_code == 200


def test_a_repeated_rotation_changes_nothing(keys):
    make_many(2)
    keys()
    command("rotate_secrets")
    before = list(Connection.objects.order_by("pk").values())
    assert "0 secrets rotated, 0 remain on old keys." in command("rotate_secrets")
    assert list(Connection.objects.order_by("pk").values()) == before


def test_an_interrupted_rotation_keeps_what_it_did_and_goes_on(keys, monkeypatch):
    monkeypatch.setattr(rotation, "BATCH", 2)
    make_many(5)
    new, _ = keys()
    run = rotate()
    next(run)
    next(run)
    run.close()  # as Ctrl-C between two batches
    assert (on_key(new), remaining()) == (4, 16)
    assert "16 secrets rotated, 0 remain on old keys." in command("rotate_secrets")


def test_an_interrupted_batch_is_undone_whole(keys, monkeypatch):
    make_many(3)
    new, _ = keys()
    reencrypt, done = rotation.reencrypt, []

    def interrupted(*args) -> None:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(reencrypt(*args))

    monkeypatch.setattr(rotation, "reencrypt", interrupted)
    with pytest.raises(KeyboardInterrupt):
        command("rotate_secrets")
    assert (on_key(new), remaining()) == (0, 12)
    monkeypatch.setattr(rotation, "reencrypt", reencrypt)
    assert "12 secrets rotated" in command("rotate_secrets")


def test_rotation_leaves_out_what_it_cannot_decrypt(keys, settings, client):
    records = make_many(4)
    spoil(records[1], "token")
    new, old = keys()
    with pytest.raises(
        CommandError, match=r"1 secrets cannot be opened; `manage.py check_secrets` names them"
    ):
        command("rotate_secrets")
    assert (on_key(new), remaining()) == (15, 1)
    with pytest.raises(CommandError):  # again: the same one, and nothing else
        command("rotate_secrets")
    assert on_key(new) == 15
    healed = reread(records[1])
    healed.clear_secret("token")
    healed.save()
    assert "0 secrets rotated, 0 remain on old keys." in command("rotate_secrets")
    settings.CONNECTION_SECRET_KEYS = [new]
    assert client.get("/readyz").status_code == 200
    assert old


def test_rotation_says_how_many_remain(keys, capsys):
    spoil(make_many(2)[0], "password")
    keys()
    with pytest.raises(CommandError):
        call_command("rotate_secrets")
    assert "7 secrets rotated, 1 remain on old keys." in capsys.readouterr().out


def test_a_secret_that_is_stored_meanwhile_stays(keys, monkeypatch):
    """Another writer stores a new secret between the rotation's reading and its writing."""
    records = make_many(3)
    new, _ = keys()
    anew = Connection.reencrypted

    def slow(record: Connection, secret: str) -> str:
        ciphertext: str = anew(record, secret)
        if (record.pk, secret) == (records[1].pk, "password"):
            writer = reread(record)
            writer.set_secret("password", "entered meanwhile")
            writer.save()
        return ciphertext

    monkeypatch.setattr(Connection, "reencrypted", slow)
    assert "11 secrets rotated, 0 remain on old keys." in command("rotate_secrets")
    assert reread(records[1]).reveal("password") == "entered meanwhile"
    assert on_key(new) == 12


def test_a_secret_stored_with_the_old_key_meanwhile_is_counted(keys, settings, monkeypatch):
    """A server process that was not restarted yet still encrypts with the old key."""
    records = make_many(2)
    new, old = keys()
    reencrypt = rotation.reencrypt

    def beside(record: Connection, secret: str, progress: rotation.Progress) -> None:
        reencrypt(record, secret, progress)
        if (record.pk, secret) == (records[1].pk, "private_headers"):
            settings.CONNECTION_SECRET_KEYS = [old]
            writer = reread(records[0])
            writer.set_secret("password", "by the old process")
            writer.save()
            settings.CONNECTION_SECRET_KEYS = [new, old]

    monkeypatch.setattr(rotation, "reencrypt", beside)
    printed = command("rotate_secrets")
    assert "8 secrets rotated, 1 remain on old keys." in printed
    assert "can be removed" not in printed
    monkeypatch.setattr(rotation, "reencrypt", reencrypt)
    assert "1 secrets rotated, 0 remain on old keys." in command("rotate_secrets")


def test_rotation_works_in_batches(keys, monkeypatch):
    monkeypatch.setattr(rotation, "BATCH", 2)
    for number in range(5):
        make_connection(name=f"C{number}", password="hunter2")
    keys()
    assert [progress.rotated for progress in map(copy, rotate())] == [2, 4, 5]


# check_secrets


def test_check_secrets_names_what_does_not_decrypt(db):
    good, bad = make_connection(**STORED), make_connection(name="Bad one", **STORED)
    for secret in ("password", "private_headers"):
        spoil(bad, secret)
    out = io.StringIO()
    with pytest.raises(CommandError, match=r"2 secrets cannot be opened\."):
        call_command("check_secrets", stdout=out)
    lines = out.getvalue().splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        f"Connection {bad.pk} (Bad one), password",
        f"Connection {bad.pk} (Bad one), private headers",
    ]
    assert not any(text in out.getvalue() for text in STORED.values())
    assert good.pk not in {record.pk for record, _, _ in find_unreadable()}


def test_check_secrets_names_the_missing_key(keys, settings):
    make_connection(password="hunter2")
    new, old = keys()
    settings.CONNECTION_SECRET_KEYS = [new]
    [(_, secret, reason)] = find_unreadable()
    assert (secret, reason) == ("password", f"The key {key_id(old)} is not among CONNECTION_SECRET_KEYS.")


def test_check_secrets_finds_no_fault(db):
    make_connection(**STORED)
    make_connection(name="without")
    assert command("check_secrets") == "Every stored secret can be opened.\n"


# One unreadable secret breaks nothing


@pytest.fixture(params=["altered", "unknown key", "no ciphertext"])
def unreadable(request, db):
    record = make_connection(**STORED)
    ciphertext = {
        "altered": f"{record.password_sealed[:-8]}AAAAAAA=",
        "unknown key": record.password_sealed.replace(key_id(KEY), "00000000"),
        "no ciphertext": "ünlesbar",
    }[request.param]
    Connection.objects.filter(pk=record.pk).update(**{f"{secret}_sealed": ciphertext for secret in SECRETS})
    return reread(record)


def test_an_unreadable_secret_breaks_no_answer(unreadable, api):
    [listed] = api.get("/api/connections").json()
    assert (listed["id"], listed["passwordExists"]) == (unreadable.pk, True)
    assert api.get(f"/api/connections/{unreadable.pk}").status_code == 200
    assert str(unreadable.pk) in command("export_connections")


def test_an_unreadable_secret_breaks_no_page(unreadable):
    client = browser(make_superuser())
    assert client.get(CONNECTIONS).status_code == 200
    assert client.get(page_of(unreadable)).status_code == 200
    assert change(client, unreadable, name="renamed").status_code == 302
    assert change(client, unreadable, new_password="entered again", clear_token="on").status_code == 302
    healed = reread(unreadable)
    assert (healed.name, healed.reveal("password"), healed.describe_secret("token")) == (
        "renamed",
        "entered again",
        "none",
    )
    assert client.post(f"{CONNECTIONS}{unreadable.pk}/delete/", {"post": "yes"}).status_code == 302


def test_an_unreadable_secret_is_not_redirected_either(unreadable):
    assert is_refused(apply(unreadable, {"url": "https://evil.example.com"}).save)


def test_an_unreadable_secret_leaves_the_site_ready(unreadable, client):
    assert client.get("/readyz").status_code == 200


def test_the_wrong_keys_are_not_ready(db, settings, client, caplog):
    make_connection(**STORED)
    wrong = new_key()
    settings.CONNECTION_SECRET_KEYS = [wrong]
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"status": "unavailable"})
    assert "CONNECTION_SECRET_KEYS are not the keys of this database" in caplog.text
    assert wrong not in caplog.text
    assert client.get("/healthz").status_code == 200


@pytest.mark.live
def test_the_server_starts_and_lists_with_the_wrong_keys(new_server):
    """It starts and lists, and is not ready until it has the right key again."""
    first = new_server()
    url = first.environment["DATABASE_URL"]
    second = new_server(DATABASE_URL=url, CONNECTION_SECRET_KEYS=new_key())
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(f"{second.base}/readyz", timeout=10)
    with refusal.value as answer:
        assert answer.code == 503
    request = urllib.request.Request(
        f"{second.base}/api/connections", headers={"Authorization": f"Bearer {second.key}"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.read().startswith(b"[{")
    with urllib.request.urlopen(f"{first.base}/readyz", timeout=10) as answer:
        assert answer.status == 200


@pytest.mark.live
def test_rotation_while_the_site_serves(new_server):
    """The command runs beside the server. If it is killed half-way, the next one goes on from there."""
    server = new_server()
    prepare = (
        "from connections.models import *\n"
        "for n in range(300):\n"
        "    c = Connection(name=f'R{n}', type='REST', url='https://r')\n"
        "    c.set_secret('password', f'hunter2-{n}')\n"
        "    c.save()"
    )
    assert server.manage("shell", "-v0", "-c", prepare).returncode == 0
    server.environment["CONNECTION_SECRET_KEYS"] = (
        f"{new_key()},{server.environment['CONNECTION_SECRET_KEYS']}"
    )
    killed = subprocess.Popen(
        [sys.executable, "manage.py", "rotate_secrets"],
        cwd=ROOT,
        env=server.environment,
        stdout=subprocess.PIPE,
    )
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=20)
    request = urllib.request.Request(
        f"{server.base}/api/connections?countOnly=true", headers={"Authorization": f"Bearer {server.key}"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200
    done = server.manage("rotate_secrets")
    assert re.search(r"\d+ secrets rotated, 0 remain on old keys\.", done.stdout)
    assert server.manage("check_secrets").stdout == "Every stored secret can be opened.\n"
