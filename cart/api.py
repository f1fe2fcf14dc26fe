"""Carts as JSON. Refusals become the contract's error shape in `okpuja.api`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date as Date
from datetime import datetime
from typing import Annotated, Any, TypeVar
from uuid import UUID

from django.http import HttpRequest
from django.utils import timezone
from ninja import Field, Router, Schema
from ninja import Status as Reply
from pydantic import AfterValidator, model_validator
from pydantic_core import PydanticCustomError

from cart import rules
from cart.carts import find_cart, open_cart
from cart.models import Cart
from payments.api import Data, Failure

router = Router(tags=["cart"])
T = TypeVar("T")


def _told(error: ValueError) -> PydanticCustomError:
    """The rule's own sentence, without the "Value error" that pydantic would put before it."""
    return PydanticCustomError("invalid", "{reason}", {"reason": str(error)})


def by(rule: Callable[[T], Any]) -> AfterValidator:
    """A rule of `cart.rules` as a validator."""

    def check(value: T) -> Any:
        try:
            return rule(value)
        except ValueError as error:
            raise _told(error) from error

    return AfterValidator(check)


def _naive_now() -> datetime:
    return timezone.localtime().replace(tzinfo=None)


def _day(value: Date) -> Date:
    return rules.day(value, today=_naive_now().date())


def _clock(value: str) -> str:
    return rules.clock(value).strftime("%H:%M")


class CartIn(Schema):
    package_id: int = Field(ge=1, lt=2**63)
    date: Annotated[Date, by(_day)] = Field(description="in Asia/Kolkata, within a year")
    time: Annotated[str, by(_clock)] = Field(description="HH:MM in Asia/Kolkata", examples=["09:30"])
    name: Annotated[str, by(rules.name)] = Field(examples=["Asha Rao"])
    email: Annotated[str, by(rules.email)] = Field(examples=["asha@example.com"])
    phone: Annotated[str, by(rules.phone)] = Field(description="an Indian mobile", examples=["98765 43210"])
    address: Annotated[str, by(rules.address)] = Field(examples=["12 Temple Road, Bengaluru 560001"])

    @model_validator(mode="after")
    def _is_to_come(self) -> CartIn:
        try:
            rules.moment(self.date, rules.clock(self.time), now=_naive_now())
        except ValueError as error:
            raise _told(error) from error
        return self


class CartOpened(Schema):
    cart_id: UUID
    total: int = Field(description="paise", examples=[149900])
    status: str = Field(examples=["OPEN"])


class CartOut(CartOpened):
    puja: str
    package: str
    package_id: int
    date: Date
    time: str = Field(examples=["09:30"])
    name: str
    email: str
    phone: str
    address: str
    created_at: datetime


@router.post("/", response={201: Data[CartOpened], 404: Failure, 409: Failure, 422: Failure})
def create(request: HttpRequest, body: CartIn) -> Any:
    """Open a cart. Keep `cart_id`: for a guest it is the key to the cart.

    409 `slot_full` when the time is fully booked; the message names free times of that day. A place is kept
    only from the beginning of the payment.
    """
    fields = body.model_dump() | {"time": rules.clock(body.time)}
    cart = open_cart(**fields, user=request.user)
    opened = CartOpened(cart_id=cart.cart_id, total=cart.total_paise, status=cart.status)
    return Reply(201, Data(data=opened))


@router.get("/{cart_id}/", response={200: Data[CartOut], 404: Failure})
def show(request: HttpRequest, cart_id: str) -> Any:
    """A guest's cart for whoever has its id, a customer's for that customer and staff; 404 for all others."""
    return Data(data=_shown(find_cart(cart_id, user=request.user)))


def _shown(cart: Cart) -> CartOut:
    return CartOut(
        cart_id=cart.cart_id,
        total=cart.total_paise,
        status=cart.status,
        puja=cart.package.puja.name,
        package=cart.package.name,
        package_id=cart.package_id,
        date=cart.date,
        time=cart.time.strftime("%H:%M"),
        name=cart.name,
        email=cart.email,
        phone=cart.phone,
        address=cart.address,
        created_at=cart.created_at,
    )
