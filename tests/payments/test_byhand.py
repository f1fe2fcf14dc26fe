"""What a person does about an order: done through the engine, and signed with a name."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.utils import timezone

from payments import audit, byhand, completion, refunds
from payments.errors import NotFound, NotRefundable, TooManyRequests
from payments.models import PaymentEvent, PaymentOrder, Refund
from payments.states import Attention, Source, Status
from tests import make
from tests.at_once import at_once
from tests.payments.refunding import request

pytestmark = pytest.mark.django_db(transaction=True)

TOLD = "The bank returned the sum."


@pytest.fixture(autouse=True)
def shop(plug):
    plug("delivers")


def paid(**fields: Any) -> PaymentOrder:
    values = {"completed_at": timezone.now(), "fulfilment": "BOOKED", "next_check_at": None} | fields
    return make.order(Status.SUCCESS, gateway_state="COMPLETED", **values)


def needing(why: Attention, **fields: Any) -> PaymentOrder:
    return paid(attention=why, attention_at=timezone.now(), **fields)


def settle(order: PaymentOrder) -> PaymentOrder:
    return byhand.settle_attention(order.merchant_order_id, by="ravi", reason=TOLD, now=timezone.now())


refund = partial(request, reason="Asked for.", requested_by="ravi")


def hear(order: PaymentOrder, **how: Any) -> PaymentOrder:
    return completion.settle(
        order.pk, make.answer("COMPLETED", **how), source=Source.CHECKER, now=timezone.now()
    )


def attention_events(order: PaymentOrder) -> list[dict[str, Any]]:
    told = order.events.filter(kind=PaymentEvent.Kind.ATTENTION).order_by("pk")
    return list(told.values_list("detail", flat=True))


@pytest.mark.parametrize("why", [w for w in Attention if w not in ("", Attention.FULFILMENT_FAILED)])
def test_settle_attention_clears_it_and_says_who_and_how(why):
    order = needing(why)

    settled = settle(order)

    assert (settled.attention, PaymentOrder.objects.get().attention) == ("", "")
    assert attention_events(order) == [{"why": "", "settled": why, "by": "ravi", "reason": TOLD}]
    assert Refund.objects.count() == 0


@pytest.mark.parametrize("why", [Attention.NONE, Attention.FULFILMENT_FAILED])
def test_settle_attention_when_nothing_can_be_settled_is_refused(why):
    order = needing(why)

    with pytest.raises(byhand.NotSettleable):
        settle(order)

    assert (PaymentOrder.objects.get().attention, attention_events(order)) == (why, [])


def test_settle_attention_that_has_become_another_one_meanwhile_is_refused():
    order = needing(Attention.REFUND_FAILED)

    with pytest.raises(byhand.NotSettleable, match="another reason"):
        byhand.settle_attention(
            order.merchant_order_id, by="ravi", reason=TOLD, seen=Attention.REFUND_STUCK, now=timezone.now()
        )

    order.refresh_from_db()
    assert (order.attention, order.handled) == (Attention.REFUND_FAILED, "")


def test_settle_attention_of_no_order_is_not_found():
    with pytest.raises(NotFound):
        byhand.settle_attention("OKP-nobody", by="ravi", reason=TOLD, now=timezone.now())


def test_settle_attention_by_two_at_once_is_done_by_one():
    for _ in range(20):
        order = needing(Attention.STILL_PENDING)

        results = at_once(lambda o=order: settle(o), lambda o=order: settle(o))

        assert sorted(type(r).__name__ for r in results) == ["NotSettleable", "PaymentOrder"]
        assert len(attention_events(order)) == 1


@pytest.mark.parametrize("why", refunds.ENDED_BY_A_REFUND)
def test_refund_of_all_that_is_left_ends_the_attention_that_waited_for_it(why):
    order = needing(why, fulfilment="UNFULFILLABLE")

    made = refund(order)

    assert (made.amount, made.requested_by, PaymentOrder.objects.get().attention) == (149900, "ravi", "")
    assert [(e["settled"], e["by"]) for e in attention_events(order)] == [(why, "ravi")]


def test_refund_of_a_part_leaves_the_rest_before_peoples_eyes():
    order = needing(Attention.UNFULFILLABLE, fulfilment="UNFULFILLABLE")

    refund(order, 100)

    assert PaymentOrder.objects.get().attention == Attention.UNFULFILLABLE


def test_refund_of_too_much_is_refused_and_changes_nothing():
    order = needing(Attention.REFUND_FAILED)

    with pytest.raises(NotRefundable):
        refund(order, 149901)

    assert (Refund.objects.count(), PaymentOrder.objects.get().attention) == (0, Attention.REFUND_FAILED)
    assert attention_events(order) == []


def test_verify_asks_and_names_the_person(sandbox):
    order = make.order(gateway_order_id="")
    known = {"merchantOrderId": order.merchant_order_id, "amount": order.amount, "state": "COMPLETED"}
    sandbox.register(known)

    verified = byhand.verify(order.merchant_order_id, by="ravi", within_s=5)

    assert (verified.status, verified.completed_by) == ("SUCCESS", "manual")
    nudge = order.events.get(kind=PaymentEvent.Kind.NUDGED)
    assert (nudge.source, nudge.detail) == ("manual", {"by": "ravi"})
    assert nudge.at <= order.events.get(kind=PaymentEvent.Kind.ANSWERED).at


def test_verify_too_soon_again_is_refused_and_not_recorded(sandbox):
    order = make.order(verify_requested_at=timezone.now() + timedelta(seconds=1))

    with pytest.raises(TooManyRequests):
        byhand.verify(order.merchant_order_id, by="ravi", within_s=5)

    assert order.events.filter(kind=PaymentEvent.Kind.NUDGED).count() == 0
    assert sandbox.calls(order.merchant_order_id)["status"] == 0


def book(order: PaymentOrder) -> PaymentOrder:
    return byhand.book_anyway(
        order.merchant_order_id, by="ravi", reason="A priest was found.", now=timezone.now()
    )


def held() -> PaymentOrder:
    return needing(Attention.UNFULFILLABLE, fulfilment="UNFULFILLABLE")


def test_book_anyway_delivers_clears_the_attention_and_names_the_person():
    order = held()

    book(order)

    stored = PaymentOrder.objects.get()
    assert (stored.fulfilment, stored.fulfilment_reference[:4], stored.attention) == ("BOOKED", "REF-", "")
    nudge = order.events.get(kind=PaymentEvent.Kind.NUDGED)
    assert nudge.detail == {"by": "ravi", "reason": "A priest was found."}


def test_book_anyway_when_the_shop_refuses_again_holds_the_money_as_before(plug):
    plug("refuses", policy="hold")
    order = held()

    book(order)

    stored = PaymentOrder.objects.get()
    assert (stored.fulfilment, stored.attention, Refund.objects.count()) == (
        "UNFULFILLABLE",
        "unfulfillable",
        0,
    )
    assert [e["why"] for e in attention_events(order)] == ["", "unfulfillable"]


def test_book_anyway_when_the_shop_raises_is_tried_again_by_the_checker(plug):
    plug("raises")

    book(held())

    stored = PaymentOrder.objects.get()
    assert (stored.fulfilment, stored.attention, stored.next_check_at is not None) == ("DUE", "", True)


@pytest.mark.parametrize("make_order", [paid, make.order, lambda: paid(fulfilment="DUE")])
def test_book_anyway_of_what_was_not_refused_is_refused(make_order):
    order = make_order()

    with pytest.raises(byhand.NotDeliverable):
        book(order)

    assert PaymentOrder.objects.get().fulfilment == order.fulfilment
    assert order.events.count() == 1


def test_book_anyway_after_a_refund_is_refused():
    order = held()
    refund(order, 100)

    with pytest.raises(byhand.NotDeliverable):
        book(order)

    assert PaymentOrder.objects.get().fulfilment == "UNFULFILLABLE"


def test_book_anyway_racing_a_refund_that_came_first_is_refused():
    for _ in range(20):
        order = held()

        results = at_once(lambda o=order: book(o), lambda o=order: refund(o, 149900))

        names = sorted(type(r).__name__ for r in results)
        assert names in (["NotDeliverable", "Refund"], ["PaymentOrder", "Refund"])
        order.refresh_from_db()
        assert (order.fulfilment == "BOOKED") == (names[0] == "PaymentOrder")


def test_a_settled_mismatch_is_not_raised_again_and_the_auditor_is_content():
    order = make.order()
    hear(order, amount=1)
    settle(order)

    again = hear(order, amount=1)

    assert (again.attention, again.status, len(attention_events(order))) == ("", "CANCELLED", 2)
    found = [f.question for f in audit.audit(repair=False, now=timezone.now())]
    assert "gateway_says_paid" not in found
    assert not PaymentOrder.objects.paid().exists()  # the cart may be paid for again


@pytest.mark.parametrize("status", [Status.PENDING, Status.INITIATED])
def test_settle_attention_of_an_order_that_phonepe_never_spoke_of_frees_its_cart(status):
    order = make.order(status, attention=Attention.STILL_PENDING, attention_at=timezone.now())

    assert settle(order).status == Status.CANCELLED


def test_held_money_that_was_settled_contents_the_auditor():
    settle(needing(Attention.UNFULFILLABLE, fulfilment="UNFULFILLABLE"))

    found = [f.question for f in audit.audit(repair=False, now=timezone.now())]

    assert "undeliverable_without_refund" not in found


# -- what was dealt with ------------------------------------------------------------------


@pytest.mark.parametrize("why", [Attention.AMOUNT_MISMATCH, Attention.STILL_PENDING])
def test_settle_attention_lets_go_what_was_held_for_the_order(plug, why):
    plug("delivers", HOLD="holds", RELEASE="releases", after_watch="hold")
    order = make.order(Status.EXPIRED, holding=True, attention=why, attention_at=timezone.now())

    settle(order)

    order.refresh_from_db()
    assert (order.holding, order.handled) == (False, why)


@pytest.mark.parametrize(
    ("state", "status", "holding"), [("FAILED", "INITIATED", True), ("COMPLETED", "CANCELLED", False)]
)
def test_settle_attention_about_another_order_ends_ours_only_if_that_was_paid(plug, state, status, holding):
    plug("delivers", HOLD="holds", RELEASE="releases")
    order = make.order(holding=True)
    answer = make.answer(state, gateway_order_id="OMO-other")
    completion.settle(order.pk, answer, source=Source.CHECKER, now=timezone.now())

    settle(order)

    order.refresh_from_db()
    assert (order.status, order.holding, order.attention) == (status, holding, "")


def test_refund_that_fails_after_an_earlier_failure_was_settled_is_raised_again(sandbox):
    order = needing(Attention.REFUND_FAILED)
    settle(order)

    refund(order, 100)

    order.refresh_from_db()
    assert order.handled == ""


def fails(order: PaymentOrder) -> None:
    """Its open refund fails at PhonePe, and the engine has heard."""
    made = order.refunds.latest("pk")
    Refund.objects.filter(pk=made.pk).update(state="FAILED")
    PaymentOrder.objects.filter(pk=order.pk).update(attention="refund_failed", attention_at=timezone.now())


def questions() -> list[str]:
    return [finding.question for finding in audit.audit(repair=False, now=timezone.now())]


def test_refund_by_policy_after_a_settled_failure_is_a_new_matter(plug):
    plug("refuses")
    order = hear(make.order())
    fails(order)
    settle(order)

    again = byhand.book_anyway(order.merchant_order_id, by="ravi", reason="try", now=timezone.now())

    order.refresh_from_db()
    assert (again.fulfilment, order.refunds.count(), order.handled) == ("UNFULFILLABLE", 2, "")


def test_what_is_left_of_undeliverable_money_is_found_after_another_matter_was_settled():
    order = needing(Attention.REFUND_STUCK, fulfilment="UNFULFILLABLE")
    settle(order)

    audit.audit(repair=True, now=timezone.now())

    order.refresh_from_db()
    assert order.attention == Attention.AUDIT


def test_refund_that_failed_is_not_covered_by_a_delivery_that_raises(plug):
    plug("raises")
    order = hear(make.order())
    PaymentOrder.objects.filter(pk=order.pk).update(
        attention="refund_failed", attention_at=timezone.now(), fulfil_attempts=5
    )

    completion.fulfil_again(order.pk, now=timezone.now())
    plug("delivers")
    completion.fulfil_again(order.pk, now=timezone.now())

    order.refresh_from_db()
    assert (order.fulfilment, order.attention) == ("BOOKED", "refund_failed")


def test_what_the_audit_found_and_a_person_settled_is_counted_no_more_and_another_break_is():
    order = make.order(Status.EXPIRED)  # moved without an event
    audit.audit(repair=True, now=timezone.now())
    settle(order)
    settled = questions()

    PaymentOrder.objects.filter(pk=order.pk).update(holding=True, next_check_at=None)

    assert (settled, questions()) == ([], ["closed_and_still_held"])
