"""A gateway that does nothing but answer after a while: `python -m benchmarks.client_gateway SECONDS`.

The emulator does what a gateway does and takes as long for a call as the client: it would measure itself.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import deque

TOKEN = {"access_token": "x" * 300, "token_type": "O-Bearer", "issued_at": int(time.time())}
PENDING = {
    "orderId": "OMO2407111821482103732111",
    "state": "PENDING",
    "amount": 149_900,
    "expireAt": 1_720_702_908_208,
    "metaInfo": {"udf1": "invoice 77"},
    "paymentDetails": [],
}


def answer(body: dict[str, object]) -> bytes:
    data = json.dumps(body, separators=(",", ":")).encode()
    head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: Tue, 24 Nov 2026 03:00:00 GMT\r\n"
    return f"{head}Server: gateway\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data


TOKEN_ANSWER = answer(TOKEN | {"expires_at": TOKEN["issued_at"] + 86_400})  # type: ignore[operator]
STATUS_ANSWER = answer(PENDING)


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

    def __init__(self, delays: Delays) -> None:
        self._delays = delays
        self._read = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._read += data
        head, end, body = self._read.partition(b"\r\n\r\n")
        if not end or (head.startswith(b"POST") and b"grant_type" not in body):
            return
        self._read = b""
        is_token = head.startswith(b"POST")
        self._delays.write_later(self._transport, TOKEN_ANSWER if is_token else STATUS_ANSWER)  # type: ignore[arg-type]


async def serve(latency_s: float) -> None:
    loop = asyncio.get_running_loop()
    delays = Delays(latency_s)
    server = await loop.create_server(lambda: Connection(delays), "127.0.0.1", 0, backlog=1024)
    sys.stdout.write(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(float(sys.argv[1])))
