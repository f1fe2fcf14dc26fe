"""The page of one order, and the text about it for PhonePe's support."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from bookings.models import Booking
from catalog.money import rupees
from ops import words
from ops.access import may_see_people, staff_page
from ops.hands import buttons, known, refundable
from ops.people import Person, cart, person
from ops.timeline import Line, refunds_of, timeline
from payments.models import PaymentOrder, Refund
from payments.refunds import left_to_refund


@dataclass(frozen=True, slots=True)
class Dossier:
    """Everything known about one order, with the customer as far as the reader may know them.

    `bought` and `when` are what the customer ordered, by the order's snapshot; "" where it does not say.
    """

    order: PaymentOrder
    cart: str
    booking: Booking | None
    customer: Person
    bought: str
    when: str
    refunds: list[Refund]
    lines: list[Line]
    left_paise: int


def dossier(merchant_order_id: str, *, plain: bool) -> Dossier:
    """All about an order; the customer masked unless `plain`. Raises Http404."""
    order = known(merchant_order_id)
    booking = Booking.objects.filter(merchant_order_id=order.merchant_order_id).first()
    return Dossier(
        order=order,
        cart=cart(order.cart_id, plain=plain),
        booking=booking,
        customer=person(order.snapshot, booking, plain=plain),
        bought=_joined(order.snapshot, "puja", "package"),
        when=_joined(order.snapshot, "date", "time"),
        refunds=refunds_of(order),
        lines=timeline(order, booking),
        left_paise=left_to_refund(order),
    )


@staff_page()
@require_safe
def show(request: HttpRequest, merchant_order_id: str) -> HttpResponse:
    """An order: how it stands, what can be done, what happened, and the text for PhonePe's support."""
    found = dossier(merchant_order_id, plain=may_see_people(request.user))
    order = found.order
    context = {
        "found": found,
        "order": order,
        "why": words.why(order.attention) if order.attention else None,
        "buttons": buttons(order, refundable_paise=refundable(order), user=request.user),
        "support": support_text(found),
    }
    return render(request, "ops/order.html", context)


def support_text(found: Dossier) -> str:
    """What PhonePe's support asks for, without anything about the customer."""
    order = found.order
    facts = {
        "Merchant order id": order.merchant_order_id,
        "PhonePe order id": order.gateway_order_id,
        "Amount": rupees(order.amount),
        "Made at": _moment(order.created_at),
        "PhonePe's last state": order.gateway_state,
        "Last asked at": _moment(order.asked_at),
        "Paid at": _moment(order.paid_at),
        "Payment mode": order.payment_mode,
        "UTR": order.utr,
    }
    head = [f"{name}: {value}" for name, value in facts.items() if value]
    money_back = [
        f"Refund {r.merchant_refund_id} ({r.gateway_refund_id or 'no PhonePe id'}): {rupees(r.amount)} {r.state}"
        f" {r.error_code}".rstrip()
        for r in found.refunds
    ]
    answers = [
        f"{_moment(line.at)}  {line.title}\n{line.raw_text}"
        for line in found.lines
        if line.kind in ("answered", "webhook", "refund") and line.raw
    ]
    return "\n".join([*head, *money_back, "", *answers])


def _joined(snapshot: dict[str, object], *names: str) -> str:
    return ", ".join(str(snapshot[name]) for name in names if snapshot.get(name))


def _moment(at: object) -> str:
    return timezone.localtime(at).isoformat(timespec="milliseconds") if at else ""
