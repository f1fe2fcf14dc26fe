"""Prometheus metrics. All are read from the database when asked for, so every process tells the same."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from django.db.models import Count, Min
from django.utils import timezone
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from payments import audit, checkers, pace
from payments.models import AuditRun, PaymentOrder, Refund
from payments.states import Status

CONTENT_TYPE = CONTENT_TYPE_LATEST


def exposition() -> bytes:
    """All metrics in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Payments())
    return generate_latest(registry)


class _Payments(Collector):
    def collect(self) -> Iterator[Metric]:
        now = timezone.now()
        yield _counted("payments_orders", "Orders by status.", "status", _by_status())
        yield _counted("payments_completions", "Paid orders by who noticed.", "source", _by_source())
        yield _counted("payments_attention", "Orders that need a person, by reason.", "why", _attention())
        yield _counted("payments_refunds", "Refunds by state.", "state", _refunds())
        due = PaymentOrder.objects.due(now).aggregate(count=Count("pk"), oldest=Min("next_check_at"))
        yield GaugeMetricFamily("payments_due", "Orders due to be asked about.", value=due["count"])
        overdue_s = (now - due["oldest"]).total_seconds() if due["oldest"] else 0
        yield GaugeMetricFamily(
            "payments_overdue_seconds", "How long the oldest has been due.", value=overdue_s
        )
        yield GaugeMetricFamily("payments_checkers", "Checkers alive.", value=len(checkers.alive(now)))
        yield from _audit(now)
        yield from _throttle(now)


THROTTLE = (
    ("payments_throttle_rate", "rate", "Calls per second allowed."),
    ("payments_throttle_ceiling", "ceiling", "PHONEPE_MAX_RPS."),
    ("payments_throttle_refused_rate", "refused_rate", "The rate at which the last 429 came; 0: none yet."),
    ("payments_throttle_tokens", "tokens", "Calls that may be made at once, when last looked at."),
    ("payments_throttle_limited_seconds", "limited_for_s", "How long PhonePe still wants no call."),
    ("payments_throttle_failures", "failures_in_a_row", "Failed calls in a row."),
    ("payments_breaker_open", "breaker_open", "1 while the breaker is open or half open."),
    ("payments_breaker_pause_seconds", "pause_s", "The open breaker's pause; 0 while it is closed."),
)


def _throttle(now: datetime) -> Iterator[Metric]:
    state = pace.state(now=now) or {}
    for name, key, help_text in THROTTLE if state else ():
        yield GaugeMetricFamily(name, help_text, value=float(state[key] or 0))


def _audit(now: datetime) -> Iterator[Metric]:
    """The last run's findings by question, each question that was asked being there, and its age."""
    last = AuditRun.objects.order_by("-at").first()
    if last:
        counts = dict.fromkeys((question.name for question in audit.questions()), 0) | last.findings
        yield _counted("payments_audit_findings", "Orders that break a rule, by rule.", "question", counts)
        age_s = (now - last.at).total_seconds()
        yield GaugeMetricFamily("payments_audit_age_seconds", "Since the last audit.", value=age_s)


def _counted(name: str, help_text: str, label: str, counts: dict[str, int]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, help_text, labels=[label])
    for value, count in counts.items():
        family.add_metric([value], count)
    return family


def _by_status() -> dict[str, int]:
    found = dict(PaymentOrder.objects.values_list("status").annotate(Count("pk")))
    return {status: found.get(status, 0) for status in Status.values}


def _by_source() -> dict[str, int]:
    paid = PaymentOrder.objects.filter(status=Status.SUCCESS)
    return dict(paid.values_list("completed_by").annotate(Count("pk")))


def _attention() -> dict[str, int]:
    return dict(PaymentOrder.objects.exclude(attention="").values_list("attention").annotate(Count("pk")))


def _refunds() -> dict[str, int]:
    return dict(Refund.objects.values_list("state").annotate(Count("pk")))
