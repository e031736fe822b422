"""How arguments, paths and methods arrive."""

import json
from urllib.parse import unquote, urlencode

import pytest

from tests.core.api import PATH, get_with_body, ids, make, refused

METHODS = "GET, HEAD, OPTIONS"


@pytest.fixture
def five(db):
    make("a", "a b", "b", "c", "[x]", app=None, password_exists=True)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("name=[like]a", [1, 2]),
        ("name=%5Blike%5Da", [1, 2]),
        ("name=%5blike]%61", [1, 2]),
        ("name[like]=a", [1, 2]),
        ("name%5Blike%5D=a", [1, 2]),
        ("%6Eame=a", [1]),
        ("name=a+b", [2]),
        ("name=a%20b", [2]),
        ("name=[eq]a+b", [2]),
        ("name=a%2Bb", []),
        ("name=[or]a;b", [1, 3]),  # a semicolon parts no arguments
        ("name=[or]a%3Bb", [1, 3]),
        ("name=[eq]%5Bx%5D", [5]),
        ("&&name=a&", [1]),
    ],
)
def test_queries_decode_alike(api, five, query, found):
    assert ids(api.get(f"{PATH}?{query}")) == found


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ({}, [1, 2, 3, 4, 5]),
        ({"name": "b"}, [3]),
        ({"NAME": "[like]a"}, [1, 2]),
        ({"name[like]": "a"}, [1, 2]),
        ({"id": 3}, [3]),
        ({"id": "[gt]3"}, [4, 5]),
        ({"passwordExists": False}, []),
        ({"passwordExists": True, "id[lt]": 3}, [1, 2]),
        ({"appId": None}, [1, 2, 3, 4, 5]),
        ({"latestConnection[not]": None}, []),
        ({"name": ["[not]a", "[not]b"]}, [2, 4, 5]),
        ({"id": ["[gt]1", 3]}, [3]),
        ({"name": []}, [1, 2, 3, 4, 5]),
        ({"limit": 2, "page": 1, "orderby": ["-passwordExists", "-id"]}, [3, 2]),
        ({"unknown": "x"}, [1, 2, 3, 4, 5]),
    ],
)
def test_a_body_is_read_as_arguments(api, five, body, found):
    assert ids(get_with_body(api, json.dumps(body))) == found


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]
)
def test_the_content_type_of_a_body_does_not_matter(api, five, content_type):
    # curl calls a body a form unless it is told otherwise.
    assert ids(get_with_body(api, '{"id": 3}', content_type=content_type)) == [3]


@pytest.mark.parametrize(
    ("query", "body", "found"),
    [
        ("id=1", {"id": 2}, [1]),
        ("ID=1", {"id": 2}, [1]),
        ("id=1", {"Id": 2}, [1]),
        ("id=1", {"name": "b"}, []),
        ("id=[or]1;3", {"name": "b"}, [3]),
        ("limit=1", {"LIMIT": 3, "page": 2}, [3]),
        ("orderBy=-id", {"orderby": "id", "limit": 1}, [5]),
        ("name=[not]a", {"name": ["[not]b", "[not]c"]}, [2, 3, 4, 5]),
    ],
)
def test_the_query_wins_over_the_body_for_each_name(api, five, query, body, found):
    assert ids(get_with_body(api, json.dumps(body), f"{PATH}?{query}")) == found


@pytest.mark.parametrize(
    "body",
    [
        *(
            b"GET /api/connections",
            b"[1, 2]",
            b'[{"id": 1}]',
            b'"id"',
            b"1",
            b"null",
            b"true",
            b"",
            b" ",
            b"{",
            b'{"id": 1',
            b"{'id': 1}",
            b"id=1",
        ),
        *(
            b'{"id": 1} x',
            b'{"id": NaN}',
            b'{"id": -Infinity}',
            b'{"name": "\xff"}',
            b"\xff\xfe\x00",
            b"\x00",
            b"\x1f\x8b\x08\x00",
        ),
        b'{"id": ' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    ],
)
def test_a_body_that_is_no_json_object_is_ignored(api, five, body):
    assert ids(get_with_body(api, body)) == [1, 2, 3, 4, 5]
    assert get_with_body(api, body, f"{PATH}/1").json()["id"] == 1


def test_a_body_is_read_up_to_64_kb(api, five):
    body = b'{"id": 3}'
    assert ids(get_with_body(api, body.ljust(65_536))) == [3]
    assert ids(get_with_body(api, body.ljust(65_537))) == [1, 2, 3, 4, 5]


def test_a_nested_value_is_refused(api):
    body = {"id": {"gt": 1}, "Name": ["a", ["b"]], "limit": [{}], "foo": [[]], "type": "REST"}
    assert set(refused(get_with_body(api, json.dumps(body)))) == {"id", "Name", "limit", "foo"}


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ('{"id": 1.5}', "id"),
        ('{"id": true}', "id"),
        ('{"id": 1e2}', "id"),
        (f'{{"id": {"9" * 400}}}', "id"),
        (f'{{"Limit": {"9" * 5000}}}', "Limit"),
        ('{"tokenExists": 2}', "tokenExists"),
        ('{"creationDate": 2026}', "creationDate"),
        ('{"page": null}', "page"),
        ('{"id": [1, "x"]}', "id"),
    ],
)
def test_a_bad_value_in_a_body_is_refused(api, body, named):
    assert list(refused(get_with_body(api, body))) == [named]


def test_more_than_1000_arguments_are_not_well_formed(api, five):
    many = "&".join(["x=1"] * 999)
    body = json.dumps({"y": ["1"] * 999, "id": 3})
    assert ids(api.get(f"{PATH}?{many}&id=3")) == [3]
    assert ids(get_with_body(api, body)) == [3]
    for response in (
        api.get(f"{PATH}?{many}&x=1&id=3"),
        get_with_body(api, body, f"{PATH}?x=1"),
        api.get(f"{PATH}/1?{many}&x=1&x=2"),
    ):
        assert refused(response, 400) == {}


@pytest.mark.parametrize(
    "query", ["name=%FF", "name=a%C3", "%FF=a", "foo=%E4", "name=%ED%A0%80", "name=%C0%80", "name=\xff"]
)
def test_a_query_that_is_not_utf_8_is_not_well_formed(api, query):
    # The client passes the text on as latin-1, as a web server does with bytes.
    assert refused(api.generic("GET", PATH, QUERY_STRING=query), 400) == {}


@pytest.mark.parametrize(
    "name", ["name", "type", "id", "creationDate", "tokenExists", "limit", "page", "countOnly", "orderby"]
)
def test_a_nul_is_no_value(api, name):
    assert list(refused(api.get(f"{PATH}?{name}=%00"))) == [name]
    assert list(refused(get_with_body(api, json.dumps({name: "\0"})))) == [name]


@pytest.mark.parametrize("sign", ["", "[eq]", "[not]", "[or]a;", "[nor]a;", "[like]", "[notlike]", "[gt]"])
def test_a_nul_is_no_text(api, sign):
    assert list(refused(api.get(f"{PATH}?name={sign}x%00y"))) == ["name"]


def test_half_a_surrogate_pair_is_no_character(api):
    assert list(refused(get_with_body(api, r'{"name": "\ud800"}'))) == ["name"]
    assert list(refused(get_with_body(api, r'{"type": ["a", "\udfff"], "id": 1}'))) == ["type"]
    assert list(refused(get_with_body(api, r'{"foo\ud800": 1}'))) == [r"foo\ud800"]
    assert ids(get_with_body(api, r'{"name": "\ud83d\ude00"}')) == []


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (["after", "foo"], "after, foo"),
        (["Foo", "foo", "Foo"], "Foo, foo"),
        (["ü", "a b,c", "x\r\nSet-Cookie: a=b"], "%C3%BC, a%20b%2Cc, x%0D%0ASet-Cookie%3A%20a%3Db"),
        (["\0"], "%00"),
        (["x" * 40, "y" * 41], f"{'x' * 40}, {'y' * 40}..."),
        ([f"n{number}" for number in range(20)], ", ".join(f"n{number}" for number in range(20))),
        ([f"n{number}" for number in range(21)], ", ".join(f"n{number}" for number in range(20)) + ", ..."),
        ([f"n{number}" for number in range(900)], ", ".join(f"n{number}" for number in range(20)) + ", ..."),
    ],
)
def test_ignored_arguments_are_named(api, five, names, shown):
    query = urlencode([(name, "1") for name in names])
    assert api.get(f"{PATH}/1?{query}")["X-Ignored-Parameters"] == shown
    response = api.get(f"{PATH}?id=1&{query}&Limit=5&page=0&ORDERBY=id&countonly=false")
    assert ids(response) == [1]
    assert response["X-Ignored-Parameters"] == shown


def test_a_show_has_no_arguments_of_its_own(api, five):
    assert api.get(f"{PATH}/1?id=2&name[like]=x")["X-Ignored-Parameters"].startswith("id, name")


def test_a_long_name_is_cut_by_characters(api):
    assert unquote(api.get(PATH, {"ü" * 50: "1"})["X-Ignored-Parameters"]) == "ü" * 40 + "..."


def test_ignored_arguments_of_a_body_are_named(api):
    assert get_with_body(api, '{"after": 1, "id": 2}')["X-Ignored-Parameters"] == "after"


@pytest.mark.parametrize(
    "query", ["", "id=1&NAME=[like]x&creationDate[gt]=2026-05&limit=1&Page=0&orderBy=id&COUNTONLY=false"]
)
def test_nothing_ignored_is_nothing_named(api, query):
    response = api.get(f"{PATH}?{query}")
    assert response.status_code == 200
    assert "X-Ignored-Parameters" not in response


@pytest.mark.parametrize(
    "prefer",
    [
        "handling=strict",
        "respond-async, handling=strict",
        "handling=strict; x=1",
        'handling="strict"',
        "HANDLING = strict",
    ],
)
def test_a_strict_client_hears_of_unknown_arguments(api, five, prefer):
    for path in (PATH, f"{PATH}/1"):
        response = api.get(f"{path}?after=1&Foo[gt]=2", headers={"Prefer": prefer})
        assert list(refused(response)) == ["after", "Foo[gt]"]
        assert api.get(path, headers={"Prefer": prefer}).status_code == 200
    assert ids(api.get(f"{PATH}?id=1&limit=3&orderby=-id", headers={"Prefer": prefer})) == [1]
    assert set(refused(api.get(f"{PATH}?after=1&id=x&limit=0", headers={"Prefer": prefer}))) == {
        "after",
        "id",
        "limit",
    }


@pytest.mark.parametrize(
    "prefer", ["handling=lenient", "handling=stricter", "x-handling=strict", "return=minimal", "strict"]
)
def test_any_other_preference_changes_nothing(api, five, prefer):
    assert ids(api.get(f"{PATH}?after=1&id=1", headers={"Prefer": prefer})) == [1]


@pytest.mark.parametrize(
    "accept",
    ["text/html", "application/xml", "application/json;version=9", "image/*;q=0", "*/*", "", "nonsense"],
)
def test_the_answer_is_json_whatever_is_accepted(api, five, accept):
    for path in (PATH, f"{PATH}/1", f"{PATH}?format=xml", f"{PATH}/1?format=api"):
        response = api.get(path, headers={"Accept": accept})
        assert response.status_code == 200
        assert response["Content-Type"] == "application/json"
        assert response.get("X-Ignored-Parameters") == ("format" if "?" in path else None)
    assert refused(api.get(f"{PATH}/9", headers={"Accept": accept}), 404) == {}


@pytest.mark.parametrize("path", [PATH, f"{PATH}?limit=2&foo=1", f"{PATH}?countOnly=true", f"{PATH}/1"])
def test_head_answers_as_get_without_a_body(api, five, path):
    got, head = api.get(path), api.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert got.content
    for response in (got, head):
        del response["X-Request-ID"]
    assert dict(head.items()) == dict(got.items())
    assert head["Content-Length"] == str(len(got.content))


@pytest.mark.parametrize("path", [PATH, f"{PATH}/", f"{PATH}/1", f"{PATH}/1/"])
def test_options_and_other_methods(api, five, path):
    options = api.options(path)
    assert (options.status_code, options["Allow"], options["Content-Type"]) == (
        200,
        METHODS,
        "application/json",
    )
    for method in ("post", "put", "patch", "delete", "trace"):
        response = api.generic(
            method.upper(), path, "{}" if method != "trace" else "", content_type="application/json"
        )
        assert refused(response, 405) == {}
        assert response["Allow"] == METHODS


def test_a_trailing_slash_changes_nothing(api, five):
    assert ids(api.get(f"{PATH}/")) == [1, 2, 3, 4, 5]
    assert ids(api.get(f"{PATH}/?id=3")) == [3]
    assert api.get(f"{PATH}/3/").json() == api.get(f"{PATH}/3").json()
    assert api.get(f"{PATH}/3/").json()["id"] == 3


BIG = 2**63
WEIRD_IDS = [
    *(
        "6",
        "0",
        "-1",
        "%2B1",
        "1.0",
        "1e0",
        "0x1",
        "1%20",
        "%201",
        "1%0A",
        "1%00",
        "1;2",
        "1,2",
        "a",
        "null",
        "%D9%A1",
        "%EF%BC%91",
        "%C2%B2",
        "[or]1;2",
    ),
    *(
        str(BIG - 1),
        str(BIG),
        str(10**40),
        "9" * 5000,
        "1..%2f",
        "1'",
        "%22",
        "%FF",
        "1.json",
        "1/nope",
        "1//",
        "/1",
        "id",
        "{id}",
    ),
]


@pytest.mark.parametrize(
    "path",
    [
        "/api/nope",
        "/apis",
        "/api/nope/connections",
        "/api/Connections",
        "/api/connections.json",
        "/api/connections//",
        f"{PATH}%0A",
    ],
)
def test_an_unknown_path_is_404_in_json(api, path):
    answer = api.get(path)
    if path.startswith("/api/"):
        assert refused(answer, 404) == {}
        assert answer.json()["msg"] == "Nothing is at this path; /api/docs/ describes those there are."
    else:
        assert answer.status_code == 404


@pytest.mark.parametrize("number", WEIRD_IDS)
def test_an_unknown_id_is_404_in_json(api, five, number):
    assert refused(api.get(f"{PATH}/{number}"), 404) == {}
