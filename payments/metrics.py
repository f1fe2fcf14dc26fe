"""Prometheus metrics. All are read from the database when asked for, so every process tells the same.

Gauges are what indexed queries find at this moment; counters and histograms come from `tally`, which says
why they are not kept in the processes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from django.db.models import Count, Min, Q, QuerySet, Sum
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from payments import audit, checkers, pace, tally
from payments.models import AuditRun, PaymentOrder, WebhookDelivery
from payments.states import Fulfilment, RefundState, Source, Status

CONTENT_TYPE = CONTENT_TYPE_LATEST
THROTTLE = (
    ("payments_throttle_rate", "rate", "Calls per second allowed."),
    ("payments_throttle_ceiling", "ceiling", "PHONEPE_MAX_RPS."),
    (
        "payments_throttle_refused_rate",
        "refused_rate",
        "The rate that PhonePe is known to refuse; 0: none yet.",
    ),
    (
        "payments_throttle_tokens",
        "tokens",
        "Calls that may be made at once, when last looked at; below 0: taken ahead.",
    ),
    ("payments_throttle_limited_seconds", "limited_for_s", "How long PhonePe still wants no call."),
    ("payments_gateway_failures_in_a_row", "failures_in_a_row", "Calls that failed since one did not."),
    ("payments_breaker_open", "breaker_open", "1 while the breaker is open or half open."),
    ("payments_breaker_half_open", "breaker_half_open", "1 while one call is out to try the gateway."),
    (
        "payments_throttle_customer_first_seconds",
        "customer_first_for_s",
        "How long a customer still goes first.",
    ),
    ("payments_breaker_pause_seconds", "pause_s", "The open breaker's pause; 0 while it is closed."),
)
JOB_STATES = ("todo", "doing", "failed")


def exposition() -> bytes:
    """All metrics in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Payments())
    return generate_latest(registry)


class _Payments(Collector):
    def collect(self) -> Iterator[Metric]:
        now = timezone.now()
        figures = tally.read(now=now)
        yield from _states(figures)
        yield from _counters(figures)
        yield from _histograms(figures)
        yield from _due(now)
        yield from _attention(now)
        yield from _undelivered(now)
        yield from _checkers(now)
        yield from _jobs()
        yield from _audit(now)
        yield from _gateway(now)


def _states(figures: Counter[str]) -> Iterator[Metric]:
    orders = {status: figures[f"orders|{status}"] for status in Status.values}
    yield _gauges("payments_orders", "Orders by status.", "status", orders)
    refunds = {state: figures[f"refunds|{state}"] for state in RefundState.values}
    yield _gauges("payments_refunds", "Refunds by state.", "state", refunds)


def _counters(figures: Counter[str]) -> Iterator[Metric]:
    done = CounterMetricFamily("payments_completions", "Paid orders by who noticed.", labels=["source"])
    for source in Source.values:
        done.add_metric([source], figures[f"completions|{source}"])
    yield done
    calls = CounterMetricFamily(
        "payments_gateway_calls", "Answers of PhonePe, by call.", labels=["call", "result"]
    )
    for call, result in sorted({("status", "ok"), ("pay", "ok"), ("refund", "ok"), *_calls_in(figures)}):
        calls.add_metric([call, _snake(result)], figures[f"calls|{call}|{result}"])
    yield calls
    yield CounterMetricFamily(
        "payments_webhooks", "Genuine callbacks received, repeats not counted.", value=figures["webhooks"]
    )


def _calls_in(figures: Counter[str]) -> Iterator[tuple[str, str]]:
    for name in figures:
        if name.startswith("calls|"):
            _, call, result = name.split("|")
            yield call, result


def _snake(name: str) -> str:
    """An error's class as a label: "OutcomeUnknown" → "outcome_unknown"."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def _histograms(figures: Counter[str]) -> Iterator[Metric]:
    yield _histogram(
        "payments_gateway_call_seconds", "How long PhonePe takes to say an order's status.",
        figures, "took", tally.CALL_BOUNDS_S,
    )  # fmt: skip
    yield _histogram(
        "payments_booking_lag_seconds", "From PhonePe's taking of the money to its delivery.",
        figures, "lag", tally.LAG_BOUNDS_S,
    )  # fmt: skip


def _histogram(
    name: str, help_text: str, figures: Counter[str], figure: str, bounds: Sequence[float]
) -> HistogramMetricFamily:
    buckets, total = [], 0.0
    for place, bound in enumerate([*map(str, bounds), "+Inf"]):
        total += figures[f"{figure}|{place}"]
        buckets.append((bound, total))
    return HistogramMetricFamily(name, help_text, buckets=buckets, sum_value=figures[f"{figure}_sum"])


def _due(now: datetime) -> Iterator[Metric]:
    due = PaymentOrder.objects.due(now).aggregate(count=Count("pk"), oldest=Min("next_check_at"))
    yield GaugeMetricFamily("payments_due", "Orders due to be asked about.", value=due["count"])
    yield GaugeMetricFamily(
        "payments_overdue_seconds", "How long the oldest has been due.", value=_age(due["oldest"], now)
    )


def _attention(now: datetime) -> Iterator[Metric]:
    needing = PaymentOrder.objects.exclude(attention="")
    by_reason = dict(needing.values_list("attention").annotate(Count("pk")).order_by())
    yield _gauges("payments_attention", "Orders that need a person, by reason.", "why", by_reason)
    whole = needing.aggregate(paise=Sum("amount"), oldest=Min("attention_at"))
    yield GaugeMetricFamily(
        "payments_attention_paise", "The sum of these orders' amounts.", value=whole["paise"] or 0
    )
    yield GaugeMetricFamily(
        "payments_attention_oldest_seconds",
        "How long the first has been waiting.",
        value=_age(whole["oldest"], now),
    )


def _undelivered(now: datetime) -> Iterator[Metric]:
    # A paid order that is still to be delivered is in the queue, whose index is small.
    waiting: QuerySet[PaymentOrder] = PaymentOrder.objects.filter(
        next_check_at__isnull=False, status=Status.SUCCESS, fulfilment=Fulfilment.DUE
    )
    found = waiting.aggregate(count=Count("pk"), oldest=Min("completed_at"))
    yield GaugeMetricFamily("payments_undelivered", "Paid and not delivered yet.", value=found["count"])
    yield GaugeMetricFamily(
        "payments_undelivered_oldest_seconds",
        "How long the first has been paid.",
        value=_age(found["oldest"], now),
    )


def _checkers(now: datetime) -> Iterator[Metric]:
    alive = checkers.alive(now)
    yield GaugeMetricFamily("payments_checkers", "Checkers alive.", value=len(alive))
    info = GaugeMetricFamily("payments_checker_info", "A checker alive.", labels=["checker", "version"])
    swept = GaugeMetricFamily(
        "payments_checker_last_sweep_timestamp_seconds",
        "When it last went over the queue.",
        labels=["checker"],
    )
    for checker in alive:
        info.add_metric([checker.name, checker.version], 1)
        if checker.swept_at:
            swept.add_metric([checker.name], checker.swept_at.timestamp())
    yield from (info, swept)


def _jobs() -> Iterator[Metric]:
    found = ProcrastinateJob.objects.filter(status__in=JOB_STATES).values_list("status", "task_name")
    family = GaugeMetricFamily("payments_jobs", "Jobs by state and task.", labels=["state", "task"])
    for state, task, count in found.annotate(Count("pk")).order_by():
        family.add_metric([state, task], count)
    yield family
    failed = ProcrastinateJob.objects.filter(status="failed").count()
    yield GaugeMetricFamily("payments_jobs_failed", "Jobs that gave up for good.", value=failed)


def _audit(now: datetime) -> Iterator[Metric]:
    """The last run's findings by question, each question that was asked being there, and its age."""
    last = AuditRun.objects.order_by("-at").first()
    if last:
        counts = dict.fromkeys((question.name for question in audit.questions()), 0) | last.findings
        yield _gauges("payments_audit_findings", "Orders that break a rule, by rule.", "question", counts)
        age_s = (now - last.at).total_seconds()
        yield GaugeMetricFamily("payments_audit_age_seconds", "Since the last audit.", value=age_s)


def _gateway(now: datetime) -> Iterator[Metric]:
    undone = Q(state=WebhookDelivery.State.RECEIVED) | Q(state=WebhookDelivery.State.PARKED)
    yield GaugeMetricFamily(
        "payments_webhooks_waiting",
        "Callbacks not acted on yet, or for an order that is not here.",
        value=WebhookDelivery.objects.filter(undone).count(),
    )
    throttle = pace.state(now=now) or {}
    for name, key, help_text in THROTTLE if throttle else ():
        yield GaugeMetricFamily(name, help_text, value=float(throttle[key] or 0))
    if throttle:
        is_blocked = bool(throttle["blocked_for_s"] or throttle["limited_for_s"])
        yield GaugeMetricFamily("payments_throttle_blocked", "1 while no call may be made.", value=is_blocked)


def _age(since: datetime | None, now: datetime) -> float:
    return (now - since).total_seconds() if since else 0.0


def _gauges(name: str, help_text: str, label: str, counts: Mapping[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, help_text, labels=[label])
    for value, count in counts.items():
        family.add_metric([value], count)
    return family
