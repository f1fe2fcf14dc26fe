"""PhonePe's settlement report against our payments and refunds: whatever we never saw, or saw differently.

The columns are those of PhonePe's own description of its report (developer.phonepe.com/docs/settlement). Fees and
taxes are negative there: what reaches the bank is Amount + Fee + IGST + CGST + SGST. Nothing is stored.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from itertools import islice

from payments.models import PaymentOrder, Refund
from payments.states import RefundState, Status

# Our name → PhonePe's heading. Upper and lower case, blanks and underscores in a heading do not matter.
COLUMNS = {
    "kind": "PaymentType",
    "reference": "MerchantReferenceId",
    "phonepe_id": "PhonePeReferenceId",
    "amount": "Amount",
    "fee": "Fee",
    "igst": "IGST",
    "cgst": "CGST",
    "sgst": "SGST",
    "utr": "BankReferenceNo",
}
NEEDED = ("kind", "reference", "amount")
CHARGES = ("fee", "igst", "cgst", "sgst")
BATCH = 1000
HIGHEST_PAISE = 10**15


class Malformed(Exception):
    """The file is no settlement report as described; the message says where and why."""


class Flag(StrEnum):
    """What is odd about a line; the value is said to people."""

    NEVER_SEEN = "we never saw this"
    OTHER_AMOUNT = "we know it with another amount"
    NOT_PAID = "it is not paid here"
    NOT_SENT_BACK = "its refund is not completed here"
    TWICE = "it was settled before in this file"
    OTHER_KIND = "neither a payment nor a refund"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the report. Sums are paise; a refund's amount is positive, charges keep PhonePe's sign."""

    number: int
    kind: str
    reference: str
    phonepe_id: str
    utr: str
    amount_paise: int
    charges_paise: int


@dataclass(slots=True)
class Settlement:
    """What a report adds up to, and its odd lines."""

    payments: int = 0
    payments_paise: int = 0
    refunds: int = 0
    refunds_paise: int = 0
    charges_paise: int = 0
    flagged: list[tuple[Line, Flag]] = field(default_factory=list)

    @property
    def net_paise(self) -> int:
        """What should have reached the bank."""
        return self.payments_paise - self.refunds_paise + self.charges_paise

    def add(self, line: Line) -> None:
        self.charges_paise += line.charges_paise
        if line.kind == "PAYMENT":
            self.payments += 1
            self.payments_paise += line.amount_paise
        elif line.kind == "REFUND":
            self.refunds += 1
            self.refunds_paise += line.amount_paise


def compare(file: Iterable[str], *, columns: Mapping[str, str] | None = None) -> Settlement:
    """Read a report's lines of text and compare each with what we know. `columns` replaces headings of `COLUMNS`.

    Raises Malformed.
    """
    found, seen = Settlement(), set[tuple[str, str]]()
    lines = read(file, columns={**COLUMNS, **(columns or {})})
    while batch := list(islice(lines, BATCH)):
        known = _Known(batch)
        for line in batch:
            found.add(line)
            key = (line.kind, line.reference)
            flag = Flag.TWICE if key in seen else known.flag(line)
            seen.add(key)
            if flag:
                found.flagged.append((line, flag))
    return found


def read(file: Iterable[str], *, columns: Mapping[str, str]) -> Iterator[Line]:
    """The lines of a report. Raises Malformed."""
    rows = _rows(file)
    places = _places(next(rows, []), columns)
    for number, row in enumerate(rows, start=2):
        if any(cell.strip() for cell in row):
            yield _line(row, places, number=number)


def _rows(file: Iterable[str]) -> Iterator[list[str]]:
    try:
        yield from csv.reader(file)
    except csv.Error as error:
        raise Malformed(f"It is no CSV: {error}.") from error


def _places(head: list[str], columns: Mapping[str, str]) -> dict[str, int]:
    headings = {_plain(heading): place for place, heading in enumerate(head)}
    places = {name: headings[_plain(title)] for name, title in columns.items() if _plain(title) in headings}
    missing = [columns[name] for name in NEEDED if name not in places]
    if missing:
        raise Malformed(f"The first line has no column {', '.join(missing)}. Name it with --column.")
    return places


def _line(row: list[str], places: dict[str, int], *, number: int) -> Line:
    def cell(name: str) -> str:
        place = places.get(name, len(row))
        return row[place].strip() if place < len(row) else ""

    return Line(
        number=number,
        kind=cell("kind").upper(),
        reference=cell("reference").lstrip("'"),
        phonepe_id=cell("phonepe_id"),
        utr=cell("utr"),
        amount_paise=abs(_paise(cell("amount"), number=number)),
        charges_paise=sum(_paise(cell(name) or "0", number=number) for name in CHARGES),
    )


def _paise(text: str, *, number: int) -> int:
    try:
        paise = Decimal(text.replace(",", "").replace("₹", "").strip()).scaleb(2)
        if paise == paise.to_integral_value() and abs(paise) < HIGHEST_PAISE:
            return int(paise)
    except (InvalidOperation, ValueError, OverflowError):
        pass
    raise Malformed(f"Line {number}: {text[:40]!r} is no sum in rupees.")


def _plain(heading: str) -> str:
    return re.sub(r"[\s_]", "", heading).lower().lstrip("\ufeff")


class _Known:
    """What we know of a batch of lines, read in two queries."""

    def __init__(self, lines: list[Line]) -> None:
        references = [line.reference for line in lines if "\0" not in line.reference]
        orders = PaymentOrder.objects.filter(merchant_order_id__in=references)
        self._orders = {o: (s, a) for o, s, a in orders.values_list("merchant_order_id", "status", "amount")}
        refunds = Refund.objects.filter(merchant_refund_id__in=references)
        self._refunds = {
            r: (s, a) for r, s, a in refunds.values_list("merchant_refund_id", "state", "amount")
        }

    def flag(self, line: Line) -> Flag | None:
        if line.kind == "PAYMENT":
            return _compared(line, self._orders, good=Status.SUCCESS, otherwise=Flag.NOT_PAID)
        if line.kind == "REFUND":
            return _compared(line, self._refunds, good=RefundState.COMPLETED, otherwise=Flag.NOT_SENT_BACK)
        return Flag.OTHER_KIND


def _compared(line: Line, known: Mapping[str, tuple[str, int]], *, good: str, otherwise: Flag) -> Flag | None:
    if line.reference not in known:
        return Flag.NEVER_SEEN
    state, amount = known[line.reference]
    if amount != line.amount_paise:
        return Flag.OTHER_AMOUNT
    return None if state == good else otherwise
