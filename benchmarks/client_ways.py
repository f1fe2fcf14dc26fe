"""One way of asking for orders' statuses, in a process of its own.

`python -m benchmarks.client_ways WAY ORIGIN IN_FLIGHT SECONDS` prints calls, wall seconds and CPU seconds,
without the start, the first token and the opening of the connections.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count

WARM_UP_S = 0.7
TIMEOUT_S = (3.0, 30.0)
Measured = tuple[int, float, float]


def ours(origin: str, in_flight: int, seconds: float) -> Measured:
    """phonepe_pg: tasks of one event loop."""
    from phonepe_pg import Client, Credentials, Hosts

    async def ask(client: Client, names: Iterator[int], until: float) -> int:
        done = 0
        while time.monotonic() < until:
            assert (await client.order_status(f"ORD-{next(names)}")).pending
            done += 1
        return done

    async def run() -> Measured:
        names = count()
        async with Client(Credentials("id", "secret"), Hosts(pg=origin, oauth=origin)) as client:
            for length in (WARM_UP_S, seconds):
                wall, cpu = time.monotonic(), time.process_time()
                until = wall + length
                done = await asyncio.gather(*(ask(client, names, until) for _ in range(in_flight)))
                measured = sum(done), time.monotonic() - wall, time.process_time() - cpu
        return measured

    return asyncio.run(run())


def plain_requests(origin: str, in_flight: int, seconds: float) -> Measured:
    """What one writes by hand: one Session for all threads, with as many connections as threads."""
    import requests

    session = requests.Session()
    session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=in_flight))

    def ask(name: str) -> bool:
        answer = session.get(
            f"{origin}/checkout/v2/order/{name}/status",
            params={"details": "true", "errorContext": "true"},
            headers={"Authorization": f"O-Bearer {'x' * 300}", "Accept": "application/json"},
            timeout=TIMEOUT_S,
        )
        answer.raise_for_status()
        return bool(answer.json()["state"] == "PENDING")

    return _in_threads(ask, in_flight, seconds)


def sdk_enlarged(origin: str, in_flight: int, seconds: float) -> Measured:
    """PhonePe's SDK with as many connections as threads."""
    return _sdk(origin, in_flight, seconds, pool_size=in_flight)


def sdk_as_it_comes(origin: str, in_flight: int, seconds: float) -> Measured:
    """PhonePe's SDK with its defaults: 10 connections, for which the other threads wait."""
    return _sdk(origin, in_flight, seconds, pool_size=10)


def _sdk(origin: str, in_flight: int, seconds: float, *, pool_size: int) -> Measured:
    from tests.contract.conformance import sdk

    sdk.point_at(origin)
    from phonepe.sdk.pg.common.configs.http_client_config import HttpClientConfig

    client = sdk.client(http_client_config=HttpClientConfig(pool_size=pool_size))
    try:
        return _in_threads(
            lambda name: client.get_order_status(name, details=True).state == "PENDING", in_flight, seconds
        )
    finally:
        client.close()


def _in_threads(ask: Callable[[str], bool], in_flight: int, seconds: float) -> Measured:
    names = count()

    def work(until: float) -> int:
        done = 0
        while time.monotonic() < until:
            assert ask(f"ORD-{next(names)}")
            done += 1
        return done

    with ThreadPoolExecutor(in_flight) as threads:
        for length in (WARM_UP_S, seconds):
            wall, cpu = time.monotonic(), time.process_time()
            done = list(threads.map(work, [wall + length] * in_flight))
            measured = sum(done), time.monotonic() - wall, time.process_time() - cpu
    return measured


WAYS = {way.__name__: way for way in (ours, plain_requests, sdk_enlarged, sdk_as_it_comes)}

if __name__ == "__main__":
    os.environ["NO_PROXY"] = "127.0.0.1"
    calls, wall_s, cpu_s = WAYS[sys.argv[1]](sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
    sys.stdout.write(f"{calls} {wall_s:.3f} {cpu_s:.3f}\n")
