"""Ten thousand live orders and 2,000 status calls a second on one core, without growing slower.

Measured in the emulator's own CPU time, so that a busy machine does not decide.
"""

import asyncio
import os

from tests.phonepe_sandbox.processes import emulator

ORDERS, CALLS, CONNECTIONS, ROUNDS = 10_000, 2_000, 10, 6
MOST_S_PER_CALL = 1 / 2_000


def cpu_s(pid):
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def ask(address, token, first, count):
    """Status calls on one kept connection, raw: the caller must not be the slow one."""
    host, _, port = address.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    for nth in range(count):
        path = f"/apis/pg-sandbox/checkout/v2/order/O-{(first + 37 * nth) % ORDERS}/status"
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: O-Bearer {token}\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        assert head.startswith(b"http/1.1 200 "), head
        await reader.readexactly(int(head.partition(b"content-length: ")[2].split(b"\r\n")[0]))
    writer.close()
    await writer.wait_closed()


async def test_ten_thousand_live_orders_then_two_thousand_status_calls_a_second_and_no_slower_later():
    with emulator() as one:
        orders = [{"merchantOrderId": f"O-{n}", "amount": 1000, "expireAfter": 3600} for n in range(ORDERS)]
        one.control("POST", "/orders", {"orders": orders})
        one.control("POST", "/settings", {"token_life": 3600})
        address, token, each = one.url.removeprefix("http://"), one.token(), CALLS // CONNECTIONS

        costs = []
        for _ in range(ROUNDS):
            before = cpu_s(one.process.pid)
            async with asyncio.TaskGroup() as group:
                for nth in range(CONNECTIONS):
                    group.create_task(ask(address, token, 311 * nth, each))
            costs.append((cpu_s(one.process.pid) - before) / CALLS)

    half = ROUNDS // 2
    print(f"{1 / (sum(costs) / ROUNDS):,.0f} status calls per second of CPU; by round: {costs}")
    assert max(costs) <= MOST_S_PER_CALL
    assert sum(costs[half:]) <= 1.5 * sum(costs[:half])
