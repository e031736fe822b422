"""Every operator on every field, against a model of the rows in plain Python."""

import operator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from urllib.parse import quote

import pytest
import time_machine

from connections.models import Connection
from tests.core.api import FIELDS, PATH, ids, make, refused, store

TEXTS = [
    *(
        "PowerPick",
        "powerpick",
        "Müller",
        "MÜLLER",
        "Mueller",
        "Straße",
        "STRASSE",
        "Σίσυφος",
        "ΣΊΣΥΦΟΣ",
        "Ωmega",
    ),
    *(
        "100%",
        "100",
        "a_b",
        "aXb",
        "back\\slash",
        'it\'s "quoted"',
        "[PROD] ERP",
        "[or]x",
        "[open",
        "a;b",
        "a",
        "b",
        "A",
    ),
    *("null", "NULL", "nullable", "0", "true", " framed ", "日本語", "😀", "two\nlines", "x" * 90),
]
FRAGMENTS = [
    "ü",
    "Ü",
    "ue",
    "ß",
    "SS",
    "σ",
    "ς",
    "Σ",
    "ω",
    "%",
    "_",
    "\\",
    "[",
    "]",
    ";",
    "'",
    " ",
    "\n",
    "ull",
    "😀",
    "",
    "zzz",
    "X" * 89,
]
BIG = 2**63 - 1
NUMBERS = [-(2**63), -1, 0, 1, 2, 3, 2**31 - 1, 2**31, 2**53, 2**53 + 1, BIG]
MOMENTS = [
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC),
    datetime(2026, 4, 30, 23, 59, 59, tzinfo=UTC),
    datetime(2026, 5, 1, tzinfo=UTC),
    datetime(2026, 5, 1, 0, 0, 0, 1, UTC),
    datetime(2026, 5, 1, 0, 0, 0, 500_000, UTC),
    datetime(2026, 5, 7, 13, 30, 0, 602_998, UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999_999, UTC),
]
TEXT_FIELDS = ("name", "type", "authentication", "url", "username")
INTEGER_FIELDS = ("id", "appId", "status", "integrationCount")
MOMENT_FIELDS = ("creationDate", "latestConnection", "lastCheck")
BOOLEAN_FIELDS = ("passwordExists", "tokenExists", "isTestable")
NULLABLE = ("appId", "latestConnection", "lastCheck")
ID_STEPS = {1: 2**31, 2: 2**53 + 1, 3: BIG}  # some ids as large as they come


def row(number: int, text: str) -> dict[str, object]:
    """Return one row of the data. Its periods share no factor, so that the fields vary independently."""
    other = TEXTS[(number * 5 + 3) % len(TEXTS)]
    testable = number % 3 == 0
    return {
        "id": ID_STEPS.get(number, number + 100),
        "appId": [None, 0, 2, 2, 2**53 + 1, None, BIG][number % 7],
        "name": text,
        "type": "MSSQL" if testable else other,
        # An unknown authentication only beside an unknown type: see test_is_testable_comes_from_the_type.
        "authentication": "Basic Authentication" if testable else text,
        "url": ["", other][number % 2],
        "username": ["", text, "null"][number % 3],
        "status": number % 2,
        "passwordExists": number % 4 == 0,
        "tokenExists": number % 5 < 3,
        "isTestable": testable,
        "integrationCount": [0, 1, 2, 2, 2**31 - 1][number % 5],
        "latestConnection": [None, *MOMENTS][number % 9],
        "creationDate": MOMENTS[number % 8],
        "lastCheck": [*MOMENTS[::-1], None, None][number % 10],
    }


ROWS = sorted((row(number, text) for number, text in enumerate(TEXTS)), key=operator.itemgetter("id"))
FOLDED = str.maketrans("abcdefghijklmnopqrstuvwxyzüίσςυφοω", "ABCDEFGHIJKLMNOPQRSTUVWXYZÜΊΣΣΥΦΟΩ")
SEARCHES = {
    "[like]": lambda have, want: want.translate(FOLDED) in have.translate(FOLDED),
    "[notlike]": lambda have, want: want.translate(FOLDED) not in have.translate(FOLDED),
}
EQUALITIES = {
    "": operator.eq,
    "[eq]": operator.eq,
    "[or]": operator.eq,
    "[not]": operator.ne,
    "[nor]": operator.ne,
}
COMPARISONS = {"[gt]": operator.gt, "[lt]": operator.lt, "[gte]": operator.ge, "[lte]": operator.le}


@pytest.fixture
def api(api, reader):
    # This file calls thousands of times, and reading the key is half of such a call.
    api.force_authenticate(reader)
    return api


@pytest.fixture
def data(db):
    store(ROWS)


def expected(field, rule, want):
    """Return the ids that a rule selects: never those of a null."""
    return [row["id"] for row in ROWS if row[field] is not None and rule(row[field], want)]


def faults(api, cases):
    """Ask for each `(field, value, expected ids)` and return the answers that differ."""
    assert cases
    got = {(field, value): ids(api.get(PATH, {field: value})) for field, value, _ in cases}
    return [
        (field, value, got[field, value], wanted)
        for field, value, wanted in cases
        if got[field, value] != wanted
    ]


def shown(moment):
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds")


def cases_of(field, rules, operands):
    return [
        (field, sign + text, expected(field, rule, want))
        for sign, rule in rules.items()
        for text, want in operands
    ]


def list_cases(field, operands):
    """Return `[or]` and `[nor]` over neighbouring operands, with and without a null among them."""
    cases = []
    for (one, one_value), (other, other_value) in pairwise(operands):
        either = [row["id"] for row in ROWS if row[field] in (one_value, other_value)]
        null = [row["id"] for row in ROWS if row[field] in (one_value, None)]
        neither = [row["id"] for row in ROWS if row[field] not in (one_value, other_value, None)]
        not_one = [row["id"] for row in ROWS if row[field] not in (one_value, None)]
        cases += [
            (field, f"[or]{one};{other}", either),
            (field, f"[or]{one};{one}", [row["id"] for row in ROWS if row[field] == one_value]),
            (field, f"[or]null;{one}", null),
            (field, f"[OR]{one};Null", null),
            (field, f"[nor]{one};{other}", neither),
            (field, f"[nor]{one};null", not_one),
        ]
    return cases


@pytest.mark.parametrize("field", TEXT_FIELDS)
def test_text(api, data, field):
    # Every text for the name; the other fields share the texts out.
    number = TEXT_FIELDS.index(field)
    some = slice(None) if field == "name" else slice(number, None, 3)
    literal = [(text, text) for text in ["", "absent", *TEXTS]]
    plain = [
        (text, text)
        for text, _ in literal
        if not (text.startswith("[") and "]" in text) and text.lower() != "null"
    ]
    members = [(text, text) for text, _ in plain if ";" not in text]
    cases = cases_of(field, {"[eq]": operator.eq}, literal[some])
    cases += cases_of(field, {"": operator.eq, "[not]": operator.ne}, plain[some])
    cases += cases_of(field, SEARCHES, [(text, text) for text in FRAGMENTS + TEXTS[some]])
    cases += list_cases(field, members[some])
    assert faults(api, cases) == []


@pytest.mark.parametrize("field", TEXT_FIELDS)
def test_text_compares_as_the_database_collates(api, data, field):
    texts = list(Connection.objects.order_by(field).values_list(field, flat=True))
    rank = {text: texts.index(text) for text in texts}
    cases = [
        (field, sign + want, [row["id"] for row in ROWS if rule(rank[row[field]], rank[want])])
        for sign, rule in COMPARISONS.items()
        for want in list(rank)[::3]
    ]
    assert faults(api, cases) == []


@pytest.mark.parametrize("field", INTEGER_FIELDS)
def test_integers(api, data, field):
    operands = [(str(number), number) for number in [*NUMBERS, 104, 105]]
    assert (
        faults(api, cases_of(field, EQUALITIES | COMPARISONS, operands) + list_cases(field, operands[::2]))
        == []
    )


@pytest.mark.parametrize("field", MOMENT_FIELDS)
def test_moments(api, data, field):
    operands = [(shown(moment), moment) for moment in MOMENTS]
    assert (
        faults(api, cases_of(field, EQUALITIES | COMPARISONS, operands) + list_cases(field, operands[::2]))
        == []
    )


@pytest.mark.parametrize("field", BOOLEAN_FIELDS)
def test_booleans(api, data, field):
    words = [
        (word, word in ("true", "1", "yes", "on"))
        for word in ("true", "false", "1", "0", "yes", "no", "on", "off")
    ]
    shouted = [(word.upper(), value) for word, value in words]
    cases = (
        cases_of(field, EQUALITIES, words)
        + cases_of(field, {"": operator.eq}, shouted)
        + list_cases(field, words[::3])
    )
    assert faults(api, cases) == []


@pytest.mark.parametrize("field", FIELDS)
def test_null(api, data, field):
    null = [row["id"] for row in ROWS if row[field] is None]
    assert bool(null) == (field in NULLABLE)
    present = [row["id"] for row in ROWS if row[field] is not None]
    cases = [(field, word, null) for word in ("null", "NULL", "Null", "[or]null", "[or]null;NULL")]
    cases += [(field, word, present) for word in ("[not]null", "[not]NULL", "[NOT]nUll", "[nor]null")]
    assert faults(api, cases) == []


def test_the_data_tells_the_operators_apart():
    # A matrix over rows that are all alike would pass whatever the filters do.
    for field in FIELDS:
        values = [row[field] for row in ROWS]
        assert 2 <= len(set(values)) <= len(values)
        assert (None in values) == (field in NULLABLE)
    assert {""} < {row["url"] for row in ROWS}
    assert {"null"} < {row["username"] for row in ROWS}


@pytest.mark.parametrize("authentication", ["", "No Authentication", "Basic Authentication"])
def test_is_testable_comes_from_the_type(api, authentication):
    types = [
        "MSSQL",
        "IBM DB2",
        "PostgreSQL",
        "MySQL",
        "Oracle",
        "REST",
        "GraphQL",
        "PLC",
        "SFTP",
        "FTP",
        "MQTT",
        "AMQP",
        "SMTP",
    ]
    for number, kind in enumerate([*types, "rest", "Telepathy"], 1):
        Connection.objects.create(id=number, name=kind, type=kind, authentication=authentication)
    answer = api.get(PATH, {"isTestable": "true"})
    assert [row["type"] for row in answer.json()] == types


NO_SEARCH = ("[like]", "[notlike]")
REFUSED_OPERATORS = [
    *((field, sign) for field in INTEGER_FIELDS + MOMENT_FIELDS for sign in NO_SEARCH),
    *((field, sign) for field in BOOLEAN_FIELDS for sign in (*NO_SEARCH, *COMPARISONS)),
    *(
        (field, sign)
        for field in FIELDS
        for sign in ("[like ]", "[regex]", "[]", "[gt;lt]", "[[gt]]", "[(gt)]")
    ),
]
A_VALUE = (
    dict.fromkeys(TEXT_FIELDS, "x")
    | dict.fromkeys(INTEGER_FIELDS, "1")
    | dict.fromkeys(MOMENT_FIELDS, "2026-05-01")
    | dict.fromkeys(BOOLEAN_FIELDS, "1")
)


def test_an_operator_that_the_field_cannot_take_is_refused_with_those_it_can(api):
    for field, sign in REFUSED_OPERATORS:
        spelling = field.swapcase()
        message = refused(api.get(PATH, {spelling: sign + A_VALUE[field]}))[spelling]
        assert "[eq], [not], [or], [nor]" in message
        assert ("[gt], [lt], [gte], [lte]" in message) == (field not in BOOLEAN_FIELDS)
        assert ("[like], [notlike]" in message) == (field in TEXT_FIELDS)


def test_an_operator_after_the_name_is_refused_likewise(api):
    for field, sign in REFUSED_OPERATORS:
        spelling = field + sign.replace("[[gt]]", "[gte ]")
        assert list(refused(api.get(PATH, {spelling: A_VALUE[field]}))) == [spelling]


def test_a_name_in_brackets_needs_eq(api):
    make("[PROD] ERP", "PROD ERP")
    assert "[eq]" in refused(api.get(PATH, {"name": "[PROD] ERP"}))["name"]
    assert ids(api.get(PATH, {"name": "[eq][PROD] ERP"})) == [1]
    assert ids(api.get(PATH, {"name[eq]": "[PROD] ERP"})) == [1]


BAD_VALUES = {
    "integer": (
        INTEGER_FIELDS,
        ["", " ", "x", "1.0", "1e3", "0x1", "1,2", "1_000", "--1", "١", "１", "²", "true", "NaN", "9" * 5000],
    ),
    "64 bits": (INTEGER_FIELDS, [str(2**63), str(-(2**63) - 1), str(10**30)]),
    "true": (BOOLEAN_FIELDS, ["", "2", "-1", "ja", "truee", "y", "t", "01", "none", "2026-05-01"]),
    "2026-05-01": (MOMENT_FIELDS, ["", "x", "1", "tomorrow", "last month", "null;", "2026"]),
}


@pytest.mark.parametrize("accepted", BAD_VALUES)
def test_a_bad_value_is_refused_with_what_is_accepted(api, accepted):
    fields, values = BAD_VALUES[accepted]
    for field in fields:
        for value in values:
            for sign in ("", "[not]"):
                assert accepted in refused(api.get(PATH, {field: sign + value}))[field]
        good = A_VALUE[field]
        for text in (
            f"[or]{good};{values[0]}",
            f"[nor]{values[0]};{good}",
            f"[or]{good};",
            "[or]",
            "[eq]null",
        ):
            assert list(refused(api.get(PATH, {field: text}))) == [field]


@pytest.mark.parametrize("sign", ["[gt]", "[lt]", "[gte]", "[lte]"])
@pytest.mark.parametrize("field", [*INTEGER_FIELDS, *MOMENT_FIELDS])
def test_nothing_compares_with_null(api, field, sign):
    assert list(refused(api.get(PATH, {field: f"{sign}null"}))) == [field]


def test_the_operator_may_stand_after_the_name(api, data):
    cases = [
        ("creationDate[gte]", "2026-05-01", expected("creationDate", operator.ge, MOMENTS[3])),
        ("creationDate[GTE]", "2026-05-01", expected("creationDate", operator.ge, MOMENTS[3])),
        ("CREATIONDATE[lt]", "2026-05-01", expected("creationDate", operator.lt, MOMENTS[3])),
        ("appId[not]", "null", [row["id"] for row in ROWS if row["appId"] is not None]),
        ("appId[or]", "2;null", [row["id"] for row in ROWS if row["appId"] in (2, None)]),
        ("appid[nor]", "2;0", [row["id"] for row in ROWS if row["appId"] not in (2, 0, None)]),
        ("name[eq]", "null", expected("name", operator.eq, "null")),
        ("name[like]", "[", expected("name", SEARCHES["[like]"], "[")),
        ("Name[NotLike]", "ü", expected("name", SEARCHES["[notlike]"], "ü")),
    ]
    assert faults(api, cases) == []


def test_names_and_operators_match_in_any_letter_case(api, data):
    wanted = {field: expected(field, operator.ne, row_value(field)) for field in FIELDS}
    cases = [
        (spelling, sign + A_VALUE[field], wanted[field])
        for field in FIELDS
        for spelling, sign in [
            (field.lower(), "[not]"),
            (field.upper(), "[NOT]"),
            (field.swapcase(), "[nOt]"),
        ]
    ]
    assert faults(api, cases) == []


def row_value(field):
    """Return what `A_VALUE` means for the field."""
    kinds = {TEXT_FIELDS: "x", INTEGER_FIELDS: 1, MOMENT_FIELDS: MOMENTS[3], BOOLEAN_FIELDS: True}
    return next(value for fields, value in kinds.items() if field in fields)


@pytest.mark.parametrize(
    ("query", "chosen"),
    [
        ("name=a&name=b", lambda row: False),
        ("name=[not]a&name=[not]b", lambda row: row["name"] not in "ab"),
        ("name=[not]a&NAME=[not]b&Name[not]=A", lambda row: row["name"] not in ("a", "b", "A")),
        ("id=[gt]104&id[lte]=110", lambda row: 104 < row["id"] <= 110),
        (
            "creationDate=[gt]2026-05-01&creationDate=[lt]2026-06-01",
            lambda row: MOMENTS[3] < row["creationDate"] < MOMENTS[7],
        ),
        ("appId=null&appId=2", lambda row: False),
        ("appId=[or]2;null&appId=[not]null", lambda row: row["appId"] == 2),
        (
            "appId=null&status=1&tokenExists=true",
            lambda row: row["appId"] is None and row["status"] == 1 and row["tokenExists"],
        ),
    ],
)
def test_repeated_and_different_arguments_all_apply(api, data, query, chosen):
    assert ids(api.get(f"{PATH}?{query}")) == [row["id"] for row in ROWS if chosen(row)]


def test_many_conditions_and_long_lists(api, data):
    everyone = [row["id"] for row in ROWS]
    assert ids(api.get(f"{PATH}?" + "&".join(f"name=[not]{number}x" for number in range(200)))) == everyone
    numbers = ";".join(map(str, range(5000)))
    assert ids(api.get(PATH, {"id": f"[or]{numbers}"})) == [number for number in everyone if number < 5000]
    assert ids(api.get(PATH, {"name": f"[nor]{numbers}"})) == [
        row["id"] for row in ROWS if row["name"] not in ("0", "100")
    ]


def test_text_is_exact_and_case_sensitive(api):
    make("ERP", "erp", "ERP ", "Erp")
    assert ids(api.get(PATH, {"name": "ERP"})) == [1]
    assert ids(api.get(PATH, {"name": "[not]ERP"})) == [2, 3, 4]
    assert ids(api.get(PATH, {"name": "[like]ERP"})) == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("have", "want", "found"),
    [
        ("Größe", "GRÖSSE", False),  # ß has no capital of one letter: PostgreSQL's upper() leaves it
        ("Größe", "gRÖßE", True),
        ("ΟΔΟΣ", "οδος", True),  # a final sigma is a sigma
        ("οδος", "ΟΔΟΣ", True),
        ("οδος", "δοσ", True),
        ("Ёлка", "ёЛКА", True),
        ("ῼ", "ῳ", True),  # its capital of one letter is a title case
        ("ŁÓDŹ", "łódź", True),
        ("100% sure", "0%", True),
        ("1000 sure", "0%", False),
        ("a_b", "A_B", True),
        ("acb", "A_B", False),
        ("c:\\temp", "C:\\T", True),
        ("x" * 250, "X" * 250, True),
        ("short", "s" * 60_000, False),  # SQLite's LIKE refuses such a pattern
    ],
)
def test_search_in_any_letter_case(api, have, want, found):
    make(have)
    assert ids(api.get(PATH, {"name": f"[like]{want}"})) == [1] * found
    assert ids(api.get(PATH, {"name": f"[notlike]{want}"})) == [1] * (not found)


def at(*parts):
    return datetime(*parts, tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2026-05", at(2026, 5, 1)),
        ("2026-05-07", at(2026, 5, 7)),
        ("2026-05-07T13", at(2026, 5, 7, 13)),
        ("2026-05-07T13:30", at(2026, 5, 7, 13, 30)),
        ("2026-05-07T13:30:09", at(2026, 5, 7, 13, 30, 9)),
        *(
            (
                f"2026-05-07T13:30:00.{'602998'[:n]}",
                at(2026, 5, 7, 13, 30, 0, int("602998"[:n].ljust(6, "0"))),
            )
            for n in range(1, 7)
        ),
        ("2026-05-07%2013:30:00.5", at(2026, 5, 7, 13, 30, 0, 500_000)),
        ("2026-05-07+13", at(2026, 5, 7, 13)),
        ("2026-05-07T13:30Z", at(2026, 5, 7, 13, 30)),
        ("2026-05-07T13:30:00.000001Z", at(2026, 5, 7, 13, 30, 0, 1)),
        ("2026-05-07T13:30:00%2B02:00", at(2026, 5, 7, 11, 30)),
        ("2026-05-07T13:30:00+02:00", at(2026, 5, 7, 11, 30)),  # an unescaped plus arrives as a blank
        ("2026-05-07T13:30:00%2002:00", at(2026, 5, 7, 11, 30)),
        ("2026-05-07+13:30+02:00", at(2026, 5, 7, 11, 30)),
        ("2026-05-07T13:30:00.25-05:30", at(2026, 5, 7, 19, 0, 0, 250_000)),
        ("2026-05-07T00:00%2B14:00", at(2026, 5, 6, 10)),
        ("2026-05-07T13:30:00.6029987Z", at(2026, 5, 7, 13, 30, 0, 602_998)),
        ("2026-05-07T13:30:00.9999999", at(2026, 5, 7, 13, 30, 0, 999_999)),
        ("2026-05-07T13:30:00.1" + "0" * 30 + "%2B00:00", at(2026, 5, 7, 13, 30, 0, 100_000)),
        ("2026-05-07T23:59-12:00", at(2026, 5, 8, 11, 59)),
        ("2026-05-07T13:30-00:00", at(2026, 5, 7, 13, 30)),
        ("2028-02-29", at(2028, 2, 29)),
        ("0001-01-01", at(1, 1, 1)),
        ("0001-01-01T00:00-01:00", at(1, 1, 1, 1)),
        ("9999-12-31T23:59:59.999999", at(9999, 12, 31, 23, 59, 59, 999_999)),
        ("9999-12-31T23:59:59.999999%2B00:01", at(9999, 12, 31, 23, 58, 59, 999_999)),
    ],
)
def test_forms_of_dates(api, written, moment):
    check_moment(api, written, moment)


def check_moment(api, written, moment):
    """Check that `written` is the moment to the microsecond, in both kinds of date fields."""
    step = timedelta(microseconds=1)
    before = [moment - step] if moment > MOMENTS[0] else []
    moments = [*before, moment] + ([moment + step] if moment < MOMENTS[-1] else [])
    Connection.objects.bulk_create(
        Connection(name="x", type="REST", creation_date=each, last_check=each) for each in moments
    )
    for field in ("creationDate", "lastCheck"):
        assert [row[field] for row in api.get(f"{PATH}?{field}={written}").json()] == [
            moment.strftime("%Y-%m-%dT%H:%M:%S.%f").rjust(26, "0")
        ]
        assert len(ids(api.get(f"{PATH}?{field}=[lt]{written}"))) == len(before)
        assert len(ids(api.get(f"{PATH}?{field}[gt]={written}"))) == len(moments) - len(before) - 1


MARCH = "2026-03-31T13:30:00.602998"


@pytest.mark.parametrize(
    ("now", "word", "moment"),
    [
        (MARCH, "now", at(2026, 3, 31, 13, 30, 0, 602_998)),
        (MARCH, "NOW", at(2026, 3, 31, 13, 30, 0, 602_998)),
        (MARCH, "today", at(2026, 3, 31)),
        (MARCH, "Yesterday", at(2026, 3, 30)),
        (MARCH, "lastDay", at(2026, 3, 30, 13, 30, 0, 602_998)),
        (MARCH, "lastday", at(2026, 3, 30, 13, 30, 0, 602_998)),
        (MARCH, "LASTWEEK", at(2026, 3, 24, 13, 30, 0, 602_998)),
        (MARCH, "lastMonth", at(2026, 2, 28, 13, 30, 0, 602_998)),
        (MARCH, "lastYear", at(2025, 3, 31, 13, 30, 0, 602_998)),
        ("2028-03-31T00:00:00", "lastMonth", at(2028, 2, 29)),
        ("2028-02-29T12:00:00", "lastYear", at(2027, 2, 28, 12)),
        ("2027-01-01T00:00:00", "yesterday", at(2026, 12, 31)),
        ("2027-01-01T00:00:00", "today", at(2027, 1, 1)),
        ("2027-01-15T08:00:00", "lastmonth", at(2026, 12, 15, 8)),
    ],
)
def test_words_for_dates(api, now, word, moment):
    with time_machine.travel(f"{now}+00:00", tick=False):
        check_moment(api, word, moment)


BAD_DATES = [
    *(
        "0000-01-01",
        "0000-01",
        "2026-00",
        "2026-13",
        "2026-05-00",
        "2026-05-32",
        "2026-02-29",
        "2026-04-31",
        "2026-5-1",
        "26-05-01",
    ),
    *(
        "2026-W18",
        "2026-W18-5",
        "2026W185",
        "2026-121",
        "20260501",
        "2026/05/01",
        "01.05.2026",
        "12026-05-01",
        "-2026-05-01",
    ),
    *(
        "2026-05-01T",
        "2026-05-01T24",
        "2026-05-01T24:00",
        "2026-05-01T13:60",
        "2026-05-01T13:30:60",
        "2026-05-01T1330",
    ),
    *(
        "2026-05-01T13:30:00.",
        "2026-05-01T13:30:00.x1234567",
        "2026-05-01T13:30:00,5",
        "2026-05-01X13:30",
        "2026-05-01  13:30",
    ),
    *(
        "2026-05-01T13:30+24:00",
        "2026-05-01T13:30+02:60",
        "2026-05-01T13:30+2",
        "2026-05-01T13:30+02:00:00",
        "2026-05-01T13:30ZZ",
    ),
    *(
        "2026-05-01T13:30 CET",
        "2026-05-01T13:30Z+02:00",
        "２０２６-05-01",
        "2026-05-٠١",
        "1777593600",
        "todaynow",
        "now-1d",
        "last day",
    ),
    *("0001-01-01T00:00+00:01", "9999-12-31T23:59:59.999999-00:01"),
]


def test_no_other_dates(api):
    for text in BAD_DATES:
        answers = [
            api.get(f"{PATH}?creationDate={sign}{quote(text)}") for sign in ("", "[gte]", "[or]2026-05-01;")
        ]
        assert [answer.status_code for answer in answers] == [422] * 3, text
        assert "2026-05-01" in refused(answers[0])["creationDate"]


def test_an_empty_value_is_the_empty_text(api, data):
    for field in ("url", "username"):
        empty = expected(field, operator.eq, "")
        filled = expected(field, operator.ne, "")
        assert empty
        assert filled
        assert (
            faults(
                api,
                [
                    (field, "", empty),
                    (field, "[eq]", empty),
                    (field, "[or]", empty),
                    (field, "[not]", filled),
                    (field, "[gt]", filled),
                ],
            )
            == []
        )
        assert ids(api.get(f"{PATH}?{field}")) == empty


def test_integers_may_be_written_with_a_sign_but_not_beyond_64_bits(api):
    make("one")
    for field, value, found in [
        ("id", "%2B1", [1]),
        ("id", "[gte]-9223372036854775808", [1]),
        ("id", "[lte]9223372036854775807", [1]),
    ]:
        assert ids(api.get(f"{PATH}?{field}={value}")) == found
    for sign in ("", "[not]", "[gt]", "[lt]", "[gte]", "[lte]", "[or]1;", "[nor]1;"):
        for value in (2**63, -(2**63) - 1):
            assert list(refused(api.get(PATH, {"ID": f"{sign}{value}"}))) == ["ID"]
