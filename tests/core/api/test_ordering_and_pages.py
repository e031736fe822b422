"""The order of a list, its pages and its counts."""

from datetime import UTC, datetime, timedelta
from itertools import chain
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.core.api import FIELDS, PATH, get_with_body, ids, make, refused, store

START = datetime(2026, 5, 1, tzinfo=UTC)
# Words that every collation puts in this order.
WORDS = ["alpha", "bravo", "charlie", "delta", "echo"]
AUTHENTICATIONS = ["API Key", "Basic Authentication", "Digest Authentication", "No Authentication"]


def row(number: int) -> dict[str, object]:
    """Return one row of the data. Every field but id has three or more equal values, and nulls if it may."""
    return {
        "id": number,
        "appId": [3, None, 1, 2, None][number % 5],
        "name": WORDS[number * 7 % 5],
        "type": "MSSQL" if number % 3 < 2 else "zulu",
        "authentication": AUTHENTICATIONS[number % 4],
        "url": ["", *WORDS][number * 5 % 6],
        "username": ["", "alpha"][number % 2],
        "status": number // 3 % 2,
        "passwordExists": number % 4 == 0,
        "tokenExists": number % 3 > 0,
        "isTestable": number % 3 < 2,
        "integrationCount": number * 3 % 4,
        "latestConnection": None if number % 3 == 1 else START + timedelta(days=number % 4),
        "creationDate": START - timedelta(hours=number % 6),
        "lastCheck": [None, START, START + timedelta(microseconds=1)][number * 2 % 3],
    }


ROWS = [row(number) for number in range(1, 32)]


@pytest.fixture
def data(db):
    store(ROWS)


def ordered(*terms):
    """Return the ids in the order of `(field, descends)` terms: nulls last, ties by id, as the last term."""
    rows = sorted(ROWS, key=lambda row: row["id"], reverse=terms[-1][1])
    for field, descends in reversed(terms):
        null = [row for row in rows if row[field] is None]
        rows = [row for row in rows if row[field] is not None]
        # Python's sort is stable in reverse, too.
        rows = sorted(rows, key=lambda row, field=field: row[field], reverse=descends) + null
    return [row["id"] for row in rows]


def follow(api, path):
    """Return the pages from `path` on, by their links."""
    pages = []
    while path:
        response = api.get(path)
        pages.append(ids(response))
        path = next_of(response)
    return pages


def next_of(response):
    """Return path and query of the linked next page."""
    if "Link" not in response:
        return None
    address, relation = response["Link"].split(">; ")
    assert relation == 'rel="next"'
    parts = urlsplit(address.removeprefix("<"))
    assert (parts.scheme, parts.netloc, parts.path) == ("http", "testserver", PATH)
    return f"{parts.path}?{parts.query}"


def test_the_data_has_ties_and_nulls():
    for field in set(FIELDS) - {"id"}:
        values = [row[field] for row in ROWS]
        assert 2 <= len(set(values)) <= len(values) // 3, field
    assert {field for field in FIELDS if None in [row[field] for row in ROWS]} == {
        "appId",
        "latestConnection",
        "lastCheck",
    }


@pytest.mark.parametrize("descends", [False, True], ids=["up", "down"])
@pytest.mark.parametrize("field", FIELDS)
def test_pages_show_every_row_once_in_the_order_of_one_field(api, data, field, descends):
    wanted = ordered((field, descends))
    assert ids(api.get(PATH, {"orderby": f"{field}:{'desc' if descends else 'asc'}"})) == wanted
    pages = follow(api, f"{PATH}?orderby={'-' * descends}{field}&limit=7")
    assert [len(page) for page in pages] == [7, 7, 7, 7, 3]
    assert [*chain(*pages)] == wanted


@pytest.mark.parametrize(
    ("query", "terms"),
    [
        ("", [("id", False)]),
        ("orderby=name", [("name", False)]),
        ("orderby=name:asc", [("name", False)]),
        ("orderby=name:desc", [("name", True)]),
        ("orderby=-name", [("name", True)]),
        ("orderby=NAME:DESC", [("name", True)]),
        ("orderby=-LATESTconnection", [("latestConnection", True)]),
        ("orderBy=appid:Asc", [("appId", False)]),
        ("OrderBy=appId:desc", [("appId", True)]),
        ("Orderby=-appId", [("appId", True)]),
        ("ORDERBY=lastCheck", [("lastCheck", False)]),
        ("orderby=appId,name", [("appId", False), ("name", False)]),
        ("orderby=appId:desc,name", [("appId", True), ("name", False)]),
        ("orderby=appId,-name", [("appId", False), ("name", True)]),
        (
            "orderby=-lastCheck,latestConnection:desc,status,name:asc",
            [("lastCheck", True), ("latestConnection", True), ("status", False), ("name", False)],
        ),
        ("orderby=name,id:desc", [("name", False), ("id", True)]),
        ("orderby=-name,id", [("name", True), ("id", False)]),
        ("orderby=status&orderby=-name", [("status", False), ("name", True)]),
        ("orderBy=-status&ORDERBY=name&orderby=url:desc", [("status", True), ("name", False), ("url", True)]),
        ("orderby=status%2C-name", [("status", False), ("name", True)]),
        (
            "orderby=" + ",".join([*FIELDS][:4:-1]),
            [(field, False) for field in [*FIELDS][:4:-1]],
        ),
    ],
)
def test_forms_of_order(api, data, query, terms):
    assert ids(api.get(f"{PATH}?{query}")) == ordered(*terms)


@pytest.mark.parametrize(
    "value",
    [
        *(
            "nope",
            "latestLog",
            "latestlog:desc",
            "version",
            "app_id",
            "creation_date",
            "latestConnection__year",
            "pk",
            "?",
            "name'",
        ),
        *(
            "name:",
            "name:up",
            "name:descending",
            "name:asc:desc",
            "--name",
            "-name:asc",
            "+name",
            "name desc",
            "name;id",
            "name,nope",
            "name,,id",
            "null",
        ),
    ],
)
def test_an_order_that_is_none_is_refused_with_what_is_accepted(api, value):
    message = refused(api.get(PATH, {"OrderBy": value}))["OrderBy"]
    assert all(field in message for field in [*FIELDS, "asc", "desc"])


def test_ten_fields_sort_and_eleven_do_not(api, data):
    fields = list(FIELDS)
    assert ids(api.get(PATH, {"orderby": ",".join(fields[1:11])})) == ordered(
        *((field, False) for field in fields[1:11])
    )
    assert "10" in refused(api.get(PATH, {"orderby": ",".join(fields[:11])}))["orderby"]
    assert (
        "10" in refused(api.get(PATH, {"orderby": [",".join(fields[:6]), ",".join(fields[6:12])]}))["orderby"]
    )


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", range(1, 32)),
        ("page=0", range(1, 32)),
        ("page=1", []),
        ("limit=5", range(1, 6)),
        ("limit=5&page=0", range(1, 6)),
        ("limit=5&page=1", range(6, 11)),
        ("limit=5&page=6", [31]),
        ("limit=5&page=7", []),
        ("limit=31", range(1, 32)),
        ("limit=31&page=1", []),
        ("limit=20000", range(1, 32)),
        ("limit=1000&page=1000000000000000", []),
        ("limit=20000&page=400000000000000", []),
        ("LIMIT=5&Page=1", range(6, 11)),
        ("limit=4&limit=5&page=9&page=1", range(6, 11)),
        ("limit=x&limit=5&PAGE=-1&page=1", range(6, 11)),
        ("limit=5&page=1&orderby=-id", range(26, 21, -1)),
        ("limit=5&page=1&id=[gt]20", range(26, 31)),
        ("limit=3&page=0&countOnly=false", range(1, 4)),
        ("limit=3&countOnly=true&countonly=OFF", range(1, 4)),
    ],
)
def test_pages(api, data, query, shown):
    assert ids(api.get(f"{PATH}?{query}")) == list(shown)


def test_the_default_page_has_1000_rows(api):
    make(*["x"] * 1001)
    first = api.get(PATH)
    assert ids(first) == list(range(1, 1001))
    assert ids(api.get(next_of(first))) == [1001]
    assert ids(api.get(PATH, {"page": 1})) == [1001]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        (
            "limit",
            [
                "0",
                "-1",
                "20001",
                "x",
                "",
                "1.5",
                "1e3",
                "null",
                "１",
                "[gt]5",
                "99999999999999999999",
                "9" * 5000,
            ],
        ),
        (
            "page",
            ["-1", "x", "", "1.5", "null", "[eq]1", "9223372036854775807", "9223372036854775808", "9" * 5000],
        ),
        ("countOnly", ["", "2", "maybe", "null", "[eq]true"]),
        ("LIMIT", ["0"]),
        ("pAge", ["-1"]),
        ("countonly", ["x"]),
    ],
)
def test_a_window_that_is_none_is_refused(api, name, values):
    for value in values:
        assert list(refused(api.get(PATH, {name: value}))) == [name]


def test_page_times_limit_stays_within_64_bits(api):
    assert ids(api.get(PATH, {"limit": 1, "page": 9 * 10**18})) == []
    assert list(refused(api.get(PATH, {"limit": 2, "page": 9 * 10**18}))) == ["page"]
    assert list(refused(api.get(PATH, {"page": 10**16}))) == ["page"]


def test_the_cap_is_a_setting(api, settings):
    settings.API_MAX_LIMIT = 2
    make("one", "two", "three")
    assert ids(api.get(PATH, {"limit": 2})) == [1, 2]
    assert "2" in refused(api.get(PATH, {"limit": 3}))["limit"]


@pytest.mark.parametrize(
    "query", ["limit=31", "limit=10&page=3", "limit=10&page=4", "id=7&limit=1", "countOnly=true&limit=1"]
)
def test_no_link_where_nothing_follows(api, data, query):
    response = api.get(f"{PATH}?{query}")
    assert response.status_code == 200
    assert "Link" not in response


@pytest.mark.parametrize("path", [PATH, f"{PATH}/"])
def test_the_link_carries_every_argument(api, data, path):
    query = (
        "name=[not]a%26b&Name=[like]&creationDate[gte]=2020-01-01T00:00%2B00:00"
        "&orderBy=-name&LIMIT=2&PAGE=1&foo=%C3%BC&foo="
    )
    response = api.get(f"{path}?{query}")
    address = urlsplit(response["Link"].removeprefix("<").partition(">")[0])
    assert address.path == path
    kept = parse_qs(address.query, keep_blank_values=True)
    # One page, whatever its spelling was.
    assert [kept.pop(name) for name in list(kept) if name.lower() == "page"] == [["2"]]
    assert kept == {
        "name": ["[not]a&b"],
        "Name": ["[like]"],
        "creationDate[gte]": ["2020-01-01T00:00+00:00"],
        "orderBy": ["-name"],
        "LIMIT": ["2"],
        "foo": ["ü", ""],
    }


def test_the_link_carries_the_arguments_of_the_body(api, data):
    names = '["[not]alpha", "[not]bravo"]'
    body = f'{{"limit": 3, "name": {names}, "tokenExists": true, "orderby": "-id", "Foo": null}}'
    first = get_with_body(api, body, f"{PATH}?page=1")
    chosen = [row["id"] for row in ROWS[::-1] if row["tokenExists"] and row["name"] not in ("alpha", "bravo")]
    assert ids(first) == chosen[3:6]
    assert [ids(first), *follow(api, next_of(first))] == [
        chosen[at : at + 3] for at in range(3, len(chosen), 3)
    ]
    assert parse_qs(urlsplit(next_of(first)).query) == {
        "limit": ["3"],
        "name": ["[not]alpha", "[not]bravo"],
        "tokenExists": ["true"],
        "orderby": ["-id"],
        "Foo": ["null"],
        "page": ["2"],
    }


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("countOnly=true", 31),
        ("countonly=TRUE", 31),
        ("COUNTONLY=1", 31),
        ("countOnly=yes", 31),
        ("countOnly=On", 31),
        ("countOnly=false&countOnly=true", 31),
        ("countOnly=true&limit=2&page=3&orderby=-name", 31),
        ("countOnly=true&limit=2&page=3000", 31),
        ("countOnly=true&id=[lte]7", 7),
        ("countOnly=true&name=nobody", 0),
        ("countOnly=true&appId=null&limit=1", sum(row["appId"] is None for row in ROWS)),
    ],
)
def test_count_only(api, data, query, count):
    response = api.get(f"{PATH}?{query}")
    assert response.status_code == 200
    assert response.json() == {"count": count}


def test_a_count_reads_no_rows(api, data, django_assert_num_queries):
    api.get(PATH)  # the bearer is recognized from here on
    with django_assert_num_queries(1) as queries:
        api.get(PATH, {"countOnly": "true", "orderby": "name", "name": "[like]a"})
    assert "COUNT(" in queries[0]["sql"]
    assert "url" not in queries[0]["sql"]
    assert "ORDER BY" not in queries[0]["sql"]


def test_every_bad_argument_is_named_at_once(api):
    bad = {
        "ID": "x",
        "name[regex]": "a",
        "appId": "[like]1",
        "creationDate": "2026-W18",
        "passwordexists": "[gt]true",
        "orderBy": "nope",
        "Limit": "0",
        "page": "-1",
        "countOnly": "maybe",
    }
    response = api.get(PATH, bad | {"type": "REST", "foo": "1"})
    assert set(refused(response)) == set(bad)
    assert all(name in response.json()["msg"] for name in bad)
