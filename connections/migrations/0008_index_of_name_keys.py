from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("connections", "0007_fill_name_keys")]

    operations = [
        migrations.AddIndex(
            model_name="connection",
            index=models.Index(fields=["app", "name_key"], name="connection_by_app_and_key"),
        ),
    ]
