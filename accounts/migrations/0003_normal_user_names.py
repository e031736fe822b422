from typing import Any
from unicodedata import normalize

from django.apps.registry import Apps
from django.db import migrations


def normalize_names(apps: Apps, schema_editor: Any) -> None:
    """Store user names in the form that logins look for.

    One whose normal form is somebody else's name, or longer than a name can be, stays, and is found as it is.
    """
    user_model = apps.get_model("accounts", "User")
    names = dict(user_model.objects.values_list("username", "pk").iterator())
    for name, pk in names.copy().items():
        normal = normalize("NFKC", name)
        if normal not in names and len(normal) <= 150:
            user_model.objects.filter(pk=pk).update(username=normal)
            names[normal] = pk


class Migration(migrations.Migration):
    dependencies = [("accounts", "0002_roles")]

    operations = [migrations.RunPython(normalize_names, migrations.RunPython.noop)]
