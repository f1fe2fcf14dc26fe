"""PhonePe's settlement report: read by its documented columns, compared line by line."""

from __future__ import annotations

import pytest
from django.core.management import CommandError, call_command
from hypothesis import given
from hypothesis import strategies as st

from ops import settlement
from ops.settlement import COLUMNS, Flag, Malformed
from tests import make
from tests.ops import rows

pytestmark = pytest.mark.django_db(transaction=True)

# The columns as PhonePe describes them, in its order.
HEAD = (
    "PaymentType,MerchantReferenceId,PhonePeReferenceId,From,Instrument,CreationDate,Amount,Fee,TransactionDate,"
    "SettlementDate,BankReferenceNo,IGST,CGST,SGST"
)


def line(kind: str, reference: str, amount: str, *, fee: str = "-10.00", igst: str = "-1.80") -> str:
    return f"{kind},{reference},T1,Asha,UPI,2026-11-20,{amount},{fee},2026-11-20,2026-11-21,UTR1,{igst},0,0"


def compare(*lines: str, head: str = HEAD, **how):
    return settlement.compare([f"{one}\n" for one in (head, *lines)], **how)


def flags(*lines: str) -> list[tuple[int, Flag]]:
    return [(odd.number, flag) for odd, flag in compare(*lines).flagged]


def test_compare_of_what_we_know_adds_up_and_flags_nothing():
    order = rows.booked()
    back = rows.refund(order, 5000)

    found = compare(
        line("PAYMENT", order.merchant_order_id, "1499.00"),
        line("REFUND", back.merchant_refund_id, "-50.00", fee="0", igst=""),
    )

    assert (found.payments, found.payments_paise, found.refunds, found.refunds_paise) == (1, 149900, 1, 5000)
    assert (found.charges_paise, found.net_paise, found.flagged) == (-1180, 143720, [])


def test_compare_flags_what_we_never_saw():
    assert flags(line("PAYMENT", "OKP-alien", "1.00"), line("REFUND", "OKR-alien", "1.00")) == [
        (2, Flag.NEVER_SEEN),
        (3, Flag.NEVER_SEEN),
    ]


def test_compare_flags_what_we_saw_differently():
    booked, unpaid = rows.booked(), make.order()
    going = rows.refund(booked, 5000, "PENDING")

    found = flags(
        line("PAYMENT", booked.merchant_order_id, "1499.01"),
        line("PAYMENT", unpaid.merchant_order_id, "1,499.00".replace(",", "")),
        line("REFUND", going.merchant_refund_id, "50"),
        line("PAYMENT", booked.merchant_order_id, "1499.00"),
        line("ADJUSTMENT", booked.merchant_order_id, "1.00"),
    )

    assert [flag for _, flag in found] == [
        Flag.OTHER_AMOUNT,
        Flag.NOT_PAID,
        Flag.NOT_SENT_BACK,
        Flag.TWICE,
        Flag.OTHER_KIND,
    ]


@pytest.mark.parametrize(
    "head",
    [
        HEAD.upper(),
        HEAD.replace("PaymentType", "Payment Type").replace("MerchantReferenceId", "merchant_reference_id"),
        f"\ufeff{HEAD}",
    ],
)
def test_compare_reads_headings_whatever_their_case_and_blanks(head):
    order = rows.booked()

    found = compare(line("payment", order.merchant_order_id, '"1,499.00"'), head=head)

    assert (found.payments_paise, found.flagged) == (149900, [])


def test_compare_takes_other_headings_when_told():
    order = rows.booked()
    head = HEAD.replace("MerchantReferenceId", "Merchant Order Id")

    found = compare(
        line("PAYMENT", order.merchant_order_id, "1499"),
        head=head,
        columns={"reference": "Merchant Order Id"},
    )

    assert (found.payments, found.flagged) == (1, [])


@pytest.mark.parametrize("head", ["", "a,b,c", HEAD.replace("Amount", "Sum")])
def test_compare_without_the_needed_columns_says_which(head):
    with pytest.raises(Malformed, match=r"The first line has no column .*Amount"):
        compare(head=head)


@pytest.mark.parametrize("amount", ["", "x", "1.001", "NaN", "1e400", "Infinity", "--1"])
def test_compare_with_a_sum_that_is_none_says_on_which_line(amount):
    with pytest.raises(Malformed, match=r"Line 2: .* is no sum in rupees"):
        compare(line("PAYMENT", "OKP-1", amount))


def test_compare_passes_over_empty_lines_and_reads_short_ones():
    assert flags("", ",,,", "PAYMENT,OKP-alien,T1,,,,5.00") == [(4, Flag.NEVER_SEEN)]


@given(st.lists(st.text(max_size=60), max_size=6))
def test_read_of_anything_reads_or_says_why(texts):
    try:
        lines = list(settlement.read([HEAD + "\n", *texts], columns=COLUMNS))
    except Malformed:
        return
    assert all(line.amount_paise >= 0 for line in lines)


def test_compare_of_many_lines_asks_twice_per_thousand(django_assert_num_queries):
    lines = [line("PAYMENT", f"OKP-{n}", "1.00") for n in range(2500)]

    with django_assert_num_queries(6):
        assert len(compare(*lines).flagged) == 2500


def test_command_prints_the_sums_and_what_is_odd(tmp_path, capsys):
    order = rows.booked()
    file = tmp_path / "report.csv"
    lines = [HEAD, line("PAYMENT", order.merchant_order_id, "1499.00"), line("PAYMENT", "OKP-alien", "1.00")]
    file.write_text("\n".join(lines), encoding="utf-8-sig")

    with pytest.raises(SystemExit) as left:
        call_command("reconcile_settlement", str(file))

    told = capsys.readouterr().out
    assert left.value.code == 1
    assert "₹1,500.00" in told
    assert "line 3: PAYMENT OKP-alien (T1) ₹1.00: we never saw this" in told


def test_command_ends_well_when_every_line_fits(tmp_path, capsys):
    order = rows.booked()
    file = tmp_path / "report.csv"
    head = HEAD.replace("Amount", "Total")
    file.write_text(f"{head}\n{line('PAYMENT', order.merchant_order_id, '1499.00')}\n")

    call_command("reconcile_settlement", str(file), "--column", "amount=Total")

    assert "to the bank       ₹1,487.20" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "arguments"),
    [(None, []), (b"a,b\n", []), (b"\xff\xfe\x00", []), (HEAD.encode(), ["--column", "sum=Amount"])],
)
def test_command_refuses_what_it_cannot_read_in_words(tmp_path, content, arguments):
    file = tmp_path / "report.csv"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(CommandError):
        call_command("reconcile_settlement", str(file), *arguments)
