"""What an answer holds, and how clients avoid to read it twice."""

import gzip
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from accounts.tokens import AccessToken
from connections.models import App, Connection, Integration
from logs.models import ConnectionLog
from tests.conftest import ROOT
from tests.core.api import PATH, get_with_body, ids, make

# The two objects of ItemPath's own example.
SEED = (ROOT / "tests/data/seed.json").read_text("utf-8")


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.fixture
def two(db) -> list[Connection]:
    """Store the two connections of `SEED`."""
    app = App.objects.create(id=2, name="Warehouse")
    first = Connection(
        id=1,
        app=app,
        name="PowerPick",
        url="https://warehouse.example.com",
        authentication="Basic Authentication",
        type="MSSQL",
    )
    first.username, first.status = "warehouse_user", 1
    first.latest_connection, first.last_check = (
        at("2026-05-07T13:30:00.602998"),
        at("2026-05-07T13:30:00.603010"),
    )
    first.creation_date = at("2026-05-01T10:12:45")
    first.set_secret("password", "secret")
    second = Connection(
        id=2,
        app=app,
        name="Web Services",
        url="https://api.example.com",
        authentication="HMAC Authentication",
        type="REST",
    )
    second.username, second.creation_date = "api-user", at("2026-05-02T09:00:00")
    second.latest_connection, second.last_check = at("2026-05-06T08:15:12.120"), at("2026-05-07T08:16:00")
    second.set_secret("token", "secret")
    Connection.objects.bulk_create([first, second])
    Integration.objects.bulk_create(
        [
            Integration(name="orders", connection=first),
            Integration(name="old", connection=first, active=False),
        ]
        + [Integration(name="stock", connection=each) for each in (first, second)]
    )
    log = ConnectionLog(
        id=10, connection=first, app_id=2, status=1, description="Connection test complete", time=0.42
    )
    log.creation_date = first.last_check
    log.save()
    Connection.objects.filter(pk=1).update(latest_log=log)
    return list(Connection.objects.all())


def text_of(body: object) -> str:
    """Return JSON text: unlike dicts, texts differ in the order of keys and in `1`, `1.0` and `true`."""
    return json.dumps(body)


def test_the_list_of_the_seed(api, two):
    assert text_of(api.get(PATH).json()) == text_of(json.loads(SEED))


@pytest.mark.parametrize("number", [1, 2])
def test_the_connections_of_the_seed(api, two, number):
    assert text_of(api.get(f"{PATH}/{number}").json()) == text_of(json.loads(SEED)[number - 1])


def test_the_keys_of_an_empty_connection_and_log(api):
    [bare] = make("x", type="Telepathy", authentication="", creation_date=at("9999-12-31T23:59:59.999999"))
    Connection.objects.update(
        latest_log=ConnectionLog.objects.create(
            id=2**53 + 1, connection=bare, status=0, error="", creation_date=at("0001-01-01")
        )
    )
    assert text_of(api.get(f"{PATH}/1").json()) == text_of(
        {
            "id": 1,
            "appId": None,
            "name": "x",
            "url": "",
            "passwordExists": False,
            "tokenExists": False,
            "isTestable": False,
            "authentication": "",
            "type": "Telepathy",
            "username": "",
            "status": 0,
            "latestConnection": None,
            "creationDate": "9999-12-31T23:59:59.999999",
            "latestLog": {
                "id": 2**53 + 1,
                "creationDate": "0001-01-01T00:00:00.000000",
                "status": 0,
                "description": "",
                "error": "",
                "appId": None,
                "integrationId": None,
                "workflowId": None,
                "taskId": None,
                "time": None,
            },
            "integrationCount": 0,
            "lastCheck": None,
        }
    )


@pytest.mark.parametrize(
    "name", ["Müller & <Söhne>", "日本語 😀", "\u2028line", 'a"b\\c', "two\nlines\ttab", "\x7f\x01"]
)
def test_text_survives(api, name):
    make(name, username=name)
    assert [(row["name"], row["username"]) for row in api.get(PATH).json()] == [(name, name)]


ADDRESSES = [PATH, f"{PATH}/1", f"{PATH}?countOnly=true", f"{PATH}?id=99", f"{PATH}?limit=1"]


@pytest.mark.parametrize("path", ADDRESSES)
def test_an_answer_is_tagged_and_not_sent_twice(api, two, path):
    response = api.get(path)
    tag = response["ETag"]
    assert tag.startswith('W/"')
    assert tag.endswith('"')
    assert response["Cache-Control"] == "private, no-cache"
    assert api.get(path)["ETag"] == api.head(path)["ETag"] == tag
    # Comparison is weak: the same tag counts with and without its W/, and in a list.
    for sent in (tag, tag.removeprefix("W/"), f'"other", {tag}'):
        for again in (
            api.get(path, headers={"If-None-Match": sent}),
            api.head(path, headers={"If-None-Match": sent}),
        ):
            assert (again.status_code, again.content) == (304, b"")
            assert (again["ETag"], again["Cache-Control"]) == (tag, "private, no-cache")
            assert "Content-Type" not in again


@pytest.mark.parametrize("sent", ['"other"', 'W/"other"', "nonsense", ""])
def test_a_client_with_another_tag_gets_this_answer(api, two, sent):
    assert ids(api.get(PATH, headers={"If-None-Match": sent})) == [1, 2]


def set_secret(secret, text):
    def change(connection):
        connection.set_secret(secret, text)
        connection.save()

    return change


def save(**values):
    def change(connection):
        for name, value in values.items():
            setattr(connection, name, value)
        connection.save(update_fields=list(values))

    return change


def update(**values):
    return lambda connection: Connection.objects.filter(pk=connection.pk).update(**values)


def entrust(**values):
    """Change where the connection leads; its stored secret, entered again, goes along."""

    def change(connection):
        for name, value in values.items():
            setattr(connection, name, value)
        connection.set_secret("password", "another")
        connection.save()

    return change


def bulk_update(connection):
    connection.name = "renamed"
    Connection.objects.bulk_update([connection], ["name"])


def upsert(connection):
    connection.name = "renamed"
    Connection.objects.upsert([connection])


def integrate(connection):
    Integration.objects.create(name="more", connection=connection)


def integrate_many(connection):
    Integration.objects.bulk_create([Integration(name="more", connection=connection)])


def move_integration(connection):
    integration = connection.integrations.first()
    integration.connection_id = 2
    integration.save()


def log_check(connection):
    connection.latest_log = ConnectionLog.objects.create(
        connection=connection, status=0, description="Connection test failed", error="down"
    )
    connection.save(update_fields=["latest_log"])


def save_log(connection):
    connection.latest_log.description = "Edited"
    connection.latest_log.save()


def upsert_log(connection):
    connection.latest_log.time = 0.43
    ConnectionLog.objects.upsert([connection.latest_log])


LATER = at("2026-05-08")
SCALARS: dict[str, Any] = {"name": "renamed", "username": "other", "app_id": None}
SCALARS |= {
    "status": 0,
    "latest_connection": LATER,
    "creation_date": LATER,
    "last_check": None,
    "latest_log": None,
}
CHANGES = {
    **{f"save {name}": save(**{name: value}) for name, value in SCALARS.items()},
    **{f"update {name}": update(**{name: value}) for name, value in SCALARS.items()},
    "another url": entrust(url="https://other.example.com"),
    "another type": entrust(type="SFTP"),
    "another authentication": entrust(authentication="Digest Authentication"),
    "a type that is not testable": entrust(type="Telepathy"),
    "update a microsecond": update(last_check=at("2026-05-07T13:30:00.603011")),
    "the password goes": set_secret("password", ""),
    "a token comes": set_secret("token", "secret"),
    "bulk_update": bulk_update,
    "upsert": upsert,
    "integration": integrate,
    "integrations in bulk": integrate_many,
    "integration moves": move_integration,
    "integrations move by update": lambda connection: connection.integrations.filter(name="stock").update(
        connection=2
    ),
    "integration deleted": lambda connection: connection.integrations.first().delete(),
    "integrations deleted": lambda connection: connection.integrations.all().delete(),
    "new log": log_check,
    "log saved": save_log,
    "log updated": lambda connection: ConnectionLog.objects.filter(pk=10).update(description="Edited"),
    "log upserted": upsert_log,
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_tag_changes_with_what_is_shown(api, two, change):
    before = {path: api.get(path) for path in (PATH, f"{PATH}/1")}
    CHANGES[change](two[0])
    for path, old in before.items():
        new = api.get(path, headers={"If-None-Match": old["ETag"]})
        assert new.status_code == 200
        assert new["ETag"] != old["ETag"]
        # Had nothing changed for the client, the case would prove nothing.
        assert new.json() != old.json()


def changed(api, path, change):
    """Say whether a client that holds the answer at `path` hears of a change."""
    tag = api.get(path)["ETag"]
    change()
    status = api.get(path, headers={"If-None-Match": tag}).status_code
    assert status in (200, 304)
    return status == 200


def test_an_integration_that_moves_changes_both_connections(api, two):
    assert changed(api, f"{PATH}/2", lambda: move_integration(two[0]))
    assert [row["integrationCount"] for row in api.get(PATH).json()] == [2, 2]


@pytest.mark.parametrize(
    "path",
    [PATH, f"{PATH}?orderby=-id", f"{PATH}?limit=2", f"{PATH}?limit=1&page=1", f"{PATH}?countOnly=true"],
)
def test_the_tag_of_a_list_changes_with_a_deletion(api, path):
    _, last = make("one", "two")
    assert changed(api, path, last.delete)


@pytest.mark.parametrize(
    "path",
    [
        PATH,
        f"{PATH}?orderby=-id&limit=2",  # the new row pushes another one off the page
        f"{PATH}?limit=2",  # only the link to the next page is new
        f"{PATH}?limit=1&page=2",
        f"{PATH}?name=three",
        f"{PATH}?countOnly=true",
    ],
)
def test_the_tag_of_a_list_changes_with_a_new_row(api, path):
    make("one", "two")
    assert changed(api, path, lambda: Connection.objects.create(id=3, name="three", type="REST"))


def test_a_next_page_that_appears_is_linked(api):
    make("one", "two")
    assert "Link" not in api.get(PATH, {"limit": 2})
    assert changed(api, f"{PATH}?limit=2", lambda: Connection.objects.create(id=3, name="three", type="REST"))
    assert "Link" in api.get(PATH, {"limit": 2})


def test_a_row_that_replaces_another_has_another_tag(api):
    [old] = make("same")
    assert changed(api, f"{PATH}/1", lambda: (old.delete(), make("same")))


def test_the_tag_stays_with_what_is_not_shown(api, two):
    # A page that shows one row does not change with another row.
    assert not changed(api, f"{PATH}/2", lambda: save(name="renamed")(two[0]))
    assert not changed(api, f"{PATH}?id=2", lambda: two[0].integrations.all().delete())
    assert not changed(api, f"{PATH}?countOnly=true", lambda: save(name="again")(two[0]))


def test_answers_of_one_address_that_differ_have_different_tags(api, two):
    paths = [
        PATH,
        f"{PATH}?orderby=-id",
        f"{PATH}?limit=1",
        f"{PATH}?limit=1&page=1",
        f"{PATH}?id=99",
        f"{PATH}?countOnly=true",
        f"{PATH}/1",
        f"{PATH}/2",
    ]
    tags = {path: api.get(path)["ETag"] for path in paths}
    assert len(set(tags.values())) == len(paths)
    # Arguments in a body change the answer and not the address.
    other = get_with_body(api, '{"orderby": "-id"}')
    assert other["ETag"] == tags[f"{PATH}?orderby=-id"]


@pytest.mark.parametrize("path", [PATH, f"{PATH}/1"])
def test_long_answers_are_compressed_for_clients_that_accept_it(api, two, path):
    plain = api.get(path)
    assert len(plain.content) > 200
    assert "Content-Encoding" not in plain
    response = api.get(path, headers={"Accept-Encoding": "br;q=0.5, gzip"})
    assert (response["Content-Encoding"], response["ETag"]) == ("gzip", plain["ETag"])
    assert "accept-encoding" in response["Vary"].lower()
    assert gzip.decompress(response.content) == plain.content
    assert response["Content-Length"] == str(len(response.content))
    not_modified = api.get(path, headers={"Accept-Encoding": "gzip", "If-None-Match": plain["ETag"]})
    assert (not_modified.status_code, not_modified.content) == (304, b"")


@pytest.mark.parametrize("path", [f"{PATH}?countOnly=true", f"{PATH}?id=99", f"{PATH}/99"])
def test_short_answers_are_not_compressed(api, two, path):
    response = api.get(path, headers={"Accept-Encoding": "gzip"})
    assert len(response.content) < 200
    assert response.json() is not None
    assert "Content-Encoding" not in response


def make_logged(count):
    """Create connections of several apps, each with a log entry and integrations: each could cost a query."""
    App.objects.bulk_create(App(id=number, name=f"App {number}") for number in (1, 2, 3))
    rows = [
        Connection(id=number, name="x", type="REST", app_id=number % 3 + 1) for number in range(1, count + 1)
    ]
    Connection.objects.bulk_create(rows)
    logs = ConnectionLog.objects.bulk_create(
        ConnectionLog(id=row.pk, connection=row, status=1) for row in rows
    )
    for row, log in zip(rows, logs, strict=True):
        row.latest_log = log
    Connection.objects.bulk_update(rows, ["latest_log"])
    Integration.objects.bulk_create(Integration(name="x", connection=row) for row in rows)


@pytest.mark.parametrize("count", [0, 1, 20, 500])
def test_a_list_takes_as_many_queries_for_any_number_of_rows(api, count, django_assert_num_queries):
    make_logged(count)
    with django_assert_num_queries(
        3
    ):  # 1. key, user and role; 2. the key's last use, once a minute; 3. the list
        assert len(ids(api.get(PATH))) == count
    for path in (
        f"{PATH}?name=[like]X&appId=[not]null&orderby=-lastCheck,name&limit=7&page=1",
        f"{PATH}?limit=20000",
    ):
        with django_assert_num_queries(1):  # the list; the bearer was recognized a moment ago
            assert len(ids(api.get(path))) == (max(0, min(7, count - 7)) if "limit=7" in path else count)


@pytest.mark.parametrize("path", [PATH, f"{PATH}/1", f"{PATH}?countOnly=true"])
def test_an_answer_that_the_client_holds_takes_no_more_queries(api, path, django_assert_num_queries):
    make_logged(20)
    tag = api.get(path)["ETag"]
    for headers, status in (({}, 200), ({"If-None-Match": tag}, 304)):
        with django_assert_num_queries(1):  # the rows, or their versions, or their number
            assert api.get(path, headers=headers).status_code == status


def test_a_tag_that_is_no_longer_right_takes_one_query_more(api, django_assert_num_queries):
    make_logged(20)
    tag = api.get(PATH)["ETag"]
    Connection.objects.filter(pk=7).update(username="else")
    with django_assert_num_queries(2):  # 1. the versions; 2. the rows
        assert api.get(PATH, headers={"If-None-Match": tag}).status_code == 200


def test_a_refused_call_reads_no_rows(api, django_assert_num_queries):
    api.get(PATH)
    with django_assert_num_queries(0):
        assert api.get(PATH, {"id": "x"}).status_code == 422


def test_an_access_token_takes_two_queries(reader, bearer, django_assert_num_queries):
    client = bearer(str(AccessToken.for_user(reader)))
    make_logged(20)
    with django_assert_num_queries(2):  # 1. user and role; 2. the list
        assert len(ids(client.get(PATH))) == 20
