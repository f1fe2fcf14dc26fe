"""`payment_status`: how all is, or one order's timeline."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections import Counter
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Count
from django.utils import timezone

from payments import asked, checkers, completion, pace
from payments.models import AuditRun, PaymentEvent, PaymentOrder, Refund
from payments.standing import rupees
from payments.states import OPEN, Status


class Command(BaseCommand):
    help = (
        "Without an argument: orders by status, what is due, the oldest open order, what needs a person, the "
        "throttle and the checkers. With a MERCHANT_ORDER_ID: everything that happened to that order; with "
        "--ladder, when PhonePe wants it asked about beside when it was asked about."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("merchant_order_id", nargs="?", metavar="MERCHANT_ORDER_ID")
        parser.add_argument(
            "--ladder", action="store_true", help="when PhonePe wants the order asked about, and when it was"
        )
        parser.add_argument("--json", action="store_true", help="one JSON object")

    def handle(self, *, merchant_order_id: str | None, ladder: bool, json: bool, **options: Any) -> None:
        if merchant_order_id is None:
            if ladder:
                raise CommandError("--ladder needs a MERCHANT_ORDER_ID.")
            told = overview(timezone.now())
            self._dump(told) if json else self._show_overview(told)
            return
        order = completion.find(merchant_order_id)
        if order is None:
            raise CommandError(f"There is no order {merchant_order_id}.")
        if ladder:
            climbed = climb(order, now=timezone.now())
            self._dump(climbed) if json else self._show_ladder(climbed)
            return
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
        self.stdout.write(f"checkers alive: {alive or f'NONE; start one: {checkers.START}'}")

    def _show_ladder(self, told: dict[str, Any]) -> None:
        write = self.stdout.write
        write(f"{told['merchant_order_id']}  {told['status']}  created {_exact(told['created_at'])}")
        if told["forgotten"]:
            write(f"{told['forgotten']} earlier questions: their times are no longer kept")
        for ask in told["early"]:
            write(f"{'before the first rung':24} asked {_exact(ask['at'])}{_silence(ask)}")
        write(f"{'wanted':24} {'after creation':>14}  {'asked':24} {'late':>8}")
        for rung in told["rungs"]:
            first, *more = rung["asks"] or [None]
            asked_at = f"{_exact(first['at'])}{_silence(first)}" if first else rung["outcome"]
            late = f"{rung['late_s']:.2f} s" if first else ""
            write(f"{_exact(rung['at']):24} {rung['after_s']:>12.1f} s  {asked_at:24} {late:>8}")
            for ask in more:
                write(f"{'':24} {'':14}  {_exact(ask['at'])}{_silence(ask)}")
        next_at = told["next_at"]
        write(f"next: {_exact(next_at) if next_at else 'never; the order is not watched any more'}")
        write(told["sentence"])

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


def climb(order: PaymentOrder, *, now: datetime) -> dict[str, Any]:
    """One order's ladder beside what was asked, ready for JSON."""
    found = asked.ladder(order, now=now, late_watch=timedelta(hours=settings.LATE_WATCH_HOURS))
    late = [rung.late_s for rung in found.rungs if rung.late_s is not None]
    counted = Counter(rung.outcome for rung in found.rungs)
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in sorted(counted.items()))
    latest = f"; the latest {max(late):.2f} s late" if late else ""
    return {
        "merchant_order_id": order.merchant_order_id,
        "status": order.status,
        "created_at": order.created_at,
        "forgotten": found.forgotten,
        "early": [asdict(ask) for ask in found.early],
        "rungs": [
            {
                "at": rung.at,
                "after_s": (rung.at - order.created_at).total_seconds(),
                "outcome": rung.outcome,
                "late_s": rung.late_s,
                "asks": [asdict(ask) for ask in rung.asks],
            }
            for rung in found.rungs
        ],
        "next_at": found.next_at,
        "sentence": f"{len(found.rungs)} rungs: {outcomes or 'none reached yet'}{latest}.",
    }


def _exact(at: datetime) -> str:
    return f"{timezone.localtime(at):%d %b %Y %H:%M:%S.%f}"[:-5]


def _silence(ask: dict[str, Any]) -> str:
    return "" if ask["answered"] else " (no answer)"


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
