from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("payments", "0007_throttle_and_vacuum")]

    operations = [
        migrations.CreateModel(
            name="MetricsTally",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("up_to", models.DateTimeField(help_text="`totals` hold every event before this")),
                ("totals", models.JSONField(default=dict)),
                (
                    "states",
                    models.JSONField(
                        default=dict, help_text="orders and refunds by state, as of `states_at`"
                    ),
                ),
                ("states_at", models.DateTimeField(null=True)),
                ("states_took_ms", models.PositiveIntegerField(default=0)),
                (
                    "shown",
                    models.JSONField(
                        default=dict, help_text="what is told to whoever asks, as of `shown_at`"
                    ),
                ),
                ("shown_at", models.DateTimeField()),
            ],
            options={"db_table": "payments_tally"},
        ),
        migrations.AddConstraint(
            model_name="metricstally",
            constraint=models.CheckConstraint(condition=models.Q(("id", 1)), name="payments_tally_one_row"),
        ),
        migrations.AddField(
            model_name="checker",
            name="swept_at",
            field=models.DateTimeField(blank=True, help_text="when it last went over the queue", null=True),
        ),
        migrations.AddField(
            model_name="checker",
            name="version",
            field=models.CharField(blank=True, db_default="", default="", max_length=40),
        ),
    ]
