"""Trouble below HTTP: time-outs, refused and broken connections, closing, cancelling, the on_call hook."""

import asyncio
import sys
import time
from pathlib import Path

import pytest
from aiohttp import web

from phonepe_pg import (
    CallRecord,
    Client,
    Hosts,
    Malformed,
    Misconfigured,
    OutcomeUnknown,
    Rejected,
    Unavailable,
    UnknownOrder,
    transport,
)
from tests.phonepe_pg.stub_gateway import CREDENTIALS, PAYMENT, REFUND, RawServer, answer, token_answer

PENDING = {"state": "PENDING"}


async def never(request):
    await asyncio.sleep(30)


async def drips(request):
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b" ")
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("behaviour", [never, drips])
async def test_answer_that_does_not_end_is_a_time_out(stub, make_client, behaviour):
    client = make_client(answer_timeout_s=0.2)
    stub.says(behaviour)
    started = time.monotonic()

    with pytest.raises(Unavailable) as caught:
        await client.order_status("ORD-1")
    with pytest.raises(OutcomeUnknown) as unknown:
        await client.create_payment(PAYMENT)

    assert time.monotonic() - started < 1.5
    assert (caught.value.sent, unknown.value.sent) == (True, True)
    assert isinstance(unknown.value.__cause__, Unavailable)
    assert len(stub.calls) == 2


async def test_token_service_that_hangs_means_not_sent(stub, make_client):
    client = make_client(answer_timeout_s=0.2)
    stub.token_answers.append(never)

    with pytest.raises(Unavailable) as caught:
        await client.refund(REFUND)

    assert (caught.value.sent, stub.calls) == (False, [])


async def test_refused_connection_means_not_sent(stub, make_client, unused_tcp_port):
    client = make_client(hosts=Hosts(pg=f"http://127.0.0.1:{unused_tcp_port}", oauth=stub.base))

    for call in (client.create_payment(PAYMENT), client.refund(REFUND), client.order_status("ORD-1")):
        with pytest.raises(Unavailable, match="cannot connect") as caught:
            await call
        assert (caught.value.sent, caught.value.http_status) == (False, None)


async def test_unknown_host_means_not_sent(stub, make_client):
    client = make_client(hosts=Hosts(pg="http://no-such-host.invalid", oauth=stub.base))

    with pytest.raises(Unavailable) as caught:
        await client.create_payment(PAYMENT)

    assert caught.value.sent is False


async def test_waiting_for_a_connection_in_vain_means_not_sent(stub, make_client):
    client = make_client(max_connections=1, connect_timeout_s=0.1, answer_timeout_s=0.4)
    stub.says(answer(200, PENDING), never)
    await client.order_status("ORD-1")
    first = asyncio.create_task(client.order_status("ORD-1"))
    await asyncio.sleep(0.2)
    second = asyncio.create_task(client.create_payment(PAYMENT))
    third = asyncio.create_task(client.create_payment(PAYMENT))

    results = await asyncio.gather(first, second, third, return_exceptions=True)

    assert [type(result) for result in results] == [Unavailable, OutcomeUnknown, Unavailable]
    assert results[2].sent is False


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nBroken header\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"\x00\xff" * 50,
    ],
    ids=range(10),
)
async def test_broken_http_is_unavailable_and_a_payment_is_sent_once(stub, make_client, reply):
    async with RawServer(reply) as server:
        client = make_client(hosts=Hosts(pg=server.base, oauth=stub.base), answer_timeout_s=1)

        with pytest.raises(OutcomeUnknown):
            await client.create_payment(PAYMENT)
        assert server.requests == 1
        with pytest.raises(OutcomeUnknown):
            await client.refund(REFUND)
        assert server.requests == 2
        with pytest.raises(Unavailable) as caught:
            await client.order_status("ORD-1")
        assert caught.value.sent is True
        assert server.requests == 3


async def test_reset_after_sending_is_unknown_and_sent_once(stub, make_client):
    async with RawServer(b"", reset=True) as server:
        client = make_client(hosts=Hosts(pg=server.base, oauth=stub.base))

        with pytest.raises(OutcomeUnknown):
            await client.create_payment(PAYMENT)

        assert server.requests == 1


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda client: client.create_payment(PAYMENT), OutcomeUnknown),
        (lambda client: client.refund(REFUND), OutcomeUnknown),
        (lambda client: client.order_status("ORD-1"), Unavailable),
        (lambda client: client.refund_status("R-1"), Unavailable),
    ],
)
async def test_kept_connection_that_breaks_is_no_reason_to_send_twice(stub, client, call, error):
    async def breaks(request):
        request.transport.abort()
        return answer(200, PENDING)

    stub.says(answer(200, PENDING), breaks)
    await client.refund_status("R-0")

    with pytest.raises(error, match="the connection failed"):
        await call(client)

    assert len(stub.calls) == 2


async def test_endless_answer_is_cut_off(stub, make_client):
    reply = b"HTTP/1.1 200 OK\r\n\r\n" + b'{"state":"PENDING","x":"' + b"x" * 3_000_000 + b'"}'
    async with RawServer(reply) as server:
        client = make_client(hosts=Hosts(pg=server.base, oauth=stub.base))

        with pytest.raises(Malformed, match="more than 1048576 bytes"):
            await client.order_status("ORD-1")


async def test_answer_that_never_stops_is_left_soon(stub, client):
    async def pours(request):
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" " * 65_536)

    stub.says(pours)
    started = time.monotonic()

    with pytest.raises(Malformed):
        await client.order_status("ORD-1")

    assert time.monotonic() - started < 3


async def test_redirects_are_not_followed(stub, client):
    stub.says(answer(307, b"", Location=f"{stub.base}/elsewhere"))

    with pytest.raises(OutcomeUnknown):
        await client.create_payment(PAYMENT)

    assert len(stub.calls) == 1


async def test_cancelled_calls_leak_no_connection(stub, make_client):
    client = make_client(max_connections=2)
    for _ in range(5):
        stub.says(never)
        tasks = [asyncio.create_task(client.order_status("ORD-1")) for _ in range(4)]
        await asyncio.sleep(0.03)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    stub.says(answer(200, PENDING))

    assert (await asyncio.wait_for(client.order_status("ORD-1"), 1)).pending


@pytest.mark.parametrize("after_s", [0, 0.001, 0.003, 0.01, 0.05])
@pytest.mark.parametrize("behaviour", [never, drips])
async def test_call_cancelled_at_any_moment_gives_its_connection_back(stub, make_client, after_s, behaviour):
    client = make_client(max_connections=1)

    async def cancelled(call):
        task = asyncio.create_task(call)
        await asyncio.sleep(after_s)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    stub.token_answers[:] = [behaviour]
    for _ in range(3):
        await cancelled(client.check_credentials())
        await cancelled(client.create_payment(PAYMENT))
    stub.token_answers[:] = [token_answer("good")]
    stub.says(answer(200, PENDING))
    await client.order_status("ORD-1")
    stub.says(behaviour)
    for _ in range(3):
        await cancelled(client.create_payment(PAYMENT))
        await cancelled(client.refund(REFUND))
        await cancelled(client.order_status("ORD-1"))
        await cancelled(client.refund_status("R-1"))
    stub.says(answer(200, PENDING))

    status = await asyncio.wait_for(client.order_status("ORD-1"), 1)

    assert status.pending


async def test_caller_that_gives_up_in_time_is_cancelled_not_unavailable(stub, client):
    stub.says(never)

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(client.order_status("ORD-1"), 0.05)


@pytest.mark.parametrize(("kept_s", "connections"), [(0.05, 2), (45.0, 1)])
async def test_idle_connection_is_used_again_only_while_it_is_young(
    stub, client, monkeypatch, kept_s, connections
):
    # The gateway's balancer forgets connections that idle for 60 s, without a word (§11).
    assert transport._KEEP_ALIVE_S < 60
    monkeypatch.setattr(transport, "_KEEP_ALIVE_S", kept_s)
    peers = set()

    async def notes(request):
        peers.add(request.transport.get_extra_info("peername"))
        return answer(200, PENDING)

    stub.says(notes)

    for _ in range(2):
        await client.order_status("ORD-1")
        await asyncio.sleep(0.2)

    assert len(peers) == connections


async def test_connections_are_kept_and_bounded(stub, make_client):
    client = make_client(max_connections=3)
    peers, at_once, most = set(), 0, 0

    async def slow(request):
        nonlocal at_once, most
        peers.add(request.transport.get_extra_info("peername"))
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.01)
        at_once -= 1
        return answer(200, PENDING)

    stub.says(slow)

    await asyncio.gather(*(client.order_status("ORD-1") for _ in range(30)))

    assert most == 3
    assert len(peers) <= 3


async def test_closing_fails_what_is_under_way_and_refuses_what_comes_later(stub, make_client):
    client = make_client()
    stub.says(never)
    under_way = asyncio.create_task(client.create_payment(PAYMENT))
    await asyncio.sleep(0.05)

    await client.close()
    await client.close()

    with pytest.raises(OutcomeUnknown):
        await under_way
    with pytest.raises(Unavailable, match="closed") as caught:
        await client.order_status("ORD-1")
    assert caught.value.sent is False


USES_A_CLIENT = """
import asyncio, sys
from phonepe_pg import Client, Credentials, Hosts, PaymentRequest

async def main(base, closes):
    client = Client(Credentials("client-7", "secret"), Hosts(pg=base, oauth=base))
    await asyncio.gather(*(client.order_status(f"ORD-{n}") for n in range(20)))
    hangs = asyncio.create_task(client.refund_status("R-1"))
    await asyncio.sleep(0.05)
    hangs.cancel()
    if closes == "closes":
        await client.close()

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize(("closes", "warnings"), [("closes", False), ("forgets", True)])
async def test_closed_client_leaves_nothing_to_warn_of(stub, closes, warnings):
    async def hangs_on_refunds(request):
        return await never(request) if "refund" in request.path else answer(200, PENDING)

    stub.says(hangs_on_refunds)
    program = await asyncio.create_subprocess_exec(
        # Not `-X dev`: asyncio's debug mode also tells of callbacks that a busy machine made slow.
        *(sys.executable, "-W", "always", "-c", USES_A_CLIENT, stub.base, closes),
        cwd=Path(__file__).resolve().parents[2],
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await program.communicate()

    assert (program.returncode, bool(errors)) == (0, warnings), errors.decode()


async def test_client_that_was_never_used_closes(make_client):
    async with make_client() as client:
        pass

    await client.close()


def test_second_event_loop_is_refused_in_words():
    async def scenario(client):
        async with RawServer(b"") as server:
            client = client or make(server.base)
            try:
                await client.check_credentials()
            except Unavailable:
                return client

    def make(base):
        return Client(CREDENTIALS, Hosts(pg=base, oauth=base))

    runner = asyncio.Runner()
    client = runner.run(scenario(None))
    with pytest.raises(RuntimeError, match="one per loop"):
        asyncio.run(scenario(client))
    runner.run(client.close())
    runner.close()


async def test_on_call_is_told_of_every_call(stub, make_client):
    records: list[CallRecord] = []
    client = make_client(on_call=records.append)
    unknown = answer(400, {"code": "INVALID_MERCHANT_ORDER_ID"})
    stub.says(answer(401, b""), unknown, answer(200, PENDING), answer(402, b""))

    with pytest.raises(UnknownOrder):
        await client.order_status("ORD-1")
    await client.refund_status("R-1")
    with pytest.raises(Rejected):
        await client.refund(REFUND)

    told = [
        (r.what, r.http_status, r.code, r.merchant_order_id, r.merchant_refund_id, r.error) for r in records
    ]
    assert told == [
        ("token", 200, "", "", "", ""),
        ("order_status", 401, "", "ORD-1", "", "Misconfigured"),
        ("token", 200, "", "", "", ""),
        ("order_status", 400, "INVALID_MERCHANT_ORDER_ID", "ORD-1", "", "UnknownOrder"),
        ("refund_status", 200, "", "", "R-1", ""),
        ("refund", 402, "", "ORD-1", "R-1", "Rejected"),
    ]
    assert all(0 <= record.took_s < 5 for record in records)


async def test_broken_hook_breaks_no_call(stub, make_client, caplog):
    client = make_client(on_call=lambda record: 1 / 0)
    stub.says(answer(200, PENDING))

    assert (await client.refund(REFUND)).pending

    assert {record.getMessage() for record in caplog.records} == {"The on_call hook failed"}


async def test_gateway_that_comes_back_is_used_again(stub, client):
    stub.token_answers[:] = [answer(400, {"code": "INVALID_CLIENT"}), token_answer("good")]
    stub.says(answer(503, b""), answer(200, PENDING))

    with pytest.raises(Misconfigured):
        await client.order_status("ORD-1")
    with pytest.raises(Unavailable):
        await client.order_status("ORD-1")

    assert (await client.order_status("ORD-1")).pending
