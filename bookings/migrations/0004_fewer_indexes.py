"""Indexes for `LIKE` that Django makes beside every unique text: no question uses them, every booking wrote them."""

from django.db import migrations

UNUSED = (
    "bookings_booking_booking_id_6204045e_like",
    "bookings_booking_cart_id_c255d7ea_like",
    "bookings_booking_merchant_order_id_c3734960_like",
)


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("bookings", "0003_notices")]

    operations = [
        migrations.RunSQL(f"DROP INDEX CONCURRENTLY IF EXISTS {name}", migrations.RunSQL.noop)
        for name in UNUSED
    ]
