"""Prometheus metrics. All are read from the database when asked for, so every process tells the same."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from django.db.models import Count, Min
from django.utils import timezone
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from payments import audit, checkers
from payments.models import AuditRun, GatewayThrottle, PaymentOrder, Refund
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
        throttle = GatewayThrottle.objects.filter(pk=1).first()
        if throttle:
            yield GaugeMetricFamily(
                "payments_throttle_rate", "Calls per second allowed.", value=throttle.rate
            )
            is_open = int(throttle.pause_s > 0)
            yield GaugeMetricFamily("payments_breaker_open", "1 while the breaker is open.", value=is_open)


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
