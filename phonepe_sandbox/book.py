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
    Refund,
)
from phonepe_sandbox.identity import Mint
from phonepe_sandbox.settings import Settings

SANDBOX_LIFE_S = 172_800  # §3.3: sandbox orders were seen to live 48 h whatever was asked
REFUND_AGE_MS = 90 * 86_400_000  # §5.1

# Characters allowed in merchantOrderId and merchantRefundId (§3.1, §5.1).
IDENTIFIER = re.compile(r"[A-Za-z0-9_-]{1,63}")


class DuplicateOrder(Exception):
    """The merchantOrderId was used before; the stored order is untouched (§3.4)."""


class OrderClosed(Exception):
    """The order is COMPLETED or FAILED: nobody can pay it any more."""


class RefundRefused(Exception):
    """A refund that breaks a rule of §5.1; its text says which."""


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
        )
        self.orders[order.merchant_order_id] = order
        self._by_page_token[order.page_token] = order
        self._at(expire_at, order)
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
        payment_mode: str = "UPI_QR",
        reported_amount: int | None = None,
        force: bool = False,
    ) -> None:
        """Let the customer do something. Raises OrderClosed, and changes nothing, on a closed order.

        `force` lets a success through on a FAILED order: a late authorisation (§8).
        """
        self.catch_up()
        late_success = force and outcome == "success" and order.state == "FAILED"
        if order.state != "PENDING" and not late_success:
            raise OrderClosed(order.state)
        if reported_amount is not None:
            order.reported_amount = reported_amount
        match outcome:
            case "success":
                self._succeed(order, payment_mode)
            case "failure":
                self._fail_for_good(order, payment_mode)
            case "retry":
                self._fail_attempt(order, payment_mode)
            case "pending":
                self._attempt(order, payment_mode, "PENDING")
            case "cancel":
                self._close(order, CANCELLED)

    def record_paid(self, order: Order) -> None:
        """Make an order COMPLETED without anybody being told."""
        self._attempt(order, "UPI_QR", "COMPLETED")
        order.state, order.paid_at_ms = "COMPLETED", order.attempts[-1].timestamp_ms

    def record_failed(self, order: Order, failure: Failure) -> None:
        """Make an order FAILED without anybody being told."""
        self._attempt(order, "UPI_QR", "FAILED", failure)
        order.state, order.failure = "FAILED", failure

    def _succeed(self, order: Order, payment_mode: str) -> None:
        attempt = self._attempt(order, payment_mode, "COMPLETED")
        order.state, order.failure, order.paid_at_ms = "COMPLETED", None, attempt.timestamp_ms
        self._tell("checkout.order.completed", order)

    def _fail_attempt(self, order: Order, payment_mode: str) -> None:
        if not order.retry_allowed:  # disablePaymentRetry: the first failure is the last (§3.1)
            self._fail_for_good(order, payment_mode)
            return
        self._attempt(order, payment_mode, "FAILED", AUTO_FAILED)
        self._tell("checkout.transaction.attempt.failed", order)

    def _fail_for_good(self, order: Order, payment_mode: str) -> None:
        self._attempt(order, payment_mode, "FAILED", AUTO_FAILED)
        if self.settings.webhook_attempt_failed_first:
            self._tell("checkout.transaction.attempt.failed", order)
        self._close(order, AUTO_FAILED)

    def _close(self, order: Order, failure: Failure, *, by_expiry: bool = False) -> None:
        for attempt in order.attempts:
            if attempt.state == "PENDING":
                attempt.state, attempt.failure = "FAILED", failure
        order.state, order.failure = "FAILED", failure
        self._tell("checkout.order.failed", order, by_expiry=by_expiry)

    def _attempt(
        self, order: Order, payment_mode: str, state: OrderState, failure: Failure | None = None
    ) -> Attempt:
        """A new attempt, or the end of the one that was still PENDING at the bank."""
        now = self._clock.now_ms()
        if order.attempts and order.attempts[-1].state == "PENDING":
            attempt = order.attempts[-1]
            attempt.state, attempt.failure, attempt.amount = state, failure, order.told_amount
            attempt.timestamp_ms = now
            return attempt
        attempt = Attempt(
            transaction_id=self._unused_reference("OM", now),
            payment_mode=payment_mode,
            timestamp_ms=now,
            amount=order.told_amount,
            state=state,
            utr=self._mint.digits(12),
            upi_transaction_id=self._mint.upi_transaction_id(),
            failure=failure,
        )
        order.attempts.append(attempt)
        self._by_transaction[attempt.transaction_id] = order
        return attempt

    # -- refunds (§5) ---------------------------------------------------------------------

    def refund(self, new: NewRefund) -> Refund:
        """Take in a refund as PENDING. Raises RefundRefused, and stores nothing, when a rule forbids it."""
        self.catch_up()
        order = self._refundable_order(new)
        now = self._clock.now_ms()
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
        self._at(now + int(1000 * confirm_s), refund)
        return refund

    def find_refund(self, merchant_refund_id: str) -> Refund | None:
        self.catch_up()
        return self.refunds.get(merchant_refund_id)

    def _refundable_order(self, new: NewRefund) -> Order:
        order = self.orders.get(new.merchant_order_id)
        if new.merchant_refund_id in self.refunds:
            raise RefundRefused("merchantRefundId was used before")
        if order is None:
            raise RefundRefused("originalMerchantOrderId is unknown")
        if order.state != "COMPLETED" or order.paid_at_ms is None:
            raise RefundRefused("the order is not COMPLETED")
        if self._clock.now_ms() - order.paid_at_ms > REFUND_AGE_MS:
            raise RefundRefused("the payment is older than 90 days")
        if any(r.state in ("PENDING", "CONFIRMED") for r in order.refunds):
            raise RefundRefused("another refund of this order is under way")
        if new.amount > order.refundable:
            raise RefundRefused(f"only {order.refundable} paise are left to refund")
        return order

    def _move_refund(self, refund: Refund, at_ms: int) -> None:
        order = self.orders[refund.merchant_order_id]
        if refund.state == "PENDING" and self.settings.refund_confirmed_step:
            refund.state = "CONFIRMED"
            self._tell("pg.refund.accepted", order, refund=refund)
            self._at(at_ms + int(1000 * self.settings.refund_complete_after), refund)
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
            elif entry.state == "PENDING":
                self._close(entry, EXPIRED, by_expiry=True)

    def take_events(self) -> list[Event]:
        """What happened since the last call, for the webhooks."""
        events, self._events = self._events, []
        return events

    def _tell(
        self, name: str, order: Order, *, refund: Refund | None = None, by_expiry: bool = False
    ) -> None:
        state = order.state if refund is None else refund.state
        self._events.append(Event(name, order, state, refund, by_expiry))

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
