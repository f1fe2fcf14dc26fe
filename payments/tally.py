"""Sums over the whole history, for the metrics, kept in one row: a scrape reads minutes of events, not years.

Counters in the memory of web workers and checkers would have to be gathered from every process of every
machine, would start at 0 with each of them, and would count twice what is tried again. All that is counted
here was written down for good by whoever did it, so PostgreSQL does the sums and any process may be asked.

Events get their `at` before they are committed, so one may appear a little later than it says. What is older
than `SETTLED` is added to the row's totals once; what is younger is counted anew each time. Both together
are what is shown, for `FRESH`, to whoever asks: counters that two processes tell never go backwards.
"""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, datetime, timedelta

from django.db import connection, transaction
from django.db.models import Count

from payments.models import MetricsTally, PaymentOrder, Refund

FRESH = timedelta(seconds=10)
SETTLED = timedelta(minutes=5)  # far longer than any transaction of ours, and than clocks may differ
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
STATES_SHARE = 0.05  # counting rows by state reads whole tables: it may take this part of the time

CALL_BOUNDS_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
LAG_BOUNDS_S = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 86400.0)

# One pass over the events of a stretch of time. A figure is a name and labels, parted by "|".
COUNTED = """
    WITH recent AS (
        SELECT kind, source, to_status, order_id, at, detail->>'error' AS error, detail ? 'asked_at' AS is_ask,
            CASE WHEN detail ? 'http_status' THEN detail->>'state' END AS trouble,
            detail ? 'body' AS has_body, (detail->>'took_ms')::float / 1000 AS took_s
        FROM payments_event WHERE at >= %(since)s AND at < %(until)s
    ), lags AS (
        SELECT greatest(extract(epoch FROM e.at - o.paid_at), 0)::float AS s
        FROM recent e JOIN payments_order o ON o.id = e.order_id WHERE e.kind = 'fulfilled' AND o.paid_at IS NOT NULL
    )
    SELECT 'completions|' || source, count(*)::float FROM recent
        WHERE kind = 'moved' AND to_status = 'SUCCESS' GROUP BY source
    UNION ALL SELECT 'calls|status|' || coalesce(trouble, 'ok'), count(*) FROM recent
        WHERE kind = 'answered' AND is_ask GROUP BY trouble
    UNION ALL SELECT 'calls|pay|' || coalesce(error, 'ok'), count(*) FROM recent
        WHERE kind = 'answered' AND NOT is_ask GROUP BY error
    UNION ALL SELECT 'calls|refund|' || coalesce(error, 'ok'), count(*) FROM recent
        WHERE kind = 'refund' AND (has_body OR error IS NOT NULL) GROUP BY error
    UNION ALL SELECT 'took|' || width_bucket(took_s, %(call_bounds)s::float[]), count(*) FROM recent
        WHERE kind = 'answered' AND took_s IS NOT NULL GROUP BY 1
    UNION ALL SELECT 'took_sum', coalesce(sum(took_s), 0) FROM recent WHERE kind = 'answered'
    UNION ALL SELECT 'lag|' || width_bucket(s, %(lag_bounds)s::float[]), count(*) FROM lags GROUP BY 1
    UNION ALL SELECT 'lag_sum', coalesce(sum(s), 0) FROM lags
    UNION ALL SELECT 'webhooks', count(*) FROM payments_webhook
        WHERE received_at >= %(since)s AND received_at < %(until)s
"""


def read(*, now: datetime) -> Counter[str]:
    """All figures, `FRESH` or made so: "completions|webhook" → 12, "orders|SUCCESS" → 40 …"""
    row = MetricsTally.objects.filter(pk=1).first()
    if row is None or not _is_fresh(row, now):
        _refresh(now=now)
        row = MetricsTally.objects.get(pk=1)
    return Counter(row.shown)


def _is_fresh(row: MetricsTally, now: datetime) -> bool:
    return abs(now - row.shown_at) < FRESH  # "abs": a clock that runs ahead must not silence the others


@transaction.atomic(durable=True)
def _refresh(*, now: datetime) -> None:
    """Sum up anew; what another process does just now is left to it."""
    MetricsTally.objects.get_or_create(pk=1, defaults={"up_to": LONG_AGO, "shown_at": LONG_AGO})
    row = MetricsTally.objects.select_for_update(skip_locked=True).filter(pk=1).first()
    if row is None or _is_fresh(row, now):
        return
    if now - row.up_to >= 2 * SETTLED:
        settled = now - SETTLED
        row.totals = Counter(row.totals) + _counted(since=row.up_to, until=settled)
        row.up_to = settled
    _count_states(row, now=now)
    row.shown = Counter(row.totals) + _counted(since=row.up_to, until=now + SETTLED) + Counter(row.states)
    row.shown_at = now
    row.save()


def _counted(*, since: datetime, until: datetime) -> Counter[str]:
    bounds = {"call_bounds": list(CALL_BOUNDS_S), "lag_bounds": list(LAG_BOUNDS_S)}
    with connection.cursor() as cursor:
        cursor.execute(COUNTED, {"since": since, "until": until, **bounds})
        return Counter(dict(cursor.fetchall()))


def _count_states(row: MetricsTally, *, now: datetime) -> None:
    """Count orders and refunds by state, unless that was done so shortly ago that it would cost too much."""
    pause = timedelta(milliseconds=row.states_took_ms / STATES_SHARE)
    if row.states_at and now - row.states_at < pause:
        return
    started = time.monotonic()
    orders = PaymentOrder.objects.values_list("status").annotate(Count("pk")).order_by()
    refunds = Refund.objects.values_list("state").annotate(Count("pk")).order_by()
    row.states = {f"orders|{name}": count for name, count in orders}
    row.states |= {f"refunds|{name}": count for name, count in refunds}
    row.states_at, row.states_took_ms = now, round((time.monotonic() - started) * 1000)
