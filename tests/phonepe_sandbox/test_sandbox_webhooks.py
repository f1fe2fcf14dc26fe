"""Webhooks (§6), delivered to a real endpoint."""

import asyncio
import hashlib
import hmac

import pytest

from phonepe_sandbox.wire import webhook_credential

VECTOR = "bc842c31a9e54efe320d30d948be61291f3ceee4766e36ab25fa65243cd76e0e"


async def deliveries(merchant, count, order_id="ORD-1"):
    """The recorded deliveries once `count` of them have ended."""
    async with asyncio.timeout(5):
        while True:
            sent = (await merchant.control("GET", f"/orders/{order_id}")).body["webhooks"]
            if len(sent) >= count and all(one["result"] != "waiting" for one in sent):
                return sent
            await asyncio.sleep(0.01)


async def settled(merchant, shop, count):
    """What arrived, after leaving time for one too many."""
    await shop.wait_for(count)
    await asyncio.sleep(0.1)
    return [body["event"] for _, body in shop.received]


def test_credential_is_the_documented_vector():
    assert webhook_credential("username", "password") == VECTOR


async def test_webhook_when_paid_then_one_with_the_bare_hex_credential(merchant, shop):
    await merchant.pay(metaInfo={"udf1": "a"})

    await merchant.customer("success")

    assert await settled(merchant, shop, 1) == ["checkout.order.completed"]
    headers, body = shop.received[0]
    status = (await merchant.status()).body
    names = {"merchantId": "SANDBOXMERCHANT", "merchantOrderId": "ORD-1"}
    assert (headers["Authorization"], headers["Content-Type"]) == (VECTOR, "application/json")
    assert body == {
        "event": "checkout.order.completed",
        "type": "CHECKOUT_ORDER_COMPLETED",
        "payload": names | status,
    }


async def test_webhook_when_failed_then_the_codes_are_in_the_payload(merchant, shop):
    await merchant.pay()

    await merchant.customer("failure")

    [body] = await shop.wait_for(1)
    payload = body["payload"]
    assert (body["event"], payload["state"]) == ("checkout.order.failed", "FAILED")
    assert payload["paymentDetails"][0]["detailedErrorCode"] == "TXN_AUTO_FAILED"


async def test_webhook_when_an_attempt_failed_then_the_order_is_told_as_pending(merchant, shop):
    await merchant.pay()

    await merchant.customer("retry")

    [body] = await shop.wait_for(1)
    told = (body["event"], body["type"], body["payload"]["state"])
    assert told == ("checkout.transaction.attempt.failed", "CHECKOUT_TRANSACTION_ATTEMPT_FAILED", "PENDING")


async def test_webhook_when_switched_so_then_the_attempt_is_told_before_the_order(merchant, shop):
    await merchant.switch(webhook_attempt_failed_first=True)
    await merchant.pay()

    await merchant.customer("failure")

    bodies = await shop.wait_for(2)
    told = sorted((body["event"], body["payload"]["state"]) for body in bodies)
    assert told == [("checkout.order.failed", "FAILED"), ("checkout.transaction.attempt.failed", "PENDING")]
    for body in bodies:  # PhonePe gives a reason at the root once the order itself has failed (§4.2)
        payload = body["payload"]
        assert ("errorCode" in payload) is ("detailedErrorCode" in payload) is (payload["state"] == "FAILED")
        assert payload["paymentDetails"][-1]["errorCode"] == "TXN_NOT_COMPLETED"


async def test_webhook_of_a_failure_when_switched_so_then_the_attempt_alone_says_why(merchant, shop):
    await merchant.switch(webhook_error_codes="attempt")
    await merchant.pay()

    await merchant.customer("failure")

    [body] = await shop.wait_for(1)
    payload = body["payload"]
    assert (payload["state"], "errorCode" in payload, "detailedErrorCode" in payload) == (
        "FAILED",
        False,
        False,
    )
    assert payload["paymentDetails"][0]["errorCode"] == "TXN_NOT_COMPLETED"


async def test_webhook_when_refunded_then_accepted_and_completed(merchant, shop):
    await merchant.paid()
    await merchant.refund("R-1", 1000)
    await merchant.advance(1)
    await shop.wait_for(2)

    await merchant.advance(1)

    _, accepted, completed = await shop.wait_for(3)
    told = {"merchantId": "SANDBOXMERCHANT", "merchantRefundId": "R-1"} | (
        await merchant.refund_status()
    ).body
    assert (accepted["event"], accepted["payload"]["state"]) == ("pg.refund.accepted", "CONFIRMED")
    assert completed == {"event": "pg.refund.completed", "type": "PG_REFUND_COMPLETED", "payload": told}


async def test_webhook_when_both_refund_steps_come_at_once_then_each_tells_its_own_state(merchant, shop):
    await merchant.paid()
    await merchant.refund()

    await merchant.advance(60)

    _, *bodies = await shop.wait_for(3)
    assert sorted(body["payload"]["state"] for body in bodies) == ["COMPLETED", "CONFIRMED"]


@pytest.mark.parametrize(("switch", "expected"), [(False, []), (True, ["checkout.order.failed"])])
async def test_webhook_when_the_order_expires_then_by_the_switch(merchant, shop, switch, expected):
    await merchant.switch(webhook_on_expiry=switch)
    await merchant.pay()

    await merchant.advance(900)

    assert await settled(merchant, shop, len(expected)) == expected


async def test_webhook_when_the_shop_refuses_then_recorded_and_not_repeated(merchant, shop):
    shop.answer = 500
    await merchant.pay()

    await merchant.customer("success")

    [sent] = await deliveries(merchant, 1)
    assert (sent["result"], sent["status"], sent["tries"], len(shop.received)) == ("refused", 500, 1, 1)


async def test_webhook_when_retries_are_on_then_repeated_until_taken(merchant, shop):
    await merchant.switch(webhook_tries=5, webhook_retry_pause=0.03)
    shop.answer = 503
    await merchant.pay()
    await merchant.customer("success")
    await shop.wait_for(2)

    shop.answer = 200

    async with asyncio.timeout(5):
        while (await deliveries(merchant, 1))[0]["result"] != "delivered":
            await asyncio.sleep(0.01)
    taken = len(shop.received)
    await asyncio.sleep(0.3)
    assert len(shop.received) == taken


async def test_webhook_when_nobody_listens_then_recorded_and_the_emulator_lives(
    merchant, shop, unused_tcp_port
):
    await merchant.switch(webhook_url=f"http://127.0.0.1:{unused_tcp_port}/hook")
    await merchant.pay()

    await merchant.customer("success")

    [sent] = await deliveries(merchant, 1)
    assert (sent["result"], sent["status"]) == ("failed", None)
    assert (await merchant.status()).body["state"] == "COMPLETED"


async def test_webhook_when_no_address_is_set_then_none(merchant):
    await merchant.paid()

    assert (await merchant.control("GET", "/orders/ORD-1")).body["webhooks"] == []


async def test_outcome_when_webhook_is_off_then_none(merchant, shop):
    await merchant.pay()

    await merchant.customer("success", webhook=False)

    assert await settled(merchant, shop, 0) == []


async def test_outcome_when_the_webhook_is_delayed_then_the_status_knows_first(merchant, shop):
    await merchant.pay()

    await merchant.customer("success", webhookDelay=0.5)

    state, early = (await merchant.status()).body["state"], len(shop.received)
    await shop.wait_for(1)
    assert (state, early) == ("COMPLETED", 0)


@pytest.mark.parametrize(
    ("event", "times", "expected"),
    [
        (None, 3, ["checkout.order.completed"] * 3),
        ("checkout.order.failed", 1, ["checkout.order.failed"]),
        ("settlement.attempted", 1, ["settlement.attempted"]),
    ],
)
async def test_webhook_call_sends_again(merchant, shop, event, times, expected):
    await merchant.pay()
    await merchant.customer("success", webhook=False)

    reply = await merchant.control("POST", "/orders/ORD-1/webhook", {"event": event, "times": times})

    assert reply.body == {"sent": times, "event": expected[0]}
    assert await settled(merchant, shop, times) == expected


@pytest.mark.parametrize("body", [{}, {"event": "pg.refund.completed"}, {"times": 0}, {"what": 1}])
async def test_webhook_call_when_there_is_nothing_to_tell_then_400(merchant, shop, body):
    await merchant.pay()

    reply = await merchant.control("POST", "/orders/ORD-1/webhook", body)

    assert (reply.status, len(shop.received)) == (400, 0)


# -- faults -------------------------------------------------------------------------------


async def test_fault_lost_then_recorded_as_lost_and_nothing_arrives(merchant, shop):
    await merchant.fault("webhook", "lost")
    await merchant.pay()

    await merchant.customer("success")

    [sent] = await deliveries(merchant, 1)
    assert (sent["result"], sent["tries"]) == ("lost", 0)
    assert await settled(merchant, shop, 0) == []


async def test_fault_lost_for_one_order_then_the_others_get_theirs(merchant, shop):
    await merchant.fault("webhook", "lost", merchantOrderId="ORD-1")

    await merchant.paid("ORD-1")
    await merchant.paid("ORD-2")

    assert await settled(merchant, shop, 1) == ["checkout.order.completed"]
    assert shop.received[0][1]["payload"]["merchantOrderId"] == "ORD-2"


async def test_fault_delayed_then_it_comes_later(merchant, shop):
    await merchant.fault("webhook", "delayed", seconds=0.5)
    await merchant.pay()

    await merchant.customer("success")

    await asyncio.sleep(0.05)
    early = len(shop.received)
    await shop.wait_for(1)
    assert early == 0


async def test_fault_doubled_then_two_equal_ones(merchant, shop):
    await merchant.fault("webhook", "doubled")
    await merchant.pay()

    await merchant.customer("success")

    first, second = await shop.wait_for(2)
    assert first == second


async def test_fault_wrong_credential_then_another_hash(merchant, shop):
    await merchant.fault("webhook", "wrong_credential")
    await merchant.pay()

    await merchant.customer("success")

    await shop.wait_for(1)
    assert shop.received[0][0]["Authorization"] == webhook_credential("somebody", "else12345")


async def test_fault_before_redirect_then_the_shop_knows_before_the_customer_is_back(merchant, shop):
    await merchant.fault("webhook", "before_redirect")
    page = (await merchant.pay()).body["redirectUrl"].removeprefix(merchant.url)

    reply = await merchant.call("POST", page, data={"outcome": "success"})

    assert (reply.status, len(shop.received)) == (303, 1)


async def test_fault_before_redirect_when_the_shop_is_dead_then_the_customer_still_comes_back(
    merchant, shop, unused_tcp_port
):
    await merchant.switch(webhook_url=f"http://127.0.0.1:{unused_tcp_port}/hook")
    await merchant.fault("webhook", "before_redirect")
    page = (await merchant.pay()).body["redirectUrl"].removeprefix(merchant.url)

    assert (await merchant.call("POST", page, data={"outcome": "success"})).status == 303


async def test_fault_before_redirect_when_all_is_reset_meanwhile_then_the_customer_still_comes_back(
    merchant, shop
):
    await merchant.fault("webhook", "before_redirect")
    await merchant.fault("webhook", "delayed", seconds=60)
    page = (await merchant.pay()).body["redirectUrl"].removeprefix(merchant.url)
    back = asyncio.create_task(merchant.call("POST", page, data={"outcome": "success"}))
    await asyncio.sleep(0.1)
    waiting = not back.done()

    await merchant.control("POST", "/reset")

    async with asyncio.timeout(5):
        assert (waiting, (await back).status) == (True, 303)


async def test_fault_out_of_order_then_the_next_webhook_overtakes_it(merchant, shop):
    await merchant.fault("webhook", "out_of_order", count=1)
    await merchant.pay()

    await merchant.customer("retry")
    await asyncio.sleep(0.05)
    early = len(shop.received)
    await merchant.customer("success")

    assert early == 0
    assert await settled(merchant, shop, 2) == [
        "checkout.order.completed",
        "checkout.transaction.attempt.failed",
    ]


async def test_fault_out_of_order_when_none_follows_then_it_comes_late(merchant, shop):
    await merchant.fault("webhook", "out_of_order", seconds=0.3)
    await merchant.pay()

    await merchant.customer("success")

    await asyncio.sleep(0.05)
    assert len(shop.received) == 0
    assert await settled(merchant, shop, 1) == ["checkout.order.completed"]


async def refund_webhook(merchant, shop):
    """The last webhook of a refund, parsed."""
    await merchant.paid()
    await merchant.refund()
    await merchant.advance(1)
    await merchant.advance(1)
    return (await shop.wait_for(3))[-1]


async def test_fault_flat_then_a_refund_webhook_without_event_and_payload(merchant, shop):
    await merchant.fault("webhook", "flat")

    body = await refund_webhook(merchant, shop)

    order = shop.received[0][1]
    assert ("event" in body, "payload" in body) == (False, False)
    assert (body["merchantRefundId"], body["state"]) == ("R-1", "COMPLETED")
    assert order["event"] == "checkout.order.completed"


async def test_switch_flat_then_the_same_shape(merchant, shop):
    await merchant.switch(refund_webhook_shape="flat")

    assert "event" not in await refund_webhook(merchant, shop)


async def test_fault_nameless_refund_then_only_our_own_refund_id_is_left_out(merchant, shop):
    await merchant.fault("webhook", "nameless_refund")

    payload = (await refund_webhook(merchant, shop))["payload"]

    known = (await merchant.refund_status()).body["refundId"]
    assert ("merchantRefundId" in payload, payload["refundId"]) == (False, known)


def signature_of(shop, secret):
    headers, _ = shop.received[-1]
    genuine = hmac.digest(secret.encode(), shop.raw[-1], hashlib.sha256).hex()
    names = {name.lower(): value for name, value in headers.items()}
    return names, genuine


async def test_fault_hmac_then_signed_over_the_raw_body_and_no_authorization(merchant, shop):
    await merchant.fault("webhook", "hmac")

    await merchant.paid()

    await shop.wait_for(1)
    headers, genuine = signature_of(shop, "sandbox-hmac-secret")
    assert headers["x-phonepe-checksum-signature"] == genuine
    assert (headers["x-phonepe-checksum-key-id"], "authorization" in headers) == ("sandbox-key-1", False)


async def test_switch_hmac_with_a_wrong_credential_then_another_signature(merchant, shop):
    await merchant.switch(webhook_auth="HMAC", webhook_hmac_secret="mine", webhook_hmac_key_id="k2")
    await merchant.fault("webhook", "wrong_credential", count=1)
    await merchant.paid("A")
    await shop.wait_for(1)
    forged, genuine_a = signature_of(shop, "mine")

    await merchant.paid("B")

    await shop.wait_for(2)
    honest, genuine_b = signature_of(shop, "mine")
    signed = "x-phonepe-checksum-signature"
    assert (forged[signed] == genuine_a, honest[signed] == genuine_b) == (False, True)
    assert honest["x-phonepe-checksum-key-id"] == "k2"


@pytest.mark.parametrize(
    ("form", "header"), [("hex", VECTOR), ("prefixed", f"SHA256 {VECTOR}"), ("upper", VECTOR.upper())]
)
async def test_switch_webhook_header_form(merchant, shop, form, header):
    await merchant.switch(webhook_header_form=form)

    await merchant.paid()

    await shop.wait_for(1)
    assert shop.received[0][0]["Authorization"] == header
