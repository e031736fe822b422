from django.db import migrations

from workitems.link_triggers import create, remove


class Migration(migrations.Migration):
    dependencies = [("workitems", "0001_initial")]

    operations = [migrations.RunPython(create, remove)]
