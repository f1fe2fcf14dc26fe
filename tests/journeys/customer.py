"""What customers, gateways and clocks do in the journeys, as plain functions over HTTP and rows."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.models import AnonymousUser
from django.core.management import call_command
from django.utils import timezone

from bookings.models import Booking
from cart import carts
from cart.payable import payable
from catalog.models import Package
from payments.models import PaymentEvent, PaymentOrder
from payments.states import Status
from tests.sandbox import Sandbox

WISH = {
    "name": "Asha Rao",
    "email": "asha@example.com",
    "phone": "+919876543210",
    "address": "12 MG Road, Bengaluru 560001",
}
TIMES = (
    timezone.localtime().replace(second=0, microsecond=0) + timedelta(days=10, minutes=n % 400_000)
    for n in itertools.count()
)
CREDENTIAL = hashlib.sha256(b"okpuja_test:test12345").hexdigest()


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer, whatever its status."""

    status: int
    body: str
    headers: Any
    took_s: float

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


_browser = urllib.request.build_opener(_NoRedirect)


def call(method: str, url: str, body: Any = None, **headers: str) -> Reply:
    """One request; a body that is not bytes goes out as JSON. Redirects are not followed."""
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"} | headers
    request = urllib.request.Request(url, method=method, data=data, headers=headers)
    started = time.monotonic()
    try:
        answer = _browser.open(request, timeout=30)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        text = answer.read().decode()
        return Reply(answer.status, text, answer.headers, time.monotonic() - started)


def package() -> Package:
    """Something to buy."""
    if not Package.objects.exists():
        call_command("seed_catalog", stdout=io.StringIO())
    return Package.objects.offered()[0]


def fill_cart(site: str, *, package_id: object = None, time: str = "09:30") -> str:
    """Put a puja into a new cart, over the API."""
    reply = ask_for_cart(site, package_id=package_id, time=time)
    assert reply.status == 201, reply.body
    return str(reply.json["data"]["cart_id"])


def ask_for_cart(site: str, *, package_id: object = None, time: str = "09:30") -> Reply:
    """What the API says to a wish for a cart."""
    body = WISH | {"package_id": package_id or package().pk, "date": a_day(), "time": time}
    return call("POST", f"{site}/api/cart/", body)


def a_day() -> str:
    """A day on which a puja may be wished for."""
    return (timezone.localtime() + timedelta(days=10)).date().isoformat()


def start_payment(site: str, cart_id: str) -> dict[str, Any]:
    """Open the payment of a cart, over the API; the payment order."""
    reply = call("POST", f"{site}/api/payments/cart/", {"cart_id": cart_id})
    assert reply.status == 201, reply.body
    return dict(reply.json["data"]["payment_order"])


def press_on_pay_page(url: str, outcome: str = "success") -> Reply:
    """Open PhonePe's page and press a button of its form."""
    page = call("GET", url)
    assert f'name="outcome" value="{outcome}"' in page.body
    form = urlencode({"outcome": outcome, "paymentMode": "UPI_QR"}).encode()
    return call("POST", url, form, **{"Content-Type": "application/x-www-form-urlencoded"})


def status(site: str, cart_id: str) -> dict[str, Any]:
    """What the polling script reads."""
    reply = call("GET", f"{site}/api/payments/cart/{cart_id}/status/")
    assert reply.status == 200, reply.body
    return dict(reply.json["data"])


def send_webhook(site: str, merchant_order_id: str, *, credential: str = CREDENTIAL) -> Reply:
    """A callback that says COMPLETED, in PhonePe's shape, from whoever knows the header."""
    payload = {
        "merchantOrderId": merchant_order_id,
        "orderId": "OMO1",
        "state": "COMPLETED",
        "amount": 149900,
    }
    body = {"event": "checkout.order.completed", "payload": payload}
    return call("POST", f"{site}/api/payments/webhook/phonepe/", body, Authorization=credential)


def orders_known_to(
    sandbox: Sandbox, count: int = 1, *, state: str = "COMPLETED", age_s: float = 60, due_in_s: float = 0
) -> list[PaymentOrder]:
    """INITIATED orders with carts of their own, created `age_s` ago at both ends and due in `due_in_s`."""
    made = [_order(age_s, timezone.now() + timedelta(seconds=due_in_s)) for _ in range(count)]
    entries = [
        {"merchantOrderId": o.merchant_order_id, "amount": o.amount, "age": age_s, "state": state}
        for o in made
    ]
    for order, known in zip(made, sandbox.register(*entries), strict=True):
        order.gateway_order_id, order.pay_page_url = known["orderId"], known["redirectUrl"]
    made = PaymentOrder.objects.bulk_create(made)
    PaymentEvent.objects.bulk_create(
        event
        for o in made
        for event in (
            PaymentEvent(order=o, at=o.created_at, kind=PaymentEvent.Kind.CREATED),
            PaymentEvent(order=o, at=o.created_at, kind=PaymentEvent.Kind.MOVED, to_status=Status.INITIATED),
        )
    )
    return made


def _order(age_s: float, due_at: datetime) -> PaymentOrder:
    starts_at = next(TIMES)  # one after the other: no slot fills up
    cart = carts.open_cart(
        package_id=package().pk, date=starts_at.date(), time=starts_at.time(), user=AnonymousUser(), **WISH
    )
    wanted = payable(cart)
    created_at = timezone.now() - timedelta(seconds=age_s)
    return PaymentOrder(
        cart_id=wanted.reference,
        amount=wanted.amount_paise,
        snapshot=dict(wanted.snapshot),
        status=Status.INITIATED,
        created_at=created_at,
        expires_at=created_at + timedelta(seconds=900),
        next_check_at=due_at,
    )


def booked(*orders: PaymentOrder) -> int:
    """How many of the orders have their booking."""
    return Booking.objects.filter(merchant_order_id__in=[o.merchant_order_id for o in orders]).count()


def held() -> int:
    """How many orders are claimed by somebody."""
    return PaymentOrder.objects.filter(leased_until__gt=timezone.now()).count()


def statuses(*orders: PaymentOrder) -> set[str]:
    return set(PaymentOrder.objects.filter(pk__in=[o.pk for o in orders]).values_list("status", flat=True))


def listen(url: str) -> Any:
    """An open event stream, as a context manager."""
    return urllib.request.urlopen(url, timeout=20)
