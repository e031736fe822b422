"""Pasted addresses in forms and imports: none shows a secret, and none changes when it is read again."""

from html import unescape
from typing import Any, NamedTuple

import pytest

from connections.models import ADDRESSES, Connection
from tests.canaries import found, whole_answer, whole_database
from tests.connections.records import exported, one, record
from tests.connections.test_addresses import KEEPS_A_PASSWORD, NO_HOSTS, ORDINARY
from tests.pages import CONNECTIONS, change, filled, make_connection, manager_browser, reread

pytestmark = pytest.mark.any_database

CANARY = "Tr1cky"
FIELDS = ("url", "token_url", "test_endpoint")


class Taken(NamedTuple):
    """What an import stores of an address: the text that everyone sees, and the credentials."""

    url: str
    username: str = ""
    password: str = ""


TAKEN = {
    "Server=tcp:erp01.example.com,1433;User ID=sa;Password=Tr1@cky;Encrypt=True": Taken(
        "Server=tcp:erp01.example.com,1433;Encrypt=True", "sa", "Tr1@cky"
    ),
    "jdbc:sqlserver://erp01;databaseName=wms;user=sa;password=p@ss;": Taken(
        "jdbc:sqlserver://erp01;databaseName=wms;", "sa", "p@ss"
    ),
    "Driver={ODBC Driver 18 for SQL Server};Server=erp01;UID=sa;PWD={a@b};": Taken(
        "Driver={ODBC Driver 18 for SQL Server};Server=erp01", "sa", "a@b"
    ),
    "Driver={IBM i Access ODBC Driver};System=as400;UserID=sa;Password={a;b}}c}": Taken(
        "Driver={IBM i Access ODBC Driver};System=as400", "sa", "a;b}c"
    ),
    "DATABASE=wms;HOSTNAME=db2;PORT=50000;PROTOCOL=TCPIP;UID=sa;PWD=Tr1cky;": Taken(
        "DATABASE=wms;HOSTNAME=db2;PORT=50000;PROTOCOL=TCPIP", "sa", "Tr1cky"
    ),
    "jdbc:db2://db2:50000/wms:user=sa;password=Tr1cky;": Taken("jdbc:db2://db2:50000/wms", "sa", "Tr1cky"),
    "host=db user=me password='Tr1 cky' dbname=wms": Taken("host=db dbname=wms", "me", "Tr1 cky"),
    "postgresql://db.example.com/wms?user=me&password=Tr1cky": Taken(
        "postgresql://db.example.com/wms", "me", "Tr1cky"
    ),
    "jdbc:mysql://db/wms?useSSL=true&PASSWORD=Tr1cky&User=me": Taken(
        "jdbc:mysql://db/wms?useSSL=true", "me", "Tr1cky"
    ),
    "http://me:p/w@rd@host/a": Taken("http://host/a", "me", "p/w@rd"),
    "\u200bhttps://me:Tr1cky@host/": Taken("https://host/", "me", "Tr1cky"),
    "\ufeff https://me:Tr1cky@host/\u00a0": Taken("https://host/", "me", "Tr1cky"),
    'scott/"t@iger"@ora:1521/svc': Taken("ora:1521/svc", "scott", "t@iger"),
    "jdbc:oracle:thin:scott/Tr1cky@//ora:1521/svc": Taken(
        "jdbc:oracle:thin:@//ora:1521/svc", "scott", "Tr1cky"
    ),
    "(DESCRIPTION=(ADDRESS=(HOST=ora))(CONNECT_DATA=(SID=wms)(USER=me)(PASSWORD=Tr1cky)))": Taken(
        "(DESCRIPTION=(ADDRESS=(HOST=ora))(CONNECT_DATA=(SID=wms)))", "me", "Tr1cky"
    ),
    "https://me:caf%E9@host/": Taken("https://host/", "me", "café"),
    "https://me:p%40w%2F%C3%A9@host/": Taken("https://host/", "me", "p@w/é"),
    "amqp://me:Tr1cky@mq1:5672,mq2:5672/v": Taken("amqp://mq1:5672,mq2:5672/v", "me", "Tr1cky"),
    "sftp://me@host/in": Taken("sftp://host/in", "me"),
}
REFUSED = {
    "http://https://me:Tr1cky@host/": "has two schemes",
    "https://idp.example.com/token?client_secret=Tr1cky": "holds a client secret",
    "https://api.example.com/health?api_key=Tr1cky": "holds an API key",
    "https://api.example.com/?a=b&Access-Token=Tr1cky": "holds an access token",
    "https://api.example.com/?auth%5Btoken%5D=Tr1cky": "holds a token",
    "https://api.example.com/?x%26api%5Fkey%3DTr1cky": "holds an API key",
    "https://api.example.com/#token=Tr1cky": "holds a token",
    "https://store.example.com/in?sv=2022&sig=Tr1cky%3D": "holds a signature",
    "Endpoint=sb://bus.example.com/;SharedAccessKeyName=all;SharedAccessKey=Tr1cky=": "holds an access key",
    "DefaultEndpointsProtocol=https;AccountName=wms;AccountKey=Tr1cky==": "holds an account key",
    "Server=erp01;User ID=sa;Password=Tr1;cky": "has a part without a key beside a password",
    "https://me\u202e:Tr1cky@host/a\u200bb": "has an invisible character",
    "smb://domain;me:Tr1cky@host/share": "has an @",
    # It may be a host with an empty port, or a user whose password begins with a slash.
    "mysql://user:/Tr1cky@host/db": "has an @",
    "ldap://host/ou=me@Tr1cky": "has an @",
}
STAYS = [
    *(
        "",
        "erp01",
        "ERP01\\SQLEXPRESS",
        "ERP01\\WMS,1433",
        "//scan:1521/svc",
        "ora:1521/svc",
        "mq1:5672,mq2:5672",
        "amqp://mq1,mq2/v",
    ),
    *(
        "fe80::1%eth0",
        "http://[fe80::1%25eth0]:8080/",
        "[2001:db8::1]:502",
        "\\\\files\\in",
        "C:\\data\\orders.mdb",
        "/srv/in",
    ),
    "(DESCRIPTION=(ADDRESS_LIST=(ADDRESS=(PROTOCOL=TCP)(HOST=ora1)(PORT=1521)))(CONNECT_DATA=(SERVICE_NAME=svc)))",
    "jdbc:oracle:thin:@(DESCRIPTION=(ADDRESS=(PROTOCOL=TCP)(HOST=ora1)(PORT=1521))(CONNECT_DATA=(SERVICE_NAME=svc)))",
    "Server=erp01;Database=wms;Trusted_Connection=True;Encrypt=True",
    *(
        "https://example.com/@me?mail=a@b.example",
        "https://host/?next=/a=b&token_type=bearer",
        "jdbc:mysql://(host=h,port=3306)/db",
    ),
]

LIST = "Server=erp01;UID=sa;PWD=Tr1cky;Encrypt=True"
SECRET_FREE = {written: Taken(written) for written in STAYS}


@pytest.mark.parametrize("written", TAKEN | SECRET_FREE)
def test_an_import_takes_credentials_out(written, load):
    taken = (TAKEN | SECRET_FREE)[written]
    load([record(1, url=written)])
    assert Taken(one().url, one().username, one().reveal("password")) == taken


@pytest.mark.parametrize("written", TAKEN | SECRET_FREE)
def test_what_was_exported_and_imported_stays(written, load):
    load([record(1, url=written)])
    before, stored = exported(), Connection.objects.values().get()
    load(before, "--on-existing", "overwrite")
    after = Connection.objects.values().get()
    assert exported() == before
    assert {name for name in after if after[name] != stored[name]} <= {"version"}


@pytest.mark.parametrize("written", REFUSED)
def test_an_import_says_where_it_met_what_it_refuses(written, refuse, db):
    sentence = refuse([record(1), record(2, url=written)])
    assert f"Record 1 (counted from 0): url: Value error, {REFUSED[written]}" in sentence
    assert CANARY not in sentence
    assert not Connection.objects.exists()


@pytest.mark.parametrize("written", [*TAKEN, *REFUSED])
def test_a_form_says_at_which_field_it_refuses_credentials(written, db):
    client, stored = manager_browser(), make_connection()
    sent = dict.fromkeys(FIELDS, written)
    for answer in (change(client, stored, **sent), add(client, **sent), add(client, token_url=written)):
        assert answer.status_code == 200
        assert set(answer.context["adminform"].form.errors) in (set(FIELDS), {"token_url"})
        assert not any(secret in unescape(answer.content.decode()) for secret in secrets_of(written))
    assert [getattr(reread(stored), field) for field in FIELDS] == [
        getattr(stored, field) for field in FIELDS
    ]
    assert Connection.objects.count() == 1


def test_a_refused_form_keeps_what_is_no_secret(db):
    client, stored = manager_browser(), make_connection()
    answer = change(
        client,
        stored,
        url=LIST,
        token_url="https://idp.example.com/x",
        test_endpoint="@evil.example/x",
        headers="Host: evil",
    )
    form = answer.context["adminform"].form
    assert set(form.errors) == {"url", "test_endpoint", "headers"}
    shown = [form[name].value() for name in ("url", "token_url", "test_endpoint", "headers")]
    assert shown == [
        "Server=erp01;Encrypt=True",
        "https://idp.example.com/x",
        "@evil.example/x",
        "Host: evil",
    ]
    assert (
        change(client, stored, url=shown[0], type="MSSQL", authentication="No Authentication").status_code
        == 302
    )


@pytest.mark.parametrize("written", STAYS)
def test_a_form_takes_what_holds_no_credentials(written, db):
    stored = make_connection()
    assert change(manager_browser(), stored, url=written).status_code == 302
    assert reread(stored).url == written


@pytest.mark.parametrize("written", TAKEN)
def test_no_reader_finds_what_was_pasted(written, load, api):
    load([record(1, url=written)])
    password = TAKEN[written].password
    answers = [api.get(path) for path in ("/api/connections", "/api/connections/1")]
    client = manager_browser()
    pages = [
        client.get(path) for path in (CONNECTIONS, f"{CONNECTIONS}1/change/", f"{CONNECTIONS}1/history/")
    ]
    for text in (*map(whole_answer, answers + pages), whole_database()):
        assert not password or password not in unescape(text)
        assert found(text, CANARY) == []


def add(client: Any, **changes: Any) -> Any:
    path = f"{CONNECTIONS}add/"
    return client.post(
        path, filled(client.get(path), **{"name": "new", "type": "REST", "url": "", **changes})
    )


def secrets_of(written: str) -> list[str]:
    taken = TAKEN.get(written, Taken(""))
    return [CANARY, *filter(None, [taken.password])]


UNSAFE = (*KEEPS_A_PASSWORD, *NO_HOSTS)


def test_an_import_names_every_address_that_may_hold_a_secret(refuse, db):
    """Imported in parts, because an import names only its first faults."""
    for begin in range(0, len(UNSAFE), 10):
        part = UNSAFE[begin : begin + 10]
        sentence = refuse([record(number, url=written) for number, written in enumerate(part, start=1)])
        for number, written in enumerate(part):
            assert f"Record {number} (counted from 0): url: Value error, " in sentence, written
        assert CANARY not in sentence


@pytest.mark.parametrize("kind", ["add", "change"])
def test_a_form_refuses_every_address_that_may_hold_a_secret(kind, db):
    client, stored = manager_browser(), make_connection()
    path = f"{CONNECTIONS}add/" if kind == "add" else f"{CONNECTIONS}{stored.pk}/change/"
    page = client.get(path)
    for written in UNSAFE[kind == "add" :: 2]:
        answer = client.post(path, filled(page, name="new", type="REST", **dict.fromkeys(FIELDS, written)))
        assert answer.status_code == 200, written
        assert set(answer.context["adminform"].form.errors) == set(FIELDS)
        assert CANARY not in unescape(answer.content.decode())
    assert [getattr(each, field) for each in Connection.objects.all() for field in FIELDS] == [
        getattr(stored, field) for field in FIELDS
    ]


def test_an_import_takes_ordinary_addresses(load):
    load([record(number, url=written) for number, written in enumerate(ORDINARY, start=1)])
    assert tuple(row["url"] for row in exported()) == ORDINARY


def test_a_form_takes_ordinary_addresses(db):
    client, stored = manager_browser(), make_connection()
    page = client.get(f"{CONNECTIONS}{stored.pk}/change/")
    for written in ORDINARY:
        answer = client.post(f"{CONNECTIONS}{stored.pk}/change/", filled(page, url=written))
        assert (answer.status_code, reread(stored).url) == (302, written)


@pytest.mark.parametrize("token_url", ["x", "/token", "ftp://host/", "Server=evil", "https:/idp/x"])
def test_a_form_takes_no_token_url_but_one_of_http(token_url, db):
    answer = change(manager_browser(), make_connection(), token_url=token_url)
    assert set(answer.context["adminform"].form.errors) == {"token_url"}
    assert answer.context["adminform"].form["token_url"].value() == token_url


@pytest.mark.parametrize("field", FIELDS)
def test_an_address_that_is_too_long_is_not_parsed(field, db, monkeypatch):
    client, stored, lengths = manager_browser(), make_connection(), []

    def noting(parse):
        return lambda text: lengths.append(len(text)) or parse(text)

    monkeypatch.setattr(
        "connections.forms.ADDRESSES", {name: noting(parse) for name, parse in ADDRESSES.items()}
    )
    answer = change(client, stored, **{field: "p=;" * 70_000})
    assert set(answer.context["adminform"].form.errors) == {field}
    assert "p=;p=;" not in answer.content.decode()
    assert lengths
    assert max(lengths) <= 2000
