"""Indexes by which people find an order (`payments.finding`), built while payments go on.

None is in the way of an ask, which writes every index that its order is in: a UTR comes with the money, and PhonePe's
id is in it only when the order is not watched any more. A build that was broken off leaves an index that nobody uses;
it is built anew.
"""

from django.db import migrations

INDEXES = {
    "payments_order_utr": "payments_order (utr) WHERE utr <> ''",
    "payments_order_gateway_id": "payments_order (gateway_order_id)"
    " WHERE gateway_order_id <> '' AND next_check_at IS NULL",
    "payments_webhook_refund": "payments_webhook (merchant_refund_id) WHERE merchant_refund_id <> ''",
}


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("payments", "0012_attention_words")]

    operations = [
        migrations.RunSQL(
            [f"DROP INDEX CONCURRENTLY IF EXISTS {name}", f"CREATE INDEX CONCURRENTLY {name} ON {what}"],
            f"DROP INDEX CONCURRENTLY IF EXISTS {name}",
        )
        for name, what in INDEXES.items()
    ]
