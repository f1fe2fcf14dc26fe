"""How everything is at this moment, as figures. All are read from the database, so any process tells the same."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Count, Min, Q, Sum
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from payments import checkers
from payments.models import AuditRun, Checker, GatewayThrottle, PaymentOrder, WebhookDelivery
from payments.states import OPEN, Fulfilment, Status

HOUR = timedelta(hours=1)

# An order that PhonePe does not know is an answer; every other error means that it gave none.
CALLS = """
    SELECT count(*), count(*) FILTER (WHERE detail ? 'http_status' AND detail->>'state' <> 'UnknownOrder'),
        percentile_cont(0.5) WITHIN GROUP (ORDER BY (detail->>'took_ms')::float),
        percentile_cont(0.99) WITHIN GROUP (ORDER BY (detail->>'took_ms')::float)
    FROM payments_event WHERE at >= %s AND kind = 'answered' AND detail ? 'took_ms'
"""


@dataclass(frozen=True, slots=True)
class Calls:
    """Order Status calls of the last hour; the times are None when there were none."""

    count: int
    failed: int
    p50_ms: float | None
    p99_ms: float | None

    @property
    def failed_percent(self) -> float:
        return 100 * self.failed / self.count if self.count else 0.0


@dataclass(frozen=True, slots=True)
class Today:
    """Money that came since midnight in Asia/Kolkata; `open` are those not delivered yet or waiting for a person."""

    paid: int
    paid_paise: int
    open: int


@dataclass(frozen=True, slots=True)
class Health:
    """Everything the first page shows. `unannounced`: payments of the last hour, 0 when a webhook came in it."""

    now: datetime
    today: Today
    paying: int
    attention: int
    attention_since: datetime | None
    due: int
    due_since: datetime | None
    throttle: GatewayThrottle | None
    calls: Calls
    checkers: list[Checker]
    silent_checkers: list[Checker]
    failed_jobs: list[dict[str, Any]]
    audit: AuditRun | None
    unannounced: int

    @property
    def audit_silent_s(self) -> float:
        """How long checkers have been running without an audit."""
        if not self.checkers:
            return 0.0
        up_since = min(c.started_at for c in self.checkers)
        since = max(up_since, self.audit.at) if self.audit else up_since
        return (self.now - since).total_seconds()

    @property
    def overdue_s(self) -> float:
        """How long the oldest due order has been waiting to be asked about."""
        return (self.now - self.due_since).total_seconds() if self.due_since else 0.0

    @property
    def is_breaker_open(self) -> bool:
        return self.throttle is not None and self.throttle.pause_s > 0


def read(now: datetime) -> Health:
    """The figures of this moment."""
    due = PaymentOrder.objects.due(now).aggregate(count=Count("pk"), since=Min("next_check_at"))
    needing = PaymentOrder.objects.exclude(attention="").aggregate(
        count=Count("pk"), since=Min("attention_at")
    )
    alive = checkers.alive(now)
    known = Checker.objects.order_by("-seen_at")
    return Health(
        now=now,
        today=_today(now),
        paying=PaymentOrder.objects.filter(status__in=OPEN, expires_at__gt=now).count(),
        attention=needing["count"],
        attention_since=needing["since"],
        due=due["count"],
        due_since=due["since"],
        throttle=GatewayThrottle.objects.filter(pk=1).first(),
        calls=_calls(since=now - HOUR),
        checkers=alive,
        silent_checkers=[c for c in known if c not in alive][:5],
        failed_jobs=list(
            ProcrastinateJob.objects.filter(status="failed").values("task_name").annotate(count=Count("id"))
        ),
        audit=AuditRun.objects.order_by("-at").first(),
        unannounced=_unannounced(since=now - HOUR),
    )


def _today(now: datetime) -> Today:
    midnight = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
    paid = PaymentOrder.objects.filter(completed_at__gte=midnight, status=Status.SUCCESS)
    sums = paid.aggregate(
        count=Count("pk"),
        paise=Sum("amount"),
        open=Count("pk", filter=Q(fulfilment=Fulfilment.DUE) | ~Q(attention="")),
    )
    return Today(sums["count"], sums["paise"] or 0, sums["open"])


def _unannounced(*, since: datetime) -> int:
    if WebhookDelivery.objects.filter(received_at__gte=since).exists():
        return 0
    return PaymentOrder.objects.filter(completed_at__gte=since, status=Status.SUCCESS).count()


def _calls(*, since: datetime) -> Calls:
    with connection.cursor() as cursor:
        cursor.execute(CALLS, [since])
        return Calls(*cursor.fetchone())
