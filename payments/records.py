"""Orders of another system, read from a CSV file or a table, each as a `Row`, or as a `Bad` one that says why."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import psycopg
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from psycopg import sql

from payments import wakeups
from payments.shop import HIGHEST_PAISE, LONGEST, LOWEST_PAISE

# Our name → the heading in the file or table, unless told otherwise: those of the contract's `payments_order`.
COLUMNS = {
    "merchant_order_id": "merchant_order_id",
    "cart_id": "cart_id",
    "amount": "amount",
    "status": "status",
    "created_at": "created_at",
    "gateway_order_id": "gateway_order_id",
}
NEEDED = ("merchant_order_id", "cart_id", "amount")
ORDER_ID = re.compile(r"[A-Za-z0-9_-]{1,63}")  # wire reference §3.1


class Unreadable(Exception):
    """The file or table cannot be read as orders at all; the message says why."""


@dataclass(frozen=True, slots=True)
class Row:
    """One order of the other system. `columns` holds everything that its row held, for the shop."""

    line: int
    merchant_order_id: str
    cart_id: str
    amount_paise: int
    status: str
    created_at: datetime | None
    gateway_order_id: str
    columns: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Bad:
    """A row that is no order; `why` says what is wrong with it."""

    line: int
    why: str


def columns(changed: Mapping[str, str]) -> dict[str, str]:
    """The headings, some of them `changed`. Raises Unreadable for a name that is none of `COLUMNS`."""
    unknown = [name for name, heading in changed.items() if name not in COLUMNS or not heading]
    if unknown:
        raise Unreadable(f"{', '.join(unknown)}: give NAME=HEADING, with a name of {', '.join(COLUMNS)}.")
    return COLUMNS | dict(changed)


def from_csv(file: Iterable[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Line numbers and records of a CSV file with headings, parted by commas, semicolons or tabs."""
    lines = iter(file)
    head = next(lines, "")
    parted_by = max(",;\t", key=head.count)
    (headings,) = csv.reader([head], delimiter=parted_by) if head.strip() else ([],)
    reader = csv.reader(lines, delimiter=parted_by, strict=True)
    try:
        for values in reader:
            if any(value.strip() for value in values):
                yield reader.line_num + 1, dict(zip(headings, values, strict=False))
    except csv.Error as error:
        raise Unreadable(f"line {reader.line_num + 1}: {error}") from error


def from_table(name: str, *, database: str = "") -> Iterator[tuple[int, dict[str, str]]]:
    """Numbers and records of a table ("orders" or "schema.orders"), of ours or of the database at a libpq URI."""
    query = sql.SQL("SELECT * FROM {} ORDER BY 1").format(sql.Identifier(*name.split(".")))
    try:
        with _connected(database) as other, other.cursor() as cursor:
            cursor.execute(query)
            headings = [column.name for column in cursor.description or ()]
            rows = cursor.fetchall()
    except psycopg.Error as error:
        raise Unreadable(f"{name} cannot be read: {str(error).strip()}") from error
    for number, values in enumerate(rows, start=1):
        yield number, {head: _text(value) for head, value in zip(headings, values, strict=True)}


def read(
    records: Iterable[tuple[int, Mapping[str, str]]], *, headings: Mapping[str, str], in_rupees: bool
) -> Iterator[Row | Bad]:
    """Each record as an order, or as what is wrong with it; no record is left out."""
    for line, record in records:
        try:
            yield _row(line, record, headings, in_rupees=in_rupees)
        except ValueError as wrong:
            yield Bad(line, str(wrong))


def _row(line: int, record: Mapping[str, str], headings: Mapping[str, str], *, in_rupees: bool) -> Row:
    value = {name: (record.get(heading) or "").strip() for name, heading in headings.items()}
    for name in NEEDED:
        if not value[name]:
            raise ValueError(f"no {headings[name]}")
    if not ORDER_ID.fullmatch(value["merchant_order_id"]):
        raise ValueError(f"{value['merchant_order_id']!r} is no order id of PhonePe's")
    if len(value["cart_id"]) > LONGEST or "\0" in "".join(record.values()):
        raise ValueError(f"{headings['cart_id']} has more than {LONGEST} characters, or a value has a NUL")
    return Row(
        line=line,
        merchant_order_id=value["merchant_order_id"],
        cart_id=value["cart_id"],
        amount_paise=_paise(value["amount"], in_rupees=in_rupees),
        status=value["status"].upper(),
        created_at=_instant(value["created_at"]),
        gateway_order_id=value["gateway_order_id"][:64],
        columns=record,
    )


def _paise(text: str, *, in_rupees: bool) -> int:
    try:
        amount = Decimal(text.replace(",", "").removeprefix("₹")) * (100 if in_rupees else 1)
    except InvalidOperation:
        raise ValueError(f"{text!r} is no amount") from None
    if not amount.is_finite() or amount != int(amount) or ("." in text and not in_rupees):
        unit = "rupees with two decimals" if in_rupees else "whole paise (is it in rupees? then --rupees)"
        raise ValueError(f"{text!r} is no amount in {unit}")
    if not LOWEST_PAISE <= amount <= HIGHEST_PAISE:
        raise ValueError(f"{text!r} is no amount that PhonePe takes")
    return int(amount)


def _instant(text: str) -> datetime | None:
    if not text:
        return None
    try:
        at = parse_datetime(text)
    except ValueError:
        at = None
    if at is None:
        raise ValueError(f"{text!r} is no date and time as 2026-11-24 10:30:00")
    return at if timezone.is_aware(at) else timezone.make_aware(at)


def _connected(database: str) -> Any:
    """A connection to another database, or to our own, that only reads."""
    if database:
        connected = psycopg.connect(database, connect_timeout=5)
    else:
        connected = psycopg.connect(**wakeups.connect_parameters())
    connected.read_only = True
    return connected


def _text(value: object) -> str:
    if value is None:
        return ""
    return value.isoformat(sep=" ") if isinstance(value, datetime) else str(value)
