"""A pretend PhonePe in memory: what it knows is the truth that the model test compares us with.

It takes the place of `payments.gateway`, the one door; faults are set one call ahead, by the call's kind.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from django.utils import timezone

from payments.answers import Answer
from payments.models import PaymentOrder
from phonepe_pg import (
    Attempt,
    CreatedOrder,
    Malformed,
    OrderStatus,
    OutcomeUnknown,
    PaymentRequest,
    PhonePeError,
    RateLimited,
    RefundRequest,
    RefundStatus,
    Rejected,
    Unavailable,
    UnknownOrder,
    UnknownRefund,
)
from tests.model.steps import Steps

FAULTS = {
    "pay": ("lost", "stored_then_lost", "refused", "limited"),
    "ask": ("unavailable", "limited", "malformed"),
    "refund": ("lost", "stored_then_lost", "refused"),
    "refund_status": ("unavailable", "limited"),
}


@dataclass(slots=True)
class BookedOrder:
    """An order in PhonePe's books; `taken` is what was really paid, in paise."""

    order_id: str
    amount: int
    state: str = "PENDING"
    taken: int = 0


@dataclass(slots=True)
class BookedRefund:
    refund_id: str
    merchant_order_id: str
    amount: int
    state: str = "PENDING"


@dataclass(slots=True)
class PhonePe:
    """The books, and the calls of `payments.gateway` on them."""

    steps: Steps
    orders: dict[str, BookedOrder] = field(default_factory=dict)
    refunds: dict[str, BookedRefund] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)

    # -- what customers, banks and time do ------------------------------------------------

    def pay(self, merchant_order_id: str, *, paise: int | None = None) -> None:
        order = self.orders[merchant_order_id]
        order.state, order.taken = "COMPLETED", order.amount if paise is None else paise

    def fail(self, merchant_order_id: str) -> None:
        self.orders[merchant_order_id].state = "FAILED"

    def finish_refunds(self, state: str) -> None:
        for refund in self.refunds.values():
            if refund.state == "PENDING":
                refund.state = state

    def given_back(self, merchant_order_id: str) -> int:
        """Paise that went back or are on their way back."""
        mine = (r for r in self.refunds.values() if r.merchant_order_id == merchant_order_id)
        return sum(refund.amount for refund in mine if refund.state != "FAILED")

    # -- the calls of `payments.gateway` --------------------------------------------------

    def check_credentials(self) -> None:
        """Always good here."""

    def close(self) -> None:
        """Nothing to close."""

    def create_payment(self, request: PaymentRequest) -> CreatedOrder:
        return self.steps.around("gateway.create_payment", "call", lambda: self._create(request))

    def ask(self, merchant_order_id: str) -> Answer:
        return self.steps.around("gateway.ask", "call", lambda: self._answer(merchant_order_id))

    def submit_ask(
        self,
        orders: Sequence[PaymentOrder],
        on_answer: Callable[[PaymentOrder, Answer], None],
        *,
        leave_at: Sequence[datetime] = (),
    ) -> None:
        for order in orders:
            on_answer(order, self.steps.around("gateway.submit_ask", "call", partial(self._told_of, order)))

    def _told_of(self, order: PaymentOrder) -> Answer:
        return self._answer(order.merchant_order_id)

    def refund(self, request: RefundRequest) -> RefundStatus:
        return self.steps.around("gateway.refund", "call", lambda: self._refund(request))

    def refund_status(self, merchant_refund_id: str) -> RefundStatus:
        return self.steps.around(
            "gateway.refund_status", "call", lambda: self._refund_status(merchant_refund_id)
        )

    # -- what they answer -----------------------------------------------------------------

    def _create(self, request: PaymentRequest) -> CreatedOrder:
        fault = self.faults.pop("pay", "")
        if fault == "lost":
            raise OutcomeUnknown("no answer")
        if fault == "limited":
            raise OutcomeUnknown("429") from RateLimited("slow down", http_status=429)
        if fault == "refused":
            raise Rejected("no", http_status=400, code="BAD_REQUEST")
        if request.merchant_order_id in self.orders:
            raise OutcomeUnknown("the id is already used", http_status=400)
        made = BookedOrder(f"OMO{len(self.orders) + 1}", request.amount_paise)
        self.orders[request.merchant_order_id] = made
        if fault == "stored_then_lost":
            raise OutcomeUnknown("500", http_status=500)
        return CreatedOrder(
            order_id=made.order_id, state="PENDING", expire_at=None, redirect_url="http://pay.example/page"
        )

    def _answer(self, merchant_order_id: str) -> Answer:
        fault, order = self.faults.pop("ask", ""), self.orders.get(merchant_order_id)
        error: PhonePeError | None = {
            "unavailable": Unavailable("503"),
            "limited": RateLimited("slow down", http_status=429, retry_after=2),
            "malformed": Malformed("no state"),
        }.get(fault)
        if error is None and order is None:
            error = UnknownOrder("none", code="INVALID_MERCHANT_ORDER_ID", http_status=400)
        if error is not None or order is None:
            return Answer(asked_at=timezone.now(), took_ms=1, error=error)
        paid = Attempt(state="COMPLETED", utr="123", payment_mode="UPI_QR", at=timezone.now())
        status = OrderStatus(
            order_id=order.order_id,
            state=order.state,
            amount_paise=order.taken if order.state == "COMPLETED" else order.amount,
            expire_at=None,
            attempts=(paid,) if order.state == "COMPLETED" else (),
            raw={"state": order.state},
        )
        return Answer(asked_at=timezone.now(), took_ms=1, status=status)

    def _refund(self, request: RefundRequest) -> RefundStatus:
        fault = self.faults.pop("refund", "")
        if fault == "lost":
            raise OutcomeUnknown("no answer")
        order = self.orders[request.original_merchant_order_id]
        too_much = self.given_back(request.original_merchant_order_id) + request.amount_paise > order.taken
        if fault == "refused" or request.merchant_refund_id in self.refunds or too_much:
            raise Rejected("no", http_status=400, code="BAD_REQUEST")
        self.refunds[request.merchant_refund_id] = BookedRefund(
            f"OMR{len(self.refunds) + 1}", request.original_merchant_order_id, request.amount_paise
        )
        if fault == "stored_then_lost":
            raise OutcomeUnknown("500", http_status=500)
        return self._status_of(request.merchant_refund_id)

    def _refund_status(self, merchant_refund_id: str) -> RefundStatus:
        fault = self.faults.pop("refund_status", "")
        if fault == "unavailable":
            raise Unavailable("503")
        if fault == "limited":
            raise RateLimited("slow down", http_status=429)
        if merchant_refund_id not in self.refunds:
            raise UnknownRefund("none", http_status=404)
        return self._status_of(merchant_refund_id)

    def _status_of(self, merchant_refund_id: str) -> RefundStatus:
        refund = self.refunds[merchant_refund_id]
        return RefundStatus(refund_id=refund.refund_id, state=refund.state, amount_paise=refund.amount)
