"""The control API: what tests and demos hold on to."""

import asyncio

import pytest

NOW_MS = 1_800_000_000_000
NO_CALLS = dict.fromkeys(
    ["token", "pay", "status", "transaction_status", "refund", "refund_status", "sdk_order"], 0
)


async def shown(merchant, order_id="ORD-1"):
    return (await merchant.control("GET", f"/orders/{order_id}")).body


async def test_health(merchant):
    assert (await merchant.control("GET", "/health")).body == {"ok": True}


async def test_order_is_shown_with_everything_about_it(merchant):
    created = await merchant.pay()
    await merchant.status()
    await merchant.customer("success")
    await merchant.refund("R-1", 1000)

    body = await shown(merchant)

    [attempt], [refund] = body["attempts"], body["refunds"]
    assert body == {
        "merchantOrderId": "ORD-1",
        "orderId": created.body["orderId"],
        "state": "COMPLETED",
        "errorCode": None,
        "detailedErrorCode": None,
        "amount": 149_900,
        "reportedAmount": 149_900,
        "createdAt": NOW_MS,
        "expireAt": NOW_MS + 900_000,
        "paidAt": NOW_MS,
        "redirectUrl": "http://shop.test/pay/return/ORD-1",
        "payPageUrl": created.body["redirectUrl"],
        "attempts": [attempt],
        "refunds": [refund],
        "calls": NO_CALLS | {"pay": 1, "status": 1, "refund": 1},
        "webhooks": [],
    }
    assert (attempt["state"], refund["state"], refund["amount"]) == ("COMPLETED", "PENDING", 1000)


async def test_register_makes_orders_known_without_the_api(merchant):
    orders = [
        {"merchantOrderId": "A", "amount": 100},
        {"merchantOrderId": "B", "amount": 200, "expireAfter": 60, "redirectUrl": "http://shop.test/b"},
        {"merchantOrderId": "C", "amount": 300, "age": 901},
        {"merchantOrderId": "D", "amount": 400, "state": "COMPLETED"},
        {"merchantOrderId": "E", "amount": 500, "state": "FAILED", "age": 5},
    ]

    reply = await merchant.control("POST", "/orders", {"orders": orders})

    made = reply.body["orders"]
    states = [(await merchant.status(one["merchantOrderId"])).body["state"] for one in orders]
    assert (reply.status, reply.body["registered"]) == (200, 5)
    assert [one["expireAt"] - NOW_MS for one in made] == [900_000, 60_000, -1000, 900_000, 895_000]
    assert states == ["PENDING", "PENDING", "FAILED", "COMPLETED", "FAILED"]
    assert (await merchant.call("GET", made[1]["redirectUrl"].removeprefix(merchant.url))).status == 200


async def test_register_ten_thousand_in_one_request(merchant):
    orders = [{"merchantOrderId": f"L{n}", "amount": 1000} for n in range(10_000)]

    reply = await merchant.control("POST", "/orders", {"orders": orders})

    assert reply.body["registered"] == 10_000
    assert (await merchant.control("GET", "/orders?limit=1")).body["total"] == 10_000


@pytest.mark.parametrize(
    "wrong",
    [
        {"merchantOrderId": "OLD", "amount": 100},
        {"merchantOrderId": "NEW", "amount": 100},
        {"merchantOrderId": "a b", "amount": 100},
        {"merchantOrderId": "B", "amount": "100"},
        {"merchantOrderId": "B", "amount": 100, "state": "EXPIRED"},
        {"merchantOrderId": "B", "amount": 100, "colour": "red"},
        "B",
    ],
)
async def test_register_when_one_is_wrong_then_none_is_stored(merchant, wrong):
    await merchant.pay("OLD")

    reply = await merchant.control(
        "POST", "/orders", {"orders": [{"merchantOrderId": "NEW", "amount": 1}, wrong]}
    )

    assert reply.status == 400
    assert await merchant.orders_known() == ["OLD"]


async def test_orders_are_listed_newest_first_and_by_state(merchant):
    for name in ("A", "B", "C"):
        await merchant.pay(name)
    await merchant.customer("success", "B")

    newest = (await merchant.control("GET", "/orders?limit=2")).body
    paid = (await merchant.control("GET", "/orders?state=COMPLETED")).body

    assert (newest["total"], [one["merchantOrderId"] for one in newest["orders"]]) == (3, ["C", "B"])
    assert [one["merchantOrderId"] for one in paid["orders"]] == ["B"]


async def test_outcome_after_a_pause_then_it_happens_by_itself(merchant):
    await merchant.pay()

    reply = await merchant.customer("success", after=0.3)

    early = (await merchant.status()).body["state"]
    async with asyncio.timeout(5):
        while (await merchant.status()).body["state"] != "COMPLETED":
            await asyncio.sleep(0.01)
    assert (reply.status, reply.body["scheduled"], early) == (202, True, "PENDING")


async def test_outcome_with_another_amount_then_the_gateway_reports_it(merchant):
    await merchant.pay()

    await merchant.customer("success", amount=1)

    body = (await merchant.status()).body
    assert (body["amount"], body["paymentDetails"][0]["amount"]) == (1, 1)
    assert (await shown(merchant))["amount"] == 149_900


@pytest.mark.parametrize("ending", ["success", "failure", "cancel"])
@pytest.mark.parametrize("outcome", ["success", "failure", "retry", "pending", "cancel"])
async def test_outcome_on_a_closed_order_then_409_and_nothing_changes(merchant, ending, outcome):
    await merchant.pay()
    await merchant.customer(ending)
    before = await merchant.status()

    reply = await merchant.customer(outcome)

    assert reply.status == 409
    assert (await merchant.status()).body == before.body


@pytest.mark.parametrize("end", ["expiry", "failure", "cancel"])
async def test_outcome_forced_then_a_late_success_on_a_failed_order(merchant, end):
    await merchant.pay()
    if end == "expiry":
        await merchant.advance(901)
    else:
        await merchant.customer(end)

    reply = await merchant.customer("success", force=True)

    body = (await merchant.status(query="?errorContext=true")).body
    assert (reply.status, body["state"], "errorCode" in body) == (200, "COMPLETED", False)
    assert reply.body["paidAt"] == NOW_MS + (901_000 if end == "expiry" else 0)


async def test_outcome_forced_cannot_undo_a_payment(merchant):
    await merchant.paid()

    reply = await merchant.customer("failure", force=True)

    assert (reply.status, (await merchant.status()).body["state"]) == (409, "COMPLETED")


@pytest.mark.parametrize(
    "body",
    [{}, {"outcome": "win"}, {"outcome": "success", "after": -1}, {"outcome": "success", "x": 1}, [], "x"],
)
async def test_outcome_when_wrong_then_400_and_nothing_changes(merchant, body):
    await merchant.pay()

    reply = await merchant.control("POST", "/orders/ORD-1/outcome", body)

    assert (reply.status, (await merchant.status()).body["state"]) == (400, "PENDING")


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/orders/X"), ("POST", "/orders/X/outcome"), ("POST", "/orders/X/webhook"), ("GET", "/nothing")],
)
async def test_control_when_there_is_no_such_thing_then_404(merchant, method, path):
    reply = await merchant.control(method, path, {"outcome": "success"})

    assert (reply.status, sorted(reply.body)) == (404, ["error"])


async def test_control_from_a_foreign_web_page_then_403(merchant):
    reply = await merchant.call("POST", "/sandbox/api/reset", headers={"Origin": "http://evil.test"})

    assert reply.status == 403


async def test_calls_are_counted_in_all_and_by_order(merchant):
    await merchant.pay("A")
    await merchant.pay("B")
    await merchant.status("A")
    await merchant.status("A")
    await merchant.fault("status", "server_error")
    await merchant.status("A")

    totals = (await merchant.control("GET", "/calls")).body
    of_one = (await merchant.control("GET", "/calls?merchantOrderId=A")).body
    of_none = (await merchant.control("GET", "/calls?merchantOrderId=Z")).body

    assert totals == NO_CALLS | {"token": 1, "pay": 2, "status": 3}
    assert of_one == NO_CALLS | {"pay": 1, "status": 3}
    assert of_none == NO_CALLS


async def test_requests_are_kept_newest_first_with_secrets_masked(merchant):
    created = await merchant.pay()
    await merchant.status()

    status, pay, token = (await merchant.control("GET", "/requests")).body["requests"]

    bearer = merchant.authorization.removeprefix("O-Bearer ")
    page_token = created.body["redirectUrl"].partition("?token=")[2]
    kept = str([status, pay, token])
    assert [one["kind"] for one in (status, pay, token)] == ["status", "pay", "token"]
    assert (status["path"], status["status"]) == ("/apis/pg-sandbox/checkout/v2/order/ORD-1/status", 200)
    assert [secret in kept for secret in ("sandbox-secret", bearer, page_token)] == [False, False, False]
    assert "client_secret=********" in token["request"]


async def test_requests_of_one_order_and_why_it_was_refused(merchant):
    await merchant.pay("A")
    await merchant.pay("B", amount=1)

    [entry] = (await merchant.control("GET", "/requests?merchantOrderId=B&limit=5")).body["requests"]

    assert (entry["status"], entry["reason"]) == (400, "amount must be a whole number of paise, 100 or more")


async def test_settings_are_shown_and_changed_and_the_password_is_masked(merchant):
    before = (await merchant.control("GET", "/settings")).body

    after = (await merchant.switch(token_life=5, webhook_password="new1password")).body

    assert before["webhook_password"] == "********"
    assert after == before | {"token_life": 5}
    assert (await merchant.token()).body["expires_in"] == 5


@pytest.mark.parametrize(
    "wrong",
    [
        {"colour": "red"},
        {"token_life": 0},
        {"token_life": True},
        {"token_life": None},
        {"honour_expire_after": 1},
        {"max_rps": "10"},
        {"webhook_url": "ftp://x"},
        {"duplicate_answer": 400},
    ],
)
async def test_settings_when_one_is_wrong_then_400_and_none_is_changed(merchant, wrong):
    before = (await merchant.control("GET", "/settings")).body

    reply = await merchant.switch(latency=0.5, **wrong)

    assert reply.status == 400
    assert (await merchant.control("GET", "/settings")).body == before


async def test_clock_moves_forward_only(merchant):
    moved = (await merchant.control("POST", "/clock", {"advance": 90.5})).body
    back = await merchant.control("POST", "/clock", {"advance": -1})

    assert (moved, back.status) == ({"now": NOW_MS + 90_500, "offset": 90.5}, 400)


async def test_reset_forgets_everything(merchant):
    await merchant.paid()
    await merchant.fault("pay", "reset")
    await merchant.switch(token_life=5)
    await merchant.advance(100)
    await merchant.customer("success", after=60)

    await merchant.control("POST", "/reset")

    assert (await merchant.control("GET", "/orders")).body == {"total": 0, "orders": []}
    assert (await merchant.control("GET", "/calls")).body == NO_CALLS
    assert (await merchant.control("GET", "/faults")).body == {"faults": []}
    assert (await merchant.control("GET", "/settings")).body["token_life"] == 3600
    assert (await merchant.control("GET", "/clock")).body == {"now": NOW_MS, "offset": 0.0}
    assert (await merchant.status()).status == 401
