"""What the front end is told about a cart's payment: the object of `docs/contract.md`, read from the order alone.

It is the most asked for of all: a customer who waits asks every few seconds. `look` costs one indexed query.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from django.db import connection
from django.db.models.expressions import RawSQL

from payments import shop
from payments.errors import NotFound
from payments.models import PaymentOrder
from payments.states import Fulfilment


@dataclass(frozen=True, slots=True)
class Standing:
    """How a cart's payment stands. `payment_amount` is rupees as a decimal string; instants are aware.

    `auto_verified` is true once PhonePe itself has answered the server about this order.
    """

    cart_id: str
    payment_status: str
    payment_amount: str
    merchant_order_id: str
    booking_created: bool
    booking_id: str | None
    cart_status: str
    payment_created_at: datetime
    payment_completed_at: datetime | None
    auto_verified: bool

    def as_json(self) -> dict[str, Any]:
        """The same with the instants as ISO 8601 texts, spelled as the JSON endpoints spell them."""
        instants = {
            "payment_created_at": _text(self.payment_created_at),
            "payment_completed_at": self.payment_completed_at and _text(self.payment_completed_at),
        }
        # Not `asdict`, which copies each instant: that was half of the CPU of a stream's look.
        return {name: getattr(self, name) for name in self.__slots__} | instants


# What is told, what `completion.verify` looks at first, and the snapshot, by which the shop knows who may see it.
_COLUMNS = (
    "merchant_order_id", "cart_id", "amount", "status", "created_at", "completed_at", "snapshot", "fulfilment",
    "fulfilment_reference", "answered_at", "asked_at",
)  # fmt: skip
_ANY = "the cart that is asked for"


@cache
def _telling() -> tuple[str, tuple[Any, ...]]:
    """The query for the order that speaks for a cart, made once: compiling it takes longer than running it."""
    order = PaymentOrder.objects.filter(cart_id=_ANY).only(*_COLUMNS).telling_first()[:1]
    sql, parameters = order.query.sql_with_params()
    return sql, parameters


def telling_order(cart_id: str) -> PaymentOrder | None:
    """The order that speaks for a cart; None when no payment was ever started for it."""
    if "\0" in cart_id:  # whatever somebody put into an address; PostgreSQL refuses it
        return None
    sql, parameters = _telling()
    given = [cart_id if parameter == _ANY else parameter for parameter in parameters]
    return next(iter(_read(sql, given)), None)


@cache
def _telling_each() -> tuple[str, tuple[Any, ...]]:
    """The same for each cart of a list, which is the first parameter."""
    order = PaymentOrder.objects.filter(cart_id=RawSQL("asked.cart_id", ())).only(*_COLUMNS)
    sql, parameters = order.telling_first()[:1].query.sql_with_params()
    return f"SELECT told.* FROM unnest(%s::text[]) AS asked (cart_id), LATERAL ({sql}) AS told", parameters  # noqa: S608


def telling_orders(cart_ids: Iterable[str]) -> dict[str, PaymentOrder]:
    """The orders that speak for these carts, by cart, with one query; carts without a payment are left out."""
    asked = list({cart_id for cart_id in cart_ids if "\0" not in cart_id})
    sql, parameters = _telling_each()
    return {order.cart_id: order for order in _read(sql, [asked, *parameters])}


def _read(sql: str, parameters: Sequence[Any]) -> list[PaymentOrder]:
    """The orders of one of the queries above; `RawQuerySet` would find out anew, for each, what it selects."""
    names, converters = _selected()
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        rows = [list(row) for row in cursor.fetchall()]
    for row in rows:
        for nth, convert in converters:
            row[nth] = convert(row[nth], None, connection)
    return [PaymentOrder.from_db(connection.alias, names, row) for row in rows]


@cache
def _selected() -> tuple[list[str], list[tuple[int, Any]]]:
    """The attributes that the queries select, in their order, and what makes Python's values of the database's."""
    fields = [
        field for field in PaymentOrder._meta.concrete_fields if field.primary_key or field.name in _COLUMNS
    ]
    converters = [
        (nth, convert) for nth, field in enumerate(fields) for convert in field.get_db_converters(connection)
    ]
    return [field.attname for field in fields], converters


def look(cart_id: str, *, user: Any) -> tuple[PaymentOrder, str]:
    """The order that speaks for a cart, and the shop's word for the cart.

    Raises NotFound for a cart that this user may not see, and for one without a payment.
    """
    return seen(cart_id, telling_order(cart_id), user=user)


def seen(cart_id: str, order: PaymentOrder | None, *, user: Any) -> tuple[PaymentOrder, str]:
    """As `look`, with what `telling_order` or `telling_orders` have found."""
    if order is None:
        reference = shop.find_payable(cart_id, user=user).reference  # it may be spelt otherwise
        order = telling_order(reference)
    if order is None:
        raise NotFound("No payment has been started for this cart.")
    return order, shop.cart_status(order, user=user)


def of(order: PaymentOrder, *, cart_status: str) -> Standing:
    """The standing of one order; `cart_status` is the shop's word for its cart."""
    booked = order.fulfilment == Fulfilment.BOOKED
    return Standing(
        cart_id=order.cart_id,
        payment_status=order.status,
        payment_amount=rupees(order.amount),
        merchant_order_id=order.merchant_order_id,
        booking_created=booked,
        booking_id=order.fulfilment_reference if booked else None,
        cart_status=cart_status,
        payment_created_at=order.created_at,
        payment_completed_at=order.completed_at,
        auto_verified=order.answered_at is not None,
    )


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def rupees(paise: int) -> str:
    """Paise as rupees with two decimals, "1499.00", without a float on the way."""
    return f"{paise // 100}.{paise % 100:02d}"


def indian_rupees(paise: int) -> str:
    """Paise as people in India write rupees: 12345678 → "₹1,23,456.78"."""
    whole, rest = divmod(paise, 100)
    head, tail = str(whole)[:-3], str(whole)[-3:]
    groups = [head[max(0, end - 2) : end] for end in range(len(head), 0, -2)][::-1]
    return f"₹{','.join([*groups, tail])}.{rest:02d}"
