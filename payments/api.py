"""The JSON endpoints. Each calls one function of the engine; refusals become answers in `payments.failures`."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone
from ninja import Field, Router, Schema
from ninja import Status as Reply
from ninja.utils import check_csrf

from payments import byhand, checkout, completion, shop, standing
from payments.errors import NotFound, Refusal
from payments.models import Refund
from payments.states import OPEN, Source

T = TypeVar("T")

router = Router(tags=["payments"])

STATUS_WAITS_S = 2.5  # the contract promises an answer within 3 s, whatever the gateway does
STATUS_GAP_S = 3.0  # many pollers cost one gateway call per 3 s
VERIFY_WAITS_S = 5.0


class Data(Schema, Generic[T]):
    """The shape of every success."""

    success: bool = True
    data: T


class Failure(Schema):
    """The shape of every error."""

    success: bool = Field(False, examples=[False])
    code: str = Field(examples=["not_found"])
    message: str = Field(examples=["There is no such order."])


class CartIn(Schema):
    cart_id: str = Field(max_length=64, examples=["0e4b6f0e-6d7c-4f0e-9a55-0b5f6f1f7f11"])


class OrderIn(Schema):
    merchant_order_id: str = Field(max_length=63, examples=["OKP-261124-0123456789ABCDEF0123"])


class RefundIn(Schema):
    amount: int | None = Field(None, description="paise; all that is left when omitted", examples=[149900])
    reason: str = Field(min_length=3, max_length=200, examples=["The priest is ill."])


class PaymentOrderOut(Schema):
    merchant_order_id: str
    amount: int = Field(description="paise", examples=[149900])
    cart_id: str
    status: str = Field(examples=["INITIATED"])
    phonepe_payment_url: str
    expires_at: datetime


class StartedOut(Schema):
    payment_order: PaymentOrderOut


class StandingOut(Schema):
    cart_id: str
    payment_status: str = Field(examples=["SUCCESS"])
    payment_amount: str = Field(description="rupees", examples=["1499.00"])
    merchant_order_id: str
    booking_created: bool
    booking_id: str | None = Field(examples=["BK-163A5751"])
    cart_status: str
    payment_created_at: datetime
    payment_completed_at: datetime | None
    auto_verified: bool = Field(
        description="true once PhonePe itself has answered the server about this order"
    )


class RefundOut(Schema):
    merchant_refund_id: str
    merchant_order_id: str
    amount: int = Field(description="paise")
    state: str
    reason: str


@router.post(
    "/cart/",
    response={200: Data[StartedOut], 201: Data[StartedOut], 404: Failure, 409: Failure, 502: Failure},
)
def start_payment(request: HttpRequest, body: CartIn) -> Any:
    """Open a payment for a cart: 201, or 200 with the same order when one is open. Send the customer to its URL."""
    payable = shop.find_payable(body.cart_id, user=_user(request))
    started = checkout.start(payable)
    order = started.order
    out = PaymentOrderOut(
        merchant_order_id=order.merchant_order_id,
        amount=order.amount,
        cart_id=order.cart_id,
        status=order.status,
        phonepe_payment_url=order.pay_page_url,
        expires_at=order.expires_at,
    )
    return Reply(201 if started.created else 200, Data(data=StartedOut(payment_order=out)))


@router.get("/cart/{cart_id}/status/", response={200: Data[StandingOut], 404: Failure})
def cart_status(request: HttpRequest, cart_id: str) -> Any:
    """How the cart's payment stands. Asks PhonePe itself once the order has waited for `STATUS_VERIFY_AFTER`."""
    order, status = standing.look(cart_id, user=_user(request))
    verify_after = timedelta(seconds=settings.STATUS_VERIFY_AFTER)
    if order.status in OPEN and timezone.now() - order.created_at > verify_after:
        was = order.status
        order = completion.verify(
            order, source=Source.STATUS, within_s=STATUS_WAITS_S, not_before_s=STATUS_GAP_S
        )
        if order.status != was:
            status = shop.cart_status(order, user=_user(request))
    return Data(data=standing.of(order, cart_status=status))


@router.post("/verify-and-complete/", response={200: Data[StandingOut], 404: Failure, 429: Failure})
def verify_and_complete(request: HttpRequest, body: OrderIn) -> Any:
    """Ask PhonePe about one order now and settle it. Safe to repeat; 429 with `Retry-After` when too eager."""
    order = completion.verify_by_hand(body.merchant_order_id, within_s=VERIFY_WAITS_S)
    try:
        status = shop.cart_status(order, user=_user(request))
    except NotFound:
        status = ""
    return Data(data=standing.of(order, cart_status=status))


class NotPermitted(Refusal):
    """Signed in, but without the right."""

    code = "not_permitted"
    status = 403


def _may_refund(request: HttpRequest) -> bool:
    """Asked before the body is looked at. Raises NotPermitted; False when nobody is signed in."""
    if not request.user.is_authenticated:
        return False
    if not (request.user.is_staff and request.user.has_perm("payments.add_refund")):
        raise NotPermitted("Only staff with the right to add refunds may do this.")
    if check_csrf(request):
        raise NotPermitted("The CSRF token is missing or wrong. Send it as X-CSRFToken.")
    return True


@router.post(
    "/{merchant_order_id}/refunds/",
    auth=_may_refund,
    response={201: Data[RefundOut], 401: Failure, 403: Failure, 404: Failure, 409: Failure},
)
def refund(request: HttpRequest, merchant_order_id: str, body: RefundIn) -> Any:
    """Give money of a paid order back (staff with the right to add refunds)."""
    made = byhand.refund(
        merchant_order_id,
        amount_paise=body.amount,
        reason=body.reason,
        by=request.user.get_username(),
        now=timezone.now(),
    )
    return Reply(201, Data(data=_refund_out(made)))


def _refund_out(made: Refund) -> RefundOut:
    return RefundOut(
        merchant_refund_id=made.merchant_refund_id,
        merchant_order_id=made.order.merchant_order_id,
        amount=made.amount,
        state=made.state,
        reason=made.reason,
    )


def _user(request: HttpRequest) -> Any:
    """Who is signed in; a guest without a session cookie costs no query."""
    return request.user
