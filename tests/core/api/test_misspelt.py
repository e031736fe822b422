"""Calls as clients of other products write them: read as meant, or refused with the right spelling."""

import json
import logging
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.test import APIClient

from accounts.tokens import RefreshToken
from core.api.arguments import Arguments, argument
from core.api.errors import Unprocessable
from core.api.filters import EQUALITY
from tests.core.api import FIELDS, PATH, get_with_body, ids, make, refused

pytestmark = pytest.mark.any_database

STRICT = {"Prefer": "handling=strict"}
CONTROLS = ("limit", "page", "offset", "orderby", "countOnly")
# How it was spelt, and the spelling that the refusal shows.
MISSPELT = {
    "type[]": "type=[or]…;…",
    "lastCheck[gt][]": "lastCheck=[gt]…",
    "id[in][0]": "id=[or]…;…",
    "id[0]": "id=… or id=[eq]…",
    "status[eq][0]": "status=[eq]…",
    "lastCheck.gt": "lastCheck=[gt]…",
    "lastCheck__gt": "lastCheck=[gt]…",
    "lastcheck__date__gte": "lastCheck=[gte]…",
    "name__icontains": "name=[like]…",
    "name__isnull": "name=null",
    "appId__in": "appId=[or]…;…",
    "status!": "status=[not]…",
    "status[$ne]": "status=[not]…",
    # `id>=1` and `status!=0` come split at the `=`.
    "id>": "id=[gte]…",
    "integrationCount<": "integrationCount=[lte]…",
    "id>2024": "id=[gt]…",
    "id<2024": "id=[lt]…",
    "id>=": "id=[gte]…",
    "type[]!": "type=[nor]…",
    "id[not][in]": "id=[nor]…",
    "id[in][not]": "id=[nor]…",
    "name[not][like]": "name=[notlike]…",
    "name__contains!": "name=[notlike]…",
    "lastCheck__range": "lastCheck=[gte]… and lastCheck=[lte]…",
    "name ": "name=… or name=[eq]…",
    "id[": "id=… or id=[eq]…",
    "id]": "id=… or id=[eq]…",
    "id[][]": "id=[or]…;…",
    "type:like": "type=[like]…",
    "creationDate-from": "creationDate=[gte]…",
    "orderby[]": "orderby=…, several split by commas",
    "orderBy[0][field]": "orderby=…, several split by commas",
    "limit[]": "limit=…",
    "page[size]": "limit=… for the rows of a page",
    "page_size": "limit=… for the rows of a page",
    "page[number]": "page=…, counted from 0",
    "page[offset]": "offset=…",
    "page[gt]": "page=…",
    "offset[]": "offset=…",
    "countOnly[]": "countOnly=…",
}


@pytest.mark.parametrize("strict", [{}, STRICT])
@pytest.mark.parametrize("spelling", MISSPELT)
def test_a_known_name_with_more_behind_it_is_refused(api, spelling, strict):
    query = refused(api.get(f"{PATH}?{quote(spelling)}=1", headers=strict))
    body = refused(
        api.generic("GET", PATH, json.dumps({spelling: 1}), content_type="application/json", headers=strict)
    )
    assert list(query) == list(body) == [spelling]
    assert query[spelling].startswith(f"Write {MISSPELT[spelling]}")
    assert body == query


@pytest.mark.parametrize(
    "query", ["type[]=REST&type[]=MSSQL", "status!=0", "lastCheck.gt=2026-05", "limit[]=5", "page[size]=5"]
)
def test_raw_signs_are_refused_like_encoded_ones(api, query):
    assert list(refused(api.get(f"{PATH}?{query}"))) == [query.partition("=")[0]]


@pytest.mark.parametrize("name", [*FIELDS, *CONTROLS])
@given(tail=st.text(st.sampled_from("[]()!.:_-<>$ \t'\"%/\\*~^|{},;@#é0agteq\u200b"), min_size=1, max_size=8))
def test_no_name_with_a_tail_is_read_or_ignored(name, tail):
    """Letters and digits make another name, which is ignored. Of all signs, only an operator is taken."""
    arguments = Arguments([argument(name + tail, "1")])
    arguments.known = {known.lower(): known for known in [*FIELDS, *CONTROLS]}
    is_operator = name in FIELDS and tail[0] == "[" and tail[-1] == "]" and tail[1:-1].isalpha()
    if is_operator or tail[0].isalnum():
        arguments.check()
        assert arguments.ignored() == ([] if is_operator else [name + tail])
    else:
        with pytest.raises(Unprocessable):
            arguments.check()


@pytest.mark.parametrize(
    "name",
    [
        "statuses",
        "id2",
        "limits",
        "types",
        "pageSize",
        "nameé",
        "after",
        "_",
        "[]",
        "__gt",
        "$filter",
        "x[limit]",
        "?limit",
    ],
)
def test_other_names_are_ignored_and_named(api, name):
    make("one")
    response = api.get(f"{PATH}?{quote(name)}=1")
    assert ids(response) == [1]
    assert response["X-Ignored-Parameters"] == quote(name, safe="[]")


def test_a_record_has_no_arguments_to_misspell(api):
    make("one")
    assert api.get(f"{PATH}/1?type[]=x&limit[]=1")["X-Ignored-Parameters"] == "type[], limit[]"


@pytest.mark.parametrize("operator", [f"[{each}]" for each in (*EQUALITY, "gt", "lt", "gte", "lte")])
def test_operators_after_a_name_are_read(api, operator):
    make("one", "two")
    assert api.get(f"{PATH}?id{operator}=1").status_code == 200
    assert api.get(f"{PATH}?id{operator.upper()}=1").json() == api.get(f"{PATH}?id={operator}1").json()


# Offset


def test_a_paginator_by_offset_reads_every_row_once(api):
    make(*["x"] * 23)
    read = [row for offset in range(0, 30, 5) for row in ids(api.get(PATH, {"limit": 5, "offset": offset}))]
    assert read == list(range(1, 24))


@pytest.mark.parametrize(
    ("query", "found"),
    [
        *(
            ("offset=3", [4, 5]),
            ("OFFSET=4&limit=9", [5]),
            ("offset=0&limit=2", [1, 2]),
            ("offset=1&limit=2", [2, 3]),
            ("offset=5", []),
        ),
        *(
            ("offset=1&limit=2&orderby=-id", [4, 3]),
            ("offset=1&id=[gt]2", [4, 5]),
            ("offset=x&offset=4", [5]),
            (f"offset={2**63 - 1}", []),
        ),
    ],
)
def test_an_offset_counts_rows(api, query, found):
    make(*"abcde")
    assert ids(api.get(f"{PATH}?{query}")) == found


def test_an_offset_stands_in_a_body_too(api):
    make(*"abcde")
    assert ids(get_with_body(api, '{"Offset": 1, "limit": 2}')) == [2, 3]


def test_the_link_goes_on_by_offset(api):
    make(*"abcdefg")
    address, read = f"{PATH}?offset=1&limit=2&orderby=-id", []
    while address:
        response = api.get(address)
        read.append(ids(response))
        address = response.get("Link", "").removeprefix("<").partition(">")[0]
        assert not address or set(parse_qs(urlsplit(address).query)) == {"offset", "limit", "orderby"}
    assert read == [[6, 5], [4, 3], [2, 1]]


@pytest.mark.parametrize("value", ["-1", "x", "", "1.5", "null", "[gt]1", str(2**63), "9" * 5000])
def test_an_offset_that_is_none_is_refused(api, value):
    assert refused(api.get(PATH, {"offset": value})) == {"offset": f"Takes an integer from 0 to {2**63 - 1}."}


@pytest.mark.parametrize(
    "query", ["offset=0&page=0", "Offset=2&limit=2&PAGE=1", "page=1&offset=1&countOnly=true"]
)
def test_an_offset_does_not_go_with_a_page(api, query):
    assert list(refused(api.get(f"{PATH}?{query}")).values()) == ["Does not go together with page."]
    assert list(refused(get_with_body(api, '{"page": 1}', f"{PATH}?offset=1")).values()) == [
        "Does not go together with page."
    ]


def test_an_offset_has_tags_of_its_own(api):
    make(*"abc")
    tags = {api.get(f"{PATH}?limit=1&offset={offset}")["ETag"] for offset in range(3)}
    assert len(tags) == 3
    response = api.get(
        f"{PATH}?limit=1&offset=1", headers={"If-None-Match": api.get(f"{PATH}?limit=1&page=1")["ETag"]}
    )
    assert response.status_code == 304


@pytest.mark.parametrize("name", ["limit", "page", "offset"])
def test_bounds_that_are_told_are_the_true_ones(api, name):
    make("one")
    for extra in ({}, {"limit": 7} if name != "limit" else {}):
        least, most = (
            int(word.rstrip(".")) for word in refused(api.get(PATH, extra | {name: "x"}))[name].split()[-3::2]
        )
        for value, status in ((least, 200), (most, 200), (least - 1, 422), (most + 1, 422)):
            assert api.get(PATH, extra | {name: value}).status_code == status


# Bodies that are not read

UNREAD = [
    *(
        b"GET /api/connections",
        b"id=1&limit=2",
        b"{",
        b'{"id": 1',
        b"[1]",
        b'"id"',
        b"null",
        b"\xff",
        b"\0",
        b" ",
    ),
    *(b"x" * 65_537, b'{"id": 2}'.ljust(65_537)),
]


@pytest.mark.parametrize("path", [PATH, f"{PATH}/1", f"{PATH}?countOnly=true"])
@pytest.mark.parametrize("body", UNREAD)
def test_a_body_that_is_not_read_is_named(api, body, path):
    make("one")
    response = get_with_body(api, body, path)
    assert (response.status_code, response["X-Ignored-Body"]) == (200, "1")
    tagged = api.generic(
        "GET", path, body, content_type="application/json", headers={"If-None-Match": response["ETag"]}
    )
    assert (tagged.status_code, tagged["X-Ignored-Body"]) == (304, "1")
    strict = api.generic("GET", path, body, content_type="application/json", headers=STRICT)
    assert refused(strict) == {"body": "Is not read: it is no JSON object of at most 65536 bytes."}


@pytest.mark.parametrize("path", [PATH, f"{PATH}/1"])
@pytest.mark.parametrize("body", [b"", b"{}", b" {} ", b'{"foo": 1}'])
def test_a_body_that_is_read_is_not_named(api, body, path):
    make("one")
    assert "X-Ignored-Body" not in get_with_body(api, body, path)


def test_a_read_body_does_not_answer_for_an_unread_one(api):
    """The list query of a call is cached for the next call with the same arguments."""
    make("one")
    for body, named in ((b"", False), (b"{", True), (b"", False), (b"x" * 65_537, True), (b"{}", False)):
        assert ("X-Ignored-Body" in get_with_body(api, body)) is named


# Sentences


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("limit=0", "limit: Takes an integer from 1 to 20000."),
        (
            "Limit=x&page=-1",
            "Limit: Takes an integer from 1 to 20000. "
            f"page: Takes an integer from 0 to {(2**63 - 1) // 1000}.",
        ),
        ("status!=0", "status!: Write status=[not]…: an operator stands before the value."),
        ("&".join(f"{name}=[no]x" for name in list(FIELDS)[:12]), "And 2 more."),
        (f"id.{'x' * 50}=1", f"id.{'x' * 37}...: Write id=… or id=[eq]…."),
    ],
)
def test_the_message_says_what_is_wrong(api, query, message):
    assert api.get(f"{PATH}?{query}").json()["msg"].endswith(message)


@pytest.mark.parametrize(
    "header",
    [None, "", "Token abc", "Basic YTpi", "abc", "Bearer", "Bearer ", "Bearer Bearer abc", "Bearer a b"],
)
def test_a_call_without_a_bearer_hears_which_header_to_send(db, header):
    client = APIClient()
    for path in (PATH, f"{PATH}/1", "/api/users/refresh"):
        answer = client.get(path, headers={"Authorization": header} if header is not None else {})
        assert refused(answer, 401) == {}
        assert (
            answer.json()["msg"]
            == "Send the header Authorization: Bearer TOKEN; /api/docs/ says which tokens there are."
        )


def test_a_call_with_a_refresh_token_hears_which_token_to_send(reader, bearer):
    answer = bearer(str(RefreshToken.for_user(reader))).get(PATH)
    assert refused(answer, 401) == {}
    assert answer.json()["msg"].startswith("Token has wrong type: calls take an access token")


@pytest.mark.parametrize("path", ["/api/users/login", "/api/token", "/api/token/refresh"])
def test_a_body_of_another_type_hears_which_to_send(db, path):
    answer = APIClient().generic(
        "POST", path, "username=a&password=b", content_type="application/x-www-form-urlencoded"
    )
    assert refused(answer, 415) == {}
    assert answer.json()["msg"] == "Send the body as JSON, with the header Content-Type: application/json."


# The ways in


def test_the_root_leads_to_the_admin(client):
    response = client.get("/")
    assert (response.status_code, response["Location"]) == (302, "/admin/")


@pytest.mark.parametrize("path", ["/api", "/api/"])
def test_the_root_of_the_api_names_the_docs(client, path):
    named = client.get(path).json()
    assert named == {"docs": "http://testserver/api/docs", "schema": "http://testserver/api/schema"}
    assert all(client.get(urlsplit(address).path).status_code == 200 for address in named.values())


# The access log


def test_the_access_log_names_what_was_ignored(api, caplog):
    make("one")
    with caplog.at_level(logging.INFO, logger="accounts.access_log"):
        get_with_body(api, b"form=1", f"{PATH}?after=secret&x%0Ay={'z' * 50}&{'n' * 50}=1")
        api.get(PATH)
    first, second = (record.__dict__ for record in caplog.records if record.name == "accounts.access_log")
    assert (first["ignored_parameters"], first["ignored_body"]) == (f"after, x%0Ay, {'n' * 40}...", "1")
    assert not {"ignored_parameters", "ignored_body"} & set(second)
    assert "secret" not in str(first)
