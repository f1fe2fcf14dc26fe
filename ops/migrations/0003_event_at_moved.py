"""The index on the time of events belongs to the engine now: `payments_event_at`."""

from django.db import migrations


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("ops", "0002_indexes"), ("payments", "0009_event_at")]

    operations = [
        migrations.RunSQL(
            "DROP INDEX CONCURRENTLY IF EXISTS ops_event_at",
            "CREATE INDEX CONCURRENTLY IF NOT EXISTS ops_event_at ON payments_event USING brin (at)"
            " WITH (pages_per_range = 32, autosummarize = on)",
        )
    ]
