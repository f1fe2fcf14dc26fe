"""Built concurrently: the webhooks of years may lie in this table, and PhonePe goes on calling meanwhile."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("payments", "0004_audit_and_inbox")]

    operations = [
        AddIndexConcurrently(
            model_name="webhookdelivery",
            index=models.Index(
                name="payments_webhook_undone",
                fields=["id"],
                condition=models.Q(("state__in", ["received", "parked"])),
            ),
        ),
        AddIndexConcurrently(
            model_name="webhookdelivery",
            index=models.Index(name="payments_webhook_received", fields=["received_at"]),
        ),
    ]
