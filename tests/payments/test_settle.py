"""`completion.settle`: one answer, one order, and nothing half done."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from payments import completion, schedule
from payments.states import Attention, Fulfilment, Source, Status
from phonepe_pg import Malformed, Misconfigured, RateLimited, Rejected, Unavailable
from tests import make
from tests.payments.settling import Kind, kinds, moves, settle, unknown_order

pytestmark = pytest.mark.django_db


# -- paid ---------------------------------------------------------------------------------


def test_settle_when_completed_records_the_money_and_books_once(plug):
    plug("delivers")
    order = make.order()
    now = timezone.now()

    settled = settle(order, make.answer("COMPLETED", at=now), source=Source.WEBHOOK, now=now)

    assert (settled.status, settled.completed_at, settled.completed_by) == (Status.SUCCESS, now, "webhook")
    assert (settled.fulfilment, settled.fulfilment_reference) == (
        Fulfilment.BOOKED,
        f"REF-{order.merchant_order_id[-8:]}",
    )
    assert (settled.utr, settled.payment_mode, settled.paid_at) == ("123456789012", "UPI_QR", now)
    assert (settled.next_check_at, settled.leased_until, settled.attention) == (None, None, "")
    assert (settled.asks, settled.answered_at, settled.gateway_state) == (1, now, "COMPLETED")
    assert kinds(settled) == [Kind.CREATED, Kind.ANSWERED, Kind.MOVED, Kind.FULFILLED]


def test_settle_the_same_answer_again_changes_nothing_but_the_trail(plug):
    plug("delivers")
    order = make.order()
    answer = make.answer("COMPLETED")
    first = settle(order, answer)

    second = settle(order, answer)

    changing = {"asks", "asked_after_ms", "answered_at"}
    before, after = (
        {name: value for name, value in vars(one).items() if name not in changing | {"_state"}}
        for one in (first, second)
    )
    assert after == before
    assert kinds(second) == [*kinds(first)[:4], Kind.ANSWERED]


def test_settle_with_the_shops_own_fulfilment_delivers_once(own_shop):
    order = own_shop.order()

    settled = settle(order, make.answer("COMPLETED"))

    assert own_shop.delivered(order.cart_id) == [(order.merchant_order_id, settled.fulfilment_reference)]


@pytest.mark.parametrize("status", [Status.EXPIRED, Status.FAILED, Status.CANCELLED])
def test_settle_when_money_comes_late_books_all_the_same(plug, status):
    plug("delivers")
    order = make.order(status, failure_code="ORDER_EXPIRED")

    settled = settle(order, make.answer("COMPLETED"))

    assert (settled.status, settled.fulfilment, settled.failure_code) == ("SUCCESS", "BOOKED", "")
    assert moves(settled) == [(status, Status.SUCCESS)]


def test_settle_pending_order_that_phonepe_knows_adopts_it():
    order = make.order(Status.PENDING, gateway_order_id="", pay_page_url="")

    settled = settle(order, make.answer("PENDING", gateway_order_id="OMO9"))

    assert (settled.status, settled.gateway_order_id, settled.pay_page_url) == ("INITIATED", "OMO9", "")
    assert settled.next_check_at > timezone.now()


def test_settle_pending_order_that_is_paid_already_goes_all_the_way(plug):
    plug("delivers")
    order = make.order(Status.PENDING, gateway_order_id="", pay_page_url="")

    settled = settle(order, make.answer("COMPLETED", gateway_order_id="OMO9"))

    assert moves(settled) == [("PENDING", "INITIATED"), ("INITIATED", "SUCCESS")]
    assert (settled.gateway_order_id, settled.fulfilment) == ("OMO9", "BOOKED")


def test_settle_cancelled_order_without_a_gateway_id_keeps_the_id_that_comes_with_the_money(plug):
    plug("delivers")
    order = make.order(Status.CANCELLED, gateway_order_id="")

    settled = settle(order, make.answer("COMPLETED", gateway_order_id="OMO9"))

    assert (settled.status, settled.gateway_order_id) == ("SUCCESS", "OMO9")


# -- money that must not book -------------------------------------------------------------


@pytest.mark.parametrize("status", [Status.INITIATED, Status.EXPIRED, Status.FAILED, Status.CANCELLED])
@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ({"amount": 149901}, Attention.AMOUNT_MISMATCH),
        ({"amount": 1}, Attention.AMOUNT_MISMATCH),
        ({"amount": None}, Attention.AMOUNT_MISMATCH),
        ({"gateway_order_id": "OMO-other"}, Attention.ORDER_ID_MISMATCH),
        ({"gateway_order_id": ""}, Attention.ORDER_ID_MISMATCH),
    ],
)
def test_settle_completed_with_another_amount_or_id_books_nothing_and_calls_a_person(
    own_shop, logs, status, answer, why
):
    order = own_shop.order(status)

    for _ in range(2):
        settled = settle(order, make.answer("COMPLETED", **answer))

    assert (settled.status, settled.completed_at, settled.fulfilment) == (status, None, "")
    assert (settled.attention, settled.attention_at is not None) == (why, True)
    assert own_shop.delivered(order.cart_id) == []
    assert kinds(settled).count(Kind.ATTENTION) == 1
    assert logs.count("payment needs attention") == 1


def test_settle_mismatch_is_asked_about_hourly_until_the_watch_ends():
    order = make.order()
    now = timezone.now()

    watched = settle(order, make.answer("COMPLETED", amount=1), now=now)
    ended = settle(order, make.answer("COMPLETED", amount=1), now=order.expires_at + timedelta(hours=72))

    assert watched.next_check_at == now + timedelta(hours=1)
    assert ended.next_check_at is None


# -- not paid -----------------------------------------------------------------------------


def test_settle_when_failed_says_why_and_looks_again_soon_and_after_expiry_then_never():
    order = make.order()
    now = timezone.now()

    failed = settle(order, make.answer("FAILED", code="TXN_AUTO_FAILED"), now=now)
    # Webhook and return page both make us ask: what comes seconds later is no later look.
    at_once = settle(order, make.answer("FAILED", code="TXN_AUTO_FAILED"), now=now + timedelta(seconds=2))
    later = settle(order, make.answer("FAILED", code="TXN_AUTO_FAILED"), now=now + timedelta(minutes=5))
    over = order.expires_at + schedule.GRACE
    again = settle(order, make.answer("FAILED", code="TXN_AUTO_FAILED"), now=over)

    assert (failed.status, failed.failure_code) == ("FAILED", "TXN_AUTO_FAILED")
    assert failed.next_check_at == at_once.next_check_at == now + timedelta(minutes=5)
    assert (later.status, later.next_check_at) == ("FAILED", over)
    assert (again.status, again.next_check_at, again.attention) == ("FAILED", None, "")


@pytest.mark.parametrize("left_s", [5, -125])
def test_settle_when_failed_near_its_expiry_or_after_it_looks_five_minutes_later_and_then_never(left_s):
    now = timezone.now()
    order = make.order(expires_at=now - schedule.GRACE + timedelta(seconds=left_s))
    moves = []
    for seconds in (0, 2, 300):
        settled = settle(
            order, make.answer("FAILED", code="TXN_AUTO_FAILED"), now=now + timedelta(seconds=seconds)
        )
        moves.append(settled.next_check_at)

    assert moves == [now + timedelta(minutes=5), now + timedelta(minutes=5), None]


def test_settle_failed_order_whose_second_look_got_no_answer_is_looked_at_again():
    order = make.order(Status.FAILED)
    now = timezone.now()

    settled = settle(order, make.trouble(Unavailable("down")), now=now)

    assert (settled.status, settled.next_check_at) == ("FAILED", now + timedelta(minutes=5))


def test_settle_failed_order_that_phonepe_calls_pending_again_stays_watched():
    order = make.order(Status.FAILED)

    settled = settle(order, make.answer("PENDING"))

    assert (settled.status, settled.attention) == ("FAILED", "")
    assert timezone.now() < settled.next_check_at < timezone.now() + timedelta(minutes=2)


def test_settle_failed_by_expiry_after_our_deadline_is_expired_and_stays_watched():
    order = make.order(age_s=905)

    settled = settle(order, make.answer("FAILED", code="ORDER_EXPIRED"))

    assert (settled.status, settled.failure_code) == ("EXPIRED", "ORDER_EXPIRED")
    assert settled.next_check_at > timezone.now()


@pytest.mark.parametrize(("age_s", "status"), [(1015, Status.INITIATED), (1025, Status.EXPIRED)])
def test_settle_still_pending_expires_after_deadline_and_grace(age_s, status):
    order = make.order(age_s=age_s)

    settled = settle(order, make.answer("PENDING"))

    assert settled.status == status
    assert settled.next_check_at > timezone.now()


@pytest.mark.parametrize("word", ["PENDING", "ON_HOLD"])
def test_settle_not_terminal_at_the_end_of_the_watch_calls_a_person_and_stops(word):
    order = make.order(Status.EXPIRED, age_s=900 + 72 * 3600)

    settled = settle(order, make.answer(word))

    assert (settled.next_check_at, settled.attention) == (None, Attention.STILL_PENDING)


def test_settle_money_after_the_end_of_the_watch_clears_the_call_for_a_person(plug):
    plug("delivers")
    order = make.order(Status.EXPIRED, attention=Attention.STILL_PENDING, attention_at=timezone.now())

    settled = settle(order, make.answer("COMPLETED"))

    assert (settled.status, settled.attention) == ("SUCCESS", "")


def test_settle_unknown_order_just_created_waits():
    order = make.order(Status.PENDING, age_s=60, gateway_order_id="")

    before = timezone.now()
    settled = settle(order, unknown_order())

    assert settled.status == Status.PENDING
    assert before < settled.next_check_at < timezone.now() + timedelta(seconds=10)


def test_settle_unknown_order_well_after_creation_is_cancelled_and_watched_to_its_expiry():
    order = make.order(Status.PENDING, age_s=130, gateway_order_id="")

    cancelled = settle(order, unknown_order())
    over = settle(order, unknown_order(), now=order.expires_at + timedelta(seconds=130))

    assert (cancelled.status, cancelled.next_check_at > timezone.now()) == ("CANCELLED", True)
    assert (over.status, over.next_check_at, over.attention) == ("CANCELLED", None, "")


@pytest.mark.parametrize(
    "error",
    [
        Unavailable("down", http_status=503),
        Malformed("nonsense", http_status=200, body="<html>"),
        RateLimited("slow", http_status=429),
        Rejected("no", http_status=400, code="BAD"),
        Misconfigured("keys", http_status=401),
    ],
)
def test_settle_without_an_answer_records_it_and_asks_again_by_schedule(error):
    order = make.order()

    settled = settle(order, make.trouble(error))

    event = settled.events.get(kind=Kind.ANSWERED)
    assert (settled.status, settled.answered_at, settled.asks) == ("INITIATED", None, 1)
    assert timezone.now() < settled.next_check_at < timezone.now() + timedelta(seconds=12)
    assert (event.detail["state"], event.detail["http_status"]) == (type(error).__name__, error.http_status)


def test_settle_without_an_answer_at_the_end_of_the_watch_goes_on_asking():
    order = make.order(age_s=900 + 72 * 3600 + 60)
    now = timezone.now()

    settled = settle(order, make.trouble(Unavailable("down")), now=now)

    assert (settled.status, settled.attention) == ("INITIATED", "")
    assert settled.next_check_at == now + timedelta(hours=1)


@pytest.mark.parametrize(
    "error",
    [
        Malformed("amount is no number", http_status=200),
        Misconfigured("forbidden", http_status=403),
        Rejected("no", http_status=400, code="BAD"),
    ],
)
def test_settle_answer_of_no_use_at_the_end_of_the_watch_calls_a_person_once_and_goes_on_asking(error, logs):
    order = make.order(age_s=900 + 72 * 3600 + 60)
    now = timezone.now()
    assert completion.changes_nothing(order, make.trouble(error), now=now) is None

    settled = [settle(order, make.trouble(error), now=now) for _ in range(2)][-1]

    assert (settled.status, settled.attention) == ("INITIATED", Attention.STILL_PENDING)
    assert settled.next_check_at == now + timedelta(hours=1)
    assert logs.count("payment needs attention") == 1


def test_settle_answer_that_cannot_be_read_calls_a_person_an_hour_after_the_deadline_until_one_can_be():
    unreadable = make.trouble(Malformed("amount is no integer", http_status=200))
    young, old = make.order(age_s=900 + 3500), make.order(age_s=900 + 3700)
    read_lately = make.order(age_s=900 + 3700, answered_at=timezone.now() - timedelta(minutes=50))

    seen = [settle(order, unreadable).attention for order in (young, old)]
    assert settle(read_lately, unreadable).attention == ""
    waiting = completion.changes_nothing(old, make.answer("PENDING"), now=timezone.now())
    read = settle(old, make.answer("PENDING"))

    assert (seen, waiting) == (["", Attention.STILL_PENDING], None)
    assert (read.status, read.attention) == ("EXPIRED", "")


@pytest.mark.parametrize(
    ("known", "attention"), [("COMPLETED", "amount_mismatch"), ("COMPLETED", ""), ("FAILED", "")]
)
def test_settle_answer_of_no_use_after_phonepe_has_spoken_changes_no_attention(known, attention):
    age_s = 900 + 72 * 3600 + 60
    order = make.order(Status.EXPIRED, age_s=age_s, gateway_state=known, attention=attention)

    settled = settle(order, make.trouble(Misconfigured("forbidden", http_status=403)))

    assert settled.attention == attention


def test_settle_of_a_dead_order_ends_the_call_for_a_person():
    order = make.order(Status.EXPIRED, age_s=900 + 72 * 3600, attention=Attention.STILL_PENDING)

    settled = settle(order, make.answer("FAILED", code="ORDER_EXPIRED"))

    assert settled.attention == ""


def test_settle_answer_with_bytes_that_no_json_column_takes_is_recorded_all_the_same():
    order = make.order()

    settled = settle(order, make.trouble(Unavailable("down\0", http_status=502, body="\0\x01binary")))

    assert settled.events.get(kind=Kind.ANSWERED).detail["body"] == "\x01binary"


def test_settle_truncated_answer_keeps_no_personal_data():
    body = '{"state":"COMPLETED","paymentDetails":[{"rail":{"vpa":"asha@ybl"},"accountHolderName":"Asha'
    order = make.order()

    settled = settle(order, make.trouble(Malformed("cut", http_status=200, body=body)))

    detail = repr(settled.events.get(kind=Kind.ANSWERED).detail)
    assert ("asha" in detail, "Asha" in detail, "COMPLETED" in detail) == (False, False, True)


def test_settle_whole_answer_keeps_no_personal_data(plug):
    plug("delivers")
    order = make.order()
    answer = make.answer("COMPLETED")
    answer.status.raw["paymentDetails"] = [{"rail": {"vpa": "asha@ybl", "utr": "1"}, "instrument": {}}]

    settled = settle(order, answer)

    body = settled.events.get(kind=Kind.ANSWERED).detail["body"]
    assert body["paymentDetails"] == [{"rail": {"vpa": "•••", "utr": "1"}, "instrument": {}}]


# -- older answers and newer facts --------------------------------------------------------


def test_settle_answer_older_than_the_money_takes_nothing_back(plug):
    plug("delivers")
    order = make.order()
    earlier = timezone.now() - timedelta(seconds=5)
    paid = settle(order, make.answer("COMPLETED"))

    settled = settle(order, make.answer("PENDING", at=earlier))

    assert (settled.status, settled.gateway_state, settled.attention) == ("SUCCESS", "COMPLETED", "")
    assert (settled.asked_at, settled.next_check_at) == (paid.asked_at, None)


def test_settle_order_nudged_while_it_was_asked_about_is_due_again_at_once():
    now = timezone.now()
    order = make.order(nudged_at=now, nudged_by=Source.WEBHOOK)

    settled = settle(order, make.answer("PENDING", at=now - timedelta(seconds=1)), now=now)

    assert (settled.next_check_at, settled.nudged_by) == (now, Source.WEBHOOK)


def test_settle_order_nudged_by_a_clock_that_is_ahead_is_due_at_once_and_once():
    now = timezone.now()
    order = make.order(nudged_at=now + timedelta(minutes=5), nudged_by=Source.WEBHOOK)

    due = [settle(order, make.answer("PENDING", at=now), now=now).next_check_at for _ in range(2)]

    assert due[0] == now < due[1]


@pytest.mark.parametrize("status", [Status.EXPIRED, Status.FAILED, Status.CANCELLED])
def test_settle_hurried_order_without_an_answer_stays_hurried_and_is_due_soon(status):
    now = timezone.now()
    order = make.order(
        status, age_s=7200, nudged_at=now - timedelta(seconds=1), nudged_by=Source.WEBHOOK, next_check_at=now
    )

    unanswered = settle(order, make.trouble(Unavailable("down"), at=now), now=now)
    answered = settle(order, make.answer("PENDING", at=now), now=now)

    assert (unanswered.next_check_at, unanswered.nudged_by) == (now + schedule.UNANSWERED_AGAIN, "webhook")
    assert answered.next_check_at > now + timedelta(minutes=1)
    assert answered.nudged_by == ""


def test_settle_order_nudged_before_it_was_asked_about_is_due_by_schedule():
    now = timezone.now()
    order = make.order(nudged_at=now - timedelta(seconds=1), nudged_by=Source.WEBHOOK)

    settled = settle(order, make.answer("PENDING", at=now), now=now)

    assert settled.next_check_at > now
    assert settled.nudged_by == ""


def test_settle_money_asked_about_by_a_clock_that_runs_behind_is_known_as_paid(plug):
    plug("delivers")
    order = make.order(asked_at=timezone.now() + timedelta(seconds=5), gateway_state="PENDING")

    settled = settle(order, make.answer("COMPLETED"))

    assert (settled.status, settled.gateway_state) == ("SUCCESS", "COMPLETED")
