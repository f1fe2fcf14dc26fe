"""Indexes by which staff find a customer's orders, by mail or phone, built while payments go on.

A cart and a booking are written once or twice; an order, whose snapshot names the customer too, at every ask.
"""

from django.db import migrations

INDEXES = {
    "ops_booking_email": "bookings_booking (upper(email))",
    "ops_booking_phone": "bookings_booking (phone)",
    "ops_cart_email": "cart_cart (upper(email))",
    "ops_cart_phone": "cart_cart (phone)",
}


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("ops", "0003_event_at_moved"),
        ("bookings", "0004_fewer_indexes"),
        ("cart", "0002_slots"),
    ]

    operations = [
        migrations.RunSQL(
            [f"DROP INDEX CONCURRENTLY IF EXISTS {name}", f"CREATE INDEX CONCURRENTLY {name} ON {what}"],
            f"DROP INDEX CONCURRENTLY IF EXISTS {name}",
        )
        for name, what in INDEXES.items()
    ]
