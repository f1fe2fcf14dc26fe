"""The other shop's two plugs: what can be paid for, and how it is delivered."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.utils import timezone

from payments import audit, refunds
from payments.errors import NotFound, NotRefundable, Unfulfillable
from payments.models import AuditRun, PaymentOrder, Refund
from payments.shop import PaidOrder
from payments.states import Attention
from tests import make
from tests.at_once import at_once
from tests.othershop import own_shop
from tests.othershop.courses import payable
from tests.othershop.courses.enrolling import enrol
from tests.othershop.courses.leaving import leave
from tests.othershop.courses.models import Enrolment
from tests.payments.settling import settle

pytestmark = pytest.mark.django_db


def paid(order: PaymentOrder) -> PaidOrder:
    order.completed_at = timezone.now()
    return PaidOrder.of(order)


def test_enrolling_again_for_the_same_order_is_the_same_enrolment():
    order = own_shop.order()

    numbers = [enrol(paid(order)) for _ in range(2)]

    assert numbers == [Enrolment.objects.get().number] * 2


def test_enrolling_for_a_seat_that_another_order_has_bought_is_refused():
    first = own_shop.order("EXPIRED")
    second = make.order(cart_id=first.cart_id, snapshot=first.snapshot)
    enrol(paid(first))

    with pytest.raises(Unfulfillable, match="already been paid for"):
        enrol(paid(second))
    assert Enrolment.objects.get().merchant_order_id == first.merchant_order_id


@pytest.mark.parametrize(
    ("policy", "refunds", "attention"), [("refund", [149900], ""), ("hold", [], Attention.UNFULFILLABLE)]
)
def test_money_for_a_full_course_goes_by_the_policy(settings, policy, refunds, attention):
    settings.PAYMENTS = settings.PAYMENTS | {"UNFULFILLABLE": policy}
    order = own_shop.order(of=own_shop.course(seats=0))

    settled = settle(order, make.answer("COMPLETED"))

    assert (settled.status, settled.fulfilment, settled.attention) == ("SUCCESS", "UNFULFILLABLE", attention)
    assert list(Refund.objects.values_list("amount", flat=True)) == refunds
    assert Enrolment.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_two_who_pay_for_the_last_seat_at_once_get_one_seat_and_one_refund():
    for _ in range(20):
        course = own_shop.course(seats=1)
        orders = [own_shop.order(of=course) for _ in range(2)]

        settled = at_once(*[lambda o=o: settle(o, make.answer("COMPLETED")) for o in orders])

        assert sorted(order.fulfilment for order in settled) == ["BOOKED", "UNFULFILLABLE"]
        assert course.enrolments.count() == 1
        assert Refund.objects.filter(order__in=orders).count() == 1


def test_a_seat_is_payable_by_its_learner_and_staff_alone():
    course, learner, other = own_shop.course(), own_shop.learner(), own_shop.learner()
    staff = own_shop.learner()
    staff.is_staff = True
    reference = f"course-{course.pk}-user-{learner.pk}-1"

    for user in (learner, staff):
        found = payable.find(reference, user=user)
        assert (found.reference, found.amount_paise, found.status) == (reference, 149900, "OPEN")
    for user in (other, AnonymousUser()):
        with pytest.raises(NotFound):
            payable.find(reference, user=user)


@pytest.mark.parametrize(
    "reference",
    ["", "course-7", "course-0-user-1-1", "course-7-user-3-1 ", "course-٧-user-3-1", "course-7-user-3"],
)
def test_a_reference_to_nothing_is_not_found(reference):
    with pytest.raises(NotFound):
        payable.find(reference, user=own_shop.learner())


def test_a_learner_who_has_the_last_seat_is_told_so_and_not_that_the_course_is_full():
    course = own_shop.course(seats=1)
    order = own_shop.order(of=course)
    enrol(paid(order))

    taken = payable.seat(course, order.snapshot["learner_id"])
    wanted = payable.seat(course, own_shop.learner().pk)

    assert (taken.status, taken.hindrance) == ("ENROLLED", "")
    assert (wanted.status, wanted.hindrance) == ("OPEN", "The course is full.")


def test_a_learner_who_leaves_gets_the_money_back_and_the_seat_is_free():
    course = own_shop.course(seats=1)
    order = own_shop.order(of=course)
    settle(order, make.answer("COMPLETED"))

    refund = leave(course.enrolments.get(), by="asha")

    assert (refund.order, refund.amount, refund.requested_by) == (order, 149900, "asha")
    assert payable.seat(course, own_shop.learner().pk).hindrance == ""
    assert audit.audit(repair=False, now=timezone.now()) == []


def test_a_learner_who_has_left_can_enrol_again_under_the_next_reference():
    course = own_shop.course(seats=1)
    order = own_shop.order(of=course)
    learner = User.objects.get(pk=order.snapshot["learner_id"])
    settle(order, make.answer("COMPLETED"))
    with pytest.raises(NotFound):
        payable.find(f"course-{course.pk}-user-{learner.pk}-2", user=learner)

    leave(course.enrolments.get(), by="asha")
    again = payable.seat(course, learner.pk)
    settle(make.order(cart_id=again.reference, snapshot=dict(again.snapshot)), make.answer("COMPLETED"))

    assert again.reference == f"course-{course.pk}-user-{learner.pk}-2"
    assert payable.seat(course, learner.pk) == replace(again, status="ENROLLED")
    assert payable.find(order.cart_id, user=learner).reference == order.cart_id
    assert course.enrolments.get().learner == learner
    assert audit.audit(repair=False, now=timezone.now()) == []


def test_a_seat_that_cannot_be_given_up_keeps_its_money():
    order = own_shop.order()
    settle(order, make.answer("COMPLETED"))
    gone = Enrolment.objects.get()
    gone.pk = None

    with pytest.raises(ValueError, match="can't be deleted"):
        leave(gone, by="asha")
    assert Refund.objects.count() == 0


def test_a_learner_reads_that_the_money_goes_back_and_nobody_else_does(client):
    order = own_shop.order()
    settle(order, make.answer("COMPLETED"))
    leave(Enrolment.objects.get(), by="asha")
    page = f"/courses/money/{order.cart_id}/"

    client.force_login(User.objects.get(pk=order.snapshot["learner_id"]))
    told = client.get(page)
    client.force_login(own_shop.learner())
    other = client.get(page)

    assert told.content.decode() == (
        "the money arrived; the shop delivered; ₹1499.00 on the way back, ₹0.00 given back"
    )
    assert other.status_code == 404


def test_a_learner_whose_refund_is_refused_keeps_the_seat():
    order = own_shop.order()
    settle(order, make.answer("COMPLETED"))
    refunds.request(
        order.merchant_order_id, amount_paise=100, reason="r", requested_by="t", now=timezone.now()
    )

    with pytest.raises(NotRefundable):
        leave(Enrolment.objects.get(), by="asha")
    assert Enrolment.objects.count() == 1


def test_the_auditor_asks_the_shops_questions_too():
    given_away, lost, refunded = (own_shop.order() for _ in range(3))
    enrol(paid(given_away))
    settle(lost, make.answer("COMPLETED"))
    settle(refunded, make.answer("COMPLETED"))
    refunds.request(
        refunded.merchant_order_id, amount_paise=None, reason="r", requested_by="t", now=timezone.now()
    )
    Enrolment.objects.get(merchant_order_id=lost.merchant_order_id).delete()

    found = audit.audit(repair=False, now=timezone.now())

    assert {(f.question, f.merchant_order_id) for f in found} >= {
        ("enrolment_without_payment", given_away.merchant_order_id),
        ("enrolment_without_payment", refunded.merchant_order_id),
        ("delivered_without_enrolment", lost.merchant_order_id),
    }


def test_between_whole_audits_the_shops_questions_are_asked_about_what_was_touched():
    order = own_shop.order()
    settle(order, make.answer("COMPLETED"))
    Enrolment.objects.all().delete()
    now = timezone.now()

    lately, later = (
        audit.audit(repair=False, now=now, last=AuditRun(at=at, broken={}))
        for at in (now, now + timedelta(hours=1))
    )

    assert [(f.question, f.merchant_order_id) for f in lately] == [
        ("delivered_without_enrolment", order.merchant_order_id)
    ]
    assert later == []
