"""`payment_status`: how all is, or one order's timeline."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Count
from django.utils import timezone

from payments import checkers, completion, pace
from payments.models import AuditRun, PaymentEvent, PaymentOrder, Refund
from payments.standing import rupees
from payments.states import OPEN, Status


class Command(BaseCommand):
    help = (
        "Without an argument: orders by status, what is due, the oldest open order, what needs a person, the "
        "throttle and the checkers. With a MERCHANT_ORDER_ID: everything that happened to that order."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("merchant_order_id", nargs="?", metavar="MERCHANT_ORDER_ID")
        parser.add_argument("--json", action="store_true", help="one JSON object")

    def handle(self, *, merchant_order_id: str | None, json: bool, **options: Any) -> None:
        if merchant_order_id is None:
            told = overview(timezone.now())
            self._dump(told) if json else self._show_overview(told)
            return
        order = completion.find(merchant_order_id)
        if order is None:
            raise CommandError(f"There is no order {merchant_order_id}.")
        told = timeline(order)
        self._dump(told) if json else self._show_timeline(told)

    def _dump(self, told: dict[str, Any]) -> None:
        self.stdout.write(json.dumps(told, cls=DjangoJSONEncoder, indent=2, ensure_ascii=False))

    def _show_overview(self, told: dict[str, Any]) -> None:
        self.stdout.write("  ".join(f"{status} {count}" for status, count in told["orders"].items()))
        self.stdout.write(f"due now: {told['due']}")
        oldest = told["oldest_open"]
        since = f"{oldest['merchant_order_id']} since {_local(oldest['created_at'])}" if oldest else "none"
        self.stdout.write(f"oldest open order: {since}")
        needs = "  ".join(f"{why} {count}" for why, count in told["attention"].items())
        self.stdout.write(f"needs a person: {needs or 'nothing'}")
        if told["throttle"]:
            self.stdout.write(f"gateway: {pace.sentence(told['throttle'])}")
        last = told["audit"]
        found = "  ".join(f"{name} {count}" for name, count in last["findings"].items()) if last else ""
        self.stdout.write(
            f"last audit: {_local(last['at'])}, {found or 'all rules hold'}"
            if last
            else "last audit: none yet"
        )
        alive = ", ".join(f"{c['name']} (seen {_local(c['seen_at'])})" for c in told["checkers"])
        self.stdout.write(f"checkers alive: {alive or 'NONE; start one with `make checker`'}")

    def _show_timeline(self, told: dict[str, Any]) -> None:
        for name, value in told["order"].items():
            if value not in ("", None):
                self.stdout.write(f"{name:22} {_local(value) if isinstance(value, datetime) else value}")
        self.stdout.write("")
        for event in told["events"]:
            move = f"{event['from_status']} -> {event['to_status']}" if event["to_status"] else ""
            facts = " ".join(filter(None, [event["source"], move, _brief(event["detail"])]))
            self.stdout.write(f"{_local(event['at'])}  {event['kind']:18} {facts}")
        for refund in told["refunds"]:
            amount = rupees(refund["amount"])
            self.stdout.write(
                f"refund {refund['merchant_refund_id']}: ₹{amount} {refund['state']} ({refund['reason']})"
            )


def overview(now: datetime) -> dict[str, Any]:
    """The figures of the whole, ready for JSON."""
    counts = dict(PaymentOrder.objects.values_list("status").annotate(Count("pk")))
    oldest = PaymentOrder.objects.filter(status__in=OPEN).order_by("created_at")
    return {
        "orders": {status: counts.get(status, 0) for status in Status.values},
        "due": PaymentOrder.objects.due(now).count(),
        "oldest_open": oldest.values("merchant_order_id", "status", "created_at").first(),
        "attention": dict(
            PaymentOrder.objects.exclude(attention="").values_list("attention").annotate(Count("pk"))
        ),
        "throttle": pace.state(now=now),
        "audit": AuditRun.objects.order_by("-at").values("at", "took_ms", "findings").first(),
        "checkers": [
            {"name": c.name, "seen_at": c.seen_at, "interval_s": c.interval_s} for c in checkers.alive(now)
        ],
    }


ORDER_FACTS = (
    "merchant_order_id", "cart_id", "amount", "status", "gateway_order_id", "gateway_state", "failure_code",
    "created_at", "expires_at", "completed_at", "completed_by", "paid_at", "payment_mode", "utr", "fulfilment",
    "fulfilment_reference", "attention", "asks", "asked_at", "next_check_at",
)  # fmt: skip


def timeline(order: PaymentOrder) -> dict[str, Any]:
    """One order with everything that happened to it, ready for JSON."""
    events = PaymentEvent.objects.filter(order=order).order_by("id")
    refunds = Refund.objects.filter(order=order).order_by("id")
    return {
        "order": {name: getattr(order, name) for name in ORDER_FACTS},
        "events": list(events.values("at", "kind", "source", "from_status", "to_status", "detail")),
        "refunds": list(refunds.values("merchant_refund_id", "amount", "state", "reason", "created_at")),
    }


def _local(at: datetime) -> str:
    return f"{timezone.localtime(at):%d %b %Y %H:%M:%S}"


def _brief(detail: dict[str, Any]) -> str:
    """The facts of an event that fit on a line; `--json` has the whole answer."""
    shown = (
        "state",
        "http_status",
        "code",
        "message",
        "reference",
        "reason",
        "why",
        "error",
        "refund",
        "took_ms",
    )
    return " ".join(f"{name}={detail[name]}" for name in shown if detail.get(name) not in (None, ""))
