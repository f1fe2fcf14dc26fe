"""A day's money: what PhonePe took, against what was booked and what went back, every difference explained.

An order belongs to the day (Asia/Kolkata) on which PhonePe took its money. A report says how things stand when it
is made: a refund of the week after shows in the report of the payment's day.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from enum import StrEnum

from django.db import connection
from django.utils import timezone

# Each LIMIT 1 keeps PostgreSQL from reading a whole table for the sake of one day.
SQL = """
    WITH paid AS (
        SELECT o.*, coalesce(o.paid_at, o.completed_at) AS at FROM payments_order o
        WHERE o.status = 'SUCCESS' AND coalesce(o.paid_at, o.completed_at) >= %(start)s
            AND coalesce(o.paid_at, o.completed_at) < %(end)s
        UNION ALL
        SELECT o.*, told.at FROM payments_order o CROSS JOIN LATERAL (
            SELECT min(e.at) AS at FROM payments_event e WHERE e.order_id = o.id AND e.kind = 'answered'
                AND e.detail->>'state' = 'COMPLETED'
        ) told
        WHERE o.gateway_state = 'COMPLETED' AND o.status <> 'SUCCESS'
            AND told.at >= %(start)s AND told.at < %(end)s
    )
    SELECT o.at, o.merchant_order_id, o.gateway_order_id, o.utr, o.amount, o.status, o.fulfilment, o.attention,
        taken.paise, b.booking_id, coalesce(b.amount, 0), coalesce(back.sent, 0), coalesce(back.going, 0),
        settled.by_hand IS NOT NULL,
        taken.told IS NULL AND NOT EXISTS (SELECT FROM payments_event e WHERE e.order_id = o.id)
    FROM paid o
    LEFT JOIN LATERAL (
        SELECT booking_id, amount FROM bookings_booking WHERE merchant_order_id = o.merchant_order_id LIMIT 1
    ) b ON true
    LEFT JOIN LATERAL (
        SELECT true AS told, CASE WHEN jsonb_typeof(e.detail->'body'->'amount') = 'number'
            THEN (e.detail->'body'->>'amount')::numeric::bigint END AS paise
        FROM payments_event e WHERE e.order_id = o.id AND e.kind = 'answered' AND e.detail->>'state' = 'COMPLETED'
        ORDER BY e.id DESC LIMIT 1
    ) taken ON true
    LEFT JOIN LATERAL (
        SELECT sum(r.amount) FILTER (WHERE r.state = 'COMPLETED') AS sent,
            sum(r.amount) FILTER (WHERE r.state NOT IN ('COMPLETED', 'FAILED')) AS going
        FROM payments_refund r WHERE r.order_id = o.id
    ) back ON true
    LEFT JOIN LATERAL (
        SELECT true AS by_hand FROM payments_event e
        WHERE e.order_id = o.id AND e.kind = 'attention' AND e.detail ? 'settled' LIMIT 1
    ) settled ON true
    ORDER BY o.at, o.id
"""
UNPAID_BOOKINGS = """
    SELECT b.booking_id, b.merchant_order_id, b.amount FROM bookings_booking b
    LEFT JOIN payments_order o ON o.merchant_order_id = b.merchant_order_id AND o.status = 'SUCCESS'
    WHERE b.created_at >= %(start)s AND b.created_at < %(end)s AND o.id IS NULL ORDER BY b.id
"""
SENT_BACK = """
    SELECT count(*), coalesce(sum(amount), 0)::bigint FROM payments_refund
    WHERE state = 'COMPLETED' AND completed_at >= %(start)s AND completed_at < %(end)s
"""


class Kind(StrEnum):
    """How the money of one payment is accounted for; the value is said to people."""

    BOOKED = "booked"
    REFUNDED_BOOKING = "booked, and given back in part or whole"
    GIVEN_BACK = "not booked, given back"
    GOING_BACK = "not booked, on its way back"
    BEING_BOOKED = "paid, being booked"
    WAITING = "waits for a person"
    SETTLED = "settled by a person"
    ANSWER_GONE = "booked or given back; answer no longer kept"
    UNEXPLAINED = "NOT EXPLAINED"


ENDS = (Kind.BOOKED, Kind.REFUNDED_BOOKING, Kind.GIVEN_BACK)


@dataclass(frozen=True, slots=True)
class Payment:
    """One payment of the day. Sums are paise; `taken_paise` is PhonePe's word, None when no answer was kept.

    With `is_forgotten` the whole trail was let go (`prune_records`): what is left is that the order was paid, which
    it is only when PhonePe's sum was the order's.
    """

    at: datetime
    merchant_order_id: str
    gateway_order_id: str
    utr: str
    order_paise: int
    status: str
    fulfilment: str
    attention: str
    taken_paise: int | None
    booking_id: str | None
    booked_paise: int
    sent_back_paise: int
    going_back_paise: int
    is_settled: bool
    is_forgotten: bool

    @property
    def counted_paise(self) -> int | None:
        """What PhonePe took: by its answer, else by our own record of when it was still kept."""
        return self.order_paise if self.is_forgotten else self.taken_paise

    @property
    def difference_paise(self) -> int:
        """What PhonePe took and neither a booking nor a refund accounts for; below zero: given twice."""
        return (self.counted_paise or 0) - self.booked_paise - self.sent_back_paise - self.going_back_paise

    @property
    def kind(self) -> Kind:
        """How its money is accounted for; ANSWER_GONE when our own records alone say that it is."""
        found = self._kind_of_kept()
        return Kind.ANSWER_GONE if self.is_forgotten and found in ENDS else found

    def _kind_of_kept(self) -> Kind:
        back = self.sent_back_paise + self.going_back_paise
        if self.attention:
            return Kind.WAITING
        if self.status != "SUCCESS":
            return Kind.SETTLED if self.is_settled else Kind.UNEXPLAINED
        if self.counted_paise != self.order_paise or back > self.counted_paise:
            return Kind.UNEXPLAINED
        if self.booking_id:
            return self._kind_of_booked(back)
        if back == self.counted_paise:
            return Kind.GOING_BACK if self.going_back_paise else Kind.GIVEN_BACK
        if self.fulfilment == "DUE":
            return Kind.BEING_BOOKED
        return Kind.SETTLED if self.is_settled else Kind.UNEXPLAINED

    def _kind_of_booked(self, back: int) -> Kind:
        if self.booked_paise != self.counted_paise or self.fulfilment != "BOOKED":
            return Kind.UNEXPLAINED
        return Kind.REFUNDED_BOOKING if back else Kind.BOOKED


@dataclass(slots=True)
class Sums:
    """Payments of one kind, added up in paise."""

    count: int = 0
    taken: int = 0
    booked: int = 0
    sent_back: int = 0
    going_back: int = 0

    def add(self, payment: Payment) -> None:
        """Count this payment in, once."""
        self.count += 1
        self.taken += payment.counted_paise or 0
        self.booked += payment.booked_paise
        self.sent_back += payment.sent_back_paise
        self.going_back += payment.going_back_paise


@dataclass(frozen=True, slots=True)
class UnpaidBooking:
    """A booking of the day whose order is not paid or not there."""

    booking_id: str
    merchant_order_id: str
    booked_paise: int


@dataclass(frozen=True, slots=True)
class Report:
    """A day's account. `differences` are the payments that are not simply booked, as far as answers are kept."""

    day: date
    kinds: dict[Kind, Sums]
    total: Sums
    differences: list[Payment]
    unpaid_bookings: list[UnpaidBooking]
    refunds_sent: int
    refunds_sent_paise: int
    payments: list[Payment] = field(repr=False)

    @property
    def unexplained(self) -> int:
        """How many payments and bookings nobody can account for; 0 is what it should be."""
        odd = self.kinds.get(Kind.UNEXPLAINED)
        return (odd.count if odd else 0) + len(self.unpaid_bookings)


def report(day: date) -> Report:
    """The account of a day in Asia/Kolkata, as things stand now."""
    span = _span(day)
    payments = list(_payments(span))
    kinds: dict[Kind, Sums] = {}
    total = Sums()
    for payment in payments:
        kinds.setdefault(payment.kind, Sums()).add(payment)
        total.add(payment)
    ((refunds, refunds_paise),) = _rows(SENT_BACK, span)
    return Report(
        day=day,
        kinds={kind: kinds[kind] for kind in Kind if kind in kinds},
        total=total,
        differences=[p for p in payments if p.kind not in (Kind.BOOKED, Kind.ANSWER_GONE)],
        unpaid_bookings=[UnpaidBooking(*row) for row in _rows(UNPAID_BOOKINGS, span)],
        refunds_sent=refunds,
        refunds_sent_paise=refunds_paise,
        payments=payments,
    )


def _span(day: date) -> dict[str, datetime]:
    start = timezone.make_aware(datetime.combine(day, time.min))
    return {"start": start, "end": start + timedelta(days=1)}


def _payments(span: dict[str, datetime]) -> Iterator[Payment]:
    for row in _rows(SQL, span):
        yield Payment(*row)


def _rows(sql: str, values: dict[str, datetime]) -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return list(cursor.fetchall())
