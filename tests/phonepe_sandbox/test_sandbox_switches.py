"""The named switches of §10: their defaults, and what each does that no other test shows."""

import pytest

# Row of §10 → switch → the emulator's default there.
DEFAULTS = {
    1: {"duplicate_answer": "BAD_REQUEST", "duplicate_while_untried": "refuse"},
    2: {"unknown_status": 400, "unknown_order_code": "INVALID_MERCHANT_ORDER_ID"},
    3: {"default_expire_after": 900},
    4: {"honour_expire_after": True},
    5: {"refund_minimum": 100},
    6: {"refund_confirmed_step": True},
    7: {"pay_page_needs_referrer": False},
    8: {"webhook_header_form": "hex", "webhook_auth": "SHA"},
    9: {"webhook_tries": 1, "webhook_on_expiry": False},
    10: {"udf_count": 15},
    11: {"empty_udf": "reject"},
    13: {"expire_at_name": "expireAt"},
    14: {"amount_as_text": "reject"},
    15: {"token_life": 3600, "expires_in": "seconds"},
    17: {"bad_client_status": 400},
    18: {"max_rps": None},
    19: {"test_states": False},
    20: {"late_success_after": None},
    21: {"refund_webhook_shape": "wrapped"},
    22: {"duplicate_refund": "refuse"},
}


@pytest.mark.parametrize("row", DEFAULTS)
async def test_switch_defaults_to_what_section_10_says(merchant, row):
    settings = (await merchant.control("GET", "/settings")).body

    assert {name: settings[name] for name in DEFAULTS[row]} == DEFAULTS[row]


async def test_duplicate_while_untried_then_answered_again_until_somebody_tries(merchant):
    await merchant.switch(duplicate_while_untried="repeat")
    first = await merchant.pay(amount=1000)

    again = await merchant.pay(amount=9999)

    await merchant.customer("retry")
    tried = await merchant.pay(amount=1000)
    assert (again.status, again.body, tried.status) == (200, first.body, 400)
    assert (await merchant.status()).body["amount"] == 1000


@pytest.mark.parametrize("status", [400, 404, 422])
async def test_unknown_order_then_status_and_code_by_the_switches(merchant, status):
    await merchant.switch(unknown_status=status, unknown_order_code="INVALID_TRANSACTION_ID")

    reply = await merchant.status("NOBODY")

    assert (reply.status, reply.body["code"]) == (status, "INVALID_TRANSACTION_ID")


async def test_expire_at_name_then_the_pay_answer_is_spelt_like_the_table(merchant):
    await merchant.switch(expire_at_name="expiryAt")

    assert sorted((await merchant.pay()).body) == ["expiryAt", "orderId", "redirectUrl", "state"]


@pytest.mark.parametrize(
    ("switch", "text", "status"), [("reject", "1000", 400), ("accept", "1000", 200), ("accept", "10.5", 400)]
)
async def test_amount_as_text_then_by_the_switch(merchant, switch, text, status):
    await merchant.switch(amount_as_text=switch)

    assert (await merchant.pay(amount=text)).status == status


@pytest.mark.parametrize(("switch", "told"), [("seconds", 3600), ("zero", 0), ("absent", None)])
async def test_expires_in_then_as_seen_in_samples(merchant, switch, told):
    await merchant.switch(expires_in=switch)

    body = (await merchant.token()).body

    assert (body.get("expires_in"), body["expires_at"] - body["issued_at"]) == (told, 3600)


async def test_test_states_then_created_and_expired_are_told(merchant):
    await merchant.switch(test_states=True)
    await merchant.pay("A")
    await merchant.pay("B")
    untried = (await merchant.status("A")).body["state"]
    await merchant.customer("retry", "A")
    tried = (await merchant.status("A")).body["state"]
    await merchant.customer("failure", "B")

    await merchant.advance(900)

    ends = [(await merchant.status(name)).body["state"] for name in "AB"]
    assert (untried, tried, ends) == ("CREATED", "PENDING", ["EXPIRED", "FAILED"])


async def test_late_success_after_then_expired_orders_complete_by_themselves(merchant):
    await merchant.switch(late_success_after=60)
    await merchant.pay("A")
    await merchant.pay("B")
    await merchant.customer("failure", "B")

    await merchant.advance(900)
    at_expiry = (await merchant.status("A")).body["state"]
    await merchant.advance(60)

    assert (at_expiry, [(await merchant.status(n)).body["state"] for n in "AB"]) == (
        "FAILED",
        ["COMPLETED", "FAILED"],
    )


async def test_duplicate_refund_then_the_same_request_is_answered_again_and_pays_once(merchant):
    await merchant.switch(duplicate_refund="repeat")
    await merchant.paid(amount=2000)
    first = await merchant.refund("R-1", 1500)

    again, other = await merchant.refund("R-1", 1500), await merchant.refund("R-1", 1400)

    shown = (await merchant.control("GET", "/orders/ORD-1")).body["refunds"]
    assert (again.status, again.body, other.status, len(shown)) == (200, first.body, 400, 1)
