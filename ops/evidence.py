"""An order's whole story for a complaint or a chargeback: as JSON and as a page to print."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from bookings import mails
from ops.access import may_see_people, staff_page
from ops.orders import Dossier, dossier
from ops.timeline import notices
from payments.pages import destination
from payments.standing import rupees
from payments.states import Status

BOUGHT = ("puja", "package", "date", "time")


@staff_page()
@require_safe
def evidence(request: HttpRequest, merchant_order_id: str) -> HttpResponse:
    """The page to print; personal data masked unless the reader may see it."""
    is_plain = may_see_people(request.user)
    found = dossier(merchant_order_id, plain=is_plain)
    told = collect(found, by=request.user.get_username(), plain=is_plain, now=timezone.now())
    return render(request, "ops/evidence.html", {"found": found, "order": found.order, "told": told})


@staff_page()
@require_safe
def evidence_json(request: HttpRequest, merchant_order_id: str) -> HttpResponse:
    """The same as one JSON object, to be kept as a file."""
    is_plain = may_see_people(request.user)
    found = dossier(merchant_order_id, plain=is_plain)
    told = collect(found, by=request.user.get_username(), plain=is_plain, now=timezone.now())
    answer = JsonResponse(told, json_dumps_params={"indent": 2, "ensure_ascii": False})
    answer["Content-Disposition"] = f'attachment; filename="evidence-{found.order.merchant_order_id}.json"'
    return answer


def collect(found: Dossier, *, by: str, plain: bool, now: datetime) -> dict[str, Any]:
    """Everything known, ready for JSON: instants as ISO 8601 in Asia/Kolkata, sums as rupees with two decimals."""
    customer = found.customer
    return {
        "made_at": _moment(now),
        "made_by": by,
        "personal_data": "as it is" if plain else "masked",
        "order": _order(found),
        "customer": {name: getattr(customer, name) for name in ("name", "email", "phone", "address")},
        "bought": {name: found.order.snapshot.get(name, "") for name in BOUGHT},
        "booking": _booking(found),
        "shown": _shown(found),
        "mailed": _mailed(found, plain=plain),
        "refunds": [_refund(refund) for refund in found.refunds],
        "timeline": [
            {
                "at": _moment(line.at),
                "what": line.title,
                "note": line.note,
                "kind": line.kind,
                "raw": line.raw,
            }
            for line in found.lines
        ],
    }


def _order(found: Dossier) -> dict[str, Any]:
    order = found.order
    instants = ("created_at", "expires_at", "paid_at", "completed_at")
    texts = (
        "gateway_order_id",
        "gateway_state",
        "failure_code",
        "payment_mode",
        "utr",
        "completed_by",
        "fulfilment",
    )
    return {
        "merchant_order_id": order.merchant_order_id,
        "cart_id": found.cart,
        "amount": rupees(order.amount),
        "status": order.status,
        **{name: getattr(order, name) for name in texts},
        **{name: _moment(getattr(order, name)) for name in instants},
        "asked": order.asks,
    }


def _booking(found: Dossier) -> dict[str, Any] | None:
    booking = found.booking
    if booking is None:
        return None
    return {
        "booking_id": booking.booking_id,
        "puja": booking.puja,
        "package": booking.package,
        "starts_at": _moment(booking.starts_at),
        "amount": rupees(booking.amount),
        "made_at": _moment(booking.created_at),
    }


def _shown(found: Dossier) -> list[str]:
    """What the site showed the customer, as far as the records say."""
    order, bought = found.order, found.order.snapshot
    what = ", ".join(str(bought[name]) for name in BOUGHT if bought.get(name))
    shown = [f"Before paying: {what or 'the cart'}, to be paid: ₹{rupees(order.amount)}."]
    if order.gateway_order_id:
        shown.append(f"PhonePe's payment page of order {order.gateway_order_id}.")
    if order.status in (Status.PENDING, Status.INITIATED):
        return shown
    page = destination(order).replace(order.cart_id, found.cart)
    address = page if page.startswith("http") else f"{settings.PUBLIC_URL}{page}"
    return [*shown, f"Since the payment was decided, whoever comes back is led to {address}"]


def _mailed(found: Dossier, *, plain: bool) -> list[dict[str, Any]]:
    """The mails that went out, oldest first. Their texts are written anew from the records as they are now."""
    to = found.customer.email
    sent = [(n.sent_at, mails.news(n, found.order)) for n in notices(found.order) if n.sent_at]
    if found.booking and found.booking.confirmation_sent_at:
        sent.append((found.booking.confirmation_sent_at, mails.confirmation(found.booking)))
    return [_mail(at, mail, to=to, plain=plain) for at, mail in sorted(sent, key=lambda one: one[0])]


def _mail(at: datetime, mail: EmailMessage, *, to: str, plain: bool) -> dict[str, Any]:
    text = mail.body if plain else "masked: it names the customer"
    return {"sent_at": _moment(at), "to": to, "subject": mail.subject, "text": text}


def _refund(refund: Any) -> dict[str, Any]:
    texts = ("merchant_refund_id", "gateway_refund_id", "state", "error_code", "reason", "requested_by")
    return {
        "amount": rupees(refund.amount),
        **{name: getattr(refund, name) for name in texts},
        **{name: _moment(getattr(refund, name)) for name in ("created_at", "sent_at", "completed_at")},
    }


def _moment(at: datetime | None) -> str:
    return timezone.localtime(at).isoformat(timespec="milliseconds") if at else ""
