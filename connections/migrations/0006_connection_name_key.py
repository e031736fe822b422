from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("connections", "0005_indexes")]

    operations = [
        migrations.AddField(
            model_name="connection",
            name="name_key",
            field=models.CharField(default="", editable=False, max_length=765),
        ),
    ]
