"""The shop's questions for `payment_audit`: each names the orders that break a rule."""

from payments.audit import Question

QUESTIONS = (
    Question(
        "delivered_without_enrolment",
        "An order that counts as booked has its enrolment, unless its money was given back.",
        """SELECT o.merchant_order_id FROM payments_order o WHERE o.fulfilment = 'BOOKED'
               AND NOT EXISTS (SELECT FROM payments_refund r WHERE r.order_id = o.id AND r.state <> 'FAILED')
               AND NOT EXISTS (
                   SELECT FROM courses_enrolment e WHERE e.merchant_order_id = o.merchant_order_id
               )""",
    ),
    Question(
        "enrolment_without_payment",
        "Every enrolment belongs to an order whose money arrived and was not given back.",
        """SELECT e.merchant_order_id FROM courses_enrolment e WHERE NOT EXISTS (
               SELECT FROM payments_order o
               WHERE o.merchant_order_id = e.merchant_order_id AND o.fulfilment = 'BOOKED' AND o.amount > (
                   SELECT coalesce(sum(r.amount), 0) FROM payments_refund r
                   WHERE r.order_id = o.id AND r.state <> 'FAILED'
               )
           )""",
    ),
)
