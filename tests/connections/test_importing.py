import io
import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import IntegrityError

from connections import importing
from connections.choices import Authentication, ConnectionType
from connections.demo import load_demo
from connections.models import App, Connection, Integration
from logs.models import ConnectionLog
from tests.connections.records import Record, everything, export, exported, log, one, record, write

SEED = json.loads((Path(__file__).parents[1] / "data/seed.json").read_text("utf-8"))


TEXTS = [
    "Größe ẞ",
    "日本語 🚚",
    "a\u2028b\tc\nd",
    "\"quoted\" \\ / 'it'",
    " blanks ",
    "null",
    "0",
    "x" * 255,
    "\ufeffmark",
    "é e\u0301",
    "<&>",
]
ADDRESSES = [
    *(
        "",
        "db.example.com",
        "db.example.com:1433/wms",
        "SQL01\\WMS",
        "SQL01\\WMS,1433",
        "[2001:db8::1]:502",
        "http://[::1]:8080/x?y=z#f",
    ),
    *(
        "https://example.com/@me?mail=a@b.example",
        "opc.tcp://10.0.0.7:4840",
        "jdbc:sqlserver://db:1433;databaseName=wms",
        "HTTPS://Example.COM",
    ),
    *("sftp://files/über/%7E", "x" * 2000, "/etc/passwd", "://", "C:\\data\\file.mdb"),
]
MOMENTS = [
    "0001-01-01T00:00:00.000000",
    "1969-12-31T23:59:59.999999",
    "2026-02-28T00:00:00.000001",
    "9999-12-31T23:59:59.999999",
]
LOGS: list[Record] = [
    *(
        {"status": 0, "error": "The host did not answer."},
        {"description": "", "error": "", "time": None},
        {"time": 0.0},
        {"time": 5e-06},
    ),
    *(
        {"time": 123456.789012},
        {"appId": 0, "integrationId": -1, "workflowId": 2**63 - 1, "taskId": 7},
        {"description": "x" * 20_000},
    ),
]


def shapes() -> list[Record]:
    """Records of every shape that the list can answer."""
    fields: list[Record] = [
        *({"name": text, "username": text} for text in TEXTS),
        *({"url": address} for address in ADDRESSES),
        *(
            {"type": type, "authentication": kind}
            for type in ConnectionType.values
            for kind in Authentication.values
        ),
        *({"type": type, "isTestable": False} for type in ("SAP RFC", "rest", "Ünbekannt", "x" * 100)),
        *({"creationDate": moment, "latestConnection": moment, "lastCheck": moment} for moment in MOMENTS),
        *(
            {"passwordExists": password, "tokenExists": token}
            for password in (True, False)
            for token in (True, False)
        ),
        *({"integrationCount": count} for count in (1, 2, 50)),
        *({"appId": app} for app in (0, 1, 2, 2, 900_000)),
        *({"latestLog": log(1000 - number, **values), "status": 1} for number, values in enumerate(LOGS)),
        {"authentication": ""},
    ]
    return [record(number * 3 + 1, **values) for number, values in enumerate(fields)] + [record(10**12)]


def test_the_seed_comes_out_equal(load, api):
    assert load(SEED).splitlines() == [
        "2 records: 2 created, 0 overwritten, 0 skipped.",
        "1 apps created.",
        "1 connections have a password that is expected and was not entered here yet.",
        "1 connections have a token that is expected and was not entered here yet.",
    ]
    assert json.dumps(api.get("/api/connections").json()) == json.dumps(SEED)


def test_the_list_equals_the_file(load, api):
    records = shapes()
    load(records)
    answer = api.get("/api/connections").json()
    assert [json.dumps(each) for each in answer] == [json.dumps(each) for each in records]
    assert [json.dumps(each) for each in exported()] == [json.dumps(each) for each in records]


def test_export_import_export_changes_nothing(load):
    load(shapes())
    first = export()
    load(first, "--on-existing", "overwrite")
    assert export() == first
    Integration.objects.all().delete()
    Connection.objects.all().delete()
    App.objects.all().delete()
    load(first)
    assert export() == first


def test_importing_twice_changes_nothing(load):
    load(shapes())
    App.objects.filter(pk=1).update(name="ERP")
    keep = [list(model.objects.order_by("pk").values()) for model in (App, Integration, ConnectionLog)]
    load(shapes(), "--on-existing", "overwrite")
    assert [
        list(model.objects.order_by("pk").values()) for model in (App, Integration, ConnectionLog)
    ] == keep


def test_an_empty_registry_is_exported_as_an_empty_array(load):
    assert exported() == []
    assert load([]) == "0 records: 0 created, 0 overwritten, 0 skipped.\n"


def test_the_order_of_the_file_does_not_matter(load):
    load(list(reversed(shapes())))
    assert exported() == shapes()


def test_fail_is_the_default(load, refuse):
    load([record(1), record(2)])
    assert re.fullmatch(
        r"Connection 2 exists; .*skip or overwrite\.", refuse([record(2, name="other"), record(3, appId=9)])
    )


def test_skip(load):
    load([record(1, name="mine", appId=1, integrationCount=1, latestLog=log(1))])
    before = exported()
    changed = record(1, name="theirs", appId=2, integrationCount=3, latestLog=log(2), passwordExists=True)
    assert load([changed, record(2)], "--on-existing", "skip").startswith(
        "2 records: 1 created, 0 overwritten, 1 skipped."
    )
    assert exported() == [*before, record(2)]
    assert not App.objects.filter(pk=2).exists()


def test_overwrite(load):
    load([record(1, name="mine", appId=1, integrationCount=5, latestLog=log(1))])
    Connection.objects.update(scope="orders", timeout=7)
    version, uid = one().version, one().uid
    theirs = record(
        1, name="theirs", appId=2, integrationCount=3, latestLog=log(2), type="MSSQL", url="db", status=1
    )
    assert load([theirs, record(2)], "--on-existing", "overwrite").startswith(
        "2 records: 1 created, 1 overwritten, 0 skipped."
    )
    assert exported() == [theirs, record(2)]
    # What a record does not tell stays.
    assert (one().scope, one().timeout, one().uid) == ("orders", 7, uid)
    assert one().version > version
    assert sorted(ConnectionLog.objects.values_list("pk", flat=True)) == [1, 2]


@pytest.mark.parametrize("mode", ["fail", "skip", "overwrite"])
def test_a_dry_run_changes_nothing(mode, load):
    load([record(1, appId=1, integrationCount=2, latestLog=log(1))])
    before = everything()
    records = [
        record(2, appId=7, integrationCount=3, latestLog=log(2), passwordExists=True),
        record(3, status=5),
    ]
    if mode != "fail":
        records.append(record(1, name="theirs", integrationCount=0))
    printed = load(records, "--on-existing", mode, "--dry-run")
    assert everything() == before
    first, *rest = printed.splitlines()
    assert first == "This would change (nothing was changed):"
    assert rest == load(records, "--on-existing", mode).splitlines()
    assert everything() != before


def test_a_dry_run_refuses_alike(load, refuse):
    load([record(1)])
    assert refuse([record(1)]) == refuse([record(1)], "--dry-run")
    assert "name" in refuse([record(2, name=None)], "--dry-run")


LONG = "x" * 256
BLANKS = [" ", "\t\n", "\u00a0\u3000", "\u200b", "\ufeff "]


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("id", [None, 0, -1, "1", 1.5, True, [], 2**53 + 1, 2**63 - 1]),
        ("name", [None, "", 5, LONG, "a\0b", [], {}, *BLANKS]),
        ("type", [None, "", 5, "x" * 101, "a\0b", *BLANKS]),
        ("url", [5, "x" * 2001, "a\0b", {}]),
        ("username", [5, LONG, "a\0b"]),
        ("authentication", [5, "x" * 101, "a\0b"]),
        ("appId", ["2", -1, 1.5, True, 2**53 + 1, 2**63 - 1]),
        ("integrationCount", ["3", -1, 1.5, 10_001, True]),
        ("passwordExists", ["maybe", 5, {}]),
        ("tokenExists", ["maybe", 5, {}]),
        ("password", [5, "hunter2\0", ["hunter2"]]),
        ("token", [5, "hunter2\0", ["hunter2"]]),
        (
            "creationDate",
            [
                "tomorrow",
                5,
                "",
                "2026-13-01",
                "2026-02-30",
                "2026-W01",
                "0000-01-01",
                "0001-01-01T00:00+02:00",
                [],
            ],
        ),
        ("latestConnection", ["tomorrow", 5]),
        ("lastCheck", ["tomorrow", 5]),
        ("latestLog", ["x", 5, [], {}]),
        ("latestLog.id", [None, 0, "1", 2**53 + 1, 2**63 - 1]),
        ("latestLog.creationDate", [None, "tomorrow"]),
        ("latestLog.description", [5, "a\0b"]),
        ("latestLog.error", [5, "a\0b"]),
        ("latestLog.time", ["long", {}]),
        ("latestLog.taskId", ["1", 1.5]),
    ],
)
def test_a_bad_record_is_named_with_its_position_and_field(field, values, refuse):
    outer, _, inner = field.partition(".")
    for value in values:
        bad = record(2, **{outer: log(2, **{inner: value}) if inner else value})
        assert re.search(
            rf"^Record 1 \(counted from 0\): {re.escape(field)}\b",
            refuse([record(1, appId=1), bad, record(3)]),
            re.MULTILINE,
        )


@pytest.mark.parametrize("url", [f"http://{'u' * 256}@host", "http://a%00b:x@host"])
def test_user_info_that_fits_no_user_name_is_a_bad_record(url, refuse):
    assert refuse([record(1), record(2, url=url)]).startswith("Record 1 (counted from 0): ")


@pytest.mark.parametrize("field", ["id", "appId", "integrationCount"])
def test_integers_beyond_64_bits_are_bad_fields_and_no_bad_json(field, refuse):
    for number in (2**63, -(2**63) - 1, 10**30):
        assert refuse([record(1), record(2, **{field: number})]).startswith(
            f"Record 1 (counted from 0): {field}"
        )


def test_the_largest_ids_leave_room_for_new_ones(load):
    largest = 2**53
    load([record(largest, appId=largest, latestLog=log(largest))])
    record_of_now = Connection.objects.create(name="new", type="REST", app=App.objects.create(name="new"))
    assert (record_of_now.pk, record_of_now.app_id) == (largest + 1, largest + 1)
    assert ConnectionLog.objects.create(connection=record_of_now, status=1).pk == largest + 1


@pytest.mark.parametrize("field", ["id", "appId", "latestLog.id", "latestLog.appId"])
def test_an_offset_beyond_the_largest_id_is_refused(field, refuse):
    outer, _, inner = field.partition(".")
    bad = record(1, **{outer: log(2, **{inner: 2**53 - 5}) if inner else 2**53 - 5})
    fault = refuse([bad], "--id-offset", "6")
    assert re.fullmatch(
        rf"Record 0 \(counted from 0\): {field}: .* is above 9007199254740992 with the offset, .*", fault
    )


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2026-05-07T13:30:00.6029987Z", "2026-05-07T13:30:00.602998"),
        ("2026-05-07T13:30:00.9999999", "2026-05-07T13:30:00.999999"),
        ("2026-05-07T15:30:00.000000123+02:00", "2026-05-07T13:30:00.000000"),
    ],
)
def test_fractions_of_more_than_six_digits_are_cut(written, read, load):
    load([record(1, creationDate=written, lastCheck=written, latestLog=log(1, creationDate=written))])
    [shown] = exported()
    assert (shown["creationDate"], shown["lastCheck"], shown["latestLog"]["creationDate"]) == (read,) * 3


@pytest.mark.parametrize("key", ["id", "name", "type"])
def test_required_keys(key, refuse):
    bad = record(2)
    del bad[key]
    assert refuse([record(1), bad]).startswith(f"Record 1 (counted from 0): {key}")


@pytest.mark.parametrize("bad", [None, 5, "x", [], True, [[1]]])
def test_records_that_are_no_objects(bad, refuse):
    assert refuse([record(1), bad]).startswith("Record 1 (counted from 0): ")


def test_all_bad_records_are_named(refuse):
    faults = refuse([record(1, name=None, type=""), record(2), record(3, url=5)]).splitlines()
    assert [fault.partition(": ")[0] for fault in faults] == ["Record 0 (counted from 0)"] * 2 + [
        "Record 2 (counted from 0)"
    ]


def test_very_many_bad_records_are_not_all_named(refuse):
    faults = refuse([record(number, name=None) for number in range(1, 500)]).splitlines()
    assert len(faults) == 101
    assert faults[-1] == "… and perhaps more."


def test_a_refusal_tells_no_secret(refuse):
    bad = record(1, password="hunter2\0", token="hunter2\0", url="https://me:hunter2@host\0")
    assert "hunter2" not in refuse([bad])


def test_nothing_is_stored_when_a_later_batch_is_bad(refuse, load, monkeypatch):
    monkeypatch.setattr(importing, "BATCH", 2)
    load_demo()
    assert "Record 5" in refuse(
        [*(record(100 + number, appId=50 + number, integrationCount=1) for number in range(5)), record(0)]
    )


def test_small_batches_store_the_same(load, monkeypatch):
    monkeypatch.setattr(importing, "BATCH", 2)
    load(shapes())
    assert exported() == shapes()


@pytest.mark.parametrize("size", [1, 3])
def test_duplicate_ids_in_the_file(size, refuse, monkeypatch):
    monkeypatch.setattr(importing, "BATCH", size)
    assert refuse([record(1), record(2), record(1)]).startswith("Record 2 (counted from 0): id")


@pytest.mark.parametrize(
    "content", ["", " ", "{}", '"x"', "null", "5", json.dumps(record(1)), "<html></html>", "x[]"]
)
def test_not_an_array(content, refuse):
    assert "JSON array" in refuse(content)


@pytest.mark.parametrize(
    "end", ["", ",", ",]", "]]", "] x", ', {"id": NaN}]', ", {'id': 2}]", ", Infinity]", ", tru]", ", {]"]
)
def test_broken_json(end, refuse):
    assert "not well-formed JSON" in refuse(f"[{json.dumps(record(1))}{end}")


def test_broken_utf_8(tmp_path, db):
    file = tmp_path / "connections.json"
    file.write_bytes(b'[{"id": 1, "type": "REST", "name": "\xff"}]')
    with pytest.raises(CommandError, match="not well-formed"):
        call_command("import_connections", str(file))


def test_deep_nesting_under_an_unknown_key_is_ignored(load):
    deep = json.dumps(record(1)).replace("{", '{"unknown": ' + "[" * 3_000 + "]" * 3_000 + ", ", 1)
    load(f"[{deep}]")
    assert exported() == [record(1)]


@pytest.mark.parametrize("name", ["missing.json", "."])
def test_unreadable_files(name, tmp_path, db):
    with pytest.raises(CommandError, match=r"cannot be read"):
        call_command("import_connections", str(tmp_path / name))


def test_standard_input(monkeypatch, db):
    content = io.BytesIO(json.dumps(shapes()).encode())
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BufferedReader(content)))
    call_command("import_connections", "-", stdout=io.StringIO())
    assert exported() == shapes()


def test_unknown_keys_are_ignored(load):
    load([record(1, latestLog=log(1, machine="x"), workflow={"a": [1]}, Name="other")])
    assert exported() == [record(1, latestLog=log(1))]


def test_only_three_keys_are_needed(load):
    now = datetime(2026, 5, 7, 13, 30, tzinfo=UTC)
    with time_machine.travel(now, tick=False):
        load([{"id": 1, "name": "ERP", "type": "REST"}])
    assert exported() == [
        record(1, name="ERP", url="", authentication="", creationDate="2026-05-07T13:30:00.000000")
    ]


def test_a_connection_keeps_the_creation_date_that_a_record_does_not_tell(load):
    created = "2026-05-07T13:30:00.000000"
    load([record(1, creationDate=created)])
    load([{"id": 1, "name": "ERP", "type": "REST"}], "--on-existing", "overwrite")
    assert (exported()[0]["name"], exported()[0]["creationDate"]) == ("ERP", created)


@pytest.mark.parametrize("key", ["url", "username", "authentication"])
def test_null_text_is_stored_as_empty(key, load):
    load([record(1, **{key: None})])
    assert exported() == [record(1, **{key: ""})]


def test_null_text_in_a_log(load):
    load([record(1, latestLog=log(1, description=None, error=None))])
    assert exported()[0]["latestLog"] == log(1, description="", error=None)


@pytest.mark.parametrize("status", [2, -1, 200, "1", "ok", [], 0.5])
def test_any_status_but_1_is_0_and_counted(status, load):
    printed = load(
        [
            record(1, status=status),
            record(2, latestLog=log(2, status=status)),
            record(3, status=1),
            record(4, status=0),
        ]
    )
    assert "2 statuses other than 0 and 1 stored as 0." in printed.splitlines()
    assert [each["status"] for each in exported()] == [0, 0, 1, 0]
    assert exported()[1]["latestLog"]["status"] == 0


@pytest.mark.parametrize(
    ("url", "stored", "username", "password"),
    [
        ("https://me:hunter2@host/x?y#z", "https://host/x?y#z", "me", "hunter2"),
        ("https://me@host", "https://host", "me", ""),
        ("https://:hunter2@host", "https://host", "", "hunter2"),
        ("https://@host", "https://host", "", ""),
        ("https://m%40e:p%3Ah%2F%C3%A9@host", "https://host", "m@e", "p:h/é"),
        ("https://me@example.com:hunter2@host", "https://host", "me@example.com", "hunter2"),
        ("https://me:hunter@2@host", "https://host", "me", "hunter@2"),
        ("me:hunter2@db:1433/wms", "db:1433/wms", "me", "hunter2"),
        ("mssql+pyodbc://me:hunter2@db/wms", "mssql+pyodbc://db/wms", "me", "hunter2"),
        ("me:hunter2@SQL01\\WMS", "SQL01\\WMS", "me", "hunter2"),
        ("sftp://me:hunter2@[2001:db8::1]:22/x", "sftp://[2001:db8::1]:22/x", "me", "hunter2"),
        ("//me:hunter2@host/x", "//host/x", "me", "hunter2"),
        ("jdbc:postgresql://me:hunter2@db:5432/wms", "jdbc:postgresql://db:5432/wms", "me", "hunter2"),
        ("https://host/a:b@c?mail=a:b@c", "https://host/a:b@c?mail=a:b@c", "", ""),
    ],
)
def test_user_info_is_split_off(url, stored, username, password, load):
    load([record(1, url=url)])
    assert exported() == [record(1, url=stored, username=username, passwordExists=bool(password))]
    assert one().reveal("password") == password


def test_user_info_gives_way_to_fields_of_its_own(load):
    load([record(1, url="https://me:hunter2@host", username="you", password="letmein")])
    assert (one().username, one().reveal("password")) == ("you", "letmein")


def test_what_exists_but_is_not_told_is_expected(load):
    printed = load(
        [
            record(1, passwordExists=True),
            record(2, tokenExists=True),
            record(3, passwordExists=True, tokenExists=True),
        ]
    )
    assert "2 connections have a password that is expected and was not entered here yet." in printed
    assert "2 connections have a token that is expected and was not entered here yet." in printed
    assert [(each["passwordExists"], each["tokenExists"]) for each in exported()] == [
        (True, False),
        (False, True),
        (True, True),
    ]
    assert not any(one(id).has_stored(secret) for id in (1, 2, 3) for secret in ("password", "token"))


@pytest.mark.parametrize("exists", [True, False, None])
@pytest.mark.parametrize("secret", ["password", "token"])
def test_a_told_secret_is_stored_sealed(secret, exists, load):
    text = "hunter2 – ünïcode"
    printed = load([record(1, **{secret: text, f"{secret}Exists": exists})])
    assert one().reveal(secret) == text
    assert exported()[0][f"{secret}Exists"] is True
    assert "expected" not in printed
    assert "hunter2" not in printed + export() + str(everything())


SAME = [
    ("https://host/x", "https://host/x"),
    ("https://host/x", "https://host/y?z"),
    ("https://host", "HTTPS://HOST"),
    ("postgresql://db:5432/wms", "postgresql://db:5432/wms"),
    ("SQL01\\WMS", "sql01\\wms"),
]
MOVED = [
    ("https://host/x", "http://host/x"),
    ("https://host/x", "https://other/x"),
    ("https://host/x", "https://host.evil.example/x"),
    ("https://host/x", "https://host:8443/x"),
    ("postgresql://db/wms", "postgresql://db/erp"),
    ("db:1433/wms", "db:1433/erp"),
    ("SQL01\\WMS", "SQL01\\ERP"),
    ("db", ""),
]


@pytest.mark.parametrize(
    ("before", "after", "moved"), [*((*row, False) for row in SAME), *((*row, True) for row in MOVED)]
)
@pytest.mark.parametrize("secret", ["password", "token"])
def test_overwriting_keeps_a_secret_only_where_it_belongs(secret, before, after, moved, load):
    exists = {f"{secret}Exists": True}
    load([record(1, url=before, **{secret: "hunter2"})])
    printed = load([record(1, url=after, **exists)], "--on-existing", "overwrite")
    assert exported() == [record(1, url=after, **exists)]
    assert one().reveal(secret) == ("" if moved else "hunter2")
    assert (
        f"Connection 1: its address or type changed, so its {secret} must be entered again." in printed
    ) is moved


@pytest.mark.parametrize(
    ("before", "after", "moved"),
    [
        *(("REST", "GraphQL", False), ("REST", "REST", False)),
        *(("REST", "FTP", True), ("MSSQL", "REST", True), ("MSSQL", "MySQL", True)),
    ],
)
def test_overwriting_keeps_a_secret_only_with_its_protocol(before, after, moved, load):
    load([record(1, url="https://host", type=before, password="hunter2")])
    printed = load(
        [record(1, url="https://host", type=after, passwordExists=True)], "--on-existing", "overwrite"
    )
    assert (one().type, one().reveal("password")) == (after, "" if moved else "hunter2")
    assert ("its address or type changed, so its password must be entered again" in printed) is moved


@pytest.mark.parametrize("after", ["https://host", "https://other"])
@pytest.mark.parametrize("secret", ["password", "token"])
def test_overwriting_with_no_secret_clears_it(secret, after, load):
    load([record(1, url="https://host", **{secret: "hunter2"})])
    load([record(1, url=after)], "--on-existing", "overwrite")
    assert exported() == [record(1, url=after)]
    assert not one().has_stored(secret)


@pytest.mark.parametrize("url", ["https://host", "https://other"])
def test_overwriting_with_another_secret(url, load):
    load([record(1, url="https://host", password="hunter2")])
    load([record(1, url=url, password="letmein")], "--on-existing", "overwrite")
    assert one().reveal("password") == "letmein"


def test_secrets_that_records_never_tell(load):
    load([record(1, url="sftp://host")])
    connection = one()
    connection.set_secret("private_key", "hunter2")
    connection.save()
    load([record(1, url="sftp://host")], "--on-existing", "overwrite")
    assert one().reveal("private_key") == "hunter2\n"
    assert "its private key must be entered again" in load(
        [record(1, url="sftp://other")], "--on-existing", "overwrite"
    )
    assert (one().has_stored("private_key"), one().private_key_exists) == (False, True)
    # The same file again must not make it forget that a key is missing.
    load([record(1, url="sftp://other")], "--on-existing", "overwrite")
    assert one().private_key_exists


def test_placeholders_follow_the_count(load):
    for count in (3, 5, 2, 0, 1):
        load([record(1, integrationCount=count), record(2, integrationCount=2)], "--on-existing", "overwrite")
        assert [each["integrationCount"] for each in exported()] == [count, 2]
        assert Integration.objects.filter(connection=1, placeholder=True).count() == count


@pytest.mark.parametrize(("told", "kept"), [(5, 5), (3, 3), (2, 2), (1, 2), (0, 2)])
def test_integrations_made_here_are_kept(told, kept, load):
    load([record(1, integrationCount=1)])
    for name in ("Orders", "Stock"):
        Integration.objects.create(connection=one(), name=name)
    printed = load([record(1, integrationCount=told)], "--on-existing", "overwrite")
    assert exported()[0]["integrationCount"] == kept
    assert Integration.objects.filter(placeholder=False).count() == 2
    assert ("Connection 1: it keeps" in printed) is (told < kept)


@pytest.mark.parametrize("count", [None, 0])
def test_no_integrations(count, load):
    load([record(1, integrationCount=count)])
    assert exported() == [record(1)]


def test_the_largest_count(load):
    load([record(1, integrationCount=10_000)])
    assert exported() == [record(1, integrationCount=10_000)]


def test_log_ids_that_collide_in_the_file(load):
    printed = load(
        [
            record(1, latestLog=log(10)),
            record(2, latestLog=log(10, error="other")),
            record(3, latestLog=log(11)),
        ]
    )
    assert "Connection 2: its log entry 10 is now 12, as another connection's has that id." in printed
    assert [each["latestLog"] for each in exported()] == [log(10), log(12, error="other"), log(11)]


def test_log_ids_that_collide_with_the_database(load):
    load([record(1, latestLog=log(10)), record(2, latestLog=log(11))])
    printed = load(
        [record(2, latestLog=log(10, error="new")), record(3, latestLog=log(11))],
        "--on-existing",
        "overwrite",
    )
    assert [each["latestLog"] for each in exported()] == [log(10), log(12, error="new"), log(13)]
    assert "Connection 2: its log entry 10 is now 12" in printed
    assert "Connection 3: its log entry 11 is now 13" in printed
    # The entry that connection 2 had stays in its log.
    assert ConnectionLog.objects.get(pk=11).connection_id == 2


@pytest.mark.parametrize("size", [1, 2, 1000])
def test_colliding_log_ids_across_batches(size, load, monkeypatch):
    monkeypatch.setattr(importing, "BATCH", size)
    load(
        [
            record(1, latestLog=log(10)),
            record(2, latestLog=log(10)),
            record(3, latestLog=log(10)),
            record(4, latestLog=log(11)),
        ]
    )
    assert [each["latestLog"]["id"] for each in exported()] == [10, 12, 13, 11]


def test_an_own_log_entry_is_written_over(load):
    load([record(1, latestLog=log(10))])
    load([record(1, latestLog=log(10, status=0, error="down"))], "--on-existing", "overwrite")
    assert exported() == [record(1, latestLog=log(10, status=0, error="down"))]
    assert ConnectionLog.objects.count() == 1


def test_missing_apps_are_created(load):
    App.objects.create(pk=1, name="ERP")
    assert "2 apps created." in load(
        [record(1, appId=1), record(2, appId=2), record(3, appId=2), record(4, appId=0)]
    )
    assert dict(App.objects.values_list("pk", "name")) == {0: "App 0", 1: "ERP", 2: "App 2"}
    assert not App.objects.filter(demo=True).exists()


def test_duplicate_names_are_kept_and_named(load):
    names = [("ERP", 1), ("erp", 1), ("ERP", 2), ("Straße", None), ("STRASSE", None), ("other", None)]
    printed = load(
        [record(number, name=name, appId=app) for number, (name, app) in enumerate(names, start=1)]
    )
    told = [line.casefold() for line in printed.splitlines() if "are called" in line]
    assert len(told) == 2
    assert "2 connections of app 1 are called 'erp'" in told[0]
    assert "2 connections of no app are called 'strasse'" in told[1]
    assert [each["name"] for each in exported()] == [name for name, _ in names]


def test_names_that_the_registry_has_are_named_too(load):
    load([record(1, name="ERP", appId=1)])
    assert "are called" in load([record(2, name="erp", appId=1)])
    assert "are called" not in load([record(3, name="erp", appId=2)])


@pytest.mark.parametrize("type", ["SAP RFC", "rest", "MSSQL "])
def test_unknown_types_are_kept_and_not_testable(type, load):
    load([record(1, type=type, isTestable=True)])
    assert exported() == [record(1, type=type, isTestable=False)]


# An authentication that nobody knows cannot be tried.
@pytest.mark.parametrize(
    ("authentication", "testable"), [("Kerberos", False), ("No Authentication", True), ("", True)]
)
def test_testable_is_read_from_type_and_authentication(authentication, testable, load):
    load([record(1, authentication=authentication, isTestable=not testable)])
    assert exported() == [record(1, authentication=authentication, isTestable=testable)]


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("2026-05", "2026-05-01T00:00:00.000000"),
        ("2026-05-07", "2026-05-07T00:00:00.000000"),
        ("2026-05-07T13", "2026-05-07T13:00:00.000000"),
        ("2026-05-07T13:30", "2026-05-07T13:30:00.000000"),
        ("2026-05-07 13:30:05", "2026-05-07T13:30:05.000000"),
        ("2026-05-07T13:30:05.1", "2026-05-07T13:30:05.100000"),
        ("2026-05-07T13:30:05.123456Z", "2026-05-07T13:30:05.123456"),
        ("2026-05-07T13:30:05+02:00", "2026-05-07T11:30:05.000000"),
        ("2026-05-07T13:30 02:00", "2026-05-07T11:30:00.000000"),
        ("2026-05-07T23:30-05:00", "2026-05-08T04:30:00.000000"),
        ("now", "2026-03-31T12:30:45.000000"),
        ("Today", "2026-03-31T00:00:00.000000"),
        ("lastMonth", "2026-02-28T12:30:45.000000"),
    ],
)
def test_forms_of_dates(written, stored, load):
    with time_machine.travel(datetime(2026, 3, 31, 12, 30, 45, tzinfo=UTC), tick=False):
        load(
            [
                record(
                    1,
                    creationDate=written,
                    latestConnection=written,
                    lastCheck=written,
                    latestLog=log(1, creationDate=written),
                )
            ]
        )
    shown = {"creationDate": stored, "latestConnection": stored, "lastCheck": stored}
    assert exported() == [record(1, **shown, latestLog=log(1, creationDate=stored))]


@pytest.mark.parametrize(("count", "warned"), [(999, False), (1000, True), (1001, False)])
def test_exactly_a_thousand_records_warn(count, warned, tmp_path, db):
    errors = io.StringIO()
    file = write(tmp_path / "connections.json", [record(number) for number in range(1, count + 1)])
    call_command("import_connections", str(file), "--dry-run", stdout=io.StringIO(), stderr=errors)
    assert ("limit=20000" in errors.getvalue()) is warned


def test_untouched_demo_data_is_removed(load):
    load_demo()
    assert "7 untouched demo connections removed." in load([record(1, appId=1)]).splitlines()
    assert exported() == [record(1, appId=1)]
    assert list(App.objects.values_list("pk", "name", "demo")) == [(1, "App 1", False)]
    assert not ConnectionLog.objects.exists()
    assert not Integration.objects.exists()


def test_demo_data_that_was_edited_or_is_used_stays(load):
    load_demo()
    edited, used = one(2), one(3)
    edited.demo = False  # as the admin's save does
    edited.save()
    Integration.objects.create(connection=used, name="Orders")
    kept = [each for each in exported() if each["id"] in (2, 3)]
    assert "5 untouched demo connections removed." in load([record(100)])
    assert exported() == [*kept, record(100)]
    assert set(App.objects.values_list("pk", flat=True)) == {edited.app_id, used.app_id}


def test_a_refused_import_keeps_the_demo_data(refuse, db):
    load_demo()
    refuse([record(1, name=None)])
    assert Connection.objects.filter(demo=True).count() == 7


def test_new_rows_get_ids_after_the_imported_ones(load):
    load(
        [
            record(500_000, appId=70_000, latestLog=log(900_000), integrationCount=2),
            record(400_000, latestLog=log(900_000)),
        ]
    )
    assert App.objects.create(name="new").pk > 70_000
    assert ConnectionLog.objects.create(connection=one(500_000), status=1).pk > 900_001
    new = Connection.objects.create(name="new", type="REST")
    assert new.pk > 500_000
    assert Integration.objects.create(connection=new, name="new").pk


def test_ids_are_not_given_out_again_after_a_lower_import(load):
    load([record(500_000)])
    given = Connection.objects.create(name="new", type="REST").pk
    Connection.objects.all().delete()
    load([record(7)])
    assert Connection.objects.create(name="newer", type="REST").pk > given


def test_every_import_raises_the_versions(load):
    load([record(1), record(2, integrationCount=1)])
    before = dict(Connection.objects.values_list("pk", "version"))
    load([record(1), record(2, integrationCount=2)], "--on-existing", "overwrite")
    after = dict(Connection.objects.values_list("pk", "version"))
    assert all(after[id] > before[id] for id in before)


def test_what_the_database_refuses_ends_in_a_sentence(load, monkeypatch):
    # Such as a row that another process stored meanwhile.
    def collide(*args):
        raise IntegrityError("duplicate key")

    monkeypatch.setattr(importing.ConnectionImport, "finish", collide)
    with pytest.raises(CommandError, match="nothing was imported"):
        load([record(1, appId=1)])
    assert not Connection.objects.exists()


def test_a_byte_order_mark_is_passed_over(tmp_path, db):
    file = tmp_path / "windows.json"
    file.write_bytes(b"\xef\xbb\xbf" + json.dumps(shapes()).encode())
    call_command("import_connections", str(file), stdout=io.StringIO())
    assert exported() == shapes()


def test_utf_16_is_named(tmp_path, db):
    file = tmp_path / "powershell.json"
    file.write_bytes(json.dumps(shapes()).encode("utf-16"))
    with pytest.raises(CommandError, match="save it as UTF-8"):
        call_command("import_connections", str(file))


def test_an_integration_that_somebody_named_stays(load, admin_client):
    load([record(1, integrationCount=2)])
    kept = Integration.objects.order_by("pk").last()
    form = {"name": "Nightly orders", "connection": "1", "active": "on"}
    assert admin_client.post(f"/admin/connections/integration/{kept.pk}/change/", form).status_code == 302
    summary = load([record(1, integrationCount=0)], "--on-existing", "overwrite")
    assert [integration.name for integration in Integration.objects.all()] == ["Nightly orders"]
    assert "keeps 1 integrations more" in str(summary)


def test_a_status_that_is_missing_was_not_changed(load):
    assert "statuses" not in str(load([{"id": 1, "name": "x", "type": "REST"}]))


def test_a_long_list_of_existing_ids_is_cut(load):
    records = [record(number) for number in range(1, 400)]
    load(records)
    with pytest.raises(CommandError) as refused:
        load(records)
    assert len(str(refused.value).splitlines()) < 110
