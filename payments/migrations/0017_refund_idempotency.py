from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("payments", "0016_crash_count")]

    operations = [
        migrations.AddField(
            model_name="refund",
            name="idempotency_key",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="of the request, if it had one; a repeat of it finds this refund",
                max_length=64,
            ),
        ),
    ]
