"""The engine on real PostgreSQL, a pretend PhonePe, a simulated clock: what can be done to them, and crashes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from payments import audit, checkout, claims, completion, gateway, inbox, refunds
from payments.errors import Refusal
from payments.models import PaymentOrder, Refund
from payments.shop import Payable
from payments.states import REFUND_OPEN, Attention, RefundState, Source, Status
from payments.sweep import Sweep
from payments.writing import Writer
from tests import make
from tests.model import shop
from tests.model.clock import Clock, Mail
from tests.model.phonepe import PhonePe
from tests.model.steps import Crash, Steps

TABLES = (
    "payments_order, payments_event, payments_refund, payments_webhook, payments_throttle, payments_checker,"
    " payments_audit, bookings_booking, procrastinate_jobs, procrastinate_events"
)
PLUGS = {
    "FULFIL": "tests.model.shop.fulfil",
    "FULFIL_MANY": "tests.model.shop.fulfil_many",
    "HOLD": "tests.model.shop.hold",
    "RELEASE": "tests.model.shop.release",
}
AMOUNT = 149900


class _AtOnce:
    """In place of the pool that asks for waiting customers: the flight is over when `submit` returns."""

    def submit(self, call: Callable[..., Any], *arguments: Any) -> Future[Any]:
        flight: Future[Any] = Future()
        flight.set_result(call(*arguments))
        return flight


class _WriterHere(Writer):
    """Writes on the sweep's own thread: a story has one line of steps, and a crash ends it."""

    def _hand_over(self, goes_on: bool) -> None:
        self._is_writing = False
        self._write(self._batch)
        if not goes_on:
            self._write(self._next)


class World:
    """One shop, one PhonePe, one clock. `steps` counts and crashes."""

    def __init__(self) -> None:
        self.clock, self.steps = Clock(), Steps()
        self.phonepe = PhonePe(self.steps)
        self.crashes: list[str] = []
        self.elsewhere: set[str] = set()  # orders that another system opened at PhonePe
        self.sabotaged = False  # somebody broke rows by hand, for the auditor to find

    @contextmanager
    def running(self, settings: Any) -> Iterator[World]:
        """An empty database and everything wired, while the block runs."""
        with connection.cursor() as cursor:
            cursor.execute(f"TRUNCATE {TABLES} CASCADE")
        if settings.PAYMENTS is not PLUGS:  # pytest's fixture nests one deeper at every assignment
            settings.PAYMENTS, settings.LATE_WATCH_HOURS = PLUGS, 3
        shop.behave()
        with pytest.MonkeyPatch.context() as patch, self.clock.ticking(), self.steps.watching():
            for call in (
                "create_payment",
                "ask",
                "submit_ask",
                "refund",
                "refund_status",
                "check_credentials",
            ):
                patch.setattr(gateway, call, getattr(self.phonepe, call))
            patch.setattr(completion, "_pool", _AtOnce())
            yield self

    def do(self, action: Callable[[], Any]) -> None:
        """An action of somebody outside; a crash ends the process and nothing else, a refusal is an answer."""
        try:
            action()
        except Crash as crash:
            self.crashes.append(str(crash))
            connection.close()
        except Refusal:
            pass

    # -- what people and PhonePe do -------------------------------------------------------

    def start(self, cart: str) -> None:
        checkout.start(Payable(cart, AMOUNT, snapshot=make.SNAPSHOT))

    def webhook(self, merchant_order_id: str, state: str = "COMPLETED", note: str = "") -> None:
        body = f'{{"event":"x","payload":{{"merchantOrderId":"{merchant_order_id}","state":"{state}"}},"n":"{note}"}}'
        inbox.receive(body.encode(), now=timezone.now())

    def refund_webhooks(self) -> None:
        for name in self.phonepe.refunds:
            body = f'{{"event":"pg.refund.completed","payload":{{"merchantRefundId":"{name}"}}}}'
            inbox.receive(body.encode(), now=timezone.now())

    def verify(self, merchant_order_id: str, source: Source = Source.STATUS) -> None:
        order = PaymentOrder.objects.filter(merchant_order_id=merchant_order_id).first()
        if order is None:
            return
        if source == Source.MANUAL:
            completion.verify_by_hand(merchant_order_id, within_s=5)
        else:
            completion.verify(order, source=source, within_s=2.5, not_before_s=1)

    def give_back(self, merchant_order_id: str, paise: int | None = None) -> None:
        refunds.request(
            merchant_order_id,
            amount_paise=paise,
            reason="asked for",
            requested_by="staff",
            now=timezone.now(),
        )

    # -- what the checker does ------------------------------------------------------------

    def sweep(self) -> None:
        sweep = Sweep()
        sweep._mail = Mail(self.clock)
        sweep._writer = _WriterHere(sweep._on_written, sweep.wake)
        inbox.catch_up(now=timezone.now())
        sweep.run_once()

    def work(self) -> None:
        """Run every deferred job; one that crashed is put back first, as `payments.jobs.revive` does."""
        for dead in ProcrastinateJob.objects.filter(status="doing"):
            queued_again = ProcrastinateJob.objects.filter(
                status="todo", queueing_lock__isnull=False, queueing_lock=dead.queueing_lock
            )
            _set_job(dead.pk, "" if queued_again.exists() else "todo")
        for job in ProcrastinateJob.objects.filter(status="todo").order_by("id"):
            _set_job(job.pk, "doing")
            if job.task_name == refunds.PURSUE:
                refunds.pursue(**job.args)
            _set_job(job.pk, "")

    def audit(self) -> None:
        audit.run(now=timezone.now())

    def pass_time(self, seconds: float) -> None:
        self.clock.instant += timedelta(seconds=seconds)

    # -- the end --------------------------------------------------------------------------

    def come_to_rest(self) -> None:
        """PhonePe is quiet, the shop behaves, a checker runs: until nothing is left to do."""
        self.steps.live()
        self.phonepe.faults.clear()
        shop.behave()
        for order in self.phonepe.orders.values():
            if order.state == "PENDING":
                order.state = "FAILED"
        for _ in range(60):
            self.sweep()
            self.audit()
            self.phonepe.finish_refunds("COMPLETED")
            self.work()
            self._staff_refunds_again()
            if self._is_at_rest():
                return
            due = claims.next_due() or self.clock.instant
            self.clock.instant = max(self.clock.instant + timedelta(seconds=30), due)
        raise AssertionError(f"not at rest: {list(PaymentOrder.objects.values())}")

    def _staff_refunds_again(self) -> None:
        shown = PaymentOrder.objects.filter(attention__in=[Attention.REFUND_FAILED, Attention.AUDIT])
        for order in shown.filter(fulfilment="UNFULFILLABLE"):
            if not order.refunds.exclude(state=RefundState.FAILED).exists():
                self.give_back(order.merchant_order_id)

    def _is_at_rest(self) -> bool:
        watched = PaymentOrder.objects.filter(next_check_at__isnull=False)
        disputed = watched.filter(attention__in=["amount_mismatch", "order_id_mismatch"])
        return (
            not watched.exclude(pk__in=disputed).exists()
            and not Refund.objects.filter(state__in=REFUND_OPEN).exists()
            and not PaymentOrder.objects.filter(status=Status.PENDING).exists()
        )


def _set_job(pk: int, status: str) -> None:
    """Procrastinate's own steps, which are no steps of ours: set the status, or "" to be done with the job."""
    with connection.cursor() as cursor:
        if status:
            cursor.execute("UPDATE procrastinate_jobs SET status = %s WHERE id = %s", [status, pk])
        else:
            cursor.execute("DELETE FROM procrastinate_jobs WHERE id = %s", [pk])
