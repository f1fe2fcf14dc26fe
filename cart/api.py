"""Carts as JSON. Refusals become the contract's error shape in `okpuja.api`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date as Date
from datetime import datetime, timedelta
from typing import Annotated, Any, TypeVar
from uuid import UUID

from django.http import HttpRequest
from django.utils import timezone
from ninja import Field, Path, Router, Schema
from ninja import Status as Reply
from pydantic import AfterValidator, model_validator
from pydantic_core import PydanticCustomError

from cart import rules
from cart.carts import find_cart, open_cart
from cart.models import Cart
from cart.slots import SlotFull
from payments import described
from payments.api import Data, Failure
from payments.described import CART_ID

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


NO_PACKAGE = described.Code(404, "not_found", "There is no such package.")
NO_CART = described.Code(404, "not_found", "There is no such cart.")
ADDRESS = "12 Temple Road, Bengaluru 560001"


TIME = {"pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$"}


def _within(limits: tuple[int, int]) -> dict[str, Any]:
    """For the document alone: the rule itself says it better."""
    return {"minLength": limits[0], "maxLength": limits[1]}


def _next_week(schema: dict[str, Any]) -> None:
    """An example that may still be booked when it is read."""
    schema["examples"] = [(_naive_now().date() + timedelta(days=7)).isoformat()]


class CartIn(Schema):
    """What a customer wants: a package, when, where and for whom."""

    package_id: int = Field(ge=1, lt=2**63, examples=[1])
    date: Annotated[Date, by(_day)] = Field(
        description="in Asia/Kolkata, within a year", json_schema_extra=_next_week
    )
    time: Annotated[str, by(_clock)] = Field(
        description="HH:MM in Asia/Kolkata", examples=["09:30"], json_schema_extra=TIME
    )
    name: Annotated[str, by(rules.name)] = Field(
        examples=["Asha Rao"], json_schema_extra=_within(rules.NAME_LENGTH)
    )
    email: Annotated[str, by(rules.email)] = Field(
        examples=["asha@example.com"], json_schema_extra={"format": "email", "maxLength": rules.EMAIL_LENGTH}
    )
    phone: Annotated[str, by(rules.phone)] = Field(
        description="an Indian mobile: ten digits, with or without +91; spaces, dots, dashes do not matter",
        examples=["98765 43210"],
    )
    address: Annotated[str, by(rules.address)] = Field(
        examples=[ADDRESS], json_schema_extra=_within(rules.ADDRESS_LENGTH)
    )

    @model_validator(mode="after")
    def _is_to_come(self) -> CartIn:
        try:
            rules.moment(self.date, rules.clock(self.time), now=_naive_now())
        except ValueError as error:
            raise _told(error) from error
        return self


class CartOpened(Schema):
    """A cart's key, price and status."""

    cart_id: UUID = Field(examples=[CART_ID])
    total: int = Field(description="paise", examples=[149900])
    status: str = Field(examples=["OPEN"], json_schema_extra=described.one_of(Cart.Status))


class CartOut(CartOpened):
    """The whole cart, as it was entered."""

    puja: str = Field(examples=["Ganesh Puja"])
    package: str = Field(examples=["Essential"])
    package_id: int = Field(examples=[1])
    date: Date = Field(json_schema_extra=_next_week)
    time: str = Field(examples=["09:30"])
    name: str = Field(examples=["Asha Rao"])
    email: str = Field(examples=["asha@example.com"])
    phone: str = Field(examples=["+919876543210"])
    address: str = Field(examples=[ADDRESS])
    created_at: datetime = Field(examples=["2026-11-24T06:29:30.000Z"])


@router.post(
    "/",
    response={201: Data[CartOpened], 404: Failure},
    summary="Open a cart",
    openapi_extra={"responses": described.refusals(NO_PACKAGE, SlotFull, *described.OF_A_BODY)},
)
def create(request: HttpRequest, body: CartIn) -> Any:
    """Open a cart. Keep `cart_id`: for a guest it is the key to the cart.

    409 `slot_full` when the time is fully booked; the message names free times of that day. A place is kept
    only from the beginning of the payment.
    """
    fields = body.model_dump() | {"time": rules.clock(body.time)}
    cart = open_cart(**fields, user=request.user)
    opened = CartOpened(cart_id=cart.cart_id, total=cart.total_paise, status=cart.status)
    return Reply(201, Data(data=opened))


@router.get(
    "/{cart_id}/",
    response={200: Data[CartOut], 404: Failure},
    summary="Look at a cart",
    openapi_extra={"responses": described.refusals(NO_CART)},
)
def show(request: HttpRequest, cart_id: str = Path(..., example=CART_ID, description="The cart.")) -> Any:
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
