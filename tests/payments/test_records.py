"""Orders of another system as rows: every row is read, or named with what is wrong with it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from payments import records
from payments.records import COLUMNS, Bad, Row, Unreadable
from payments.standing import indian_rupees


def read(text: str, *, in_rupees: bool = False, **headings: str) -> list[Row | Bad]:
    lines = records.from_csv(text.splitlines(keepends=True))
    return list(records.read(lines, headings=records.columns(headings), in_rupees=in_rupees))


def only(text: str, **how: Any) -> Row:
    (row,) = read(text, **how)
    assert isinstance(row, Row), row
    return row


def test_a_row_with_the_contracts_headings_is_read_with_all_its_columns():
    row = only(
        "id,merchant_order_id,cart_id,amount,status,created_at,note\n"
        "7,OLD-1,c-1,149900,initiated,2026-11-24T09:30:00Z,hello\n"
    )

    assert (row.line, row.merchant_order_id, row.cart_id, row.amount_paise) == (2, "OLD-1", "c-1", 149900)
    assert (row.status, row.created_at) == ("INITIATED", datetime(2026, 11, 24, 9, 30, tzinfo=UTC))
    assert row.columns["note"] == "hello"


def test_other_headings_rupees_and_semicolons_are_read_when_told():
    text = 'txn;booking;total\nOLD-1;c-1;"₹1,49,900.50"\n\nOLD-2;c-2;5\n'

    rows = read(text, in_rupees=True, merchant_order_id="txn", cart_id="booking", amount="total")

    assert [(r.line, r.amount_paise) for r in rows if isinstance(r, Row)] == [(2, 14990050), (4, 500)]


def test_an_instant_without_zone_is_of_kolkata():
    row = only("merchant_order_id,cart_id,amount,created_at\nOLD-1,c,149900,2026-11-24 15:00:00\n")

    assert row.created_at == datetime(2026, 11, 24, 9, 30, tzinfo=UTC)


def test_a_value_of_several_lines_keeps_the_line_numbers_right():
    text = 'merchant_order_id,cart_id,amount,address\nOLD-1,c,149900,"12 MG Road\nBengaluru"\nOLD-2,c,x,\n'

    assert read(text)[1] == Bad(4, "'x' is no amount")


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (",c,149900", "no merchant_order_id"),
        ("OLD-1,,149900", "no cart_id"),
        ("OLD-1,c,", "no amount"),
        ("OLD-1,c", "no amount"),
        ("OLD 1,c,149900", "'OLD 1' is no order id of PhonePe's"),
        ("O" * 64 + ",c,149900", "is no order id of PhonePe's"),
        ("OLD-1," + "c" * 65 + ",149900", "more than 64 characters"),
        ("OLD-1,c,1499.00", "then --rupees"),
        ("OLD-1,c,NaN", "is no amount"),
        ("OLD-1,c,1e30", "is no amount that PhonePe takes"),
        ("OLD-1,c,99", "is no amount that PhonePe takes"),
        ("OLD-1,c,-149900", "is no amount that PhonePe takes"),
        ("OLD-1,c,149900,yesterday", "'yesterday' is no date and time"),
        ("OLD-1,c,149900,2026-13-45 10:00", "is no date and time"),
    ],
)
def test_a_bad_row_is_named_and_the_next_is_read(values, why):
    found = read(f"merchant_order_id,cart_id,amount,created_at\n{values}\nOLD-9,c-9,149900,\n")

    bad, good = found
    assert isinstance(bad, Bad)
    assert bad.line == 2
    assert why in bad.why
    assert isinstance(good, Row)
    assert good.merchant_order_id == "OLD-9"


def test_headings_that_are_none_of_ours_are_refused():
    with pytest.raises(Unreadable, match="price"):
        records.columns({"price": "total"})


def test_an_empty_file_has_no_rows():
    assert read("") == []
    assert set(COLUMNS) >= {"merchant_order_id", "cart_id", "amount", "status", "created_at"}


@pytest.mark.parametrize(
    ("paise", "text"),
    [
        (5, "₹0.05"),
        (149900, "₹1,499.00"),
        (99999, "₹999.99"),
        (12345678, "₹1,23,456.78"),
        (123456789012, "₹1,23,45,67,890.12"),
    ],
)
def test_rupees_are_grouped_as_in_india(paise, text):
    assert indian_rupees(paise) == text
