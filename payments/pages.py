"""Where PhonePe sends the customer back to. Anybody may open it at any time: it asks, and redirects."""

from __future__ import annotations

import time
from urllib.parse import quote

from django.conf import settings
from django.db import close_old_connections
from django.http import Http404, HttpRequest, HttpResponseRedirect
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from payments import completion
from payments.models import PaymentOrder
from payments.states import OPEN, Fulfilment, Source

WAITS_S = 2.5
GAP_S = 1.0  # however often it is reloaded
SLACK_S = 0.1


@csrf_exempt  # nothing but GET is taken, and that should be said
@never_cache
@require_safe
def come_back(request: HttpRequest, merchant_order_id: str) -> HttpResponseRedirect:
    """Verify now, for at most 3 s, then on to success, pending or failed. Needs no session (wire reference §3.5)."""
    order = completion.find(merchant_order_id)
    if order is None:
        raise Http404("There is no such order.")
    waited_s = _wait_for_the_gap(order)
    if waited_s:
        order.refresh_from_db()
    left_s = WAITS_S - waited_s
    order = completion.verify(order, source=Source.RETURN, within_s=left_s, not_before_s=GAP_S - SLACK_S)
    return HttpResponseRedirect(f"{settings.FRONTEND_URL}{destination(order)}")


def _wait_for_the_gap(order: PaymentOrder) -> float:
    """Wait until an open order may be asked about again; for how many seconds. It may have been paid since."""
    if order.status not in OPEN or order.asked_at is None:
        return 0.0
    left_s = GAP_S - (timezone.now() - order.asked_at).total_seconds()
    wait_s = min(max(0.0, left_s), GAP_S + SLACK_S)  # clocks differ a little
    close_old_connections()  # who waits holds no pooled connection
    time.sleep(wait_s)
    return wait_s


def destination(order: PaymentOrder) -> str:
    """The page of the contract that tells the truth about an order, below FRONTEND_URL or our own root.

    The shop's number or reference is its last part, quoted: a slash in it begins no further part.
    """
    if order.fulfilment == Fulfilment.BOOKED:
        return f"/booking-success/{quote(order.fulfilment_reference, safe='')}"
    reference = quote(order.cart_id, safe="")
    if order.status in OPEN or order.fulfilment == Fulfilment.DUE:
        return f"/payment-pending/{reference}"
    return f"/payment-failed/{reference}"
