"""The pay page and the integrator's pages."""

import re

import pytest

from phonepe_sandbox.rendering import rupees

SHOP = "http://shop.test/pay/return/ORD-1"


async def page_of(merchant, **changes):
    """The path of a new order's pay page."""
    return (await merchant.pay(**changes)).body["redirectUrl"].removeprefix(merchant.url)


async def press(merchant, page, outcome, **fields):
    return await merchant.call("POST", page, data={"outcome": outcome, **fields})


def buttons(html):
    return re.findall(r'name="outcome" value="(\w+)"', html)


@pytest.mark.parametrize(
    ("paise", "text"),
    [
        (0, "₹0.00"),
        (5, "₹0.05"),
        (100, "₹1.00"),
        (99_999, "₹999.99"),
        (149_900, "₹1,499.00"),
        (10_000_000, "₹1,00,000.00"),
        (12_345_678_901, "₹12,34,56,789.01"),
    ],
)
def test_rupees_are_grouped_the_indian_way(paise, text):
    assert rupees(paise) == text


async def test_pay_page_shows_merchant_amount_order_and_time_left(merchant):
    page = await page_of(
        merchant, expireAfter=605, paymentFlow=merchant.order()["paymentFlow"] | {"message": "Puja"}
    )

    reply = await merchant.call("GET", page)

    wanted = ["Sandbox Merchant", "₹1,499.00", "ORD-1", "10 min 05 s", "Puja", "no real money"]
    assert (reply.status, [text for text in wanted if text not in reply.body]) == (200, [])
    assert buttons(reply.body) == ["success", "failure", "pending", "retry", "cancel", "close_paid", "close"]
    assert re.findall(r'(?:src|href)="(?!data:)[^"]*"', reply.body) == []


@pytest.mark.parametrize(
    ("outcome", "state", "code"),
    [
        ("success", "COMPLETED", None),
        ("failure", "FAILED", "TXN_AUTO_FAILED"),
        ("cancel", "FAILED", "ORDER_CANCELLED_BY_USER"),
        ("pending", "PENDING", None),
    ],
)
async def test_button_then_stored_and_sent_back_without_parameters(merchant, outcome, state, code):
    page = await page_of(merchant)

    reply = await press(merchant, page, outcome)

    body = (await merchant.status()).body
    assert (reply.status, reply.headers["Location"]) == (303, SHOP)
    assert (body["state"], body.get("detailedErrorCode")) == (state, code)


@pytest.mark.parametrize(
    ("outcome", "state", "text"),
    [("close_paid", "COMPLETED", "You may close this tab"), ("close", "PENDING", "Nothing was paid")],
)
async def test_button_to_leave_then_a_page_and_no_redirect(merchant, outcome, state, text):
    page = await page_of(merchant)

    reply = await press(merchant, page, outcome)

    assert (reply.status, text in reply.body, SHOP in reply.body) == (200, True, False)
    assert (await merchant.status()).body["state"] == state


async def test_button_to_try_again_then_the_page_offers_it_and_success_follows(merchant):
    page = await page_of(merchant)

    failed = await press(merchant, page, "retry")
    again = await merchant.call("GET", page)
    paid = await press(merchant, page, "success", paymentMode="CARD")

    attempts = (await merchant.status(query="?details=true")).body["paymentDetails"]
    assert (failed.status, failed.headers["Location"]) == (303, page)
    assert ("That attempt failed" in again.body, len(buttons(again.body))) == (True, 7)
    assert (paid.status, [(a["paymentMode"], a["state"]) for a in attempts]) == (
        303,
        [("UPI_QR", "FAILED"), ("CARD", "COMPLETED")],
    )


async def test_pay_page_when_retry_is_disabled_then_it_offers_none(merchant):
    page = await page_of(merchant, disablePaymentRetry=True)

    html = (await merchant.call("GET", page)).body
    reply = await press(merchant, page, "retry")

    assert ("retry" in buttons(html), reply.headers["Location"]) == (False, SHOP)


@pytest.mark.parametrize("outcome", ["success", "failure", "cancel", "close_paid"])
async def test_button_on_a_paid_order_then_back_to_its_page_and_nothing_changes(merchant, outcome):
    page = await page_of(merchant)
    await press(merchant, page, "success")
    before = await merchant.status()

    reply = await press(merchant, page, outcome)

    html = (await merchant.call("GET", page)).body
    assert (reply.status, reply.headers["Location"]) == (303, page)
    assert (await merchant.status()).body == before.body
    assert (buttons(html), "This order is paid" in html, SHOP in html) == ([], True, True)


async def test_pay_page_when_expired_then_says_so_and_takes_nothing(merchant):
    page = await page_of(merchant)
    await merchant.advance(900)

    html = (await merchant.call("GET", page)).body
    await press(merchant, page, "success")

    assert (buttons(html), "The time to pay is over" in html) == ([], True)
    assert (await merchant.status()).body["state"] == "FAILED"


@pytest.mark.parametrize("query", ["", "?token=", "?token=guess"])
async def test_pay_page_when_the_token_is_unknown_then_404(merchant, query):
    assert [(await merchant.call(m, f"/transact/uat_v2{query}")).status for m in ("GET", "POST")] == [
        404,
        404,
    ]


@pytest.mark.parametrize("fields", [{"outcome": "win"}, {"outcome": "success", "paymentMode": "CASH"}, {}])
async def test_button_that_does_not_exist_then_400_and_nothing_changes(merchant, fields):
    page = await page_of(merchant)

    reply = await merchant.call("POST", page, data=fields)

    assert (reply.status, (await merchant.status()).body["state"]) == (400, "PENDING")


async def test_pay_page_escapes_what_the_merchant_sent(merchant):
    evil = "<script>alert(1)</script> \ud800"
    page = await page_of(merchant, paymentFlow=merchant.order()["paymentFlow"] | {"message": evil})

    reply = await merchant.call("GET", page)

    assert (reply.status, "<script>alert" in reply.body) == (200, False)


async def test_orders_page_lists_orders_with_their_links(merchant):
    empty = (await merchant.call("GET", "/sandbox/")).body
    page = await page_of(merchant)
    await merchant.fault("pay", "reset")

    html = (await merchant.call("GET", "/sandbox/")).body

    wanted = ["ORD-1", "₹1,499.00", "PENDING", page.partition("?")[2], "/sandbox/orders/ORD-1", "pay: reset"]
    assert ("No order yet" in empty, [text for text in wanted if text not in html]) == (True, [])


async def test_order_page_shows_requests_and_answers_in_order(merchant):
    page = await page_of(merchant, metaInfo={"udf1": "<b>bold</b>"})
    await press(merchant, page, "success")
    await merchant.status()

    html = (await merchant.call("GET", "/sandbox/orders/ORD-1")).body

    steps = ["POST /apis/pg-sandbox/checkout/v2/pay", "pay page: success", "/checkout/v2/order/ORD-1/status"]
    places = [html.find(step) for step in steps]
    assert (places == sorted(places), -1 in places, "<b>bold" in html) == (True, False, False)


async def test_order_page_when_unknown_then_404(merchant):
    assert (await merchant.call("GET", "/sandbox/orders/X")).status == 404


async def test_sandbox_without_slash_then_redirected(merchant):
    reply = await merchant.call("GET", "/sandbox")

    assert (reply.status, reply.headers["Location"]) == (303, "/sandbox/")
