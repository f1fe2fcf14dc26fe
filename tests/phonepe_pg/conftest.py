"""A stub gateway and clients for it."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import web

from phonepe_pg import Client, Hosts
from tests.phonepe_pg.stub_gateway import CREDENTIALS, Stub


@pytest.fixture
async def stub() -> AsyncIterator[Stub]:
    stub = Stub()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", stub.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=1024)
    await site.start()
    stub.base = f"http://127.0.0.1:{runner.addresses[0][1]}/apis/pg-sandbox"
    yield stub
    await runner.cleanup()


@pytest.fixture
async def make_client(stub: Stub) -> AsyncIterator[Callable[..., Client]]:
    clients: list[Client] = []

    def make(**options: Any) -> Client:
        hosts = options.pop("hosts", Hosts(pg=stub.base, oauth=stub.base))
        clients.append(Client(options.pop("credentials", CREDENTIALS), hosts, **options))
        return clients[-1]

    yield make
    for client in clients:
        await client.close()


@pytest.fixture
async def client(make_client: Callable[..., Client]) -> Client:
    return make_client()
