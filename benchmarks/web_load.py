"""Ask one server as fast as it answers, over kept connections: `python -m benchmarks.web_load PORT SECONDS FILE`.

FILE has a path a line; the connections go through them in turn. Prints requests, seconds, p50 and p99 in ms.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from itertools import cycle
from pathlib import Path

import uvloop

CONNECTIONS = 64


class Connection(asyncio.Protocol):
    """One connection that sends the next request when the last one is answered."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._read = b""
        self._is_done = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        self._began = time.perf_counter()
        self._transport.write(next(self._run.requests))  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self._read += data
        head, end, body = self._read.partition(b"\r\n\r\n")
        if not end or len(body) < _length(head):
            return
        if not head.startswith(b"HTTP/1.1 200"):
            sys.stderr.write(f"{head!r}\n{body[:500]!r}\n")
            os._exit(1)
        self._read = b""
        now = time.perf_counter()
        self._run.took_s.append(now - self._began)
        if now < self._run.until:
            self._ask()
        else:
            self._is_done = True
            self._transport.close()
            self._run.ended.release()

    def connection_lost(self, error: Exception | None) -> None:
        if not self._is_done:  # no exception of a callback ends the program
            sys.stderr.write(f"the server closed a connection: {error}\n")
            os._exit(1)


class Run:
    """What the connections share."""

    def __init__(self, requests: list[bytes], seconds: float) -> None:
        self.requests = cycle(requests)
        self.until = time.perf_counter() + seconds
        self.took_s: list[float] = []
        self.ended = asyncio.Semaphore(0)


def _length(head: bytes) -> int:
    _, _, rest = head.lower().partition(b"content-length:")
    return int(rest.split(b"\r\n", 1)[0]) if rest else 0


def _request(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\n\r\n".encode()


async def ask(port: int, seconds: float, paths: list[str]) -> None:
    """Requests a second and how long they took."""
    run, began = Run([_request(path) for path in paths], seconds), time.perf_counter()
    loop = asyncio.get_running_loop()
    for _ in range(CONNECTIONS):
        await loop.create_connection(lambda: Connection(run), "127.0.0.1", port)
    for _ in range(CONNECTIONS):
        await run.ended.acquire()
    took = sorted(run.took_s)
    p50, p99 = (took[int(len(took) * share)] * 1000 for share in (0.5, 0.99))
    sys.stdout.write(f"{len(took)} {time.perf_counter() - began:.3f} {p50:.2f} {p99:.2f}\n")


if __name__ == "__main__":
    port, seconds = int(sys.argv[1]), float(sys.argv[2])
    paths = Path(sys.argv[3]).read_text().split()
    uvloop.run(ask(port, seconds, paths))
