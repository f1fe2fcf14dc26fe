"""The gateway's book: orders, attempts, refunds and the rules between them. No I/O."""

import heapq
import re
from collections.abc import Iterator
from itertools import count

from phonepe_sandbox.clock import Clock
from phonepe_sandbox.entries import (
    AUTO_FAILED,
    CANCELLED,
    EXPIRED,
    Attempt,
    Event,
    Failure,
    NewOrder,
    NewRefund,
    Order,
    OrderState,
    Outcome,
    Plan,
    Refund,
)
from phonepe_sandbox.identity import Mint
from phonepe_sandbox.refund_rules import RefundRefused, refundable
from phonepe_sandbox.settings import Settings

SANDBOX_LIFE_S = 172_800  # §3.3: sandbox orders were seen to live 48 h whatever was asked
USUAL_MODE = "UPI_QR"

# Characters allowed in merchantOrderId and merchantRefundId (§3.1, §5.1).
IDENTIFIER = re.compile(r"[A-Za-z0-9_-]{1,63}")


class DuplicateOrder(Exception):
    """The merchantOrderId was used before; the stored order is untouched (§3.4)."""


class OrderClosed(Exception):
    """The order is COMPLETED or FAILED: nobody can pay it any more."""


class Book:
    """Everything the gateway remembers. Expiry and refunds move on when somebody looks."""

    def __init__(self, *, clock: Clock, mint: Mint, settings: Settings) -> None:
        self._clock = clock
        self._mint = mint
        self.settings = settings
        self.orders: dict[str, Order] = {}
        self.refunds: dict[str, Refund] = {}
        self._by_page_token: dict[str, Order] = {}
        self._by_transaction: dict[str, Order] = {}
        self._references: set[str] = set()
        self._due: list[tuple[int, int, Order | Refund]] = []
        self._sequence = count()
        self._events: list[Event] = []
        self.keeps_touched = False
        self.touched: dict[str, Order] = {}  # changed since the state file was written

    def restore(self, order: Order) -> None:
        """Put back an order as it was when it was last saved."""
        self._index(order)
        self._references |= {order.order_id, *(a.transaction_id for a in order.attempts)}
        for attempt in order.attempts:
            self._by_transaction[attempt.transaction_id] = order
        for refund in order.refunds:
            self.refunds[refund.merchant_refund_id] = refund
            self._references.add(refund.refund_id)
            if refund.state in ("PENDING", "CONFIRMED"):
                self._at(refund.due_ms, refund)
        if order.plan is not None:
            self._at(order.plan.at_ms, order)

    def _index(self, order: Order) -> None:
        self.orders[order.merchant_order_id] = order
        self._by_page_token[order.page_token] = order
        self._at(order.expire_at_ms, order)

    # -- orders (§3, §4) ------------------------------------------------------------------

    def open(self, new: NewOrder, *, created_at_ms: int | None = None, layout: str = "sandbox") -> Order:
        """Store a new PENDING order. Raises DuplicateOrder when its id was ever used."""
        if new.merchant_order_id in self.orders:
            raise DuplicateOrder(new.merchant_order_id)
        created = self._clock.now_ms() if created_at_ms is None else created_at_ms
        expire_at = created + 1000 * self._life(new.expire_after)
        order = Order(
            merchant_order_id=new.merchant_order_id,
            order_id=self._unused_reference("OMO", created),
            amount=new.amount,
            created_at_ms=created,
            expire_at_ms=expire_at,
            page_token=self._page_token(new.merchant_order_id, expire_at),
            redirect_url=new.redirect_url,
            meta_info=new.meta_info,
            message=new.message,
            retry_allowed=new.retry_allowed,
            layout=layout,
            offer=new.offer,
            phone=new.phone,
        )
        self._index(order)
        self._touch(order)
        return order

    def find(self, merchant_order_id: str) -> Order | None:
        self.catch_up()
        return self.orders.get(merchant_order_id)

    def find_by_page_token(self, token: str) -> Order | None:
        self.catch_up()
        return self._by_page_token.get(token)

    def find_by_transaction(self, transaction_id: str) -> Order | None:
        self.catch_up()
        return self._by_transaction.get(transaction_id)

    def newest(self) -> Iterator[Order]:
        """All orders, the latest first."""
        self.catch_up()
        return reversed(self.orders.values())

    # -- what a customer does (§3.5, §9) --------------------------------------------------

    def act(
        self,
        order: Order,
        outcome: Outcome,
        *,
        payment_mode: str | None = None,
        card: str = "CREDIT_CARD",
        failure: Failure = AUTO_FAILED,
        reported_amount: int | None = None,
        force: bool = False,
    ) -> None:
        """Let the customer do something. Raises OrderClosed, and changes nothing, on a closed order.

        Without a payment mode it is the one of the attempt that is under way. `force` lets a
        success through on a FAILED order: a late authorisation (§8).
        """
        self.catch_up()
        late_success = force and outcome == "success" and order.state == "FAILED"
        if order.state != "PENDING" and not late_success:
            raise OrderClosed(order.state)
        if reported_amount is not None:
            order.reported_amount = reported_amount
        order.plan = None
        match outcome:
            case "success":
                self._succeed(order, payment_mode, card)
            case "failure":
                self._fail_for_good(order, payment_mode, failure)
            case "retry":
                self._fail_attempt(order, payment_mode, failure)
            case "pending":
                self._attempt(order, payment_mode, "PENDING", card=card)
            case "cancel":
                self._close(order, CANCELLED)

    def plan(self, order: Order, plan: Plan) -> None:
        """Let something become of the order by itself, unless somebody acts before."""
        order.plan = plan
        self._touch(order)
        self._at(plan.at_ms, order)

    def record_paid(self, order: Order) -> None:
        """Make an order COMPLETED without anybody being told."""
        self._attempt(order, "UPI_QR", "COMPLETED")
        order.state, order.paid_at_ms = "COMPLETED", order.attempts[-1].timestamp_ms

    def record_failed(self, order: Order, failure: Failure) -> None:
        """Make an order FAILED without anybody being told."""
        self._attempt(order, "UPI_QR", "FAILED", failure)
        order.state, order.failure = "FAILED", failure

    def _succeed(
        self, order: Order, payment_mode: str | None, card: str = "CREDIT_CARD", *, webhook: bool = True
    ) -> None:
        attempt = self._attempt(order, payment_mode, "COMPLETED", card=card)
        order.state, order.failure, order.paid_at_ms = "COMPLETED", None, attempt.timestamp_ms
        self._tell("checkout.order.completed", order, webhook=webhook)

    def _fail_attempt(self, order: Order, payment_mode: str | None, failure: Failure) -> None:
        if not order.retry_allowed:  # disablePaymentRetry: the first failure is the last (§3.1)
            self._fail_for_good(order, payment_mode, failure)
            return
        self._attempt(order, payment_mode, "FAILED", failure)
        self._tell("checkout.transaction.attempt.failed", order)

    def _fail_for_good(self, order: Order, payment_mode: str | None, failure: Failure = AUTO_FAILED) -> None:
        self._attempt(order, payment_mode, "FAILED", failure)
        if self.settings.webhook_attempt_failed_first:
            self._tell("checkout.transaction.attempt.failed", order)
        self._close(order, failure)

    def _close(self, order: Order, failure: Failure, *, by_expiry: bool = False) -> None:
        for attempt in order.attempts:
            if attempt.state == "PENDING":
                attempt.state, attempt.failure = "FAILED", failure
        order.state, order.failure = "FAILED", failure
        self._tell("checkout.order.failed", order, by_expiry=by_expiry)

    def _attempt(
        self,
        order: Order,
        payment_mode: str | None,
        state: OrderState,
        failure: Failure | None = None,
        *,
        card: str = "CREDIT_CARD",
    ) -> Attempt:
        """A new attempt, or the end of the one that was still PENDING at the bank."""
        self._touch(order)
        now = self._clock.now_ms()
        last = order.attempts[-1] if order.attempts else None
        if last is not None and last.state == "PENDING":
            if payment_mode in (None, last.payment_mode):
                last.state, last.failure, last.amount = state, failure, order.told_amount
                last.timestamp_ms = now
                return last
            last.state, last.failure = "FAILED", AUTO_FAILED  # given up for another way to pay
        attempt = Attempt(
            transaction_id=self._unused_reference("OM", now),
            payment_mode=payment_mode or USUAL_MODE,
            timestamp_ms=now,
            amount=order.told_amount,
            state=state,
            utr=self._mint.digits(12),
            upi_transaction_id=self._mint.upi_transaction_id(),
            failure=failure,
            card=card,
        )
        order.attempts.append(attempt)
        self._by_transaction[attempt.transaction_id] = order
        return attempt

    # -- refunds (§5) ---------------------------------------------------------------------

    def refund(self, new: NewRefund) -> Refund:
        """Take in a refund as PENDING. Raises RefundRefused, and stores nothing, when a rule forbids it."""
        self.catch_up()
        if new.merchant_refund_id in self.refunds:
            raise RefundRefused("merchantRefundId was used before")
        now = self._clock.now_ms()
        order = refundable(self.orders.get(new.merchant_order_id), new, now)
        refund = Refund(
            merchant_refund_id=new.merchant_refund_id,
            refund_id=self._unused_reference("OMR", now),
            merchant_order_id=order.merchant_order_id,
            amount=new.amount,
            timestamp_ms=now,
            payment_mode=order.attempts[-1].payment_mode,
            utr=self._mint.digits(12),
        )
        self.refunds[refund.merchant_refund_id] = refund
        order.refunds.append(refund)
        confirm_s = self.settings.refund_confirm_after
        if not self.settings.refund_confirmed_step:
            confirm_s += self.settings.refund_complete_after
        self._refund_due(order, refund, now + int(1000 * confirm_s))
        return refund

    def _refund_due(self, order: Order, refund: Refund, due_ms: int) -> None:
        refund.due_ms = due_ms
        self._touch(order)
        self._at(due_ms, refund)

    def find_refund(self, merchant_refund_id: str) -> Refund | None:
        self.catch_up()
        return self.refunds.get(merchant_refund_id)

    def _move_refund(self, refund: Refund, at_ms: int) -> None:
        order = self.orders[refund.merchant_order_id]
        if refund.state == "PENDING" and self.settings.refund_confirmed_step:
            refund.state = "CONFIRMED"
            self._tell("pg.refund.accepted", order, refund=refund)
            self._refund_due(order, refund, at_ms + int(1000 * self.settings.refund_complete_after))
            return
        refund.state = "FAILED" if self.settings.refund_outcome == "FAILED" else "COMPLETED"
        refund.timestamp_ms = at_ms
        self._tell(f"pg.refund.{refund.state.lower()}", order, refund=refund)

    # -- time -----------------------------------------------------------------------------

    def catch_up(self) -> None:
        """Do what time has brought: expiries and refund steps. One comparison when nothing is due."""
        if not self._due:
            return
        now = self._clock.now_ms()
        while self._due and self._due[0][0] <= now:
            at_ms, _, entry = heapq.heappop(self._due)
            if isinstance(entry, Refund):
                self._move_refund(entry, at_ms)
            else:
                self._move_order(entry, at_ms)

    def _move_order(self, order: Order, at_ms: int) -> None:
        plan = order.plan
        if plan is not None and plan.at_ms <= at_ms:
            order.plan = None
            self._touch(order)
            if plan.what == "late_success" and order.state == "FAILED":
                mode = order.attempts[-1].payment_mode if order.attempts else None
                self._succeed(order, mode, webhook=plan.webhook)
            elif plan.what == "success" and order.state == "PENDING":
                self._succeed(order, None)
            elif plan.what == "failure" and order.state == "PENDING":
                self._fail_for_good(order, None)
        if order.state == "PENDING" and order.expire_at_ms <= at_ms:
            self._close(order, EXPIRED, by_expiry=True)

    def take_events(self) -> list[Event]:
        """What happened since the last call, for the webhooks."""
        events, self._events = self._events, []
        return events

    def _tell(
        self,
        name: str,
        order: Order,
        *,
        refund: Refund | None = None,
        by_expiry: bool = False,
        webhook: bool = True,
    ) -> None:
        self._touch(order)
        state = order.state if refund is None else refund.state
        self._events.append(Event(name, order, state, refund, by_expiry, webhook))

    def _touch(self, order: Order) -> None:
        if self.keeps_touched:
            self.touched[order.merchant_order_id] = order

    def _at(self, due_ms: int, entry: Order | Refund) -> None:
        heapq.heappush(self._due, (due_ms, next(self._sequence), entry))

    def _life(self, expire_after: int | None) -> int:
        if not self.settings.honour_expire_after:
            return SANDBOX_LIFE_S
        return self.settings.default_expire_after if expire_after is None else expire_after

    # -- ids ------------------------------------------------------------------------------

    def _unused_reference(self, prefix: str, at_ms: int) -> str:
        while (made := self._mint.reference(prefix, at_ms)) in self._references:
            continue
        self._references.add(made)
        return made

    def _page_token(self, merchant_order_id: str, expire_at_ms: int) -> str:
        """The claims that merchants saw in real pay links (§3.3)."""
        return self._mint.token(
            {
                "expiresOn": expire_at_ms,
                "merchantId": self.settings.merchant_id,
                "merchantOrderId": merchant_order_id,
            }
        )
