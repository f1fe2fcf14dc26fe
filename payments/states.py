"""The states of an order and of a refund, what each means, and the only moves between them."""

from __future__ import annotations

from django.db.models import TextChoices


class Status(TextChoices):
    """Where an order stands. The database refuses every move that is not in `MOVES`."""

    PENDING = "PENDING", "being created at PhonePe"
    INITIATED = "INITIATED", "waiting for the customer to pay"
    SUCCESS = "SUCCESS", "the money arrived"
    FAILED = "FAILED", "PhonePe says that it failed"
    CANCELLED = "CANCELLED", "given up; the customer is no longer sent to pay it"
    EXPIRED = "EXPIRED", "the time to pay is over"


COMPLETED = "COMPLETED"  # PhonePe's word for an order whose money came
FAILED = "FAILED"  # and for one that nobody can pay any more
OPEN = (Status.PENDING, Status.INITIATED)
CLOSED_UNPAID = (Status.FAILED, Status.CANCELLED, Status.EXPIRED)

# Money that comes late wins over every reading of ours: each unpaid state can still become SUCCESS.
MOVES: dict[Status, tuple[Status, ...]] = {
    Status.PENDING: (Status.INITIATED, Status.CANCELLED),
    Status.INITIATED: (Status.SUCCESS, Status.FAILED, Status.EXPIRED, Status.CANCELLED),
    Status.EXPIRED: (Status.SUCCESS,),
    Status.FAILED: (Status.SUCCESS,),
    Status.CANCELLED: (Status.SUCCESS,),
    Status.SUCCESS: (),
}


class Fulfilment(TextChoices):
    """What became of the money of a SUCCESS order."""

    NONE = "", "no money yet"
    DUE = "DUE", "paid; the shop's function raised and will be tried again"
    BOOKED = "BOOKED", "the shop delivered"
    UNFULFILLABLE = "UNFULFILLABLE", "the shop cannot deliver; the money goes back or waits for a person"


class Source(TextChoices):
    """Who noticed. It is a reason to ask sooner, never evidence."""

    CHECKER = "checker", "the background checker's schedule"
    WEBHOOK = "webhook", "PhonePe's callback"
    RETURN = "return", "the customer coming back"
    STATUS = "status", "the cart status endpoint"
    MANUAL = "manual", "a person or the verify endpoint"
    CHECKOUT = "checkout", "the customer starting to pay"
    AUDIT = "audit", "the auditor"


class Attention(TextChoices):
    """Why a person has to look at an order."""

    NONE = "", "nothing"
    AMOUNT_MISMATCH = "amount_mismatch", "PhonePe took another sum than the order's"
    ORDER_ID_MISMATCH = "order_id_mismatch", "PhonePe's order id is not the one it gave at creation"
    FULFILMENT_FAILED = "fulfilment_failed", "paid, but delivering raises again and again"
    UNFULFILLABLE = "unfulfillable", "paid, cannot be delivered, and the policy is to hold the money"
    STILL_PENDING = "still_pending", "PhonePe still says PENDING after the whole watch, or nothing of use"
    REFUND_FAILED = "refund_failed", "a refund failed"
    REFUND_STUCK = (
        "refund_stuck",
        "PhonePe has not taken in a refund for hours, not finished it for a week, or speaks of another sum",
    )
    UNSETTLED = "unsettled", "PhonePe's answer could not be settled: a bug, of which the log tells"
    AUDIT = "audit", "the audit found something that it may not repair"


MISMATCHES = (Attention.AMOUNT_MISMATCH, Attention.ORDER_ID_MISMATCH)


class News(TextChoices):
    """What a shop may want to tell its customer; of a delivery it knows by itself."""

    PAYMENT_FAILED = "payment_failed", "PhonePe says that the payment failed"
    PAYMENT_EXPIRED = "payment_expired", "the time to pay is over"
    REFUND_STARTED = "refund_started", "money is on its way back"
    REFUND_COMPLETED = "refund_completed", "money was sent back"


class RefundState(TextChoices):
    """Where a refund stands; all but DUE are PhonePe's words (wire reference §5.2)."""

    DUE = "DUE", "recorded here, PhonePe not yet known to have it"
    PENDING = "PENDING", "taken in by PhonePe"
    CONFIRMED = "CONFIRMED", "accepted for processing, not final"
    COMPLETED = "COMPLETED", "sent back"
    FAILED = "FAILED", "final; a new refund may be tried"


REFUND_OPEN = (RefundState.DUE, RefundState.PENDING, RefundState.CONFIRMED)
