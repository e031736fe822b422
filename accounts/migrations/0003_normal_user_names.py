from typing import Any
from unicodedata import normalize

from django.apps.registry import Apps
from django.db import migrations


def normalize_names(apps: Apps, schema_editor: Any) -> None:
    """Store user names in the form that logins look for; one whose normal form somebody else has stays as it is."""
    user_model = apps.get_model("accounts", "User")
    names = dict(user_model.objects.values_list("username", "pk").iterator())
    for name, pk in names.copy().items():
        normal = normalize("NFKC", name)[:150]
        if normal not in names:
            user_model.objects.filter(pk=pk).update(username=normal)
            names[normal] = pk


class Migration(migrations.Migration):
    dependencies = [("accounts", "0002_roles")]

    operations = [migrations.RunPython(normalize_names, migrations.RunPython.noop)]
