"""The sequence of `connections.versions`: PostgreSQL's own, a one-row table on SQLite."""

from typing import Any

from django.db import migrations


def create(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("CREATE SEQUENCE connections_version AS bigint")
        return
    schema_editor.execute("CREATE TABLE connections_version (value integer NOT NULL)")
    schema_editor.execute("INSERT INTO connections_version VALUES (0)")


def drop(apps: Any, schema_editor: Any) -> None:
    kind = "SEQUENCE" if schema_editor.connection.vendor == "postgresql" else "TABLE"
    schema_editor.execute(f"DROP {kind} connections_version")


class Migration(migrations.Migration):
    dependencies = [("connections", "0002_latest_log")]

    operations = [migrations.RunPython(create, drop)]
