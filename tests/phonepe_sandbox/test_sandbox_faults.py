"""Faults: each kind over real HTTP (§9)."""

import asyncio
import json
import time

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
        f"{merchant.url}/apis/pg-sandbox/checkout/v2/pay",
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
