"""Open event streams at once and hold them: `python -m benchmarks.stream_load PORT FILE`.

FILE has a path a line. Prints one line of JSON, how long after the beginning each stream told its first event. Then
each line on stdin is answered by a line with when each path last told something, in seconds of the machine's
monotonic clock; the end of stdin ends it.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

import uvloop

PATIENCE_S = 90.0
TOGETHER = (
    256  # connections that are being opened at once: more would be refused by this machine's own backlog
)


class Stream(asyncio.Protocol):
    """One event stream; whoever holds it sees when it last told something."""

    def __init__(self, path: str) -> None:
        self.told_at = 0.0
        self.has_told = asyncio.Event()
        self._request = (
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n".encode()
        )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.write(self._request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        if b"data: " in data:
            self.told_at = time.monotonic()
            self.has_told.set()

    def connection_lost(self, error: Exception | None) -> None:
        sys.stderr.write(f"the server closed a stream: {error}\n")


async def hold(port: int, paths: list[str]) -> None:
    """Open a stream for each path, tell when each told first, and hold them until stdin ends."""
    loop, began, door = asyncio.get_running_loop(), time.monotonic(), asyncio.Semaphore(TOGETHER)
    streams = {path: Stream(path) for path in paths}

    async def open_one(stream: Stream) -> None:
        async with door:
            await loop.create_connection(lambda: stream, "127.0.0.1", port)

    await asyncio.gather(*map(open_one, streams.values()))
    told = asyncio.gather(*(stream.has_told.wait() for stream in streams.values()))
    try:
        await asyncio.wait_for(told, PATIENCE_S)
    except TimeoutError:
        sys.stderr.write("some streams have told nothing\n")
    _say([stream.told_at - began for stream in streams.values() if stream.told_at])
    while await asyncio.to_thread(sys.stdin.readline):
        _say({path: stream.told_at for path, stream in streams.items()})


def _say(what: object) -> None:
    sys.stdout.write(f"{json.dumps(what)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(hold(int(sys.argv[1]), Path(sys.argv[2]).read_text().split()))
