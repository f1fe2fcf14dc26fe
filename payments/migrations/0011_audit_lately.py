from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("payments", "0010_fewer_indexes")]

    operations = [
        migrations.AddField(
            model_name="auditrun",
            name="is_whole",
            field=models.BooleanField(db_default=False, default=False, help_text="asked about everything"),
        ),
        migrations.AddField(
            model_name="auditrun",
            name="broken",
            field=models.JSONField(
                help_text="question → what it found, to be looked at again; of the last run only", null=True
            ),
        ),
    ]
