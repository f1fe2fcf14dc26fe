"""The emulator inside the test's own event loop, over real HTTP."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from phonepe_pg import Client, Credentials, Hosts
from phonepe_sandbox.app import make_app
from phonepe_sandbox.config import Config

CREDENTIALS = Credentials("SANDBOX_CLIENT", "sandbox-secret")


@dataclass
class Sandbox:
    """A running emulator and a test's hands on it."""

    root: str
    session: aiohttp.ClientSession

    async def does(self, path: str, **fields: Any) -> Any:
        async with self.session.post(f"{self.root}/sandbox/api/{path}", json=fields) as response:
            assert response.status < 300, await response.text()
            return await response.json()

    async def calls(self) -> dict[str, int]:
        async with self.session.get(f"{self.root}/sandbox/api/calls") as response:
            return await response.json()

    def client(self, *, production: bool = False, **options: Any) -> Client:
        base = f"{self.root}/apis"
        layout = (
            Hosts(pg=f"{base}/pg", oauth=f"{base}/identity-manager")
            if production
            else Hosts(pg=f"{base}/pg-sandbox", oauth=f"{base}/pg-sandbox")
        )
        return Client(options.pop("credentials", CREDENTIALS), layout, **options)


async def served(app: web.Application) -> tuple[web.AppRunner, str]:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}"


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    runner, root = await served(make_app(Config()))
    async with aiohttp.ClientSession() as session:
        yield Sandbox(root, session)
    await runner.cleanup()


@pytest.fixture
async def client(sandbox: Sandbox) -> AsyncIterator[Client]:
    async with sandbox.client() as client:
        yield client
