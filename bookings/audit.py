"""The shop's questions for `payment_audit`: the money's side against the bookings' side."""

from datetime import timedelta

from cart import audit as cart
from payments.audit import ATTEND, CARTS, Question

QUESTIONS = (
    Question(
        "delivered_without_booking",
        "An order that counts as booked has the booking that it names.",
        """SELECT o.merchant_order_id FROM payments_order o WHERE o.fulfilment = 'BOOKED' AND NOT EXISTS (
               SELECT FROM bookings_booking b
               WHERE b.merchant_order_id = o.merchant_order_id AND b.booking_id = o.fulfilment_reference
           )""",
        ATTEND,
    ),
    Question(
        "booking_without_payment",
        "Every booking belongs to an order whose money arrived, over the same cart and sum.",
        """SELECT b.merchant_order_id FROM bookings_booking b WHERE NOT EXISTS (
               SELECT FROM payments_order o
               WHERE o.merchant_order_id = b.merchant_order_id AND o.status = 'SUCCESS'
                   AND o.fulfilment = 'BOOKED' AND o.cart_id = b.cart_id AND o.amount = b.amount
           )""",
        ATTEND,
    ),
    Question(
        "booked_cart_left_open",
        "A cart that has a booking is closed, and a closed cart has a booking.",
        """SELECT coalesce(b.merchant_order_id, c.cart_id::text), c.cart_id AS cart FROM cart_cart c
           LEFT JOIN bookings_booking b ON b.cart_id = c.cart_id::text
           WHERE (c.status = 'BOOKED') <> (b.id IS NOT NULL)""",
        lately=CARTS,
        key="cart",
    ),
    Question(
        "booking_without_confirmation",
        "The confirmation goes out within an hour of the booking.",
        """SELECT merchant_order_id FROM bookings_booking
           WHERE confirmation_sent_at IS NULL AND created_at < now() - interval '1 hour'""",
        ATTEND,
        patience=timedelta(hours=1),
    ),
    Question(
        "booking_without_place",
        "Every booking has taken a place at its time, unless it was ordered before there were slots.",
        """SELECT b.merchant_order_id FROM bookings_booking b
           JOIN payments_order o ON o.merchant_order_id = b.merchant_order_id AND o.snapshot ? 'puja_id'
           WHERE NOT EXISTS (
               SELECT FROM cart_slothold h JOIN cart_slot s ON s.id = h.slot_id
               WHERE h.cart_id = b.cart_id AND h.state = 'TAKEN' AND s.date = b.date AND s.time = b.time
           )""",
        ATTEND,
    ),
    Question(
        "place_taken_without_booking",
        "A place counts as booked only for a booking.",
        """SELECT DISTINCT h.cart_id FROM cart_slothold h WHERE h.state = 'TAKEN' AND NOT EXISTS (
               SELECT FROM bookings_booking b WHERE b.cart_id = h.cart_id
           )""",
        lately=CARTS,
    ),
    *cart.QUESTIONS,
)
