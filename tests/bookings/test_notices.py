"""News of a payment become one mail each, which tells the truth or is not sent."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core import mail
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from bookings import mails, notices
from bookings.models import Notice
from payments import shop
from payments.models import PaymentOrder, Refund
from payments.shop import Notice as News
from payments.states import News as Kind
from payments.states import RefundState, Status
from tests import make
from tests.at_once import at_once
from tests.bookings.deferred import deferred, run
from tests.payments.refunding import request as refund
from tests.payments.settling import settle

pytestmark = pytest.mark.django_db(transaction=True)


def sent_by_running() -> list[mail.EmailMultiAlternatives]:
    """Run the waiting jobs and return the mails that went out."""
    mail.outbox.clear()
    run(notices.SEND)
    return list(mail.outbox)


def lines(sent: mail.EmailMultiAlternatives) -> list[str]:
    return sent.body.splitlines()


def html(sent: mail.EmailMultiAlternatives) -> str:
    [(text, kind)] = sent.alternatives
    assert kind == "text/html"
    return text


def booked(order: PaymentOrder) -> PaymentOrder:
    settled = settle(order, make.answer("COMPLETED"))
    assert settled.fulfilment == "BOOKED"
    return settled


def complete(refund: Refund) -> None:
    """PhonePe has sent the money back, and the engine says so."""
    Refund.objects.filter(pk=refund.pk).update(state=RefundState.COMPLETED, completed_at=timezone.now())
    with transaction.atomic():
        shop.tell(Kind.REFUND_COMPLETED, refund.order, refund=refund)


# -- a payment that came to nothing -------------------------------------------------------


def test_failed_payment_is_told_with_amount_order_and_the_way_back():
    order = make.order()

    settle(order, make.answer("FAILED", code="TXN_DECLINED"))
    [sent] = sent_by_running()

    assert (sent.to, sent.subject) == (
        ["asha@example.com"],
        "Not booked: the payment for Ganesh Puja did not go through",
    )
    for line in (
        "Namaste Asha Rao,",
        "PhonePe told us that your payment of ₹1,499.00 failed.",
        "Nothing has been booked. You can try the payment again as long as the time is available.",
        "  Puja                 Ganesh Puja",
        "  Date                 Thu, 14 Jan 2094",
        f"  Order number         {order.merchant_order_id}",
        f"Back to your order: http://localhost:8000/cart/{order.cart_id}/",
    ):
        assert line in lines(sent)
    assert f'href="http://localhost:8000/cart/{order.cart_id}/"' in html(sent)


def test_every_mail_of_a_payment_bears_the_name_of_its_event_as_message_id():
    order = booked(make.order())
    back = refund(order)
    started = sent_by_running()
    complete(back)

    ids = [sent.message()["Message-ID"] for sent in (*started, *sent_by_running())]

    name = back.merchant_refund_id
    assert ids == [f"<refund_started.{name}@localhost>", f"<refund_completed.{name}@localhost>"]


def test_cancelled_payment_is_not_called_a_failure():
    settle(make.order(), make.answer("FAILED", code="ORDER_CANCELLED_BY_USER"))

    [sent] = sent_by_running()

    assert "Your payment of ₹1,499.00 was cancelled." in lines(sent)


def test_expired_payment_is_told_with_a_warning_not_to_pay_twice():
    order = make.order(age_s=1200)

    settle(order, make.answer("PENDING"))
    [sent] = sent_by_running()

    assert sent.subject == "Not booked yet: no payment arrived for Ganesh Puja"
    assert "If you have paid, do not pay again: we keep asking PhonePe." in sent.body
    assert "or refund you if that time is taken or past by then" in html(sent)
    assert order.merchant_order_id in sent.body


def test_expired_payment_that_is_told_after_the_watch_promises_nothing():
    order = make.order(age_s=1200)
    settle(order, make.answer("PENDING"))
    PaymentOrder.objects.filter(pk=order.pk).update(next_check_at=None)

    [sent] = sent_by_running()

    assert "your bank or PhonePe returns it automatically" in html(sent)
    assert "keep asking" not in html(sent)


def test_way_back_of_a_signed_in_customer_goes_through_the_sign_in():
    order = make.order(snapshot=make.SNAPSHOT | {"owner_id": 7})

    settle(order, make.answer("FAILED"))
    [sent] = sent_by_running()

    assert f"/accounts/login/?next=%2Fcart%2F{order.cart_id}%2F" in sent.body


def test_mail_about_a_failed_payment_waits_for_the_customer_to_try_again():
    settle(make.order(), make.answer("FAILED"))

    [job] = deferred(notices.SEND)

    wait = job.scheduled_at - timezone.now()
    assert timedelta(minutes=1) < wait <= timedelta(minutes=2)


@pytest.mark.parametrize("later", [Status.INITIATED, Status.FAILED])
def test_mail_about_a_failed_payment_when_another_was_begun_is_dropped(later):
    order = make.order()
    settle(order, make.answer("FAILED"))
    make.order(later, cart_id=order.cart_id, age_s=0)

    assert sent_by_running() == []
    notice = Notice.objects.get()
    assert (notice.sent_at, notice.dropped_at is not None) == (None, True)


def test_mail_about_a_failed_payment_that_came_after_all_is_dropped():
    order = make.order()
    settle(order, make.answer("FAILED"))
    booked(order)

    assert sent_by_running() == []
    assert Notice.objects.get().dropped_at is not None


def test_mail_about_a_failed_payment_when_an_earlier_one_is_paid_is_dropped():
    earlier = make.order(Status.CANCELLED, age_s=600)
    order = make.order(cart_id=earlier.cart_id)
    settle(order, make.answer("FAILED"))
    booked(earlier)

    assert sent_by_running() == []


def test_two_failed_payments_of_a_cart_are_told_once_by_the_last():
    first = make.order(age_s=600)
    settle(first, make.answer("FAILED"))
    second = make.order(cart_id=first.cart_id)
    settle(second, make.answer("FAILED"))

    [sent] = sent_by_running()

    assert second.merchant_order_id in sent.body


# -- refunds ------------------------------------------------------------------------------


def test_second_payment_of_a_cart_is_told_as_such_when_its_refund_starts_and_when_it_is_done():
    first = make.order(Status.CANCELLED)
    second = make.order(cart_id=first.cart_id)
    booked(first)

    settle(second, make.answer("COMPLETED"))
    [started] = sent_by_running()
    complete(Refund.objects.get())
    [done] = sent_by_running()

    said = "We received two payments for this puja. It is booked once; this email is about the"
    assert [started.subject, done.subject] == [
        "₹1,499.00 is on its way back to you",
        "₹1,499.00 has been sent back to you",
    ]
    for sent in (started, done):
        assert said in sent.body
        assert f"{said} refund of the second payment." in html(sent)
        assert f"  Order number         {second.merchant_order_id}" in lines(sent)
        assert f"  Refund number        {Refund.objects.get().merchant_refund_id}" in lines(sent)


def test_money_that_buys_nothing_is_told_as_such(settings):
    settings.PAYMENTS = settings.PAYMENTS | {"FULFIL": "tests.payments.shop.refuses"}
    settle(make.order(), make.answer("COMPLETED"))

    [sent] = sent_by_running()

    assert "Your payment arrived, but this booking could not be made any more. We are sorry." in lines(sent)


@pytest.mark.parametrize(
    ("amount", "said"),
    [(None, "its whole amount goes back to you."), (50000, "a part of its amount goes back to you.")],
)
def test_refund_of_a_booking_names_the_booking_and_the_sum(amount, said):
    order = booked(make.order())
    refund(order, amount)

    [sent] = sent_by_running()

    assert f"This is about booking {order.fulfilment_reference}: {said}" in lines(sent)
    assert f"  Amount               {'₹500.00' if amount else '₹1,499.00'}" in lines(sent)


def test_start_of_a_refund_that_has_failed_meanwhile_is_not_told():
    made = refund(booked(make.order()))
    Refund.objects.filter(pk=made.pk).update(state=RefundState.FAILED)

    assert sent_by_running() == []


# -- once ---------------------------------------------------------------------------------


def test_news_told_twice_are_one_row_and_one_mail():
    order = make.order(Status.FAILED)
    news = News(Kind.PAYMENT_FAILED, order.merchant_order_id, order.cart_id, order.amount, order.snapshot)

    for _ in range(2):
        notices.tell(news)

    assert (Notice.objects.count(), len(deferred(notices.SEND))) == (1, 1)


def test_news_of_a_move_that_is_undone_are_not_told():
    order = make.order(Status.FAILED)
    news = News(Kind.PAYMENT_FAILED, order.merchant_order_id, order.cart_id, order.amount, order.snapshot)

    with transaction.atomic():
        notices.tell(news)
        transaction.set_rollback(True)

    assert (Notice.objects.count(), deferred(notices.SEND)) == (0, [])


def test_job_that_is_repeated_sends_nothing_more():
    settle(make.order(), make.answer("FAILED"))
    sent_by_running()

    assert sent_by_running() == []


def test_two_senders_at_once_send_one_mail():
    for _ in range(20):
        settle(make.order(), make.answer("FAILED"))
        number = Notice.objects.latest("pk").pk
        mail.outbox.clear()

        results = at_once(*[lambda n=number: mails.send_notice(n)] * 3)

        assert sorted(results) == [False, False, True]
        assert len(mail.outbox) == 1


def test_mail_server_that_is_down_leaves_the_mail_to_be_sent(settings):
    settle(make.order(), make.answer("FAILED"))
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1

    with pytest.raises(OSError):
        run(notices.SEND)

    assert not Notice.objects.get().is_settled


def test_order_without_a_mail_address_is_told_to_nobody():
    settle(make.order(snapshot={}), make.answer("FAILED"))

    assert sent_by_running() == []
    assert Notice.objects.get().dropped_at is not None


def test_database_refuses_a_second_row_for_one_event():
    values = {"news": Kind.PAYMENT_FAILED, "merchant_order_id": "OKP-1", "amount": 100}
    Notice.objects.create(**values)

    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO bookings_notice (news, merchant_order_id, merchant_refund_id, amount, created_at)"
            " VALUES ('payment_failed', 'OKP-1', '', 100, now())"
        )
