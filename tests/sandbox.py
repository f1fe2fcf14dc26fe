"""The emulator as a process of its own, and its control API as methods."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Sequence
from typing import Any

from tests.processes import ROOT


class Sandbox:
    """A running `phonepe_sandbox`; `url` is its origin."""

    def __init__(self, *arguments: str, inside: Sequence[str] = ()) -> None:
        """`inside` comes before the command: what puts it into another network, say."""
        self.process = subprocess.Popen(
            [*inside, sys.executable, "-m", "phonepe_sandbox", "--port", "0", *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert "listening on" in line, line
        self.url = line.split()[-1]

    @property
    def base_url(self) -> str:
        return f"{self.url}/apis/pg-sandbox"

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(10)
        assert self.process.stdout
        self.process.stdout.close()

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """One call of the control API; its JSON. Raises urllib's HTTPError."""
        request = urllib.request.Request(
            f"{self.url}/sandbox/api/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)

    def reset(self) -> None:
        self.call("POST", "reset", {})

    def order(self, merchant_order_id: str) -> dict[str, Any]:
        return self.call("GET", f"orders/{merchant_order_id}")

    def knows(self, merchant_order_id: str) -> bool:
        try:
            self.order(merchant_order_id)
        except urllib.error.HTTPError as error:
            error.close()
            return False
        return True

    def register(self, *orders: dict[str, Any]) -> list[dict[str, Any]]:
        return self.call("POST", "orders", {"orders": list(orders)})["orders"]

    def decide(self, merchant_order_id: str, outcome: str = "success", **how: Any) -> Any:
        """Do what the customer would on the pay page; without a webhook unless `webhook=True`."""
        body = {"outcome": outcome, "webhook": False} | how
        return self.call("POST", f"orders/{merchant_order_id}/outcome", body)

    def fault(self, on: str, kind: str, **how: Any) -> Any:
        return self.call("POST", "faults", {"on": on, "kind": kind, **how})

    def settings(self, **changes: Any) -> Any:
        return self.call("POST", "settings", changes)

    def calls(self, merchant_order_id: str = "") -> dict[str, int]:
        query = f"?merchantOrderId={merchant_order_id}" if merchant_order_id else ""
        return self.call("GET", f"calls{query}")

    def answered(self, kind: str, *, since: float, until: float) -> Counter[int]:
        """How many calls of a kind came in a span of time (Unix seconds), by the HTTP status of the answer."""
        kept = self.call("GET", "requests?limit=5000")["requests"]
        return Counter(
            one["status"] for one in kept if one["kind"] == kind and since * 1000 <= one["at"] < until * 1000
        )


def wait_until(condition: Any, *, within_s: float = 10.0, every_s: float = 0.05) -> Any:
    """The first true value of `condition()`; fails after `within_s`."""
    until = time.monotonic() + within_s
    while not (value := condition()):
        assert time.monotonic() < until, f"not within {within_s} s"
        time.sleep(every_s)
    return value
