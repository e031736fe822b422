"""Extra headers are refused, at their field, if no client sends them or the call writes them itself."""

import base64

import pytest
from django.core.exceptions import ValidationError

from connections.choices import Authentication
from connections.headers import OF_THE_CALL, ROUTING
from connections.models import Connection
from tests.pages import change, errors_of, make_connection, manager_browser, reread

pytestmark = pytest.mark.any_database

CANARY = "Tr1cky"
FIELDS = {"headers": "headers", "private_headers": "new_private_headers"}
NO_CLIENT_SENDS = {
    "X Key: Tr1cky": "is not of the form",
    "X-Kéy: Tr1cky": "is not of the form",
    "X-Key[]: Tr1cky": "is not of the form",
    "X-Key;: Tr1cky": "is not of the form",
    '"X-Key": Tr1cky': "is not of the form",
    ": Tr1cky": "is not of the form",
    "Tr1cky": "is not of the form",
    "X-Key: Tr1\x0bcky": "has a control character",
    "X-Key: Tr1\x85cky": "has a control character",
    "X-Key: Tr1\u2028cky": "has a control character",
    "X-Key: Tr1\x7fcky": "has a control character",
}
SPELL = (str.lower, str.title, str.upper)
WRITTEN_BY_THE_CALL = [SPELL[number % 3](name) for number, name in enumerate(sorted(OF_THE_CALL))]
OWN = {
    Authentication.BASIC: "Authorization",
    Authentication.BEARER: "authorization",
    Authentication.DIGEST: "AUTHORIZATION",
    Authentication.HMAC: "Authorization",
    Authentication.OAUTH2: "Authorization",
    Authentication.API_KEY: "x-API-key",
}


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("line", NO_CLIENT_SENDS)
def test_what_no_client_can_send_is_refused(line, field, db):
    client, record = manager_browser(), make_connection()
    answer = change(client, record, **{FIELDS[field]: f"X-Good: 1\n{line}"})
    assert list(answer.context["adminform"].form.errors) == [FIELDS[field]]
    assert f"Line 2 {NO_CLIENT_SENDS[line]}" in errors_of(answer)
    assert CANARY not in errors_of(answer)
    assert (reread(record).headers, reread(record).has_stored("private_headers")) == ([], False)


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("name", WRITTEN_BY_THE_CALL)
def test_headers_of_the_call_are_refused(name, field, db):
    answer = change(manager_browser(), make_connection(), **{FIELDS[field]: f"{name}: evil.example.com"})
    assert list(answer.context["adminform"].form.errors) == [FIELDS[field]]
    assert f"{name} is written by the call itself." in errors_of(answer)
    assert not Connection.objects.exclude(headers=[]).exists()


@pytest.mark.parametrize("authentication", OWN)
def test_the_authentications_own_header_is_refused(authentication, db):
    client, record = manager_browser(), make_connection()
    sent = {"authentication": authentication, "api_key_header": "X-API-Key"}
    answer = change(client, record, **sent, new_private_headers=f"{OWN[authentication]}: {CANARY}")
    assert list(answer.context["adminform"].form.errors) == ["new_private_headers"]
    assert f"{OWN[authentication]} is written by the authentication." in errors_of(answer)
    assert CANARY not in errors_of(answer)


@pytest.mark.parametrize("authentication", OWN)
def test_an_authentication_does_not_take_over_a_stored_header(authentication, db):
    """The header came first, with no authentication beside it."""
    client, record = manager_browser(), make_connection(private_headers=f"{OWN[authentication]}: {CANARY}")
    answer = change(client, record, authentication=authentication, api_key_header="X-API-Key")
    assert list(answer.context["adminform"].form.errors) == ["new_private_headers"]
    assert "which the authentication writes" in errors_of(answer)
    cleared = {"authentication": authentication, "api_key_header": "X-API-Key", "clear_private_headers": "on"}
    assert change(client, record, **cleared).status_code == 302


def test_private_headers_that_do_not_open_keep_nobody_from_an_edit(db, settings):
    record = make_connection(authentication="Bearer Token", private_headers=f"X-Key: {CANARY}")
    settings.CONNECTION_SECRET_KEYS = [base64.urlsafe_b64encode(bytes(32)).decode()]
    assert change(manager_browser(), record, name="renamed").status_code == 302


@pytest.mark.parametrize("name", ["Authorization", "proxy-authorization", "COOKIE"])
def test_a_header_that_always_holds_a_secret_is_private(name, db):
    client, record = manager_browser(), make_connection()
    assert "belongs to the private headers" in errors_of(change(client, record, headers=f"{name}: {CANARY}"))
    assert change(client, record, new_private_headers=f"{name}: {CANARY}").status_code == 302
    assert reread(record).reveal("private_headers") == f"{name}: {CANARY}"


@pytest.mark.parametrize("name", sorted(ROUTING))
def test_a_header_that_decides_where_a_call_goes_is_public(name, db):
    client, record = manager_browser(), make_connection()
    refusal = errors_of(change(client, record, new_private_headers=f"{name}: erp.example.com"))
    assert "belongs to the extra headers, which are shown" in refusal
    assert change(client, record, headers=f"{name}: erp.example.com").status_code == 302


@pytest.mark.parametrize("name", ["X Key", "X-Kéy", "Host", "content-length", "X-Key:", "X-Key\n"])
def test_the_header_of_an_api_key_has_a_valid_name(name, db):
    answer = change(
        manager_browser(), make_connection(), authentication="API Key", api_key_header=name, new_token=CANARY
    )
    if name == "X-Key\n":
        assert answer.status_code == 302  # a form removes the line end of a paste
    else:
        assert list(answer.context["adminform"].form.errors) == ["api_key_header"]


NO_HEADERS = [
    "X-Site: 7",
    {"X-Site": "7"},
    ["X-Site: 7"],
    [{"name": "X-Site"}],
    [{"name": "X-Site", "value": 7}],
    None,
    [None],
    7,
]
BAD_HEADERS = [
    {"name": "X-Site", "value": "7", "more": ""},
    {"name": "X Site", "value": "7"},
    {"name": "X-Site", "value": "7\r\nHost: x"},
]


@pytest.mark.parametrize("headers", [*NO_HEADERS, *([each] for each in BAD_HEADERS)])
def test_programs_meet_the_same_refusals(headers, db):
    record = Connection(name="new", type="REST", headers=headers)
    with pytest.raises(ValidationError) as refusal:
        record.full_clean()
    assert list(refusal.value.message_dict) == ["headers"]


# Names of headers whose values are secrets.
SECRETS = (
    *("X-API-Key", "Api-Key", "apikey", "X-Auth-Token", "Private-Token", "X-Amz-Security-Token", "Cookie2"),
    *(
        "X-Functions-Key",
        "Ocp-Apim-Subscription-Key",
        "X-Access-Token",
        "X-Password",
        "X-Auth",
        "Proxy-Authorization",
    ),
)
NO_SECRETS = (
    *("X-Site", "X-CSRF-Token", "Accept", "Content-Type", "User-Agent", "X-Request-ID", "Idempotency-Key"),
    *("Accept-Language", "X-Token-Type", "Authority", "X-Author", "X-Tenant"),
)


@pytest.mark.parametrize("name", SECRETS)
def test_a_header_that_holds_a_secret_by_its_name_is_private(name, db):
    client, record = manager_browser(), make_connection()
    refusal = change(client, record, headers=f"X-Site: 7\n{name}: {CANARY}")
    assert f"{name} holds a secret, so it belongs to the private headers." in errors_of(refusal)
    assert CANARY not in refusal.content.decode()
    assert refusal.context["adminform"].form["headers"].value() == f"X-Site: 7\n{name}:"
    with pytest.raises(ValidationError):
        Connection(name="new", type="REST", headers=[{"name": name, "value": CANARY}]).full_clean()
    assert change(client, record, new_private_headers=f"{name}: {CANARY}").status_code == 302


@pytest.mark.parametrize("line", [f"Authorization {CANARY}", f"Cookie\t: {CANARY}", f"  X-API-Key:{CANARY}"])
def test_a_refused_form_shows_no_secret_of_a_malformed_line(line, db):
    answer = change(manager_browser(), make_connection(), headers=f"X Site: 7\n{line}")
    assert list(answer.context["adminform"].form.errors) == ["headers"]
    assert CANARY not in answer.content.decode()
    assert answer.context["adminform"].form["headers"].value().startswith("X Site: 7\n")


@pytest.mark.parametrize("name", NO_SECRETS)
def test_ordinary_headers_are_public(name, db):
    record = make_connection()
    assert change(manager_browser(), record, headers=f"{name}: 7").status_code == 302
    assert reread(record).headers == [{"name": name, "value": "7"}]


@pytest.mark.parametrize("name", ["Authorization", "authorization", "X-API-Key", "Cookie"])
def test_an_api_key_is_sent_in_a_usual_header(name, db):
    client, record = manager_browser(), make_connection()
    sent = {"authentication": "API Key", "api_key_header": name}
    assert change(client, record, **sent, new_token=CANARY).status_code == 302
    assert (reread(record).api_key_header, reread(record).reveal("token")) == (name, CANARY)
    assert change(client, record, name="renamed").status_code == 302
    refusal = change(client, record, new_private_headers=f"{name}: x")
    assert "is written by the authentication" in errors_of(refusal)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        *((name, "The name of a header has letters") for name in ("X API", "X-API:", "X-Kéy", "X-API: 7")),
        *(
            (name, "decides where a call goes")
            for name in ("X-Forwarded-Host", "x-http-host-override", "Forwarded")
        ),
        *((name, "is written by the call itself") for name in ("Host", "content-length")),
        ("Proxy-Authorization", "is read by a proxy"),
    ],
)
def test_the_name_of_an_api_keys_header_is_refused_as_a_name(name, sentence, db):
    sent = {"authentication": "API Key", "api_key_header": name, "new_token": CANARY}
    answer = change(manager_browser(), make_connection(), **sent)
    assert list(answer.context["adminform"].form.errors) == ["api_key_header"]
    assert sentence in errors_of(answer)
    assert "Name: value" not in errors_of(answer)
