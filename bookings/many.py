"""Many paid orders → their bookings, in a handful of statements: the plain case of `fulfilment.fulfil`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import structlog
from django.db import connection, transaction
from procrastinate.contrib.django import app as jobs

from bookings.fulfilment import CONFIRM, content, is_over
from bookings.models import Booking
from cart import carts, slots
from payments.shop import PaidOrder

log = structlog.get_logger(__name__)


def fulfil(paid: Sequence[PaidOrder]) -> dict[str, str]:
    """Book the orders whose place is kept, each the first of its cart; the booking numbers by order id.

    Whoever has no place kept, or paid after its time, is left out. Raises IntegrityError when one is booked
    already, or its customer is gone: then `fulfilment.fulfil` looks at each by itself. The caller holds the
    transaction, and undoes what was written before it raised.
    """
    in_time = [order for order in paid if not is_over(order)]
    kept = slots.take_many(in_time)
    return book([order for order in in_time if order.reference in kept])


def book(plain: Sequence[PaidOrder]) -> dict[str, str]:
    """Book these, who have their places; the booking numbers by order id. Raises IntegrityError as `fulfil` does."""
    if not plain:
        return {}
    bookings = Booking.objects.bulk_create(Booking(**content(order)) for order in plain)
    # The foreign key is checked at commit by default, too late to save the record of the money.
    connection.check_constraints()
    carts.mark_many_booked({order.reference: order.amount_paise for order in plain})
    jobs.configure_task(CONFIRM).batch_defer(*({"booking_id": made.booking_id} for made in bookings))
    transaction.on_commit(partial(_tell, bookings))  # what a savepoint takes back was not booked
    return {made.merchant_order_id: made.booking_id for made in bookings}


def _tell(bookings: Sequence[Booking]) -> None:
    for made in bookings:
        log.info("puja booked", order=made.merchant_order_id, booking=made.booking_id)
