"""The parts of the demo as processes of their own, started in order and ended by pid."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOGS = ROOT / "var" / "log"
START_S = 30.0
STOP_S = 12.0


class DemoFailed(Exception):
    """The demo cannot go on; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where the web site and the emulator of this run are."""

    port: int
    sandbox_port: int

    @property
    def site(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def sandbox(self) -> str:
        return f"http://localhost:{self.sandbox_port}"

    def environment(self) -> dict[str, str]:
        """Settings good for nothing but a demo: whatever a .env says, nobody's real account is touched."""
        return {
            "DEBUG": "1",
            "PUBLIC_URL": self.site,
            "FRONTEND_URL": "",
            "ALLOWED_HOSTS": "*",
            "PHONEPE_ENV": "sandbox",
            "PHONEPE_BASE_URL": f"{self.sandbox}/apis/pg-sandbox",
            "PHONEPE_OAUTH_URL": "",
            "PHONEPE_CLIENT_ID": "SANDBOX_CLIENT",
            "PHONEPE_CLIENT_SECRET": "sandbox-secret",
            "PHONEPE_CLIENT_VERSION": "1",
            "PHONEPE_WEBHOOK_USERNAME": "okpuja_demo",
            "PHONEPE_WEBHOOK_PASSWORD": "demo12345",
            "SANDBOX_WEBHOOK_URL": f"{self.site}/api/payments/webhook/phonepe/",
            "STATUS_VERIFY_AFTER": "5",  # so that the status endpoint can be faster than the checker's first look
            "EMAIL_URL": f"file://{ROOT / 'var' / 'mail'}",
        }


@dataclass(slots=True)
class Processes:
    """The children of this run. `stop` ends exactly those."""

    places: Places
    _children: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self) -> None:
        """Start emulator, web site and checker, each ready before the next. Raises DemoFailed."""
        for name, port in (("PORT", self.places.port), ("SANDBOX_PORT", self.places.sandbox_port)):
            _require_free(name, port)
        self._start("sandbox", "manage.py", "phonepe_sandbox", "--port", str(self.places.sandbox_port))
        self._wait_for(f"{self.places.sandbox}/sandbox/api/health", "sandbox")
        self._start(
            "web", "-m", "granian", "--interface", "asgi", "--port", str(self.places.port),
            "okpuja.asgi:application",
        )  # fmt: skip
        self._wait_for(f"{self.places.site}/healthz", "web")
        self._start("checker", "manage.py", "auto_complete_payments", "--continuous")
        self._wait_for(f"{self.places.site}/readyz", "checker")

    def stop(self) -> None:
        """SIGTERM to each, SIGKILL to whoever has not ended in time."""
        for child in reversed(self._children):
            if child.poll() is None:
                child.send_signal(signal.SIGTERM)
        for child in self._children:
            try:
                child.wait(STOP_S)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()

    def wait(self) -> None:
        """Serve on. Raises DemoFailed when one of the children ends."""
        while all(child.poll() is None for child in self._children):
            time.sleep(0.5)
        raise DemoFailed(f"One of the processes has ended; see {LOGS}.")

    def _start(self, name: str, *command: str) -> None:
        LOGS.mkdir(parents=True, exist_ok=True)
        with (LOGS / f"demo-{name}.log").open("wb") as log:
            child = subprocess.Popen(
                [sys.executable, *command],
                cwd=ROOT,
                env={**os.environ, **self.places.environment()},
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for us: we end them in order
            )
        self._children.append(child)

    def _wait_for(self, url: str, name: str) -> None:
        child = self._children[-1]
        until = time.monotonic() + START_S
        while not _answers(url):
            if child.poll() is not None or time.monotonic() > until:
                raise DemoFailed(f"The {name} process did not start; see {LOGS / f'demo-{name}.log'}.")
            time.sleep(0.1)


def _require_free(name: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise DemoFailed(f"Port {port} is in use. Try: make demo {name}={port + 1}") from error


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=3) as answer:  # noqa: S310  our own processes
            return bool(answer.status == 200)
    except urllib.error.HTTPError as error:
        error.close()
        return False
    except OSError:
        return False
