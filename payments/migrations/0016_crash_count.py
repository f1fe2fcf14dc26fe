from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0015_truncate_hint"),
    ]

    operations = [
        migrations.AddField(
            model_name="paymentorder",
            name="crash_count",
            field=models.IntegerField(
                db_default=0,
                default=0,
                help_text="1: whoever had claimed it was lost; more: how often it was taken up since; see `fulfilment`",
            ),
        ),
        migrations.AlterField(
            model_name="paymentorder",
            name="status",
            field=models.CharField(
                choices=[
                    ("PENDING", "being created at PhonePe"),
                    ("INITIATED", "waiting for the customer to pay"),
                    ("SUCCESS", "the money arrived"),
                    ("FAILED", "PhonePe says that it failed"),
                    ("CANCELLED", "given up; the customer is no longer sent to pay it"),
                    ("EXPIRED", "the time to pay is over"),
                ],
                default="PENDING",
                max_length=10,
            ),
        ),
    ]
