"""Everything that waits for a person, with the money at stake and the right steps."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from ops import attention
from payments.models import PaymentOrder
from payments.states import Attention
from tests.ops import rows

pytestmark = pytest.mark.django_db(transaction=True)


def cases(user=None) -> list[attention.Case]:
    waiting = PaymentOrder.objects.exclude(attention="")
    return attention.cases(waiting, user=user or rows.staff(*rows.ALL))


def test_attention_shows_who_waits_longest_first():
    now = timezone.now()
    orders = [rows.undelivered(attention="unfulfillable", at=now - timedelta(hours=h)) for h in (1, 3, 2)]

    found = [case.order.pk for case in cases()]

    assert found == [orders[1].pk, orders[2].pk, orders[0].pk]


def test_attention_names_the_money_at_stake():
    partly = rows.undelivered(attention="unfulfillable")
    rows.refund(partly, 49900, "COMPLETED")
    rows.refund(partly, 10000, "FAILED")
    other_sum = rows.mismatched(taken=77700)
    unpaid = rows.order_of_which_another_failed(amount=5000)

    found = {case.order.pk: case.stake_paise for case in cases()}

    assert found == {partly.pk: 100000, other_sum.pk: 77700, unpaid.pk: unpaid.amount}


def test_attention_offers_no_refund_while_one_is_under_way():
    rows.refund(rows.undelivered(attention="unfulfillable"), 49900, "PENDING")

    (case,) = cases()

    assert [button.label for button in case.buttons] == ["Mark as settled …"]


def test_attention_says_what_is_wrong_and_what_to_do_for_every_reason(boss):
    for why in Attention.values:
        rows.undelivered(attention=why)

    text = boss.get("/ops/attention/").content.decode()

    assert f"{len(Attention.values) - 1} payments need a person" in text
    found = cases(rows.staff(*rows.ALL, name="other"))
    assert all(case.wrong.endswith(".") and case.advice for case in found)
    assert all(str(case.wrong).replace("'", "&#x27;") in text for case in found)


def test_attention_with_one_case_is_good_english(boss):
    rows.undelivered(attention="unfulfillable")

    text = boss.get("/ops/attention/").content.decode()

    assert "<h1>1 payment needs a person</h1>" in text


def test_attention_for_who_may_only_look_has_no_steps(signed_in):
    rows.undelivered(attention="unfulfillable")

    text = signed_in(rows.SEE).get("/ops/attention/").content.decode()

    assert "Your account may look but not act." in text
    assert "/refund/" not in text


@pytest.mark.parametrize("count", [1, 8])
def test_attention_costs_the_same_queries_for_one_and_for_many(count, django_assert_num_queries):
    user = rows.staff(*rows.ALL)
    user.get_all_permissions()
    for _ in range(count):
        rows.mismatched()

    with django_assert_num_queries(2):
        assert len(cases(user)) == count
