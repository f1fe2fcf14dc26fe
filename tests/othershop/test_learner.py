"""The whole story in the other shop: its web process, its checker, the emulator, and a learner who does not wait."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from payments.models import PaymentOrder, Refund
from tests.othershop import own_shop
from tests.othershop.courses.models import Enrolment
from tests.othershop.running import Learner, browse, checker, pay_and_close_the_tab, web
from tests.sandbox import Sandbox, wait_until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "checker.log"


@pytest.fixture(scope="module")
def site(
    django_db_setup: Any,
    django_db_blocker: Any,
    sandbox_process: Sandbox,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    """The web site's origin; it keeps nothing in memory that a test could leave to the next."""
    with django_db_blocker.unblock():
        running = web(sandbox_process, tmp_path_factory.mktemp("site") / "web.log")
        origin = running.__enter__()
    yield origin
    running.__exit__(None, None, None)


def pay_for_seats(site: str, *, seats: int, learners: int) -> list[PaymentOrder]:
    """Learners who have all been let in to pay, have paid, and are gone; no webhook comes."""
    course = own_shop.course(seats=seats)
    pages = [Learner(site, own_shop.learner()).press_enrol(course.pk) for _ in range(learners)]
    for page in pages:
        assert page.status == 302, page.body
        pay_and_close_the_tab(page.headers["Location"])
    return list(PaymentOrder.objects.order_by("pk"))


def let_the_rung_come(*orders: PaymentOrder) -> None:
    """As if the ladder's first 20 s were over."""
    for order in orders:
        PaymentOrder.objects.filter(pk=order.pk).update(next_check_at=timezone.now())


def test_a_learner_who_paid_and_closed_the_tab_is_enrolled(site, sandbox, log):
    learner, course = Learner(site, own_shop.learner()), own_shop.course()
    pay_page = learner.press_enrol(course.pk).headers["Location"]
    pay_and_close_the_tab(pay_page)
    order = PaymentOrder.objects.get()
    let_the_rung_come(order)

    with checker(sandbox, log):
        enrolment = wait_until(Enrolment.objects.first)
    told = json.loads(learner.standing(order.cart_id).body)["data"]
    back = browse("GET", f"{site}/api/payments/return/{order.merchant_order_id}/")

    assert order.cart_id == f"course-{course.pk}-user-{learner.user.pk}-1"
    assert (enrolment.course, enrolment.learner) == (course, learner.user)
    assert (told["payment_status"], told["booking_id"], told["cart_status"]) == (
        "SUCCESS",
        enrolment.number,
        "ENROLLED",
    )
    assert (back.status, back.headers["Location"]) == (302, f"/booking-success/{enrolment.number}")
    assert enrolment.number in browse("GET", f"{site}{back.headers['Location']}").body


def test_of_two_who_paid_for_the_last_seat_one_is_enrolled_and_the_other_gets_the_money_back(
    site, sandbox, log
):
    orders = pay_for_seats(site, seats=1, learners=2)
    let_the_rung_come(*orders)

    with checker(sandbox, log):
        wait_until(lambda: any(sandbox.order(o.merchant_order_id)["refunds"] for o in orders))

    (enrolment,) = Enrolment.objects.all()
    (loser,) = (o for o in orders if o.merchant_order_id != enrolment.merchant_order_id)
    (refund,) = Refund.objects.all()
    (returned,) = sandbox.order(loser.merchant_order_id)["refunds"]
    assert (refund.order_id, refund.amount, refund.reason) == (loser.pk, 149900, "The course is full.")
    assert (returned["merchantRefundId"], returned["amount"]) == (refund.merchant_refund_id, 149900)


def test_with_the_policy_hold_money_for_a_full_course_waits_for_a_person(site, sandbox, log):
    orders = pay_for_seats(site, seats=1, learners=2)
    let_the_rung_come(*orders)

    with checker(sandbox, log, UNFULFILLABLE="hold"):
        held = wait_until(PaymentOrder.objects.filter(fulfilment="UNFULFILLABLE").first)

    assert (held.status, held.attention) == ("SUCCESS", "unfulfillable")
    assert (Enrolment.objects.count(), Refund.objects.count()) == (1, 0)
    assert [sandbox.order(o.merchant_order_id)["refunds"] for o in orders] == [[], []]


def test_phonepe_which_checks_where_a_learner_comes_from_opens_its_page(site, sandbox):
    sandbox.settings(pay_page_needs_referrer=True)

    page = Learner(site, own_shop.learner()).go_to_pay(own_shop.course().pk)

    assert (page.status, "INTERNAL_SECURITY_BLOCK_1" in page.body) == (200, False)


def test_a_full_course_is_refused_before_anybody_pays(site, sandbox):
    course = own_shop.course(seats=0)

    page = Learner(site, own_shop.learner()).press_enrol(course.pk)

    assert (page.status, page.body) == (409, "The course is full.")
    assert PaymentOrder.objects.count() == 0
