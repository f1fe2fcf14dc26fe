"""The real client against the real emulator, over HTTP: two readings of the wire format must meet."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

import phonepe_pg
from phonepe_pg import (
    Client,
    Credentials,
    Hosts,
    Malformed,
    Misconfigured,
    OutcomeUnknown,
    PaymentRequest,
    RateLimited,
    RefundRequest,
    Rejected,
    Unavailable,
    UnknownOrder,
    UnknownRefund,
    authorization_is_genuine,
    read_webhook,
)
from tests.contract.conftest import CREDENTIALS, served

PAYMENT = PaymentRequest(
    merchant_order_id="ORD-1",
    amount_paise=149_900,
    redirect_url="http://localhost/back/ORD-1",
    expire_after_s=900,
    meta={"udf1": "पूजा"},
    message="Ganesh puja",
    disable_payment_retry=False,
)
REFUND = RefundRequest(merchant_refund_id="R-1", original_merchant_order_id="ORD-1", amount_paise=50_000)


async def eventually(ask: Callable[[], Awaitable[Any]], wanted: Callable[[Any], bool]) -> Any:
    async with asyncio.timeout(5):
        while not wanted(found := await ask()):
            await asyncio.sleep(0.02)
    return found


@pytest.mark.parametrize("production", [False, True])
async def test_payment_is_made_paid_and_partly_refunded(sandbox, production):
    await sandbox.does("settings", refund_confirm_after=0.05, refund_complete_after=0.05)
    async with sandbox.client(production=production) as client:
        created = await client.create_payment(PAYMENT)
        waiting = await client.order_status("ORD-1")
        await sandbox.does("orders/ORD-1/outcome", outcome="success", paymentMode="UPI_QR")
        paid = await client.order_status("ORD-1")
        refund = await client.refund(REFUND)
        refunded = await eventually(lambda: client.refund_status("R-1"), lambda found: not found.pending)

    assert (created.state, waiting.state, waiting.attempts) == ("PENDING", "PENDING", ())
    assert created.redirect_url.startswith(sandbox.root)
    assert created.order_id == waiting.order_id == paid.order_id
    assert created.expire_at == paid.expire_at
    assert (paid.completed, paid.amount_paise) == (True, 149_900)
    assert paid.paid_attempt.payment_mode == "UPI_QR"
    assert paid.paid_attempt.utr
    assert paid.paid_attempt.at.tzinfo is not None
    assert (refund.pending, refund.amount_paise) == (True, 50_000)
    assert (refunded.completed, refunded.refund_id) == (True, refund.refund_id)
    assert refunded.original_merchant_order_id == "ORD-1"


@pytest.mark.parametrize(("outcome", "code"), [("failure", "TXN_NOT_COMPLETED"), ("cancel", "TXN_CANCELLED")])
async def test_payment_that_fails_says_why(sandbox, client, outcome, code):
    await client.create_payment(PAYMENT)
    await sandbox.does("orders/ORD-1/outcome", outcome=outcome)

    status = await client.order_status("ORD-1")

    assert (status.failed, status.error_code) == (True, code)
    assert status.detailed_error_code


async def test_failed_attempt_inside_a_live_order_is_pending_then_completed(sandbox, client):
    await client.create_payment(PAYMENT)
    await sandbox.does("orders/ORD-1/outcome", outcome="retry")
    retrying = await client.order_status("ORD-1")
    await sandbox.does("orders/ORD-1/outcome", outcome="success")

    paid = await client.order_status("ORD-1")

    assert (retrying.pending, [a.state for a in retrying.attempts]) == (True, ["FAILED"])
    assert (paid.completed, [a.state for a in paid.attempts]) == (True, ["FAILED", "COMPLETED"])


async def test_order_that_expires_is_failed(sandbox, client):
    await client.create_payment(PAYMENT)
    await sandbox.does("clock", advance=901)

    status = await client.order_status("ORD-1")

    assert (status.failed, status.detailed_error_code) == (True, "ORDER_EXPIRED")


@pytest.mark.parametrize("http_status", [400, 404])
async def test_unknown_ids(sandbox, client, http_status):
    await sandbox.does("settings", unknown_status=http_status)

    with pytest.raises(UnknownOrder):
        await client.order_status("ORD-9")
    with pytest.raises(UnknownRefund):
        await client.refund_status("R-9")


async def test_duplicate_order_id(sandbox, client):
    await client.create_payment(PAYMENT)

    with pytest.raises(Rejected) as caught:
        await client.create_payment(PAYMENT)
    assert caught.value.code == "BAD_REQUEST"

    await sandbox.does("settings", duplicate_answer="INVALID_TRANSACTION_ID")
    with pytest.raises(OutcomeUnknown):
        await client.create_payment(PAYMENT)


async def test_refund_of_an_unpaid_order_is_rejected(client):
    await client.create_payment(PAYMENT)

    with pytest.raises(Rejected):
        await client.refund(REFUND)


@pytest.mark.parametrize("http_status", [400, 401])
async def test_bad_credentials(sandbox, http_status):
    await sandbox.does("settings", bad_client_status=http_status)

    async with sandbox.client(credentials=Credentials("SANDBOX_CLIENT", "wrong-secret")) as client:
        with pytest.raises(Misconfigured) as caught:
            await client.create_payment(PAYMENT)

    assert (caught.value.sent, caught.value.http_status) == (False, http_status)


async def test_wrong_base_url_is_misconfigured(sandbox):
    hosts = Hosts(pg=f"{sandbox.root}/apis/nowhere", oauth=f"{sandbox.root}/apis/pg-sandbox")
    async with Client(CREDENTIALS, hosts) as client:
        with pytest.raises(Misconfigured):
            await client.order_status("ORD-1")


async def test_token_that_expired_at_the_gateway_is_replaced(sandbox, client):
    await client.create_payment(PAYMENT)
    await sandbox.does("clock", advance=3700)

    status = await client.order_status("ORD-1")

    assert status.failed
    assert (await sandbox.calls())["token"] == 2


async def test_gateway_whose_clock_is_ten_minutes_ahead_costs_no_token(sandbox, client):
    await sandbox.does("clock", advance=600)
    await client.create_payment(PAYMENT)

    for _ in range(3):
        assert (await client.order_status("ORD-1")).pending

    assert (await sandbox.calls())["token"] == 1


FAULTS = [
    ({"kind": "reset"}, Unavailable),
    ({"kind": "hang"}, Unavailable),
    ({"kind": "rate_limited", "retryAfter": 7}, RateLimited),
    ({"kind": "rate_limited"}, RateLimited),
    *(
        ({"kind": "server_error", "status": status, "body": body}, Unavailable)
        for status, body in [(500, "json"), (502, "html"), (503, "string"), (504, "empty")]
    ),
    ({"kind": "html_200"}, Malformed),
    ({"kind": "truncated_json"}, Malformed),
]


@pytest.mark.parametrize(("fault", "error"), FAULTS, ids=lambda value: getattr(value, "__name__", str(value)))
async def test_fault_in_every_call(sandbox, fault, error):
    await sandbox.does("faults", on="any", merchantOrderId="ORD-1", **fault)
    async with sandbox.client(answer_timeout_s=0.3) as client:
        with pytest.raises(OutcomeUnknown) as unknown:
            await client.create_payment(PAYMENT)
        with pytest.raises(error) as caught:
            await client.order_status("ORD-1")

    assert getattr(caught.value, "retry_after", None) == fault.get("retryAfter")
    assert type(unknown.value.__cause__) is error
    assert (await sandbox.calls())["pay"] == 1


@pytest.mark.parametrize("kind", ["stored_then_error", "stored_then_hang"])
async def test_order_stored_behind_an_error_is_found_by_its_status(sandbox, kind):
    await sandbox.does("faults", on="pay", kind=kind, count=1)
    async with sandbox.client(answer_timeout_s=0.3) as client:
        with pytest.raises(OutcomeUnknown):
            await client.create_payment(PAYMENT)

        status = await client.order_status("ORD-1")

    assert (status.pending, status.amount_paise) == (True, 149_900)


async def test_token_refused_once_is_repeated_once(sandbox, client):
    await sandbox.does("faults", on="pay", kind="unauthorized", count=1)

    created = await client.create_payment(PAYMENT)

    assert created.state == "PENDING"
    assert ((await sandbox.calls())["pay"], (await sandbox.calls())["token"]) == (2, 2)


@pytest.mark.parametrize("kind", ["unknown_state", "unknown_fields"])
async def test_what_the_client_never_heard_of_is_not_terminal(sandbox, client, kind):
    await client.create_payment(PAYMENT)
    await sandbox.does("faults", on="status", kind=kind)

    assert (await client.order_status("ORD-1")).pending


async def test_changed_amount_and_order_id_are_reported_as_they_are(sandbox, client):
    created = await client.create_payment(PAYMENT)
    await sandbox.does("orders/ORD-1/outcome", outcome="success")
    await sandbox.does("faults", on="status", kind="amount_changed", amount=1)
    await sandbox.does("faults", on="status", kind="order_id_changed")

    status = await client.order_status("ORD-1")

    assert (status.completed, status.amount_paise) == (True, 1)
    assert status.order_id != created.order_id


async def test_example_of_the_readme_works(sandbox, client, monkeypatch, capsys):
    readme = (Path(phonepe_pg.__file__).parent / "README.md").read_text(encoding="utf-8")
    names: dict[str, Any] = {}
    exec(compile(readme.split("```python")[1].split("```")[0], "README.md", "exec"), names)
    sleep = asyncio.sleep
    monkeypatch.setattr(names["asyncio"], "sleep", lambda seconds: sleep(seconds / 100))
    waiting = asyncio.create_task(names["pay_and_wait"](client, "ORD-1"))
    await eventually(sandbox.calls, lambda calls: calls.get("status"))
    await sandbox.does("faults", on="status", kind="rate_limited", count=1)
    await sandbox.does("faults", on="status", kind="reset", count=1)
    await sandbox.does("orders/ORD-1/outcome", outcome="success")

    status = await asyncio.wait_for(waiting, 5)

    assert status.completed
    assert "Pay here: http://127.0.0.1" in capsys.readouterr().out


async def test_webhook_is_genuine_and_names_the_order(sandbox, client):
    arrived: asyncio.Queue[tuple[str | None, bytes]] = asyncio.Queue()

    async def receive(request: web.Request) -> web.Response:
        arrived.put_nowait((request.headers.get("Authorization"), await request.read()))
        return web.Response()

    shop = web.Application()
    shop.router.add_post("/hook", receive)
    runner, root = await served(shop)
    try:
        await sandbox.does("settings", webhook_url=f"{root}/hook")
        await client.create_payment(PAYMENT)
        await sandbox.does("orders/ORD-1/outcome", outcome="success")
        header, body = await asyncio.wait_for(arrived.get(), 5)
    finally:
        await runner.cleanup()

    assert authorization_is_genuine(header, username="sandbox_user", password="sandbox1pass")
    assert not authorization_is_genuine(header, username="sandbox_user", password="other1pass")
    webhook = read_webhook(body)
    assert (webhook.event, webhook.merchant_order_id, webhook.state) == (
        "checkout.order.completed",
        "ORD-1",
        "COMPLETED",
    )
