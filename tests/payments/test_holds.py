"""What the shop keeps while an order may be paid: begun with the order, ended by PhonePe's word alone."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from payments import checkout, completion, holds
from payments.errors import GatewayUnavailable, NotPayable
from payments.models import Checker, PaymentOrder
from payments.shop import Payable
from payments.states import Attention, Source, Status
from tests import make
from tests.at_once import at_once
from tests.payments.settling import Kind, kinds, settle, unknown_order
from tests.payments.shop import KEPT, WRITTEN

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def shop(plug):
    plug("delivers", HOLD="holds", RELEASE="releases")


def payable(reference: str = "cart-1") -> Payable:
    return Payable(reference, 149900, snapshot=make.SNAPSHOT)


def keep(*references: str) -> None:
    from tests.payments.shop import holds as hold

    for reference in references:
        hold(payable(reference))


def kept() -> set[str]:
    names = Checker.objects.filter(name__startswith=KEPT).values_list("name", flat=True)
    return {name.removeprefix(KEPT) for name in names}


def held_order(status: Status = Status.INITIATED, **fields: object) -> PaymentOrder:
    order = make.order(status, holding=True, **fields)
    keep(order.cart_id)
    return order


# -- how a hold begins --------------------------------------------------------------------


def test_start_keeps_what_is_ordered_before_phonepe_is_called(sandbox):
    started = checkout.start(payable())

    assert (started.order.holding, kept()) == (True, {"cart-1"})


def test_start_when_phonepe_cannot_be_reached_keeps_it_all_the_same(settings):
    with pytest.raises(GatewayUnavailable):
        checkout.start(payable())

    assert kept() == {"cart-1"}
    assert PaymentOrder.objects.get().holding


def test_start_when_nothing_is_left_is_refused_and_opens_nothing(sandbox):
    keep("a", "b", "c")

    with pytest.raises(NotPayable, match="kept for others"):
        checkout.start(payable())

    assert not PaymentOrder.objects.exists()
    assert (kept(), sandbox.calls().get("pay", 0)) == ({"a", "b", "c"}, 0)


def test_start_without_a_hold_function_holds_nothing(sandbox, plug):
    plug("delivers")

    started = checkout.start(payable())

    assert (started.order.holding, kept()) == (False, set())


# -- how it ends --------------------------------------------------------------------------


@pytest.mark.parametrize("status", [Status.INITIATED, Status.EXPIRED, Status.CANCELLED])
def test_hold_when_phonepe_says_failed_ends(status):
    order = held_order(status)

    settled = settle(order, make.answer("FAILED"))

    assert (settled.holding, kept()) == (False, set())
    assert kinds(settled)[-1] == Kind.RELEASED


def test_hold_when_phonepe_does_not_know_the_order_for_good_ends():
    order = held_order(Status.PENDING, age_s=180, gateway_order_id="")

    settled = settle(order, unknown_order())

    assert (settled.status, settled.holding, kept()) == ("CANCELLED", False, set())


def test_hold_when_phonepe_does_not_know_the_order_yet_goes_on():
    order = held_order(Status.PENDING, age_s=10, gateway_order_id="")

    settled = settle(order, unknown_order())

    assert (settled.status, settled.holding, kept()) == ("PENDING", True, {order.cart_id})


def test_hold_when_only_the_clock_has_run_out_goes_on():
    order = held_order(age_s=3600)

    settled = settle(order, make.answer("PENDING"))

    assert (settled.status, settled.holding, kept()) == ("EXPIRED", True, {order.cart_id})


@pytest.mark.parametrize(("policy", "left"), [("release", 0), ("hold", 1)])
def test_hold_when_the_whole_watch_is_over_ends_by_policy(plug, policy, left):
    plug("delivers", after_watch=policy, HOLD="holds", RELEASE="releases")
    order = held_order(Status.EXPIRED, age_s=80 * 3600)

    settled = settle(order, make.answer("PENDING"))

    assert settled.attention == Attention.STILL_PENDING
    assert (settled.holding, len(kept())) == (bool(left), left)


@pytest.mark.parametrize("status", [Status.INITIATED, Status.EXPIRED])
def test_hold_of_an_order_paid_with_another_sum_is_for_a_person_to_end(status):
    order = held_order(status, age_s=80 * 3600)

    settled = settle(order, make.answer("COMPLETED", amount=100))

    assert (settled.attention, settled.holding, kept()) == ("amount_mismatch", True, {order.cart_id})


def test_hold_of_a_delivered_order_ends(plug):
    order = held_order()

    settled = settle(order, make.answer("COMPLETED"))

    assert (settled.fulfilment, settled.holding, kept()) == ("BOOKED", False, set())


def test_hold_of_an_order_that_cannot_be_delivered_ends(plug):
    plug("refuses", HOLD="holds", RELEASE="releases")
    order = held_order()

    settled = settle(order, make.answer("COMPLETED"))

    assert (settled.fulfilment, settled.holding, kept()) == ("UNFULFILLABLE", False, set())


def test_hold_while_delivering_raises_goes_on(plug):
    plug("raises", HOLD="holds", RELEASE="releases")
    order = held_order()

    settled = settle(order, make.answer("COMPLETED"))

    assert (settled.fulfilment, settled.holding, kept()) == ("DUE", True, {order.cart_id})


def test_hold_of_two_orders_of_one_cart_ends_with_the_last():
    one = held_order(Status.CANCELLED)
    two = held_order(cart_id=one.cart_id)

    settle(one, make.answer("FAILED"))
    after_one = kept()
    settle(two, make.answer("FAILED"))

    assert (after_one, kept()) == ({one.cart_id}, set())


@pytest.mark.parametrize("round_", range(20))
def test_hold_when_both_orders_of_a_cart_end_at_once_ends(round_):
    one = held_order(Status.CANCELLED)
    two = held_order(cart_id=one.cart_id)

    at_once(
        lambda: settle(one, make.answer("FAILED")),
        lambda: settle(two, make.answer("FAILED")),
    )

    assert kept() == set()
    assert not PaymentOrder.objects.filter(holding=True).exists()


@pytest.mark.parametrize("round_", range(20))
def test_hold_when_a_new_order_opens_as_the_old_one_ends_is_not_lost(round_):
    old = held_order(Status.CANCELLED, cart_id="cart-1")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkout, "_create_at_gateway", lambda order: order)
        results = at_once(
            lambda: settle(old, make.answer("FAILED")),
            lambda: checkout.start(payable()),
        )

    assert [type(result) for result in results] == [PaymentOrder, checkout.Started]
    assert kept() == {"cart-1"}


# -- when the shop's function fails -------------------------------------------------------


def test_release_that_raises_keeps_the_hold_and_what_phonepe_said(plug, logs):
    plug("delivers", HOLD="holds", RELEASE="cannot_release")
    order = held_order()

    settled = settle(order, make.answer("FAILED"))

    assert (settled.status, settled.holding, kept()) == ("FAILED", True, {order.cart_id})
    assert logs.count("a hold could not be ended") == 1


def test_end_forgotten_ends_what_raised_before_and_nothing_that_may_be_paid():
    failed, waiting = held_order(Status.FAILED, gateway_state="FAILED"), held_order()

    ended = [holds.end_forgotten(order.pk, now=timezone.now()) for order in (failed, waiting)]

    assert (ended, kept()) == ([True, False], {waiting.cart_id})


def test_end_forgotten_leaves_what_a_person_is_to_decide():
    disputed = held_order(Status.EXPIRED, attention="amount_mismatch", next_check_at=None)

    assert not holds.end_forgotten(disputed.pk, now=timezone.now())
    assert kept() == {disputed.cart_id}


# -- a late payment -----------------------------------------------------------------------


def test_quiet_answer_that_ends_a_hold_is_settled_not_put_back():
    order = held_order(Status.CANCELLED, age_s=60)

    waiting = completion.changes_nothing(order, make.answer("FAILED"), now=timezone.now())

    assert waiting is None


# -- news ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("age_s", "answer", "news"),
    [(60, "FAILED", "payment_failed"), (1200, "PENDING", "payment_expired")],
)
def test_news_of_an_order_that_ended_unpaid_reach_the_shop_once(plug, age_s, answer, news):
    plug("delivers", NOTIFY="takes_news")
    order = make.order(age_s=age_s)

    settle(order, make.answer(answer))
    settle(order, make.answer(answer))

    assert list(Checker.objects.values_list("name", flat=True)) == [f"{news} {order.cart_id} 149900"]


@pytest.mark.parametrize("shop", ["chokes_on_news", "exits_on_news"])
def test_news_that_the_shop_chokes_on_are_undone_and_the_move_is_not(plug, logs, shop):
    plug("delivers", NOTIFY=shop)
    order = make.order()

    settled = settle(order, make.answer("FAILED"))

    assert (settled.status, Checker.objects.count()) == ("FAILED", 0)
    assert logs.count("the shop could not take the news") == 1


def test_news_of_a_refund_reach_the_shop_when_it_starts(plug):
    plug("refuses", NOTIFY="takes_news")
    order = make.order(amount=500000)

    settle(order, make.answer("COMPLETED", amount=500000), source=Source.WEBHOOK)

    told = Checker.objects.exclude(name__startswith=WRITTEN).values_list("name", flat=True)
    assert list(told) == [f"refund_started {order.cart_id} 500000"]


def test_expired_order_that_fails_later_is_told_once(plug):
    plug("delivers", NOTIFY="takes_news")
    order = make.order(age_s=1200)

    settle(order, make.answer("PENDING"))
    settle(order, make.answer("FAILED"), now=timezone.now() + timedelta(minutes=30))

    assert Checker.objects.count() == 1
