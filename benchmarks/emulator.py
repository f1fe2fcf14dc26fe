"""What a status call costs the emulator with few and with ten thousand live orders, early and late in a run.

In the emulator's own CPU time, because the caller shares the machine with it. One process is one core's worth.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import running
from benchmarks.tables import Table, show

ROOT = Path(__file__).resolve().parents[1]
FEW, MANY = 10, 10_000
BAR_PER_S = 2_000
CONNECTIONS, CALLS, ROUNDS = 10, 2_000, 10
TOKEN_FORM = (
    b"client_id=SANDBOX_CLIENT&client_secret=sandbox-secret&client_version=1&grant_type=client_credentials"
)


@dataclass(slots=True)
class Emulator:
    """One running emulator with so many live orders, and the CPU seconds of each call, round by round."""

    name: str
    orders: int
    pid: int
    origin: str
    token: str
    costs_s: list[float] = field(default_factory=list)

    @property
    def calls_per_s(self) -> float:
        """Of a whole core."""
        return 1 / median(self.costs_s)

    @property
    def grown(self) -> float:
        """The later rounds' cost by the earlier ones'."""
        half = len(self.costs_s) // 2
        return median(self.costs_s[half:]) / median(self.costs_s[:half])


def main() -> dict[str, Any]:
    """Measure with few and many orders, without and with a state file, and print the table."""
    measured = measure(rounds=4 if running.QUICK else ROUNDS)
    base = median(measured[0].costs_s)
    figures = {
        one.name: {
            "per_cpu_s": one.calls_per_s,
            "cost_ratio": median(one.costs_s) / base,
            "late_ratio": one.grown,
        }
        for one in measured
    }
    for table in tables(figures):
        show(table)
    return figures


def tables(figures: dict[str, Any]) -> list[Table]:
    """What a call costs, by live orders."""
    rows = [
        (name, f"{one['per_cpu_s']:,.0f}", f"{one['cost_ratio']:.2f} ×", f"{one['late_ratio']:.2f} ×")
        for name, one in figures.items()
    ]
    met = all(one["per_cpu_s"] >= BAR_PER_S for one in figures.values())
    note = f"Bar: {BAR_PER_S:,} calls per second on one core: {'met' if met else 'NOT met'}."
    return [
        Table(("live orders", "calls per CPU-second", "cost of a call", "late by early rounds"), rows, note)
    ]


def measure(*, rounds: int = ROUNDS) -> list[Emulator]:
    """Few orders, many, many with a state file; they take turns, so that other work meets all of them."""
    with ExitStack() as stack:
        state = str(Path(stack.enter_context(tempfile.TemporaryDirectory())) / "state")
        running = [
            stack.enter_context(started(f"{FEW}", FEW)),
            stack.enter_context(started(f"{MANY:,}", MANY)),
            stack.enter_context(started(f"{MANY:,}, with --state", MANY, "--state", state)),
        ]
        for nth in range(rounds):
            for one in running:
                before = _cpu_s(one.pid)
                asyncio.run(_ask_all(one, nth * CALLS))
                one.costs_s.append((_cpu_s(one.pid) - before) / CALLS)
        return running


@contextmanager
def started(name: str, orders: int, *options: str) -> Iterator[Emulator]:
    """An emulator that knows so many orders, all of them open."""
    process = subprocess.Popen(
        [sys.executable, "-m", "phonepe_sandbox", "--port", "0", *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            assert process.stdout
            origin = process.stdout.readline().split()[-1]
            wanted = [
                {"merchantOrderId": f"O-{n}", "amount": 1000, "expireAfter": 3600} for n in range(orders)
            ]
            _post(f"{origin}/sandbox/api/orders", json.dumps({"orders": wanted}).encode())
            token = _post(f"{origin}/apis/pg-sandbox/v1/oauth/token", TOKEN_FORM)["access_token"]
            yield Emulator(name, orders, process.pid, origin, token)
        finally:
            process.terminate()


def _post(address: str, data: bytes) -> Any:
    with urllib.request.urlopen(address, data=data, timeout=60) as answer:  # noqa: S310 - our own address
        return json.load(answer)


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def _ask_all(one: Emulator, first: int) -> None:
    async with asyncio.TaskGroup() as group:
        for nth in range(CONNECTIONS):
            group.create_task(_ask(one, first + 311 * nth, CALLS // CONNECTIONS))


async def _ask(one: Emulator, first: int, count: int) -> None:
    """Status calls on one kept connection, raw: the caller must not be the slow one."""
    host, _, port = one.origin.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    for nth in range(count):
        path = f"/apis/pg-sandbox/checkout/v2/order/O-{(first + 37 * nth) % one.orders}/status"
        writer.write(
            f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: O-Bearer {one.token}\r\n\r\n".encode()
        )
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        assert head.startswith(b"http/1.1 200 "), head
        await reader.readexactly(int(head.partition(b"content-length: ")[2].split(b"\r\n")[0]))
    writer.close()
    await writer.wait_closed()
