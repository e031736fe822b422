"""Names within an app: what counts as the same, who keeps the key that says so, and two savers at once."""

import os
import subprocess
import sys
import threading
from queue import Empty, Queue
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from connections.importing import import_records
from connections.models import App, Connection
from connections.names import fill_name_keys, name_key
from core.db.bulk import refresh_statistics
from tests.conftest import ROOT
from tests.connections.records import record
from tests.pages import make_connection

SAME = [
    *(
        ("ERP", "erp"),
        ("Straße", "STRASSE"),
        ("ﬁle", "FILE"),
        ("ΣΊΣΥΦΟΣ", "σίσυφος"),
        ("İ", "i̇"),
        ("ŉ", "ʼN"),
    ),
    *(("caf\u00e9", "CAFE\u0301"), ("\u212b", "a\u030a"), ("\uac00", "\u1100\u1161"), ("ᾳ", "ΑΙ")),
]
DIFFERENT = [("ERP", "ERP 2"), ("ERP", "ERP "), ("café", "cafe"), ("ı", "i"), ("ＡＢＣ", "abc"), ("x²", "x2")]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_the_same_name(one, other):
    assert name_key(one) == name_key(other)
    assert name_key(name_key(one)) == name_key(one)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_different_names(one, other):
    assert name_key(one) != name_key(other)


@pytest.mark.parametrize("letter", ["ΐ", "ﬃ", "ẖ", "ᾷ", "ß", "𐐀", "日"])
def test_the_longest_name_has_a_key_that_fits(letter, db):
    record = make_connection(name=letter * 255)
    assert Connection.objects.named(letter * 255).get() == record


# Who keeps the key


def saved(**options):
    def door(record):
        record.name = "Größe"
        record.save(**options)

    return door


def upserted(record):
    record.name = "Größe"
    with transaction.atomic():
        Connection.objects.upsert([record])


def updated_together(record):
    record.name = "Größe"
    Connection.objects.bulk_update([record], ["name"])


DOORS = {
    "save": saved(),
    "save of the name": saved(update_fields=["name"]),
    "update": lambda record: Connection.objects.filter(pk=record.pk).update(name="Größe"),
    "bulk update": updated_together,
    "upsert": upserted,
    "create": lambda record: Connection.objects.create(name="Größe", type="REST"),
    "bulk create": lambda record: Connection.objects.bulk_create([Connection(name="Größe", type="REST")]),
    "insert": lambda record: Connection.objects.insert([Connection(pk=1000, name="Größe", type="REST")]),
    "import": lambda _: import_records([record(1000, name="Größe")]),
}


@pytest.mark.parametrize("door", DOORS)
def test_every_door_keeps_the_key(door, db):
    DOORS[door](make_connection())
    assert [each.name for each in Connection.objects.named("GRÖSSE")] == ["Größe"]
    assert not [each for each in Connection.objects.all() if each.name_key != name_key(each.name)]


def test_a_part_of_a_record_is_saved_without_its_name(db):
    make_connection(name="Größe")
    part = Connection.objects.defer("name", "name_key").get()
    part.username = "me"
    part.save()
    assert Connection.objects.named("größe").get().username == "me"


def test_a_name_that_only_the_database_knows_is_refused(db):
    with pytest.raises(TypeError, match="save"):
        Connection.objects.update(name=F("username"))


def test_rows_without_a_key_get_one(db):
    names = [f"Größe {number}" for number in range(30)]
    Connection.objects.bulk_create(Connection(name=name, type="REST") for name in names)
    before = dict(Connection.objects.values_list("pk", "version"))
    Connection.objects.filter(pk__in=list(before)[:25]).update(name_key="", version=F("version"))
    fill_name_keys(connection)
    assert set(Connection.objects.values_list("name_key", flat=True)) == {name_key(name) for name in names}
    assert dict(Connection.objects.values_list("pk", "version")) == before


def test_rows_of_a_dump_from_before_get_a_key_with_the_next_migrate(db):
    Connection.objects.filter(pk=make_connection(name="Größe").pk).update(name_key="")
    call_command("migrate", verbosity=0)
    assert Connection.objects.named("GRÖSSE").exists()


# Two at once, and rows from before: each on a database of its own


def manage(url: str, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=ROOT,
        env=os.environ | {"DATABASE_URL": url},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


FILL = """
from connections.models import Connection
Connection.objects.bulk_create(Connection(name=f"Größe {n}", type="REST") for n in range(5000))
"""
SHOW = """
from connections.models import Connection
from connections.names import name_key
print(sum(key == name_key(name) for name, key in Connection.objects.values_list("name", "name_key")))
"""


def test_rows_from_before_there_were_keys_are_migrated(new_database):
    url = new_database()
    manage(url, "shell", "-v0", "-c", FILL)
    manage(url, "migrate", "-v0", "connections", "0005")
    manage(url, "migrate", "-v0")
    assert manage(url, "shell", "-v0", "-c", SHOW).strip() == "5000"


SAVER = """
import sys
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from connections.models import App, Connection
if connection.vendor == "sqlite":
    connection.settings_dict["OPTIONS"]["timeout"] = 60  # a busy machine takes its time
else:
    connection.cursor().execute("SET lock_timeout = '60s'")
app = App.objects.get(name=sys.argv[1]) if sys.argv[1:] else None
name = sys.stdin.readline().strip()
record = Connection(name=name, type="REST", app=app, authentication="No Authentication")
try:
    with transaction.atomic():
        print("begins", flush=True)
        record.full_clean()
        print("checked", flush=True)
        sys.stdin.readline()
        record.save()
    print("saved", flush=True)
except ValidationError as error:
    print(error.messages, flush=True)
"""


class Saver:
    """A process that checks a name, waits to be told, and saves."""

    process: Any

    def __init__(self, url: str, *app: str) -> None:
        code = f"import django; django.setup()\n{SAVER}"
        environment = os.environ | {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "itempath.settings"}
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, *app], cwd=ROOT, env=environment, stdin=pipe, stdout=pipe, text=True
        )
        self.said: Queue[str] = Queue()
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self) -> None:
        for line in self.process.stdout:
            self.said.put(line.strip())

    def tell(self, line: str) -> None:
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def hear(self, seconds: float = 60) -> str | None:
        try:
            return self.said.get(timeout=seconds)
        except Empty:
            return None

    def stop(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def savers(new_database):
    """Return a maker of two savers of connections of one app, or of none."""
    made: list[Saver] = []

    def make(*app: str) -> list[Saver]:
        url = new_database()
        for name in app:
            manage(
                url,
                "shell",
                "-v0",
                "-c",
                f"from connections.models import App; App.objects.create(name={name!r})",
            )
        made.extend(Saver(url, *app) for _ in range(2))
        return made

    yield make
    for saver in made:
        saver.stop()


@pytest.mark.parametrize("app", [(), ("WMS",)], ids=["without an app", "with an app"])
def test_of_two_that_save_one_name_at_once_one_is_refused(app, savers):
    first, second = savers(*app)
    first.tell("Straße")
    assert [first.hear(), first.hear()] == ["begins", "checked"]
    second.tell("STRASSE")
    second.hear(1)  # begins, or waits to
    second.hear(1)  # is done with its check, or waits for the first
    first.tell("save")
    assert first.hear() == "saved"
    second.tell("save")
    said = next(line for line in iter(second.hear, None) if line not in ("begins", "checked"))
    assert said == "['Another connection of this app has this name.']"


def test_a_check_of_a_name_reads_no_others(db):
    app = App.objects.create(name="WMS")
    Connection.objects.bulk_create(
        Connection(name=f"C{number}", type="REST", app=app) for number in range(50)
    )
    for owner in (app, None):
        with CaptureQueriesContext(connection) as queries:
            Connection(name="new", type="REST", app=owner).check_name()
        asked = [each["sql"] for each in queries.captured_queries if "SAVEPOINT" not in each["sql"]]
        # The lock (on SQLite only of an app's row: its transactions are one), and the rows of that key.
        assert len(asked) == (1 if owner is None and connection.vendor == "sqlite" else 2)
        assert "name_key" in asked[-1]


def test_names_are_looked_up_in_an_index(db):
    app = App.objects.create(name="WMS")
    for owner in (app, None):
        Connection.objects.bulk_create(
            Connection(name=f"C{number}", type="REST", app=owner) for number in range(2000)
        )
    refresh_statistics(Connection)
    for owner in (app, None):
        plan = Connection.objects.filter(app=owner).named("C7").values_list("pk", "name").explain()
        assert "connection_by_app_and_key" in plan
