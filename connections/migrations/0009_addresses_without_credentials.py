from typing import Any

from django.db import migrations

from connections.stored_addresses import take_credentials_out


def take_out(apps: Any, schema_editor: Any) -> None:
    take_credentials_out(apps, schema_editor.connection.alias)


class Migration(migrations.Migration):
    dependencies = [
        ("auditlog", "0017_add_actor_email"),
        ("connections", "0008_index_of_name_keys"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunPython(take_out, migrations.RunPython.noop)]
