"""The JSON endpoints. Each calls one function of the engine; refusals become answers in `payments.failures`."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone
from ninja import Field, Router, Schema
from ninja import Status as Reply
from ninja.params.functions import Header, Path
from ninja.utils import check_csrf

from payments import checkout, completion, described, refunds, shop, standing
from payments.described import CART_ID, ORDER_ID
from payments.errors import (
    AlreadyPaid,
    GatewayUnavailable,
    NotFound,
    NotPayable,
    NotRefundable,
    Refusal,
    TooManyRequests,
)
from payments.models import Refund
from payments.states import OPEN, RefundState, Source, Status

T = TypeVar("T")

router = Router(tags=["payments"])

STATUS_WAITS_S = 2.5  # the contract promises an answer within 3 s, whatever the gateway does
STATUS_GAP_S = 3.0  # many pollers cost one gateway call per 3 s
VERIFY_WAITS_S = 5.0


class Data(Schema, Generic[T]):
    """The shape of every success."""

    success: bool = Field(default=True, examples=[True])
    data: T


class Failure(Schema):
    """The shape of every error."""

    success: bool = Field(False, examples=[False])
    code: str = Field(description="for programs", examples=["not_found"])
    message: str = Field(description="for people", examples=["There is no such order."])


class PayableIn(Schema):
    """The cart to pay for."""

    cart_id: str = Field(max_length=64, examples=[CART_ID])


class OrderIn(Schema):
    """The order to ask PhonePe about."""

    merchant_order_id: str = Field(max_length=63, examples=[ORDER_ID])


class RefundIn(Schema):
    """How much of an order goes back, and why; the reason is kept with the refund."""

    amount: int | None = Field(None, description="paise; all that is left when omitted", examples=[149900])
    reason: str = Field(min_length=3, max_length=200, examples=["The priest is ill."])


class PaymentOrderOut(Schema):
    """One attempt to pay for a cart, open until `expires_at`."""

    merchant_order_id: str = Field(examples=[ORDER_ID])
    amount: int = Field(description="paise", examples=[149900])
    cart_id: str = Field(examples=[CART_ID])
    status: str = Field(examples=["INITIATED"], json_schema_extra=described.one_of(Status))
    phonepe_payment_url: str = Field(
        description='send the customer there; "" when PhonePe was slower than our watch: show that it is pending',
        examples=["https://mercury-t2.phonepe.com/transact/pg?token=…"],
    )
    expires_at: datetime = Field(examples=["2026-11-24T06:45:00.000Z"])


class StartedOut(Schema):
    """The payment that was begun, or that was open already."""

    payment_order: PaymentOrderOut


class StandingOut(Schema):
    """How a cart's payment stands now; the same from every endpoint and event that tells it."""

    cart_id: str = Field(examples=[CART_ID])
    payment_status: str = Field(
        description="; ".join(f"{state.value}: {state.label}" for state in Status),
        examples=["SUCCESS"],
        json_schema_extra=described.one_of(Status),
    )
    payment_amount: str = Field(description="rupees", examples=["1499.00"], pattern=r"^[0-9]+\.[0-9]{2}$")
    merchant_order_id: str = Field(examples=[ORDER_ID])
    booking_created: bool = Field(examples=[True])
    booking_id: str | None = Field(examples=["BK-163A5751"])
    cart_status: str = Field(description="the shop's word for the cart", examples=["BOOKED"])
    payment_created_at: datetime = Field(examples=["2026-11-24T06:30:00.000Z"])
    payment_completed_at: datetime | None = Field(examples=["2026-11-24T06:31:12.345Z"])
    auto_verified: bool = Field(
        description="true once PhonePe itself has answered the server about this order", examples=[True]
    )


class RefundOut(Schema):
    """A refund that was taken down. PhonePe sends the money afterwards."""

    merchant_refund_id: str = Field(examples=["OKR-261124-0123456789ABCDEF0123"])
    merchant_order_id: str = Field(examples=[ORDER_ID])
    amount: int = Field(description="paise", examples=[149900])
    state: str = Field(examples=["DUE"], json_schema_extra=described.one_of(RefundState))
    reason: str = Field(examples=["The priest is ill."])


@router.post(
    "/cart/",
    response={200: Data[StartedOut], 201: Data[StartedOut], 404: Failure},
    summary="Begin to pay, or go on",
    openapi_extra={
        "responses": described.refusals(
            NotFound, AlreadyPaid, NotPayable, GatewayUnavailable, *described.OF_A_BODY
        )
    },
)
def start_payment(request: HttpRequest, body: PayableIn) -> Any:
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


@router.get(
    "/cart/{cart_id}/status/",
    response={200: Data[StandingOut], 404: Failure},
    summary="How a cart's payment stands",
    openapi_extra={"responses": described.refusals(described.NO_CART)},
)
def cart_status(
    request: HttpRequest, cart_id: str = Path(..., example=CART_ID, description="The cart.")
) -> Any:
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


@router.post(
    "/verify-and-complete/",
    response={200: Data[StandingOut], 404: Failure},
    summary="Ask PhonePe about an order now",
    openapi_extra={
        "responses": described.refusals(described.NOT_FOUND, TooManyRequests, *described.OF_A_BODY)
    },
)
def verify_and_complete(request: HttpRequest, body: OrderIn) -> Any:
    """Ask PhonePe about one order now and settle it. Safe to repeat; 429 with `Retry-After` when too eager."""
    order = completion.verify_by_hand(body.merchant_order_id, within_s=VERIFY_WAITS_S)
    try:
        # The cart's word is its telling order's: this one may have lost to another.
        status = shop.cart_status(standing.telling_order(order.cart_id) or order, user=_user(request))
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
    response={201: Data[RefundOut], 404: Failure},
    summary="Give money back",
    openapi_extra={
        "security": [{"session": []}],
        "parameters": described.csrf_token(),
        "responses": described.refusals(
            described.NOT_SIGNED_IN, NotPermitted, described.NOT_FOUND, NotRefundable, *described.OF_A_BODY
        ),
    },
)
def refund(
    request: HttpRequest,
    body: RefundIn,
    merchant_order_id: str = Path(..., example=ORDER_ID, description="The order's number."),
    idempotency_key: str = Header(
        "",
        alias="Idempotency-Key",
        max_length=64,
        example="6f1d7c1e-9a1b-4a57-8f0e-2f4f5d0b7a11",
        description="Random; a request that is repeated with it gets the refund that the first one started.",
    ),
) -> Any:
    """Give money of a paid order back (staff with the right to add refunds)."""
    made = refunds.request(
        merchant_order_id,
        amount_paise=body.amount,
        reason=body.reason,
        requested_by=request.user.get_username(),
        idempotency_key=idempotency_key,
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
