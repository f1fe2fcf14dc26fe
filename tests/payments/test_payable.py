"""`Payable`: what no order could hold or PhonePe would not take is refused where the shop says it."""

from __future__ import annotations

from decimal import Decimal

import pytest

from payments import checkout
from payments.models import PaymentOrder
from payments.shop import Payable


@pytest.mark.parametrize("amount", [0, 100, 149900, 10**15])
def test_a_whole_int_is_an_amount_also_of_what_costs_nothing_any_more(amount):
    assert Payable("course-7-user-3", amount).amount_paise == amount


@pytest.mark.parametrize("amount", [1499.5, 1499.0, "149900", Decimal(149900), True, None])
def test_an_amount_that_is_no_whole_int_is_a_type_error_that_names_the_type(amount):
    with pytest.raises(TypeError, match=f"a whole int, not {type(amount).__name__}"):
        Payable("course-7-user-3", amount)


@pytest.mark.django_db
@pytest.mark.parametrize("amount", [-5, 0, 50, 99, 10**15 + 1])
def test_a_payment_that_phonepe_would_not_take_is_a_value_error_and_begins_nothing(amount):
    with pytest.raises(ValueError, match=f"100 paise or more; amount_paise is {amount}"):
        checkout.start(Payable("course-7-user-3", amount))

    assert not PaymentOrder.objects.exists()


@pytest.mark.parametrize("reference", ["c", "c" * 64, "कोर्स/7 ?"])
def test_any_text_of_up_to_64_characters_is_a_reference(reference):
    assert Payable(reference, 100).reference == reference


@pytest.mark.parametrize(
    ("reference", "error"), [("", ValueError), ("c" * 65, ValueError), ("a\0b", ValueError), (7, TypeError)]
)
def test_a_reference_that_an_order_cannot_carry_is_refused(reference, error):
    with pytest.raises(error, match="A reference must"):
        Payable(reference, 100)
