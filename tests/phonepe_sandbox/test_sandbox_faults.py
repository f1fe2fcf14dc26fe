"""Faults: each kind over real HTTP (§9)."""

import asyncio
import json
import time
from email.utils import parsedate_to_datetime

import aiohttp
import pytest

UNCHANGED = {"newField": {"since": "v2.9"}, "newFlag": None}


async def test_latency_then_the_answer_is_late_and_right(merchant):
    await merchant.pay()
    await merchant.fault("status", "latency", seconds=0.15)
    started = time.monotonic()

    reply = await merchant.status()

    assert (reply.body["state"], time.monotonic() - started >= 0.15) == ("PENDING", True)


async def test_latency_setting_then_every_answer_is_late(merchant):
    await merchant.switch(latency=0.1)
    started = time.monotonic()

    await merchant.token()

    assert time.monotonic() - started >= 0.1


async def test_hang_then_no_answer_within_the_callers_patience_and_nothing_stored(merchant):
    await merchant.token()
    await merchant.fault("pay", "hang", seconds=30)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await merchant.pay()

    assert await merchant.orders_known() == []


async def test_hang_when_its_time_is_over_then_the_connection_is_cut(merchant):
    await merchant.fault("token", "hang", seconds=0.05)

    with pytest.raises(aiohttp.ClientError):
        await merchant.token()


async def test_reset_then_the_connection_is_reset_and_nothing_stored(merchant):
    await merchant.status()
    await merchant.fault("pay", "reset", count=1)

    with pytest.raises((aiohttp.ClientError, ConnectionResetError)):
        await merchant.pay()

    assert await merchant.orders_known() == []
    [entry, *_] = (await merchant.control("GET", "/requests?merchantOrderId=ORD-1")).body["requests"]
    assert (entry["status"], entry["faults"]) == (None, ["reset"])
    assert (await merchant.pay()).status == 200


@pytest.mark.parametrize(("options", "header"), [({}, None), ({"retryAfter": 7}, "7")])
async def test_rate_limited_then_429_with_the_header_only_on_request(merchant, options, header):
    await merchant.fault("status", "rate_limited", **options)

    reply = await merchant.status()

    assert (reply.status, reply.headers.get("Retry-After")) == (429, header)
    assert reply.body == {
        "success": False,
        "code": "TOO_MANY_REQUESTS",
        "message": "Too many requests. Please try again.",
        "data": {},
    }


@pytest.mark.parametrize("status", [500, 502, 503])
@pytest.mark.parametrize(
    ("body", "content_type", "start"),
    [
        ("json", "application/json", b'{"code":"INTERNAL_SERVER_ERROR","message":"There is an error'),
        ("html", "text/html", b"<!DOCTYPE html>"),
        ("string", "application/json", b'"R999"'),
        ("empty", "application/json", b""),
    ],
)
async def test_server_error_then_that_status_and_body_and_nothing_stored(
    merchant, status, body, content_type, start
):
    await merchant.status()
    await merchant.fault("pay", "server_error", status=status, body=body)

    async with merchant.http.post(
        f"{merchant.url}/apis/pg/checkout/v2/pay",
        json=merchant.order(),
        headers={"Authorization": merchant.authorization},
    ) as answer:
        got = (answer.status, answer.content_type, (await answer.read())[: len(start) or None])

    assert got == (status, content_type, start)
    assert await merchant.orders_known() == []


async def test_html_200_then_a_page_instead_of_json(merchant):
    await merchant.fault("status", "html_200")

    reply = await merchant.status()

    assert (reply.status, reply.headers["Content-Type"], reply.body[:15]) == (
        200,
        "text/html",
        "<!DOCTYPE html>",
    )


async def test_truncated_json_then_half_the_body(merchant):
    await merchant.pay()
    await merchant.fault("status", "truncated_json")

    with pytest.raises(json.JSONDecodeError):
        await merchant.status()


async def test_stored_then_error_on_pay_then_500_and_the_order_exists(merchant):
    await merchant.fault("pay", "stored_then_error", count=1)

    reply = await merchant.pay()

    assert (reply.status, reply.body["code"]) == (500, "INTERNAL_SERVER_ERROR")
    assert (await merchant.status()).body["state"] == "PENDING"


async def test_stored_then_error_on_refund_then_500_and_the_refund_exists(merchant):
    await merchant.paid()
    await merchant.fault("refund", "stored_then_error", merchantOrderId="ORD-1")

    reply = await merchant.refund()

    assert (reply.status, (await merchant.refund_status()).body["state"]) == (500, "PENDING")


async def test_stored_then_hang_then_no_answer_and_the_order_exists(merchant):
    await merchant.fault("pay", "stored_then_hang", seconds=30)
    await merchant.status()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await merchant.pay()

    assert (await merchant.status()).body["state"] == "PENDING"


async def test_unauthorized_then_401_on_a_live_token_once(merchant):
    await merchant.pay()
    await merchant.fault("status", "unauthorized", count=1)

    replies = [await merchant.status(), await merchant.status()]

    assert [reply.status for reply in replies] == [401, 200]
    assert replies[0].body["code"] == "AUTHORIZATION_FAILED"


@pytest.mark.parametrize(
    ("kind", "options", "changed"),
    [
        ("unknown_state", {"state": "EXPIRED"}, {"state": "EXPIRED"}),
        ("amount_changed", {"amount": 1}, {"amount": 1}),
        ("order_id_changed", {"orderId": "OMO1"}, {"orderId": "OMO1"}),
    ],
)
async def test_changed_fields_then_only_they_differ(merchant, kind, options, changed):
    await merchant.paid()
    honest = (await merchant.status()).body
    await merchant.fault("status", kind, **options)

    reply = await merchant.status()

    assert reply.body == honest | changed


async def test_changed_fields_on_an_error_answer_then_it_stays_as_it_is(merchant):
    await merchant.fault("status", "unknown_state")

    reply = await merchant.status("NOBODY")

    assert sorted(reply.body) == ["code", "message"]


async def test_unknown_fields_then_at_every_level(merchant):
    await merchant.paid()
    honest = (await merchant.status()).body
    await merchant.fault("status", "unknown_fields")

    reply = await merchant.status()

    assert (reply.body["newField"], reply.body["metaInfo"]) == ({"since": "v2.9"}, UNCHANGED)
    assert reply.body["paymentDetails"][0]["rail"] == honest["paymentDetails"][0]["rail"] | UNCHANGED
    assert reply.body["state"] == honest["state"]


async def test_max_rps_then_429_above_it(merchant):
    await merchant.status()
    await merchant.switch(max_rps=3)

    statuses = [(await merchant.status()).status for _ in range(5)]

    assert statuses == [400, 400, 400, 429, 429]


# -- rules --------------------------------------------------------------------------------


async def test_rule_with_a_count_then_spent_after_it(merchant):
    rule = (await merchant.fault("status", "rate_limited", count=2)).body

    statuses = [(await merchant.status()).status for _ in range(3)]

    [left] = (await merchant.control("GET", "/faults")).body["faults"]
    assert statuses == [429, 429, 400]
    assert left == rule | {"count": 0, "struck": 2}


async def test_rule_for_one_order_then_the_others_are_spared(merchant):
    await merchant.pay("ORD-1")
    await merchant.pay("ORD-2")
    await merchant.fault("any", "rate_limited", merchantOrderId="ORD-1")

    assert [(await merchant.status(name)).status for name in ("ORD-1", "ORD-2")] == [429, 200]


async def test_rule_with_a_rate_then_a_seeded_part_is_struck(merchant):
    await merchant.fault("status", "rate_limited", rate=0.5)
    first = [(await merchant.status()).status for _ in range(40)]
    await merchant.control("POST", "/reset")
    merchant.authorization = None
    await merchant.fault("status", "rate_limited", rate=0.5)

    second = [(await merchant.status()).status for _ in range(40)]

    assert (first, set(first)) == (second, {400, 429})


async def test_two_rules_then_both_strike(merchant):
    await merchant.pay()
    await merchant.fault("status", "latency", seconds=0.1)
    await merchant.fault("status", "unknown_state", state="CREATED")
    started = time.monotonic()

    reply = await merchant.status()

    assert (reply.body["state"], time.monotonic() - started >= 0.1) == ("CREATED", True)


@pytest.mark.parametrize(
    "rule",
    [
        {},
        {"on": "pay"},
        {"on": "everything", "kind": "reset"},
        {"on": "pay", "kind": "explode"},
        {"on": "pay", "kind": "lost"},
        {"on": "webhook", "kind": "reset"},
        {"on": "pay", "kind": "latency"},
        {"on": "pay", "kind": "latency", "seconds": "1"},
        {"on": "pay", "kind": "latency", "seconds": -1},
        {"on": "pay", "kind": "reset", "seconds": 1},
        {"on": "pay", "kind": "reset", "count": 0},
        {"on": "pay", "kind": "reset", "rate": 1.5},
        {"on": "pay", "kind": "server_error", "status": 404},
        {"on": ["pay"], "kind": {"a": 1}},
    ],
)
async def test_rule_when_wrong_then_400_and_not_in_force(merchant, rule):
    reply = await merchant.control("POST", "/faults", rule)

    assert (reply.status, sorted(reply.body)) == (400, ["error"])
    assert (await merchant.control("GET", "/faults")).body == {"faults": []}


async def test_rules_are_removed_one_by_one_or_all(merchant):
    ids = [(await merchant.fault("pay", "reset")).body["id"] for _ in range(3)]

    one = await merchant.control("DELETE", f"/faults/{ids[0]}")
    again = await merchant.control("DELETE", f"/faults/{ids[0]}")
    rest = await merchant.control("DELETE", "/faults")

    assert [one.body, again.status, rest.body] == [{"removed": 1}, 404, {"removed": 2}]


# -- the kinds that depend on time or chance ------------------------------------------------


async def took(call):
    started = time.monotonic()
    await call
    return time.monotonic() - started


async def test_latency_with_a_spread_then_each_takes_its_own_time_within_it(merchant):
    await merchant.status()
    await merchant.fault("status", "latency", seconds=0.05, spread=0.1)

    times = [await took(merchant.status()) for _ in range(8)]

    assert min(times) >= 0.05
    assert max(times) - min(times) > 0.01


async def test_latency_one_in_n_then_every_nth_call_is_slow(merchant):
    await merchant.status()
    await merchant.fault("status", "latency", seconds=0.15, oneIn=3)

    slow = [await took(merchant.status()) >= 0.15 for _ in range(6)]

    assert slow == [False, False, True, False, False, True]


async def test_rps_limit_for_one_order_then_429_above_it_until_the_second_is_over(merchant):
    await merchant.pay("A")
    await merchant.pay("B")
    await merchant.fault("status", "rps_limit", limit=2, retryAfter=1, merchantOrderId="A")

    statuses = [(await merchant.status("A")).status for _ in range(4)]
    other = [(await merchant.status("B")).status for _ in range(4)]
    await asyncio.sleep(1.05)
    later = (await merchant.status("A")).status

    assert (statuses, other, later) == ([200, 200, 429, 429], [200] * 4, 200)
    [rule] = (await merchant.control("GET", "/faults")).body["faults"]
    assert rule["struck"] == 2


@pytest.mark.parametrize(
    ("options", "status", "body"),
    [
        (
            {"status": 403, "code": "FORBIDDEN"},
            403,
            {
                "success": False,
                "code": "FORBIDDEN",
                "message": "Please check the inputs you have provided.",
                "data": {},
            },
        ),
        (
            {"status": 404, "code": "KEY_NOT_CONFIGURED", "shape": "auth"},
            404,
            {
                "code": "KEY_NOT_CONFIGURED",
                "errorCode": "KEY_NOT_CONFIGURED",
                "message": "KEY_NOT_CONFIGURED: Please check the inputs you have provided.",
                "context": {},
            },
        ),
        (
            {"status": 401, "code": "PR004", "shape": "gateway"},
            401,
            {"errorCode": "PR004", "message": "Unauthorized"},
        ),
        (
            {"code": "PR000", "shape": "gateway"},
            400,
            {"errorCode": "PR000", "message": "Bad Request"},
        ),
        ({"shape": "mapping"}, 400, {"message": "Bad Request - Api Mapping Not Found"}),
    ],
)
async def test_refused_then_the_body_of_that_service_and_nothing_stored(merchant, options, status, body):
    await merchant.fault("pay", "refused", **options)

    reply = await merchant.pay()

    assert (reply.status, reply.body, await merchant.orders_known()) == (status, body, [])


async def test_token_life_then_this_token_dies_early_and_the_next_lives_on(merchant):
    await merchant.fault("token", "token_life", seconds=5, count=1)
    short = (await merchant.status()).status
    expires_in = (await merchant.control("GET", "/faults")).body["faults"][0]["seconds"]

    await merchant.advance(5)

    dead = (await merchant.status()).status
    merchant.authorization = None
    await merchant.status()
    await merchant.advance(5)
    assert (short, expires_in, dead, (await merchant.status()).status) == (400, 5, 401, 400)


@pytest.mark.parametrize("skew", [-600, 600])
async def test_clock_skew_on_the_token_then_its_times_are_off_and_it_works(merchant, skew):
    await merchant.fault("token", "clock_skew", seconds=skew)

    body = (await merchant.token()).body

    now = 1_800_000_000 + skew
    assert (body["issued_at"], body["expires_at"], body["expires_in"]) == (now, now + 3600, 3600)
    assert (await merchant.status()).status == 400


async def test_clock_skew_on_other_calls_then_every_time_in_the_answer_is_off(merchant):
    await merchant.paid()
    honest = await merchant.status()
    await merchant.fault("status", "clock_skew", seconds=90.5)

    skewed = await merchant.status()

    pairs = [(honest.body, "expireAt"), (honest.body["paymentDetails"][0], "timestamp")]
    others = [skewed.body, skewed.body["paymentDetails"][0]]
    assert [other[name] - one[name] for (one, name), other in zip(pairs, others, strict=True)] == [90_500] * 2
    ahead = parsedate_to_datetime(skewed.headers["Date"]) - parsedate_to_datetime(honest.headers["Date"])
    assert 88 <= ahead.total_seconds() <= 93


async def test_unknown_payment_mode_then_only_that_word_differs(merchant):
    await merchant.paid()
    honest = (await merchant.status()).body
    await merchant.fault("status", "unknown_payment_mode", paymentMode="BNPL")

    reply = (await merchant.status()).body

    assert reply["paymentDetails"][0].pop("paymentMode") == "BNPL"
    assert honest["paymentDetails"][0].pop("paymentMode") == "UPI_QR"
    assert reply == honest


async def test_unknown_payment_mode_when_nobody_tried_then_nothing_to_change(merchant):
    await merchant.pay()
    await merchant.fault("status", "unknown_payment_mode")

    assert (await merchant.status()).body["paymentDetails"] == []


# -- a bank that pays after all (§8) --------------------------------------------------------


@pytest.mark.parametrize("end", ["failure", "cancel"])
async def test_late_success_after_a_failure_then_completed_with_its_webhook(merchant, shop, end):
    await merchant.fault("failure", "late_success", seconds=120)
    await merchant.pay()

    await merchant.customer(end)

    first = (await merchant.status()).body["state"]
    await merchant.advance(119)
    still = (await merchant.status()).body["state"]
    await merchant.advance(1)
    assert (first, still, (await merchant.status()).body["state"]) == ("FAILED", "FAILED", "COMPLETED")
    assert [body["event"] for body in await shop.wait_for(2)] == [
        "checkout.order.failed",
        "checkout.order.completed",
    ]


async def test_late_success_after_expiry_for_one_order_then_the_others_stay_failed(merchant, shop):
    await merchant.fault("expiry", "late_success", seconds=30, webhook=False, merchantOrderId="A")
    await merchant.pay("A")
    await merchant.pay("B")

    await merchant.advance(900)
    expired = [(await merchant.status(name)).body["detailedErrorCode"] for name in "AB"]
    await merchant.advance(30)

    assert expired == ["ORDER_EXPIRED"] * 2
    assert [(await merchant.status(name)).body["state"] for name in "AB"] == ["COMPLETED", "FAILED"]
    assert shop.received == []


async def test_late_success_with_a_count_then_spent_after_it(merchant):
    await merchant.fault("failure", "late_success", seconds=1, count=1)
    for name in "AB":
        await merchant.pay(name)
        await merchant.customer("failure", name)

    await merchant.advance(1)

    assert [(await merchant.status(name)).body["state"] for name in "AB"] == ["COMPLETED", "FAILED"]


@pytest.mark.parametrize(
    "rule",
    [
        {"on": "failure", "kind": "reset"},
        {"on": "pay", "kind": "late_success"},
        {"on": "pay", "kind": "token_life", "seconds": 5},
        {"on": "any", "kind": "rps_limit"},
        {"on": "pay", "kind": "reset", "oneIn": 0},
        {"on": "token", "kind": "clock_skew", "seconds": 10**9},
    ],
)
async def test_rule_that_goes_with_another_target_or_range_then_400(merchant, rule):
    assert (await merchant.control("POST", "/faults", rule)).status == 400


async def test_rules_have_a_chance_each_so_that_one_does_not_disturb_the_other(merchant):
    async def struck(*, other):
        await merchant.control("POST", "/reset")
        merchant.authorization = None
        await merchant.fault("status", "rate_limited", rate=0.5)
        if other:
            await merchant.fault("status", "unknown_fields", rate=0.5)
        return [(await merchant.status()).status for _ in range(30)]

    assert await struck(other=False) == await struck(other=True)
