from typing import Any

from django.db import migrations


def create(apps: Any, schema_editor: Any) -> None:
    for name in ("Reader", "Operator", "Manager"):
        apps.get_model("auth", "Group").objects.using(schema_editor.connection.alias).get_or_create(name=name)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]

    operations = [migrations.RunPython(create, migrations.RunPython.noop)]
