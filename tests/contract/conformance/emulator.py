"""The emulator as a process of another interpreter, and its control API."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
CLIENT_ID, CLIENT_SECRET, CLIENT_VERSION = "SANDBOX_CLIENT", "sandbox+secret/=&", 1
USERNAME, PASSWORD = "conformance", "conforms2it"


class Emulator:
    """A running `phonepe_sandbox`; `url` is its origin."""

    def __init__(self, python: str) -> None:
        options = {
            "port": "0",
            "client-id": CLIENT_ID,
            "client-secret": CLIENT_SECRET,
            "client-version": str(CLIENT_VERSION),
            "webhook-username": USERNAME,
            "webhook-password": PASSWORD,
        }
        self._process = subprocess.Popen(
            [python, "-m", "phonepe_sandbox", *(f"--{name}={value}" for name, value in options.items())],
            cwd=ROOT,
            # Switches and faults of the developer's own emulator must not strike here.
            env={name: value for name, value in os.environ.items() if "SANDBOX" not in name},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout
        line = self._process.stdout.readline()
        if "listening on" not in line:
            raise SystemExit(f"the emulator did not start: {line!r}")
        self.url = line.split()[-1]

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(10)

    def __call__(self, path: str, **fields: Any) -> Any:
        """One POST to the control API; its JSON. Raises urllib's HTTPError."""
        request = urllib.request.Request(
            f"{self.url}/sandbox/api/{path}",
            data=json.dumps(fields).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def customer(self, merchant_order_id: str, outcome: str, **how: Any) -> None:
        """Do what the customer would on the pay page; without a webhook unless `webhook=True`."""
        self(f"orders/{merchant_order_id}/outcome", outcome=outcome, **({"webhook": False} | how))

    def later(self, seconds: float) -> None:
        """Move the emulator's clock."""
        self("clock", advance=seconds)
