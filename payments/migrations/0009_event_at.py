"""Built concurrently: events are written all the time. It was the shop's (`ops_event_at`) before the metrics needed it."""

from django.contrib.postgres.indexes import BrinIndex
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("payments", "0008_metrics")]

    operations = [
        AddIndexConcurrently(
            model_name="paymentevent",
            index=BrinIndex(fields=["at"], name="payments_event_at", pages_per_range=32, autosummarize=True),
        ),
    ]
