"""What the shop plugs in by `settings.PAYMENTS`: what is to be paid for, and how it is delivered.

PAYMENTS = {
    "FULFIL": "bookings.fulfilment.fulfil",   # PaidOrder → the shop's number for it: a str of 1 to 64 characters
    "PAYABLE": "cart.payable.find",           # (reference, user) → Payable, or errors.NotFound
    "UNFULFILLABLE": "refund",                # or "hold": what to do with money that buys nothing
    # and, for who needs them:
    "FULFIL_MANY": "bookings.many.fulfil",    # PaidOrders → {merchant_order_id: reference} of those delivered
    "STATUS": "cart.payable.status",          # (reference, snapshot, delivered, user) → its status, or NotFound
    "HOLD": "cart.slots.hold",                # Payable → None, or errors.NotPayable: keep it while it may be paid
    "RELEASE": "cart.slots.release",          # reference → None: nobody can pay for it any more
    "AFTER_WATCH": "release",                 # or "hold": what PhonePe calls PENDING to the end of the watch
    "NOTIFY": "bookings.notices.tell",        # Notice → None: something that the customer should hear of
    "AUDIT": "bookings.audit.QUESTIONS",      # more questions for `payment_audit`
    "WHOLE_AUDIT_AT": "03:30",                # local time from which one audit a day is of everything
    "RESCUE": "cart.rescue.find",             # (reference, columns) → Payable, or errors.NotFound: `rescue_orders`
}

PAYABLE, STATUS and RESCUE only read. The others are called inside the transaction that causes them. They may write to
the same database and defer jobs, both of which then happen exactly if the cause does; they must not call anybody over
the network.

What a plug raises comes through as it is, but for what is no Exception (SystemExit, CancelledError, gevent.Timeout):
that becomes a RuntimeError.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

import structlog
from django.conf import settings
from django.db import transaction
from django.utils.module_loading import import_string

from payments.errors import NotFound, Unfulfillable
from payments.models import PaymentOrder, Refund
from payments.states import Fulfilment, News

log = structlog.get_logger(__name__)

LOWEST_PAISE, HIGHEST_PAISE = 100, 10**15  # PhonePe's least (wire reference §3.1), and more than anybody pays
LONGEST = 64  # characters of a reference or a delivery's number
BUYS_NOTHING = "buys_nothing"  # in a snapshot: why the money of an adopted order can only go back


@dataclass(frozen=True, slots=True)
class Payable:
    """Something of the shop's that can be paid for. `snapshot` is frozen on the order at checkout.

    `hindrance` is a sentence for the customer when it cannot be paid for any more (its date is over, say):
    no new payment is opened then, but one that is open goes on. Raises TypeError unless the amount is a whole
    int, ValueError when the reference is not 1 to 64 characters without a NUL.
    """

    reference: str
    amount_paise: int
    status: str = ""
    snapshot: Mapping[str, Any] = field(default_factory=dict)
    hindrance: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.reference, str):
            raise TypeError(f"A reference must be a str, not {type(self.reference).__name__}.")
        if not 0 < len(self.reference) <= LONGEST or "\0" in self.reference:
            raise ValueError(
                f"A reference must have 1 to {LONGEST} characters and no NUL: {self.reference!r}."
            )
        if type(self.amount_paise) is not int:  # True is an int as well
            raise TypeError(f"amount_paise must be a whole int, not {type(self.amount_paise).__name__}.")


@dataclass(frozen=True, slots=True)
class PaidOrder:
    """What the fulfilment function gets: the money is in, `snapshot` says what it was for."""

    merchant_order_id: str
    reference: str
    amount_paise: int
    snapshot: Mapping[str, Any]
    completed_at: datetime

    @classmethod
    def of(cls, order: PaymentOrder) -> PaidOrder:
        assert order.completed_at
        return cls(order.merchant_order_id, order.cart_id, order.amount, order.snapshot, order.completed_at)


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that happened to an order or its refund and that the customer should hear of.

    `amount_paise` is the refund's for news of a refund, else the order's.
    """

    news: News
    merchant_order_id: str
    reference: str
    amount_paise: int
    snapshot: Mapping[str, Any]
    merchant_refund_id: str = ""


def _call(name: str, *arguments: Any, **named: Any) -> Any:
    """Call the shop's function `PAYMENTS[name]`. Raises what it raises; what is no Exception as a RuntimeError."""
    try:
        return import_string(settings.PAYMENTS[name])(*arguments, **named)
    except (Exception, KeyboardInterrupt):
        raise
    except BaseException as other:
        # Nobody further in expects one: it would end the thread that writes answers down, or undo what PhonePe said.
        raise RuntimeError(f"PAYMENTS[{name!r}] raised {type(other).__name__}: {other}") from other


def fulfil(paid: PaidOrder) -> str:
    """Call the shop's function inside the settling transaction; its reference for the delivery.

    Raises errors.Unfulfillable when the shop refuses for good, TypeError or ValueError when it returns no number,
    and whatever else the function raises.
    """
    if paid.snapshot.get(BUYS_NOTHING):
        raise Unfulfillable(str(paid.snapshot[BUYS_NOTHING]))
    return _number(_call("FULFIL", paid))


def delivers_many() -> bool:
    """Whether this shop can deliver many paid orders in a few statements."""
    return bool(settings.PAYMENTS.get("FULFIL_MANY"))


def fulfil_many(paid: Sequence[PaidOrder]) -> dict[str, str]:
    """Let the shop deliver the plain ones of many paid orders; its references, by merchant_order_id.

    What it leaves out, or all if it raises, is delivered one by one by `fulfil`. For what it delivers, nothing
    is held any more afterwards but the delivery itself: `release` is not called. Raises as `fulfil` does.
    """
    buying = [one for one in paid if not one.snapshot.get(BUYS_NOTHING)]
    delivered = _call("FULFIL_MANY", buying)
    return {name: _number(given) for name, given in delivered.items()}


def _number(given: object) -> str:
    """What the shop calls its delivery. Raises TypeError or ValueError for what nobody could find it by."""
    if not isinstance(given, str):
        raise TypeError(f"A delivery's number must be a str, not {type(given).__name__}.")
    if not 0 < len(given) <= LONGEST:
        raise ValueError(f"A delivery's number must have 1 to {LONGEST} characters, not {len(given)}.")
    return given


def find_payable(reference: str, *, user: Any) -> Payable:
    """What `reference` stands for, if this user may see it. Raises errors.NotFound."""
    if not settings.PAYMENTS.get("PAYABLE"):
        raise NotFound("This shop takes no payments by reference.")
    if "\0" in reference:  # whatever text somebody put into an address; PostgreSQL refuses this one
        raise NotFound("There is nothing of this reference.")
    return cast(Payable, _call("PAYABLE", reference, user=user))


def cart_status(order: PaymentOrder, *, user: Any) -> str:
    """The shop's word for what was ordered, if this user may see it. Raises errors.NotFound."""
    if not settings.PAYMENTS.get("STATUS"):
        return find_payable(order.cart_id, user=user).status
    delivered = order.fulfilment == Fulfilment.BOOKED
    return str(_call("STATUS", order.cart_id, snapshot=order.snapshot, delivered=delivered, user=user))


def rescued(reference: str, columns: Mapping[str, str], *, amount_paise: int) -> Payable:
    """What an order of another system was for, by its reference and whatever else its row held.

    Raises errors.NotFound when the shop cannot know. A shop without `PAYMENTS["RESCUE"]` gets the columns
    as the order's snapshot, for `amount_paise`.
    """
    if not settings.PAYMENTS.get("RESCUE"):
        return Payable(reference, amount_paise, snapshot=dict(columns))
    return cast(Payable, _call("RESCUE", reference, columns))


def refunds_unfulfillable() -> bool:
    """Whether money that buys nothing goes back by itself; else it waits for a person."""
    return bool(settings.PAYMENTS.get("UNFULFILLABLE", "refund") == "refund")


def keeps() -> bool:
    """Whether this shop holds anything for an order that may still be paid."""
    return bool(settings.PAYMENTS.get("HOLD"))


def hold(payable: Payable) -> None:
    """Let the shop keep what is to be paid for. Raises NotPayable when nothing is left. Safe to repeat."""
    _call("HOLD", payable)


def release(reference: str) -> None:
    """Let the shop sell again what it kept for this reference and was not delivered. Safe to repeat."""
    if settings.PAYMENTS.get("RELEASE"):
        _call("RELEASE", reference)


def releases_after_watch() -> bool:
    """Whether what PhonePe calls PENDING to the end of the watch stops being held; else a person ends it."""
    return bool(settings.PAYMENTS.get("AFTER_WATCH", "release") == "release")


def tell(news: News, order: PaymentOrder, *, refund: Refund | None = None) -> None:
    """Give the shop news for the customer; what it raises is logged and undone, and stops nothing else."""
    if not settings.PAYMENTS.get("NOTIFY"):
        return
    notice = Notice(
        news=news,
        merchant_order_id=order.merchant_order_id,
        reference=order.cart_id,
        amount_paise=refund.amount if refund else order.amount,
        snapshot=order.snapshot,
        merchant_refund_id=refund.merchant_refund_id if refund else "",
    )
    try:
        with transaction.atomic():
            _call("NOTIFY", notice)
    except Exception as bug:
        log.error("the shop could not take the news", news=news, order=order.merchant_order_id, exc_info=bug)
