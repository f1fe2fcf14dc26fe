"""An index by which a day's account finds its payments, whenever we heard of them, built while payments go on.

Only paid orders are in it, which hardly change any more: the sweep does not pay for it.
"""

from django.db import migrations


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("ops", "0004_people")]

    operations = [
        migrations.RunSQL(
            [
                "DROP INDEX CONCURRENTLY IF EXISTS ops_order_paid",  # of a build that was broken off
                "CREATE INDEX CONCURRENTLY ops_order_paid ON payments_order (coalesce(paid_at, completed_at))"
                " WHERE status = 'SUCCESS'",
            ],
            "DROP INDEX CONCURRENTLY IF EXISTS ops_order_paid",
        )
    ]
