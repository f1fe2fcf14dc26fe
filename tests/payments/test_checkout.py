"""`checkout.start`: one open order per cart, and nobody is sent to pay twice in ignorance."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from payments import checkout, claims, completion, gateway, throttle
from payments.checkout import Started
from payments.errors import AlreadyPaid, GatewayUnavailable, NotPayable
from payments.models import GatewayThrottle, PaymentEvent, PaymentOrder, WebhookDelivery
from payments.shop import Payable
from payments.states import Attention, Source, Status
from phonepe_pg import CreatedOrder
from tests import make
from tests.at_once import at_once
from tests.payments import shop as test_shop
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db(transaction=True)

CART = Payable("cart-1", 149900, snapshot=make.SNAPSHOT)


@pytest.fixture(autouse=True)
def shop(plug):
    plug("delivers")


def orders() -> list[PaymentOrder]:
    return list(PaymentOrder.objects.filter(cart_id=CART.reference).order_by("pk"))


def pay_calls(sandbox: Sandbox) -> int:
    return sandbox.calls().get("pay", 0)


def lose_the_pay_page(sandbox: Sandbox) -> PaymentOrder:
    """A start whose answer was lost after PhonePe had stored the order."""
    sandbox.fault("pay", "stored_then_error", count=1)
    with pytest.raises(GatewayUnavailable):
        checkout.start(CART)
    return orders()[-1]


def settle_now(order: PaymentOrder) -> PaymentOrder:
    PaymentOrder.objects.filter(pk=order.pk).update(asked_at=None)
    order.refresh_from_db()
    return completion.verify(order, source=Source.CHECKER, within_s=5)


def test_start_creates_the_order_at_phonepe_and_says_where_to_pay(sandbox, settings):
    settings.PUBLIC_URL = "https://shop.example"

    started = checkout.start(CART)

    order, known = started.order, sandbox.order(started.order.merchant_order_id)
    assert (started.created, order.status, order.amount, order.snapshot) == (
        True, "INITIATED", 149900, make.SNAPSHOT,
    )  # fmt: skip
    assert (order.gateway_order_id, order.pay_page_url) == (known["orderId"], known["payPageUrl"])
    assert (known["amount"], known["expireAt"] - known["createdAt"]) == (149900, 900_000)
    assert known["redirectUrl"] == f"https://shop.example/api/payments/return/{order.merchant_order_id}/"
    assert (order.leased_until, order.expires_at - order.created_at) == (None, timedelta(seconds=900))
    assert timedelta(seconds=19) < order.next_check_at - order.created_at < timedelta(seconds=25)
    assert list(order.events.order_by("pk").values_list("kind", flat=True)) == [
        "created",
        "answered",
        "moved",
    ]


def test_start_again_returns_the_same_order_without_a_call(sandbox):
    first = checkout.start(CART)

    second = checkout.start(CART)

    assert second == Started(first.order, created=False)
    assert second.order.pay_page_url == first.order.pay_page_url
    assert (len(orders()), pay_calls(sandbox)) == (1, 1)


def test_start_by_a_double_click_makes_one_order_and_gives_it_to_both(sandbox):
    for round_ in range(20):
        cart = Payable(f"double-{round_}", 149900)

        one, two = at_once(lambda c=cart: checkout.start(c), lambda c=cart: checkout.start(c))

        assert one.order.merchant_order_id == two.order.merchant_order_id
        assert sorted([one.created, two.created]) == [False, True]
        assert PaymentOrder.objects.filter(cart_id=cart.reference).count() == 1
        assert pay_calls(sandbox) == round_ + 1


def test_start_by_a_double_click_at_a_slow_gateway_gives_the_page_to_both(sandbox):
    sandbox.fault("pay", "latency", seconds=0.5)

    one, two = at_once(lambda: checkout.start(CART), lambda: checkout.start(CART))

    assert one.order.pay_page_url == two.order.pay_page_url != ""
    assert pay_calls(sandbox) == 1


@pytest.mark.parametrize("fulfilment", ["BOOKED", "DUE"])
def test_start_for_a_paid_cart_is_refused_and_calls_nobody(sandbox, fulfilment):
    make.order(Status.SUCCESS, cart_id=CART.reference, completed_at=timezone.now(), fulfilment=fulfilment)

    with pytest.raises(AlreadyPaid):
        checkout.start(CART)

    assert (len(orders()), pay_calls(sandbox)) == (1, 0)


@pytest.mark.parametrize("status", [Status.EXPIRED, Status.CANCELLED])
def test_start_while_an_earlier_order_may_still_be_paid_is_refused_and_calls_nobody(sandbox, status):
    first = make.order(status, cart_id=CART.reference, attention=Attention.STILL_PENDING, next_check_at=None)

    with pytest.raises(NotPayable, match="do not pay again"):
        checkout.start(CART)

    assert (orders(), pay_calls(sandbox)) == ([first], 0)


def test_start_after_a_person_has_cleared_the_doubt_opens_a_new_order(sandbox):
    handled = {"attention": "", "handled": Attention.STILL_PENDING}
    make.order(Status.EXPIRED, cart_id=CART.reference, next_check_at=None, **handled)

    assert checkout.start(CART).created


def test_start_after_another_dispute_than_the_handled_one_does_not_ask_to_pay_again(sandbox):
    dispute = {"attention": Attention.AMOUNT_MISMATCH, "handled": Attention.STILL_PENDING}
    make.order(
        Status.EXPIRED, cart_id=CART.reference, next_check_at=None, gateway_state="COMPLETED", **dispute
    )

    with pytest.raises(AlreadyPaid):
        checkout.start(CART)


def test_start_while_money_comes_for_an_earlier_order_asks_nobody_to_pay_again(sandbox, monkeypatch):
    earlier = make.order(Status.EXPIRED, cart_id=CART.reference, age_s=2000)
    wait = throttle.wait_for_turn

    def meanwhile(*, until):
        completion.settle(earlier.pk, make.answer("COMPLETED"), source=Source.CHECKER, now=timezone.now())
        return wait(until=until)

    monkeypatch.setattr(throttle, "wait_for_turn", meanwhile)

    with pytest.raises(AlreadyPaid):
        checkout.start(CART)

    assert PaymentOrder.objects.get() == earlier
    assert sandbox.calls().get("pay", 0) == 0


def test_start_that_opens_nothing_gives_its_call_back(sandbox, plug, settings):
    plug("delivers", HOLD="holds", RELEASE="releases")
    for other in ("one", "two", "three"):
        test_shop.holds(Payable(other, 100))
    settings.PHONEPE_MAX_RPS = 0.1  # one call, and the next in ten seconds
    now = timezone.now()
    GatewayThrottle.objects.create(pk=1, rate=0.1, tokens=1, refilled_at=now, adapted_at=now)

    with pytest.raises(NotPayable):
        checkout.start(CART)

    assert GatewayThrottle.objects.get().tokens > 0.9


def test_start_when_the_open_order_was_paid_unnoticed_finds_out_and_refuses(sandbox):
    first = checkout.start(CART).order
    sandbox.decide(first.merchant_order_id)
    PaymentOrder.objects.update(pay_page_url="")

    with pytest.raises(AlreadyPaid):
        checkout.start(CART)

    assert [(o.status, o.fulfilment) for o in orders()] == [("SUCCESS", "BOOKED")]


def test_start_after_phonepe_took_another_sum_does_not_ask_to_pay_again(sandbox):
    first = checkout.start(CART).order
    sandbox.decide(first.merchant_order_id, amount=1000)
    PaymentOrder.objects.update(pay_page_url="")

    for _ in range(2):
        with pytest.raises(AlreadyPaid):
            checkout.start(CART)

    assert [(o.status, o.attention) for o in orders()] == [("INITIATED", "amount_mismatch")]
    assert pay_calls(sandbox) == 1


# -- the answer is lost -------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault", ["stored_then_error", "server_error", "html_200", "truncated_json", "rate_limited"]
)
def test_start_without_a_clear_answer_is_a_502_with_the_order_watched(sandbox, fault):
    sandbox.fault("pay", fault, count=1)

    with pytest.raises(GatewayUnavailable):
        checkout.start(CART)

    (order,) = orders()
    assert (order.status, order.leased_until, order.pay_page_url) == ("PENDING", None, "")
    assert timezone.now() < order.next_check_at < timezone.now() + timedelta(seconds=26)
    assert pay_calls(sandbox) == 1


def test_start_after_a_lost_answer_adopts_gives_up_and_opens_a_new_order(sandbox):
    lost = lose_the_pay_page(sandbox)

    started = checkout.start(CART)

    first, second = orders()
    assert (first.merchant_order_id, first.status) == (lost.merchant_order_id, "CANCELLED")
    assert first.gateway_order_id == sandbox.order(first.merchant_order_id)["orderId"]
    assert timezone.now() < first.next_check_at
    assert (started.created, started.order, second.status) == (True, second, "INITIATED")


def test_given_up_order_that_is_paid_after_all_books_when_it_is_the_only_one(sandbox):
    lost = lose_the_pay_page(sandbox)
    second = checkout.start(CART).order
    sandbox.decide(lost.merchant_order_id)

    paid = settle_now(lost)

    assert (paid.status, paid.fulfilment) == ("SUCCESS", "BOOKED")
    assert PaymentOrder.objects.get(pk=second.pk).status == "INITIATED"


def test_given_up_order_and_its_successor_both_paid_book_once_and_refund_once(sandbox, plug):
    plug("delivers_once")
    lost = lose_the_pay_page(sandbox)
    second = checkout.start(CART).order
    for order in (lost, second):
        sandbox.decide(order.merchant_order_id)

    settled = [settle_now(order) for order in (second, lost)]

    assert [(o.status, o.fulfilment) for o in settled] == [
        ("SUCCESS", "BOOKED"),
        ("SUCCESS", "UNFULFILLABLE"),
    ]
    assert [o.refunds.count() for o in settled] == [0, 1]


def test_start_while_the_gateway_is_down_loses_nothing_and_works_when_it_is_back(sandbox):
    sandbox.fault("any", "reset")
    with pytest.raises(GatewayUnavailable):
        checkout.start(CART)
    with pytest.raises(GatewayUnavailable):  # nobody knows yet what became of the first
        checkout.start(CART)
    sandbox.call("DELETE", "faults")
    GatewayThrottle.objects.all().delete()

    started = checkout.start(CART)

    assert [o.status for o in orders()] == ["CANCELLED", "INITIATED"]
    assert (started.created, pay_calls(sandbox)) == (True, 1)


def test_start_when_an_old_order_cannot_be_asked_about_does_not_open_a_second(sandbox):
    first = checkout.start(CART).order
    PaymentOrder.objects.update(pay_page_url="")
    sandbox.fault("status", "server_error")

    with pytest.raises(GatewayUnavailable):
        checkout.start(CART)

    assert [(o.pk, o.status) for o in orders()] == [(first.pk, "INITIATED")]
    assert pay_calls(sandbox) == 1


def test_start_after_the_time_to_pay_asks_and_opens_a_new_order(sandbox):
    first = checkout.start(CART).order
    PaymentOrder.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

    started = checkout.start(CART)

    assert [o.status for o in orders()] == ["CANCELLED", "INITIATED"]
    assert started.order.merchant_order_id != first.merchant_order_id


def test_start_after_a_failed_order_opens_a_new_one(sandbox):
    first = checkout.start(CART).order
    sandbox.decide(first.merchant_order_id, "failure")
    settle_now(first)

    started = checkout.start(CART)

    assert [o.status for o in orders()] == ["FAILED", "INITIATED"]
    assert started.created


def test_start_when_phonepe_refuses_the_order_says_unavailable_and_cancels_it_in_time(sandbox):
    sandbox.settings(duplicate_answer="BAD_REQUEST")
    taken = make.order(Status.PENDING, cart_id=CART.reference, pay_page_url="", gateway_order_id="")
    sandbox.register({"merchantOrderId": taken.merchant_order_id, "amount": 100})

    with pytest.raises(GatewayUnavailable):
        checkout._create_at_gateway(taken)

    order = PaymentOrder.objects.get(pk=taken.pk)
    assert (order.status, order.events.get(kind="answered").detail["error"]) == ("PENDING", "Rejected")


def test_start_without_credentials_says_unavailable_and_logs_an_error(sandbox, settings, logs):
    settings.PHONEPE_CLIENT_ID = ""

    with pytest.raises(GatewayUnavailable):
        checkout.start(CART)

    assert [o.status for o in orders()] == ["PENDING"]
    assert logs.count("payment could not be created") == 1


def test_start_while_the_breaker_is_open_makes_no_order(sandbox):
    throttle.report(
        [make.trouble(gateway.Unavailable("down"))] * 5, now=timezone.now() + timedelta(seconds=60)
    )

    with pytest.raises(GatewayUnavailable):
        checkout.start(CART)

    assert (orders(), pay_calls(sandbox)) == ([], 0)


def test_start_five_times_at_a_failing_gateway_opens_the_breaker(sandbox):
    sandbox.fault("pay", "server_error")

    for n in range(throttle.BREAKER_AFTER):
        with pytest.raises(GatewayUnavailable):
            checkout.start(Payable(f"cart-{n}", 149900))

    assert GatewayThrottle.objects.get().pause_s == 1


# -- the answer is late -------------------------------------------------------------------


def created(order: PaymentOrder, **fields: Any) -> gateway.CreatedOrder:
    values = {"order_id": "OMO7", "state": "PENDING", "expire_at": None, "redirect_url": "http://pay/7"}
    return gateway.CreatedOrder(**(values | fields))


def test_initiate_when_the_checker_was_faster_keeps_the_page_that_came_late():
    order = make.order(gateway_order_id="OMO7", pay_page_url="")

    initiated = checkout._initiate(order.pk, created(order), now=timezone.now())

    order.refresh_from_db()
    assert (initiated.pay_page_url, order.pay_page_url, order.status) == (
        "http://pay/7",
        "http://pay/7",
        "INITIATED",
    )


@pytest.mark.parametrize("status", [Status.CANCELLED, Status.FAILED, Status.EXPIRED])
def test_initiate_when_the_order_was_closed_meanwhile_sends_nobody_to_its_page(status):
    order = make.order(status, gateway_order_id="OMO7", pay_page_url="")

    assert checkout._initiate(order.pk, created(order), now=timezone.now()) is None

    order.refresh_from_db()
    assert (order.status, order.pay_page_url, order.attention) == (status, "", "")
    assert order.events.get(kind=PaymentEvent.Kind.ANSWERED).detail["gateway_order_id"] == "OMO7"


def test_initiate_when_the_late_answer_names_another_order_is_kept_and_calls_a_person():
    order = make.order(gateway_order_id="OMO8", pay_page_url="")

    assert checkout._initiate(order.pk, created(order), now=timezone.now()) is None

    order.refresh_from_db()
    assert (order.pay_page_url, order.attention) == ("", "order_id_mismatch")
    assert order.events.get(kind=PaymentEvent.Kind.ANSWERED).detail["gateway_order_id"] == "OMO7"


def test_supersede_when_the_order_was_paid_in_that_moment_refuses():
    order = make.order(Status.SUCCESS, completed_at=timezone.now(), fulfilment="BOOKED")

    with pytest.raises(AlreadyPaid):
        checkout._supersede(order.pk, now=timezone.now())


def test_initiate_with_a_parked_webhook_makes_the_order_due_at_once():
    order = make.order(Status.PENDING, gateway_order_id="", pay_page_url="", leased_until=timezone.now())
    delivery = WebhookDelivery.objects.create(
        body_sha256="0", merchant_order_id=order.merchant_order_id, state=WebhookDelivery.State.PARKED
    )
    now = timezone.now()

    checkout._initiate(order.pk, created(order), now=now)

    order.refresh_from_db()
    delivery.refresh_from_db()
    assert (order.next_check_at, order.nudged_by, delivery.state) == (now, "webhook", "nudged")
    assert [o.pk for o in claims.claim_due(now=now, limit=1)] == [order.pk]


def test_open_keeps_the_order_watched_and_from_the_checkers_until_it_is_created():
    now = timezone.now()

    order = checkout._open(CART, now=now)

    after = now + claims.LEASE
    assert claims.claim_due(now=after - timedelta(seconds=1), due_by=after, limit=1) == []
    assert [o.pk for o in claims.claim_due(now=after, limit=1)] == [order.pk]


def test_double_click_race_without_the_index_would_show_two_orders():
    """The index is what makes a double click safe; `_open` answers its refusal with None."""
    now = timezone.now()

    for round_ in range(20):
        cart = Payable(f"race-{round_}", 149900)
        opened = at_once(*[lambda c=cart: checkout._open(c, now=now)] * 3)
        assert sorted(order is not None for order in opened) == [False, False, True]


def test_start_when_a_webhook_overtakes_the_pay_answer_then_asks_at_once():
    now = timezone.now()
    order = make.order(Status.PENDING, cart_id=CART.reference, gateway_order_id="", pay_page_url="", age_s=1)
    PaymentOrder.objects.filter(pk=order.pk).update(leased_until=now + claims.LEASE)
    claims.nudge(order.merchant_order_id, source=Source.WEBHOOK, now=now)
    created = CreatedOrder(
        order_id="OMO1", state="PENDING", expire_at=None, redirect_url="http://pay.example/"
    )

    initiated = checkout._initiate(order.pk, created, now=now)

    assert (initiated.status, initiated.next_check_at, initiated.nudged_by) == ("INITIATED", now, "webhook")
