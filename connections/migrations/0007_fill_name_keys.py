from typing import Any

from django.db import migrations

from connections.names import fill_name_keys


def fill(apps: Any, schema_editor: Any) -> None:
    fill_name_keys(schema_editor.connection)


class Migration(migrations.Migration):
    dependencies = [("connections", "0006_connection_name_key")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
