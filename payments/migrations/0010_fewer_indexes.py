"""Indexes that no question uses, and that every ask or settlement had to write.

Django makes one for `LIKE` beside every unique text, and one for a foreign key that `payments_event_order` serves.
"""

import django.db.models.deletion
from django.db import migrations, models

UNUSED = ("payments_order_merchant_order_id_e806dd0c_like", "payments_event_order_id_794eee3d")


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("payments", "0009_event_at")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(f"DROP INDEX CONCURRENTLY IF EXISTS {name}", migrations.RunSQL.noop)
                for name in UNUSED
            ],
            state_operations=[
                migrations.AlterField(
                    model_name="paymentevent",
                    name="order",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="events",
                        to="payments.paymentorder",
                    ),
                )
            ],
        )
    ]
