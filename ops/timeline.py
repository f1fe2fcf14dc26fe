"""Everything that happened to an order, line by line: moves, asks and answers, webhooks, refunds, mails, hands."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Q

from bookings.models import Booking, Notice
from catalog.money import rupees
from payments.fulfilment import ProcessEnded
from payments.models import PaymentEvent, PaymentOrder, Refund, WebhookDelivery
from payments.states import Attention

Kind = PaymentEvent.Kind


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened. `tone` is good, bad or neutral; `raw` is what is kept of it, masked."""

    at: datetime
    kind: str
    title: str
    note: str = ""
    tone: str = "neutral"
    raw: dict[str, Any] = field(default_factory=dict)

    @property
    def raw_text(self) -> str:
        """`raw` as indented JSON, "" when there is nothing more than the title says."""
        return json.dumps(self.raw, indent=2, ensure_ascii=False) if self.raw else ""


def timeline(order: PaymentOrder, booking: Booking | None) -> list[Line]:
    """All lines of an order in the order of time."""
    refunds = list(order.refunds.values_list("merchant_refund_id", flat=True))
    lines = [_of_event(event) for event in PaymentEvent.objects.filter(order=order).order_by("at", "id")]
    lines += [_of_webhook(delivery) for delivery in webhooks(order, refunds)]
    lines += [_of_notice(notice) for notice in notices(order)]
    if booking and booking.confirmation_sent_at:
        lines.append(Line(booking.confirmation_sent_at, "mail", "Confirmation mailed to the customer"))
    return sorted(lines, key=lambda line: line.at)


def webhooks(order: PaymentOrder, refund_ids: list[str]) -> list[WebhookDelivery]:
    """The callbacks that named the order or one of its refunds, oldest first."""
    named = Q(merchant_order_id=order.merchant_order_id)
    if refund_ids:
        named |= Q(merchant_refund_id__in=refund_ids)
    return list(WebhookDelivery.objects.filter(named).order_by("received_at"))


def notices(order: PaymentOrder) -> list[Notice]:
    """The news of the order whose mails went out or will never be sent, oldest first."""
    told = Notice.objects.filter(merchant_order_id=order.merchant_order_id)
    return sorted((notice for notice in told if notice.is_settled), key=_settled_at)


def _settled_at(notice: Notice) -> datetime:
    return notice.sent_at or notice.dropped_at or notice.created_at


def _of_notice(notice: Notice) -> Line:
    what, note = notice.get_news_display(), notice.merchant_refund_id
    if notice.sent_at:
        return Line(notice.sent_at, "mail", f"Mailed to the customer: {what}", note)
    reason = "It had become pointless, or the order names no address."
    return Line(_settled_at(notice), "mail", f"No mail any more: {what}", reason)


def _of_webhook(delivery: WebhookDelivery) -> Line:
    times = f", {delivery.deliveries} times" if delivery.deliveries > 1 else ""
    title = f"Webhook received{times}: {delivery.event or 'without an event'}"
    return Line(delivery.received_at, "webhook", title, delivery.get_state_display(), raw=delivery.body)


def _of_event(event: PaymentEvent) -> Line:
    write = _WRITERS.get(event.kind, _other)
    return write(event)


def _created(event: PaymentEvent) -> Line:
    return Line(event.at, event.kind, "Order made, the customer starts to pay")


def _nudged(event: PaymentEvent) -> Line:
    by, reason = event.detail.get("by"), str(event.detail.get("reason") or "")
    if by:
        return Line(
            event.at, event.kind, f"{'Tried to book' if reason else 'Verified'} by hand by {by}", reason
        )
    return Line(event.at, event.kind, f"Hurried: {event.get_source_display()}")


def _answered(event: PaymentEvent) -> Line:
    detail = event.detail
    trouble = detail.get("error") or (detail.get("state") if "http_status" in detail else "")
    asked_for = "the pay call" if event.source == "checkout" and "asked_at" not in detail else "Order Status"
    took = f" after {detail['took_ms']} ms" if "took_ms" in detail else ""
    if trouble:
        status = f", HTTP {detail['http_status']}" if detail.get("http_status") else ""
        title = f"No status from {asked_for}: {trouble}{status}{took}"
        note = " ".join(str(detail.get(name) or "") for name in ("code", "message")).strip()
        return Line(event.at, event.kind, title, note, tone="bad", raw=detail)
    note = f"asked by {event.source}" if event.source else ""
    return Line(event.at, event.kind, f"PhonePe answers {detail.get('state')}{took}", note, raw=detail)


def _moved(event: PaymentEvent) -> Line:
    tone = {"SUCCESS": "good", "FAILED": "bad"}.get(event.to_status, "neutral")
    title = f"{event.from_status or 'new'} → {event.to_status}"
    return Line(event.at, event.kind, title, f"by {event.source}" if event.source else "", tone=tone)


def _fulfilled(event: PaymentEvent) -> Line:
    return Line(event.at, event.kind, f"Booked as {event.detail.get('reference')}", tone="good")


def _unfulfillable(event: PaymentEvent) -> Line:
    reason = str(event.detail.get("reason") or "")
    return Line(event.at, event.kind, "Cannot be delivered", reason, tone="bad")


def _raised(event: PaymentEvent) -> Line:
    error = event.detail.get("error")
    title = f"Booking failed with {error}"
    if error == ProcessEnded.__name__:
        title = "Whoever was to book it was killed, time and again"
    return Line(event.at, event.kind, title, "It is tried again.", tone="bad", raw=event.detail)


def _attention(event: PaymentEvent) -> Line:
    detail = event.detail
    reason = str(detail.get("reason") or "")
    if detail.get("by"):
        return Line(event.at, event.kind, f"Settled by {detail['by']}", reason, tone="good")
    why = detail.get("why")
    if not why:
        return Line(event.at, event.kind, "Needs nobody any more", tone="good")
    label = dict(Attention.choices).get(why, why)
    more = {k: v for k, v in detail.items() if k not in ("why", "reason")}
    return Line(event.at, event.kind, f"Needs a person: {label}", reason, tone="bad", raw=more)


def _refund(event: PaymentEvent) -> Line:
    detail = event.detail
    amount = rupees(detail["amount"]) if "amount" in detail else ""
    title = f"Refund of {amount}: {detail.get('state')}"
    by = f"asked for by {detail['requested_by']}" if detail.get("requested_by") else ""
    note = "; ".join(filter(None, (str(detail.get("refund") or ""), by, str(detail.get("reason") or ""))))
    tone = {"COMPLETED": "good", "FAILED": "bad"}.get(str(detail.get("state")), "neutral")
    return Line(event.at, event.kind, title, note, tone="bad" if detail.get("error") else tone, raw=detail)


def _other(event: PaymentEvent) -> Line:
    return Line(event.at, event.kind, event.get_kind_display(), raw=event.detail)


_WRITERS: dict[str, Callable[[PaymentEvent], Line]] = {
    Kind.CREATED: _created,
    Kind.NUDGED: _nudged,
    Kind.ANSWERED: _answered,
    Kind.MOVED: _moved,
    Kind.FULFILLED: _fulfilled,
    Kind.UNFULFILLABLE: _unfulfillable,
    Kind.FULFILMENT_RAISED: _raised,
    Kind.ATTENTION: _attention,
    Kind.REFUND: _refund,
}


def refunds_of(order: PaymentOrder) -> list[Refund]:
    """The order's refunds, oldest first."""
    return list(Refund.objects.filter(order=order).order_by("pk"))
