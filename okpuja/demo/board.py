"""The live table of the demo and its verdict, both read from the database and from the emulator's books."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from rich.table import Table

from bookings.models import Booking
from okpuja.demo.customers import Customer
from payments import schedule
from payments.models import PaymentOrder
from payments.states import Status

BAR_S = 1.0


@dataclass(frozen=True, slots=True)
class Row:
    """What is known of one customer at this moment. `paid_at` is by the emulator's books."""

    customer: Customer
    order: PaymentOrder | None
    bookings: list[Booking]
    paid_at: datetime | None

    @property
    def seconds_to_booking(self) -> float | None:
        if not (self.bookings and self.paid_at):
            return None
        return (self.bookings[0].created_at - self.paid_at).total_seconds()

    @property
    def seconds_after_rung(self) -> float | None:
        """For what the schedule alone found: how long after the ladder's next rung."""
        if not (
            self.order and self.order.completed_by == "checker" and self.paid_at and self.order.completed_at
        ):
            return None
        order = self.order
        ladder = schedule.rungs(
            created_at=order.created_at, expires_at=order.expires_at, spread=schedule.spread_of(order.pk)
        )
        rung = next(rung for rung in ladder if rung >= self.paid_at)
        return (self.bookings[0].created_at - rung).total_seconds() if self.bookings else None

    @property
    def is_settled(self) -> bool:
        """Nothing more is expected to happen to this customer during the demo."""
        if self.customer.trouble:
            return True
        if self.order is None or self.order.status != self.customer.expect_status:
            return False
        return bool(self.bookings) if self.customer.expect_status == Status.SUCCESS else True

    def wrong(self) -> str:
        """What is not as expected; "" when all is."""
        if self.customer.trouble:
            return self.customer.trouble
        if self.order is None:
            return "no order was made"
        if self.order.status != self.customer.expect_status:
            return f"is {self.order.status}, not {self.customer.expect_status}"
        paid = self.customer.expect_status == Status.SUCCESS
        if len(self.bookings) != int(paid):
            return f"{len(self.bookings)} bookings for this cart"
        if self.order.completed_by != self.customer.expect_source:
            return f"found by {self.order.completed_by or 'nobody'}, not by {self.customer.expect_source}"
        if self.order.status == Status.INITIATED and self.order.next_check_at is None:
            return "is not watched any more"
        return self._wrong_earlier_order()

    def _wrong_earlier_order(self) -> str:
        """An order whose page was lost must have been given up, so that one cart has one order to pay."""
        earlier = PaymentOrder.objects.filter(merchant_order_id__in=self.customer.order_ids[:-1])
        open_ones = [order.status for order in earlier if order.status != Status.CANCELLED]
        return f"an earlier order is {open_ones[0]}" if open_ones else ""


def read(customers: list[Customer], paid_at_ms: dict[str, int | None]) -> list[Row]:
    """The rows as they stand in the database."""
    ids = [customer.order_id for customer in customers]
    orders = {
        order.merchant_order_id: order for order in PaymentOrder.objects.filter(merchant_order_id__in=ids)
    }
    booked: dict[str, list[Booking]] = {}
    for booking in Booking.objects.filter(cart_id__in=[customer.cart_id for customer in customers]):
        booked.setdefault(str(booking.cart_id), []).append(booking)
    return [
        Row(
            customer,
            orders.get(customer.order_id),
            booked.get(customer.cart_id, []),
            _instant(paid_at_ms.get(customer.order_id)),
        )
        for customer in customers
    ]


def table(rows: list[Row]) -> Table:
    """One line per customer."""
    board = Table(title="What became of each customer", expand=False, title_justify="left")
    for heading in (
        "customer",
        "what they do",
        "payment",
        "paid at",
        "found by",
        "to booking",
        "after rung",
        "booking",
    ):
        board.add_column(heading, justify="right" if heading in ("to booking", "after rung") else "left")
    for row in rows:
        board.add_row(
            row.customer.name,
            row.customer.does,
            _status(row),
            f"{row.paid_at.astimezone():%H:%M:%S}" if row.paid_at else "",
            _source(row),
            _seconds(row.seconds_to_booking, bar_s=BAR_S if _source(row) == "webhook" else None),
            _seconds(row.seconds_after_rung, bar_s=BAR_S),
            ", ".join(booking.booking_id for booking in row.bookings),
        )
    return board


def _source(row: Row) -> str:
    return row.order.completed_by if row.order else ""


def _status(row: Row) -> str:
    if row.order is None:
        return f"[dim]{row.customer.now}[/dim]"
    colour = {"SUCCESS": "green", "FAILED": "red", "INITIATED": "yellow"}.get(row.order.status, "white")
    watched = ", watched" if row.order.status == Status.INITIATED and row.order.next_check_at else ""
    return f"[{colour}]{row.order.status}[/{colour}]{watched}"


def _seconds(span: float | None, *, bar_s: float | None = None) -> str:
    if span is None:
        return ""
    is_late = bar_s is not None and span > bar_s
    return f"[red]{span:.2f} s[/red]" if is_late else f"{span:.2f} s"


def lags(rows: list[Row]) -> str:
    """The slowest of what has a bar: by webhook from payment to booking, by schedule after the ladder's rung."""
    heard = [row for row in rows if row.order and row.order.completed_by == "webhook"]
    by_webhook = max((row.seconds_to_booking or 0 for row in heard), default=0.0)
    by_schedule = max((row.seconds_after_rung or 0 for row in rows), default=0.0)
    return (
        f"Slowest by webhook: {by_webhook:.2f} s. Slowest by schedule: {by_schedule:.2f} s after the rung."
        f" Both should be under {BAR_S:g} s."
    )


def _instant(ms: int | None) -> datetime | None:
    return None if ms is None else datetime.fromtimestamp(ms / 1000, UTC)
