"""Small fulfilment functions for `PAYMENTS["FULFIL"]`, each named after what it does."""

from __future__ import annotations

import time
from asyncio import CancelledError
from collections.abc import Sequence

import psycopg
from django.db import connection
from django.utils import timezone

from payments import wakeups
from payments.errors import NotFound, NotPayable, Unfulfillable
from payments.models import Checker, PaymentOrder
from payments.shop import Notice, PaidOrder, Payable
from payments.states import Fulfilment, Status

LOCKED = "locked by somebody"
WRITTEN = "written by the shop"
KEPT = "kept for "


def delivers(paid: PaidOrder) -> str:
    return f"REF-{paid.merchant_order_id[-8:]}"


def delivers_many(paid: Sequence[PaidOrder]) -> dict[str, str]:
    return {order.merchant_order_id: delivers(order) for order in paid}


def delivers_cheap_ones(paid: Sequence[PaidOrder]) -> dict[str, str]:
    """Leave the others out."""
    return delivers_many([order for order in paid if order.amount_paise < 100_000])


def raises_for_many(paid: Sequence[PaidOrder]) -> dict[str, str]:
    _write(paid[0])
    raise RuntimeError("a bug of the shop's")


def answers_too_much_for_many(paid: Sequence[PaidOrder]) -> dict[str, str]:
    return {order.merchant_order_id: answers_too_much(order) for order in paid}


def delivers_once(paid: PaidOrder) -> str:
    """Refuse what another order of the reference has bought already."""
    others = PaymentOrder.objects.exclude(merchant_order_id=paid.merchant_order_id)
    if others.filter(cart_id=paid.reference, fulfilment=Fulfilment.BOOKED).exists():
        raise Unfulfillable("This cart has been booked by another payment.")
    return delivers(paid)


def refuses(paid: PaidOrder) -> str:
    _write(paid)
    raise Unfulfillable("The slot is gone.")


def raises(paid: PaidOrder) -> str:
    _write(paid)
    raise RuntimeError("a bug of the shop's")


def loses_its_connection(paid: PaidOrder) -> str:
    """As a function that idles for longer than PostgreSQL lets it."""
    _write(paid)
    with psycopg.connect(**wakeups.connect_parameters(), autocommit=True) as other:
        pid = connection.connection.info.backend_pid
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    return delivers(paid)


def loses_its_connection_for_many(paid: Sequence[PaidOrder]) -> dict[str, str]:
    return {order.merchant_order_id: loses_its_connection(order) for order in paid}


def waits_for_a_lock(paid: PaidOrder) -> str:
    """For a row of the shop's that somebody else has locked."""
    Checker.objects.select_for_update().get(name=LOCKED)
    return delivers(paid)


def waits_for_a_lock_for_many(paid: Sequence[PaidOrder]) -> dict[str, str]:
    return {order.merchant_order_id: waits_for_a_lock(order) for order in paid}


def exits(paid: PaidOrder) -> str:
    """As a library does that is meant for a command line."""
    _write(paid)
    raise SystemExit(2)


def is_cancelled(paid: PaidOrder) -> str:
    """As a future whose loop has ended; gevent's Timeout is no Exception either."""
    _write(paid)
    raise CancelledError


def exits_for_many(paid: Sequence[PaidOrder]) -> dict[str, str]:
    return {order.merchant_order_id: exits(order) for order in paid}


def breaks_a_statement(paid: PaidOrder) -> str:
    """An error inside PostgreSQL, which spoils the transaction up to the next savepoint."""
    Checker.objects.create(
        name="x" * 500, started_at=paid.completed_at, seen_at=paid.completed_at, interval_s=1
    )
    raise AssertionError("unreachable")


def answers_too_much(paid: PaidOrder) -> str:
    return "R" * 65  # longer than the column for the shop's reference


def answers_nothing(paid: PaidOrder) -> None:
    """Its `return` was forgotten."""
    _write(paid)


def answers_no_text(paid: PaidOrder) -> str:
    _write(paid)
    return ""


def answers_a_key(paid: PaidOrder) -> int:
    _write(paid)
    return 7


def answers_nothing_for_many(paid: Sequence[PaidOrder]) -> dict[str, None]:
    return {order.merchant_order_id: answers_nothing(order) for order in paid}


def answers_no_text_for_many(paid: Sequence[PaidOrder]) -> dict[str, str]:
    return {order.merchant_order_id: answers_no_text(order) for order in paid}


def delivers_and_writes(paid: PaidOrder) -> str:
    _write(paid)
    return delivers(paid)


def takes_its_time(paid: PaidOrder) -> str:
    time.sleep(0.3)
    return delivers(paid)


def status_for_all(reference: str, **facts: object) -> str:
    """One that costs no query."""
    return "OPEN"


def status_with_a_bug(reference: str, **facts: object) -> str:
    if reference == "broken":
        raise RuntimeError("a bug of the shop's")
    return "OPEN"


def find_in_any_case(reference: str, *, user: object) -> Payable:
    return find(reference.lower(), user=user)


def find(reference: str, *, user: object) -> Payable:
    """A shop that knows the references of all orders and of `open-…`."""
    order = PaymentOrder.objects.filter(cart_id=reference).first()
    if order is None and not reference.startswith("open-"):
        raise NotFound("There is no such cart.")
    paid = order is not None and order.status == Status.SUCCESS
    return Payable(reference, 149900, status="BOOKED" if paid else "OPEN", snapshot={"what": "a puja"})


def _write(paid: PaidOrder) -> None:
    """Leave a trace in the database, to see whether it is undone."""
    Checker.objects.create(
        name=f"{WRITTEN} for {paid.merchant_order_id}",
        started_at=paid.completed_at,
        seen_at=paid.completed_at,
        interval_s=1,
    )


def holds(payable: Payable) -> None:
    """Keep what is to be paid for, as a row; three references are all there is."""
    if Checker.objects.filter(name__startswith=KEPT).exclude(name=KEPT + payable.reference).count() >= 3:
        raise NotPayable("All of it is kept for others.")
    Checker.objects.get_or_create(
        name=KEPT + payable.reference,
        defaults={"started_at": timezone.now(), "seen_at": timezone.now(), "interval_s": 1},
    )


def releases(reference: str) -> None:
    Checker.objects.filter(name=KEPT + reference).delete()


def cannot_release(reference: str) -> None:
    releases(reference)
    raise RuntimeError("a bug of the shop's")


def takes_news(notice: Notice) -> None:
    Checker.objects.create(
        name=f"{notice.news} {notice.reference} {notice.amount_paise}"[:100],
        started_at=timezone.now(), seen_at=timezone.now(), interval_s=1,
    )  # fmt: skip


def chokes_on_news(notice: Notice) -> None:
    takes_news(notice)
    raise RuntimeError("a bug of the shop's")


def exits_on_news(notice: Notice) -> None:
    takes_news(notice)
    raise SystemExit(2)
