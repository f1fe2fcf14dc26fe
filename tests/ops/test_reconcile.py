"""A day's money: each payment accounted for, each difference explained, and what nobody can explain is shouted."""

from __future__ import annotations

import csv
import io
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.core.management import CommandError, call_command

from bookings.models import Booking
from ops import reconcile
from ops.reconcile import Kind
from payments import byhand, retention
from payments.models import PaymentEvent, PaymentOrder
from tests import make
from tests.ops import rows

pytestmark = pytest.mark.django_db(transaction=True)

DAY = date(2026, 11, 20)
NOON = datetime(2026, 11, 20, 12, 0, tzinfo=ZoneInfo("Asia/Kolkata"))


def report(day: date = DAY) -> reconcile.Report:
    return reconcile.report(day)


def kinds() -> dict[str, int]:
    return {kind.name: sums.count for kind, sums in report().kinds.items()}


def disputed(**fields) -> PaymentOrder:
    """PhonePe took ₹1.00 for an order of ₹1,499.00."""
    order = make.order(now=NOON, gateway_state="COMPLETED", **fields)
    detail = {"state": "COMPLETED", "body": {"amount": 100}}
    PaymentEvent.objects.create(order=order, at=NOON, kind="answered", detail=detail)
    return order


def test_report_of_booked_payments_has_no_differences():
    for _ in range(2):
        rows.booked(at=NOON)

    found = report()

    assert kinds() == {"BOOKED": 2}
    assert (found.total.taken, found.total.booked, found.unexplained, found.differences) == (
        299800,
        299800,
        0,
        [],
    )


def test_report_takes_the_day_of_kolkata_on_which_phonepe_took_the_money():
    midnight = NOON.replace(hour=0)
    times = [midnight, midnight - timedelta(seconds=1), midnight + timedelta(days=1)]
    orders = [rows.booked(at=at) for at in times]
    # completed by us a day later: the money's day counts
    PaymentOrder.objects.filter(pk=orders[2].pk).update(paid_at=midnight + timedelta(hours=23))

    found = {payment.merchant_order_id for payment in report().payments}

    assert found == {orders[0].merchant_order_id, orders[2].merchant_order_id}


def test_report_explains_each_kind_of_money_that_is_not_simply_booked():
    rows.refund(rows.booked(at=NOON), 5000)
    rows.refund(rows.undelivered(at=NOON), 149900)
    rows.refund(rows.undelivered(at=NOON), 149900, "PENDING")
    rows.undelivered(at=NOON, attention="unfulfillable")
    make.order(
        "SUCCESS", now=NOON, completed_at=NOON, paid_at=NOON, fulfilment="DUE", gateway_state="COMPLETED"
    )
    due = PaymentOrder.objects.get(fulfilment="DUE")
    PaymentEvent.objects.create(
        order=due, kind="answered", detail={"state": "COMPLETED", "body": {"amount": due.amount}}
    )
    disputed(attention="amount_mismatch")

    assert kinds() == {
        "REFUNDED_BOOKING": 1,
        "GIVEN_BACK": 1,
        "GOING_BACK": 1,
        "BEING_BOOKED": 1,
        "WAITING": 2,
    }
    assert report().unexplained == 0


def test_report_of_what_a_person_settled_says_so():
    order = disputed(attention="amount_mismatch")
    byhand.settle_attention(order.merchant_order_id, by="ravi", reason="Given back.", now=NOON)

    (payment,) = report().payments

    assert (payment.kind, payment.difference_paise) == (Kind.SETTLED, 100)


@pytest.mark.parametrize(
    "break_it",
    [
        lambda order: Booking.objects.filter(merchant_order_id=order.merchant_order_id).delete(),
        lambda order: Booking.objects.filter(merchant_order_id=order.merchant_order_id).update(amount=1),
        lambda order: answered(order, {"state": "COMPLETED", "body": {"amount": 149901}}),
        lambda order: answered(order, {"state": "COMPLETED", "body": {"amount": "many"}}),
        lambda order: answered(order, {"state": "COMPLETED"}),
    ],
)
def test_report_shouts_what_nobody_can_explain(break_it):
    order = rows.booked(at=NOON)
    with make.unguarded():
        break_it(order)

    found = report()

    assert (kinds(), found.unexplained) == ({"UNEXPLAINED": 1}, 1)
    assert [p.merchant_order_id for p in found.differences] == [order.merchant_order_id]


def forgotten(*orders: PaymentOrder) -> None:
    """Their trails are let go, as `prune_records` does after a year."""
    list(retention.prune_events(before=NOON + timedelta(days=400)))
    assert not PaymentEvent.objects.filter(order__in=orders).exists()


def test_report_of_a_day_whose_answers_were_let_go_finds_every_rupee_and_says_so(capsys):
    orders = [rows.booked(at=NOON), rows.booked(at=NOON), rows.undelivered(at=NOON)]
    rows.refund(orders[1], 5000)
    rows.refund(orders[2], 149900)
    forgotten(*orders)

    found = report()
    call_command("reconcile_day", "2026-11-20")

    assert (kinds(), found.unexplained, found.differences) == ({"ANSWER_GONE": 3}, 0, [])
    assert [p.difference_paise for p in found.payments] == [0, -5000, 0]
    assert (found.total.taken, found.total.booked, found.total.sent_back) == (449700, 299800, 154900)
    assert "answer no longer kept" in capsys.readouterr().out


def test_report_without_answers_still_shouts_what_our_own_records_do_not_explain():
    unbooked, unlike, given_twice = (rows.booked(at=NOON) for _ in range(3))
    undelivered = rows.undelivered(at=NOON)
    rows.refund(given_twice, 149900)
    forgotten(unbooked, unlike, undelivered, given_twice)
    kept = rows.booked(at=NOON)
    with make.unguarded():
        Booking.objects.filter(merchant_order_id=unbooked.merchant_order_id).delete()
        Booking.objects.filter(merchant_order_id=unlike.merchant_order_id).update(amount=1)
        PaymentEvent.objects.filter(
            order=kept, kind="answered"
        ).delete()  # a hole in a trail that is still here

    assert kinds() == {"ANSWER_GONE": 1, "UNEXPLAINED": 4}


def answered(order: PaymentOrder, detail: dict) -> None:
    PaymentEvent.objects.create(order=order, kind="answered", detail=detail)


def test_report_shouts_a_disputed_payment_that_nobody_saw():
    disputed()

    assert kinds() == {"UNEXPLAINED": 1}


def test_report_shouts_undelivered_money_that_stayed_here():
    rows.undelivered(at=NOON)

    assert kinds() == {"UNEXPLAINED": 1}


def test_report_shouts_a_booking_without_a_payment():
    order = rows.booked(at=NOON)
    with make.unguarded():
        Booking.objects.filter(merchant_order_id=order.merchant_order_id).update(
            merchant_order_id="OKP-other"
        )

    found = report()

    assert [b.merchant_order_id for b in found.unpaid_bookings] == ["OKP-other"]
    assert found.unexplained == 2


def test_report_counts_what_was_sent_back_on_the_day_of_any_days_payment():
    old = rows.booked(at=NOON - timedelta(days=9))
    rows.refund(old, 5000, at=NOON)
    rows.refund(rows.booked(at=NOON), 7000, at=NOON + timedelta(days=1))

    found = report()

    assert (found.refunds_sent, found.refunds_sent_paise) == (1, 5000)


def test_csv_has_a_line_for_each_payment_in_rupees(boss):
    order = rows.booked(at=NOON, gateway_order_id="=1+1")
    rows.refund(order, 5000)

    answer = boss.get("/ops/days/csv/?day=2026-11-20")

    (line,) = csv.DictReader(io.StringIO(answer.content.decode()))
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert line == {
        "paid_at": "2026-11-20T12:00:00+05:30",
        "merchant_order_id": order.merchant_order_id,
        "phonepe_order_id": "'=1+1",
        "utr": "123456789012",
        "phonepe_took": "1499.00",
        "order_amount": "1499.00",
        "booking_id": order.fulfilment_reference,
        "booked": "1499.00",
        "refunded": "50.00",
        "refund_under_way": "0.00",
        "difference": "-50.00",
        "explanation": "booked, and given back in part or whole",
    }


@pytest.mark.parametrize("path", ["/ops/days/", "/ops/days/csv/"])
@pytest.mark.parametrize("day", ["yesterday", "2026-02-30", "0001-01-01", "9999-12-31", "\0"])
def test_a_day_that_is_none_is_refused_in_words(boss, path, day):
    answer = boss.get(path, {"day": day})

    assert (answer.status_code, answer.content[-1:]) == (400, b".")


def test_day_page_shows_the_account_and_what_is_not_explained(boss):
    rows.booked(at=NOON)
    odd = rows.undelivered(at=NOON)

    text = boss.get("/ops/days/?day=2026-11-20").content.decode()

    for fact in ("Friday, 20 November 2026", "1 not explained.", "₹2,998.00", odd.merchant_order_id):
        assert fact in text


def test_day_page_of_a_clean_day_says_so(boss):
    rows.booked(at=NOON)

    assert "Every rupee that PhonePe took" in boss.get("/ops/days/?day=2026-11-20").content.decode()


def test_command_prints_the_account_and_exits_0_when_all_is_explained(capsys):
    rows.booked(at=NOON)

    call_command("reconcile_day", "2026-11-20")

    told = capsys.readouterr().out
    assert told.startswith("2026-11-20: 1 payments, PhonePe took ₹1,499.00")


def test_command_exits_1_and_names_what_is_not_explained(capsys):
    odd = rows.undelivered(at=NOON)

    with pytest.raises(SystemExit) as left:
        call_command("reconcile_day", "2026-11-20")

    assert left.value.code == 1
    assert f"NOT EXPLAINED {odd.merchant_order_id}: PhonePe took ₹1,499.00" in capsys.readouterr().out


def test_command_writes_csv(capsys):
    rows.booked(at=NOON)

    call_command("reconcile_day", "2026-11-20", "--csv")

    assert len(list(csv.reader(io.StringIO(capsys.readouterr().out)))) == 2


def test_command_refuses_what_is_no_day():
    with pytest.raises(CommandError, match="YYYY-MM-DD"):
        call_command("reconcile_day", "today")


def test_report_of_many_payments_takes_three_statements(django_assert_num_queries):
    for _ in range(5):
        rows.booked(at=NOON)

    with django_assert_num_queries(3):
        report()
