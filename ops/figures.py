"""The figures behind the charts: counted by PostgreSQL, one statement each."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.utils import timezone

ZONE = "Asia/Kolkata"
# What became of a payment, in the order in which the columns are stacked.
OUTCOMES = ("booked", "not delivered", "failed", "not paid", "open")
LAG_BOUNDS_S = (1, 2, 5, 10, 30, 60, 300, 900, 3600)
LAG_NAMES = ("1 s", "2 s", "5 s", "10 s", "30 s", "1 min", "5 min", "15 min", "1 h", "more")
CALL_BOUNDS = (0, 1, 2, 3, 5, 10, 20, 50)
CALL_NAMES = ("none", "1", "2", "3", "4–5", "6–10", "11–20", "21–50", "more")

BY_OUTCOME = """
    SELECT date_trunc(%(unit)s, created_at AT TIME ZONE %(zone)s) AS bucket,
        CASE WHEN fulfilment = 'BOOKED' THEN 'booked'
             WHEN fulfilment = 'UNFULFILLABLE' THEN 'not delivered'
             WHEN status = 'FAILED' THEN 'failed'
             WHEN status IN ('EXPIRED', 'CANCELLED') THEN 'not paid'
             ELSE 'open' END AS outcome,
        count(*)
    FROM payments_order WHERE created_at >= %(since)s GROUP BY 1, 2
"""
BY_SOURCE = """
    SELECT completed_by, count(*) FROM payments_order
    WHERE completed_at >= %(since)s AND status = 'SUCCESS' GROUP BY 1 ORDER BY 2 DESC, 1
"""
# `paid_at` is told by PhonePe's clock: a lag below zero is its running ahead of ours.
LAGS = """
    WITH lags AS (
        SELECT greatest(extract(epoch FROM completed_at - paid_at), 0)::float AS s FROM payments_order
        WHERE completed_at >= %(since)s AND paid_at IS NOT NULL AND fulfilment = 'BOOKED'
    ), counted AS (
        SELECT width_bucket(s, %(bounds)s::float[]) AS bucket, count(*) AS n FROM lags GROUP BY 1
    )
    SELECT (SELECT jsonb_object_agg(bucket, n) FROM counted),
        percentile_cont(0.5) WITHIN GROUP (ORDER BY s), percentile_cont(0.99) WITHIN GROUP (ORDER BY s), count(*)
    FROM lags
"""
CALLS = """
    WITH paid AS (
        SELECT asks FROM payments_order WHERE completed_at >= %(since)s AND status = 'SUCCESS'
    ), counted AS (
        SELECT width_bucket(asks - 0.5, %(bounds)s::numeric[]) AS bucket, count(*) AS n FROM paid GROUP BY 1
    )
    SELECT (SELECT jsonb_object_agg(bucket, n) FROM counted), avg(asks)::float, max(asks), count(*) FROM paid
"""


@dataclass(frozen=True, slots=True)
class Period:
    """A stretch of time up to now, in hours or in days."""

    name: str
    unit: str
    count: int

    def starts(self, now: datetime) -> list[datetime]:
        """The beginnings of its hours or days, in Asia/Kolkata, oldest first; the last one is under way."""
        local = timezone.localtime(now).replace(minute=0, second=0, microsecond=0)
        if self.unit == "day":
            local = local.replace(hour=0)
        step = timedelta(hours=1) if self.unit == "hour" else timedelta(days=1)
        return [local - step * back for back in reversed(range(self.count))]


PERIODS = {
    "day": Period("24 hours", "hour", 24),
    "week": Period("7 days", "day", 7),
    "month": Period("30 days", "day", 30),
}


@dataclass(frozen=True, slots=True)
class Column:
    """One hour or day: how many payments begun in it came to which of `OUTCOMES`."""

    start: datetime
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts by class. `typical` and `extreme` are p50 and p99 seconds, or the mean and the maximum of calls."""

    names: tuple[str, ...]
    counts: tuple[int, ...]
    total: int
    typical: float | None
    extreme: float | None


def outcomes(period: Period, *, now: datetime) -> list[Column]:
    """Payments by what became of them, for each hour or day of the period."""
    starts = period.starts(now)
    rows = _all(BY_OUTCOME, unit=period.unit, zone=ZONE, since=starts[0])
    found = {(bucket, outcome): count for bucket, outcome, count in rows}
    return [Column(s, tuple(found.get((s.replace(tzinfo=None), o), 0) for o in OUTCOMES)) for s in starts]


def sources(*, since: datetime) -> list[tuple[str, int]]:
    """Who noticed that the money had come, the busiest first."""
    return [(source or "unknown", count) for source, count in _all(BY_SOURCE, since=since)]


def lags(*, since: datetime) -> Histogram:
    """From PhonePe's taking of the money to the booking, in seconds."""
    ((counts, p50, p99, total),) = _all(LAGS, since=since, bounds=[0, *LAG_BOUNDS_S])
    return Histogram(LAG_NAMES, _spread(counts, LAG_NAMES), total, p50, p99)


def calls(*, since: datetime) -> Histogram:
    """Order Status calls that a paid order took."""
    ((counts, mean, most, total),) = _all(CALLS, since=since, bounds=list(CALL_BOUNDS))
    return Histogram(CALL_NAMES, _spread(counts, CALL_NAMES, first=0), total, mean, most)


def _spread(counts: str | None, names: tuple[str, ...], *, first: int = 1) -> tuple[int, ...]:
    """Counts by class, of a JSON object from the class's number to its count."""
    found = json.loads(counts or "{}")
    return tuple(found.get(str(place), 0) for place in range(first, first + len(names)))


def _all(sql: str, **values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return list(cursor.fetchall())
