"""Faults that depend on time, chance or the order's end, over real HTTP (§8, §9)."""

import asyncio
import time
from email.utils import parsedate_to_datetime

import pytest

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
    await merchant.fault("status", "latency", seconds=1, oneIn=3)

    slow = [await took(merchant.status()) >= 1 for _ in range(6)]

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
