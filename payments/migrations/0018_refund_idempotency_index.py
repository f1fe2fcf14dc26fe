"""The index behind the constraint of refunds' idempotency keys, built while payments go on.

A build that was broken off leaves an index that nobody uses; it is built anew.
"""

from django.db import migrations, models

NAME = "payments_refund_idempotency"  # Django makes an index of a constraint with a condition, by its name
DROP = f"DROP INDEX CONCURRENTLY IF EXISTS {NAME}"
BUILD = f"""
CREATE UNIQUE INDEX CONCURRENTLY {NAME} ON payments_refund (order_id, idempotency_key)
WHERE NOT (idempotency_key = '')
"""


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("payments", "0017_refund_idempotency")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL([DROP, BUILD], DROP)],
            state_operations=[
                migrations.AddConstraint(
                    model_name="refund",
                    constraint=models.UniqueConstraint(
                        condition=~models.Q(idempotency_key=""),
                        fields=("order", "idempotency_key"),
                        name=NAME,
                    ),
                )
            ],
        ),
    ]
