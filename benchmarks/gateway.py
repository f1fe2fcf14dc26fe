"""A gateway that does nothing but answer after a while: `python -m benchmarks.gateway SECONDS [ORDERS.csv]`.

The emulator does what a gateway does and takes as long for a call as the client: it would measure itself.
Each line of the file is `merchant_order_id,amount,state`; an order that is not in it is PENDING.
"""

from __future__ import annotations

import asyncio
import csv
import json
import sys
import time
from collections import deque
from pathlib import Path

import uvloop

TOKEN = {"access_token": "x" * 300, "token_type": "O-Bearer", "issued_at": int(time.time())}
PENDING = {
    "orderId": "OMO2407111821482103732111",
    "state": "PENDING",
    "amount": 149_900,
    "expireAt": 1_720_702_908_208,
    "metaInfo": {"udf1": "invoice 77"},
    "paymentDetails": [],
}
PAID = {
    "paymentMode": "UPI_QR",
    "transactionId": "OM2407111821482103732112",
    "timestamp": 1_720_702_008_208,
    "amount": 149_900,
    "state": "COMPLETED",
    "rail": {"type": "UPI", "utr": "405554491450", "upiTransactionId": "YBL0123456789", "vpa": "1234@ybl"},
    "instrument": {"type": "ACCOUNT", "accountType": "SAVINGS", "maskedAccountNumber": "XXXXXXX1234"},
    "splitInstruments": [
        {
            "amount": 149_900,
            "rail": {"type": "UPI", "utr": "405554491450", "upiTransactionId": "YBL0123456789"},
            "instrument": {"type": "ACCOUNT", "accountType": "SAVINGS"},
        }
    ],
}


def answer(body: dict[str, object]) -> bytes:
    data = json.dumps(body, separators=(",", ":")).encode()
    head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: Tue, 24 Nov 2026 03:00:00 GMT\r\n"
    return f"{head}Server: gateway\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data


def status_answer(amount: int, state: str) -> bytes:
    payments = [PAID | {"amount": amount}] if state == "COMPLETED" else []
    return answer(PENDING | {"amount": amount, "state": state, "paymentDetails": payments})


TOKEN_ANSWER = answer(TOKEN | {"expires_at": TOKEN["issued_at"] + 86_400})  # type: ignore[operator]
STATUS_ANSWER = answer(PENDING)


def read_answers(orders: Path) -> dict[bytes, bytes]:
    """Every answer ready made, by the order's id: building them would be work of the gateway's."""
    with orders.open() as lines:
        return {name.encode(): status_answer(int(amount), state) for name, amount, state in csv.reader(lines)}


class Delays:
    """Answers wait in one queue, since all wait equally long: one timer instead of thousands."""

    def __init__(self, latency_s: float) -> None:
        self._latency_s = latency_s
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[float, asyncio.Transport, bytes]] = deque()

    def write_later(self, transport: asyncio.Transport, data: bytes) -> None:
        due = self._loop.time() + self._latency_s
        if not self._waiting:
            self._loop.call_at(due, self._write)
        self._waiting.append((due, transport, data))

    def _write(self) -> None:
        while self._waiting and self._waiting[0][0] <= self._loop.time():
            _, transport, data = self._waiting.popleft()
            transport.write(data)
        if self._waiting:
            self._loop.call_at(self._waiting[0][0], self._write)


class Connection(asyncio.Protocol):
    """One connection: a token request has a body, a status request none."""

    def __init__(self, delays: Delays, answers: dict[bytes, bytes]) -> None:
        self._delays = delays
        self._answers = answers
        self._read = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._read += data
        head, end, body = self._read.partition(b"\r\n\r\n")
        if not end or (head.startswith(b"POST") and b"grant_type" not in body):
            return
        self._read = b""
        told = TOKEN_ANSWER if head.startswith(b"POST") else self._status(head)
        self._delays.write_later(self._transport, told)  # type: ignore[arg-type]

    def _status(self, head: bytes) -> bytes:
        """`GET /…/order/{id}/status`"""
        order_id = head.partition(b"/order/")[2].partition(b"/")[0]
        return self._answers.get(order_id, STATUS_ANSWER)


async def serve(latency_s: float, answers: dict[bytes, bytes]) -> None:
    loop = asyncio.get_running_loop()
    delays = Delays(latency_s)
    server = await loop.create_server(lambda: Connection(delays, answers), "127.0.0.1", 0, backlog=1024)
    sys.stdout.write(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(float(sys.argv[1]), read_answers(Path(sys.argv[2])) if sys.argv[2:] else {}))
