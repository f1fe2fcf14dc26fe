"""PhonePe's own test data on the pay page (§9), and what a shop lets its customers choose (§3.2)."""

import re
from urllib.parse import urlsplit

import pytest

SHOP = "http://shop.test/pay/return/ORD-1"
CREDIT = {"number": "4208 5851 9011 6667", "expiry": "06/2027", "cvv": "508"}
DEBIT = {"number": "4242424242424242", "expiry": "12/27", "cvv": "936"}


def with_modes(merchant, config):
    return {"paymentFlow": merchant.order()["paymentFlow"] | {"paymentModeConfig": config}}


async def page_of(merchant, **changes):
    return (await merchant.pay(**changes)).body["redirectUrl"].removeprefix(merchant.url)


async def submit(merchant, page, step, **fields):
    """Post a form of the page; where it leads."""
    path, _, query = page.partition("?")
    reply = await merchant.call("POST", f"{path}{step}?{query}", data=fields)
    return reply.headers.get("Location", f"{reply.status}")


async def told(merchant, query="?details=true"):
    body = (await merchant.status(query=query)).body
    attempts = [(a["paymentMode"], a["state"], a.get("errorCode")) for a in body["paymentDetails"]]
    return body["state"], attempts


# -- UPI IDs ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("vpa", "ending", "error"),
    [("success@ybl", "COMPLETED", None), ("FAILED@ybl", "FAILED", "TXN_NOT_COMPLETED")],
)
async def test_vpa_when_its_owner_answers_then_so_after_five_seconds(merchant, shop, vpa, ending, error):
    page = await page_of(merchant)

    waiting = await submit(merchant, page, "/upi", vpa=vpa)

    still = await merchant.call("GET", waiting)
    await merchant.advance(4.9)
    before = await told(merchant)
    await merchant.advance(0.1)
    after = await told(merchant)
    left = await merchant.call("GET", waiting)
    assert (still.status, 'http-equiv="refresh"' in still.body) == (200, True)
    assert before == ("PENDING", [("UPI_COLLECT", "PENDING", None)])
    assert after == (ending, [("UPI_COLLECT", ending, error)])
    assert (left.status, left.headers["Location"]) == (303, SHOP)
    [body] = await shop.wait_for(1)
    assert body["event"] == f"checkout.order.{ending.lower()}"


@pytest.mark.parametrize("vpa", ["pending@ybl", "somebody@okhdfc"])
async def test_vpa_when_nobody_answers_then_pending_and_back_after_a_minute(merchant, vpa):
    page = await page_of(merchant)
    waiting = await submit(merchant, page, "/upi", vpa=vpa)
    await merchant.advance(59.9)
    early = (await merchant.call("GET", waiting)).status

    await merchant.advance(0.1)

    left = await merchant.call("GET", waiting)
    assert (early, left.status, left.headers["Location"]) == (200, 303, SHOP)
    assert await told(merchant) == ("PENDING", [("UPI_COLLECT", "PENDING", None)])


async def test_vpa_when_it_is_none_then_a_failed_attempt_and_another_try(merchant):
    page = await page_of(merchant)

    back = await submit(merchant, page, "/upi", vpa="no vpa")

    html = (await merchant.call("GET", back)).body
    assert (back, "there is no such UPI ID" in html) == (page, True)
    assert await told(merchant) == ("PENDING", [("UPI_COLLECT", "FAILED", "INVALID_VPA")])


async def test_vpa_given_up_for_a_card_then_two_attempts_and_the_answer_changes_nothing(merchant):
    page = await page_of(merchant)
    await submit(merchant, page, "/upi", vpa="failed@ybl")

    bank = await submit(merchant, page, "/card", **CREDIT)
    await merchant.call("POST", bank, data={"outcome": "success", "otp": "123456"})
    await merchant.advance(10)

    assert await told(merchant) == (
        "COMPLETED",
        [("UPI_COLLECT", "FAILED", "TXN_NOT_COMPLETED"), ("CARD", "COMPLETED", None)],
    )


# -- cards and net banking ----------------------------------------------------------------


@pytest.mark.parametrize(("card", "kind"), [(CREDIT, "CREDIT_CARD"), (DEBIT, "DEBIT_CARD")])
async def test_card_when_it_is_a_test_card_and_the_otp_is_right_then_paid(merchant, card, kind):
    page = await page_of(merchant)

    bank = await submit(merchant, page, "/card", **card)
    form = await merchant.call("GET", bank)
    left = await merchant.call("POST", bank, data={"outcome": "success", "otp": "123456"})

    [attempt] = (await merchant.status()).body["paymentDetails"]
    assert (re.findall(r'name="outcome" value="(\w+)"', form.body), left.headers["Location"]) == (
        ["success", "failure", "pending"],
        SHOP,
    )
    assert (attempt["paymentMode"], attempt["state"], attempt["instrument"]["type"]) == (
        "CARD",
        "COMPLETED",
        kind,
    )


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"number": "4111111111111111"}, "INVALID_CARD_NUMBER"),
        ({"cvv": "000"}, "INVALID_CVV_EXPIRY"),
        ({"expiry": "01/30"}, "INVALID_CVV_EXPIRY"),
        ({"expiry": ""}, "INVALID_CVV_EXPIRY"),
    ],
)
async def test_card_when_a_detail_is_wrong_then_a_failed_attempt_and_another_try(merchant, wrong, code):
    page = await page_of(merchant)

    back = await submit(merchant, page, "/card", **(CREDIT | wrong))

    assert (back, await told(merchant)) == (page, ("PENDING", [("CARD", "FAILED", code)]))


@pytest.mark.parametrize(
    ("fields", "state", "attempt"),
    [
        ({"outcome": "success", "otp": "000000"}, "PENDING", ("FAILED", "AUTHENTICATION_FAILED")),
        ({"outcome": "success"}, "PENDING", ("FAILED", "AUTHENTICATION_FAILED")),
        ({"outcome": "failure"}, "FAILED", ("FAILED", "TXN_NOT_COMPLETED")),
        ({"outcome": "pending"}, "PENDING", ("PENDING", None)),
    ],
)
async def test_bank_page_then_the_outcome_that_was_chosen(merchant, fields, state, attempt):
    page = await page_of(merchant)
    bank = await submit(merchant, page, "/card", **DEBIT)

    await merchant.call("POST", bank, data=fields)

    assert await told(merchant) == (state, [("CARD", *attempt)])


async def test_bank_page_when_retry_is_disabled_then_a_wrong_otp_is_the_end(merchant):
    page = await page_of(merchant, disablePaymentRetry=True)
    bank = await submit(merchant, page, "/card", **CREDIT)

    left = await merchant.call("POST", bank, data={"outcome": "success", "otp": "1"})

    body = (await merchant.status()).body
    assert (left.headers["Location"], body["state"], body["errorCode"]) == (
        SHOP,
        "FAILED",
        "AUTHENTICATION_FAILED",
    )


@pytest.mark.parametrize(("password", "state"), [("test", "COMPLETED"), ("guess", "PENDING")])
async def test_net_banking_then_the_test_user_pays(merchant, password, state):
    page = await page_of(merchant)
    bank = await submit(merchant, page, "/netbanking", bank="SBIN")

    await merchant.call("POST", bank, data={"outcome": "success", "user": "test", "password": password})

    assert (await told(merchant))[0] == state


async def test_steps_on_a_closed_order_then_back_to_its_page_and_nothing_changes(merchant):
    page = await page_of(merchant)
    bank = await submit(merchant, page, "/card", **CREDIT)
    await merchant.customer("success")
    before = (await merchant.status()).body

    answers = [
        await submit(merchant, page, "/upi", vpa="failed@ybl"),
        (await merchant.call("POST", bank, data={"outcome": "failure"})).headers["Location"],
        (await merchant.call("GET", bank)).headers["Location"],
    ]

    assert (answers, (await merchant.status()).body) == ([page] * 3, before)


# -- what the shop lets choose (§3.2) -------------------------------------------------------

ALL = ["UPI_QR", "UPI_INTENT", "UPI_COLLECT", "CARD", "NET_BANKING"]
BOTH_CARDS = ["4208585190116667", "4242424242424242"]


def v1(**lists):
    return {f"{name}PaymentModes": modes for name, modes in lists.items()}


def v2(**lists):
    return v1(**lists) | {"version": "V2"}


@pytest.mark.parametrize(
    ("config", "modes", "cards"),
    [
        (None, ALL, BOTH_CARDS),
        ({}, ALL, BOTH_CARDS),
        (v1(enabled=[{"type": "UPI_QR"}, {"type": "NET_BANKING"}]), ["UPI_QR", "NET_BANKING"], []),
        (v1(enabled=[{"type": "CARD"}]), ["CARD"], BOTH_CARDS),
        (v1(enabled=[{"type": "CARD", "cardTypes": ["DEBIT_CARD"]}]), ["CARD"], BOTH_CARDS[1:]),
        (v1(disabled=[{"type": "UPI_COLLECT"}]), [m for m in ALL if m != "UPI_COLLECT"], BOTH_CARDS),
        (v1(disabled=[{"type": "CARD"}]), ALL, BOTH_CARDS),  # no effect without cardTypes
        (v1(disabled=[{"type": "CARD", "cardTypes": ["CREDIT_CARD"]}]), ALL, BOTH_CARDS[1:]),
        (
            v1(disabled=[{"type": "CARD", "cardTypes": ["CREDIT_CARD", "DEBIT_CARD"]}]),
            [m for m in ALL if m != "CARD"],
            [],
        ),
        (v2(enabled=[{"type": "UPI"}]), ALL[:3], []),
        (v2(enabled=[{"type": "UPI", "flows": ["COLLECT"]}]), ["UPI_COLLECT"], []),
        (
            v2(enabled=[{"type": "CARD", "types": ["CREDIT"]}, {"type": "UPI", "flows": ["QR"]}]),
            ["UPI_QR", "CARD"],
            BOTH_CARDS[:1],
        ),
        (v2(enabled=[{"type": "WALLET", "wallets": ["PHONEPE"]}, {"type": "EMI"}]), ["EMI", "WALLET"], []),
        (v2(disabled=[{"type": "CARD"}]), [m for m in ALL if m != "CARD"], []),
        (v2(disabled=[{"type": "CARD", "networks": ["AMEX"]}]), ALL, BOTH_CARDS),
        (
            v2(disabled=[{"type": "UPI", "flows": ["INTENT"]}]),
            [m for m in ALL if m != "UPI_INTENT"],
            BOTH_CARDS,
        ),
        (v2(disabled=[{"type": "UPI", "apps": ["PHONEPE"]}]), ALL, BOTH_CARDS),
        (v2(disabled=[{"type": "NET_BANKING", "banks": ["HDFC"]}]), ALL, BOTH_CARDS),
        (v2(disabled=[{"type": "UPI"}, {"type": "CARD"}, {"type": "NET_BANKING"}]), [], []),
    ],
)
async def test_pay_page_offers_what_the_config_leaves(merchant, config, modes, cards):
    page = await page_of(merchant, **with_modes(merchant, config))

    html = (await merchant.call("GET", page)).body

    assert re.findall(r'name="paymentMode" value="(\w+)"', html) == modes
    assert re.findall(r'name="number" value="(\w+)"', html) == cards


async def test_pay_page_when_banks_are_named_then_those_are_offered(merchant):
    config = v2(enabled=[{"type": "NET_BANKING", "banks": ["HDFC", "ICIC"]}])
    page = await page_of(merchant, **with_modes(merchant, config))

    html = (await merchant.call("GET", page)).body

    assert re.findall(r"<option>(\w+)</option>", html) == ["HDFC", "ICIC"]
    assert await submit(merchant, page, "/netbanking", bank="SBIN") == "400"


@pytest.mark.parametrize(
    ("step", "fields"),
    [
        ("", {"outcome": "success", "paymentMode": "CARD"}),
        ("/card", CREDIT),
        ("/upi", {"vpa": "success@ybl"}),
        ("/netbanking", {"bank": "SBIN"}),
    ],
)
async def test_choice_that_the_config_forbids_then_400_and_nothing_changes(merchant, step, fields):
    page = await page_of(merchant, **with_modes(merchant, v1(enabled=[{"type": "UPI_QR"}])))

    assert await submit(merchant, page, step, **fields) == "400"
    assert await told(merchant) == ("PENDING", [])


@pytest.mark.parametrize(
    ("mode", "rail", "instrument"), [("WALLET", "PPI_WALLET", "WALLET"), ("EMI", "PG", "CREDIT_CARD")]
)
async def test_mode_that_the_sdk_does_not_know_then_told_as_documented(merchant, mode, rail, instrument):
    page = await page_of(merchant, **with_modes(merchant, v2(enabled=[{"type": mode}])))

    await submit(merchant, page, "", outcome="success", paymentMode=mode)

    [attempt] = (await merchant.status()).body["paymentDetails"]
    assert (attempt["paymentMode"], attempt["rail"]["type"], attempt["instrument"]["type"]) == (
        mode,
        rail,
        instrument,
    )


async def test_pay_page_shows_the_prefilled_phone(merchant):
    page = await page_of(merchant, prefillUserLoginDetails={"phoneNumber": "+919876543210"})

    assert "+919876543210" in (await merchant.call("GET", page)).body


# -- frame (§3.5) ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "result", "state"),
    [
        ("success", "CONCLUDED", "COMPLETED"),
        ("failure", "CONCLUDED", "FAILED"),
        ("pending", "CONCLUDED", "PENDING"),
        ("cancel", "USER_CANCEL", "FAILED"),
        ("close", "USER_CANCEL", "PENDING"),
        ("close_paid", None, "COMPLETED"),
    ],
)
async def test_framed_page_then_the_holder_is_told_and_nobody_is_redirected(merchant, outcome, result, state):
    page = await page_of(merchant) + "&type=IFRAME"

    reply = await merchant.call("POST", page, data={"outcome": outcome})

    said = re.findall(r'phonepeSandbox: "(\w+)"', reply.body)
    assert (reply.status, said, (await merchant.status()).body["state"]) == (
        200,
        [result] if result else [],
        state,
    )
    assert "frame-ancestors" not in reply.headers["Content-Security-Policy"]


async def test_framed_steps_keep_the_frame(merchant):
    page = await page_of(merchant) + "&type=IFRAME"

    bank = await submit(merchant, page, "/card", **CREDIT)
    wrong = (await merchant.call("POST", bank, data={"outcome": "success"})).headers["Location"]

    assert [dict(p.split("=") for p in urlsplit(u).query.split("&"))["type"] for u in (bank, wrong)] == [
        "IFRAME"
    ] * 2


@pytest.mark.parametrize("path", ["/web/bundle/checkout.js", "/checkout.js"])
async def test_checkout_js_is_served_as_a_script(merchant, path):
    reply = await merchant.call("GET", path)

    assert (reply.status, reply.headers["Content-Type"]) == (200, "text/javascript; charset=utf-8")
    assert "PhonePeCheckout" in reply.body


@pytest.mark.parametrize(
    ("referrer", "status"),
    [
        (None, 403),
        ("http://elsewhere.test/", 403),
        ("http://shop.test/", 200),
        ("http://shop.test/cart/1", 200),
    ],
)
async def test_pay_page_when_the_referrer_is_needed_then_only_from_the_shops_domain(
    merchant, referrer, status
):
    page = await page_of(merchant)
    free = (await merchant.call("GET", page)).status
    await merchant.switch(pay_page_needs_referrer=True)

    reply = await merchant.call("GET", page, headers={"Referer": referrer} if referrer else {})

    assert (free, reply.status, "INTERNAL_SECURITY_BLOCK_1" in reply.body) == (200, status, status == 403)
