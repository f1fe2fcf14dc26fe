"""The emulator as a program and as an aiohttp application."""

import asyncio
import signal
import sys
from collections.abc import Sequence

from aiohttp import web

from phonepe_sandbox import api, config, control, forms, pages, paypage, wire
from phonepe_sandbox.clock import Clock
from phonepe_sandbox.config import Config
from phonepe_sandbox.sandbox import SANDBOX, Sandbox
from phonepe_sandbox.store import StateError

LARGEST_BODY = 64 * 1024 * 1024  # ten thousand orders to register fit in
ENDING_S = 1.0  # hung answers do not hold up the end

BACKLOG = 1024  # 200 connections opened at once overflow aiohttp's 128 and cost a second's retransmission


def make_app(config: Config | None = None, *, clock: Clock | None = None) -> web.Application:
    """A complete emulator, for a server of one's own (tests) or for `run`."""
    app = web.Application(client_max_size=LARGEST_BODY, middlewares=[refuse_unreadable])
    sandbox = Sandbox(config or Config(), clock)
    app[SANDBOX] = sandbox
    app.cleanup_ctx.append(sandbox.alive)
    control.add_routes(app)
    paypage.add_routes(app)
    pages.add_routes(app)
    forms.add_routes(app)
    api.add_routes(app)  # last: it answers every other path
    return app


@web.middleware
async def refuse_unreadable(request: web.Request, handler: api.Handler) -> web.StreamResponse:
    """A body that cannot be unpacked is refused before any service sees it (§7.1)."""
    try:
        return await handler(request)
    except web.RequestPayloadError:
        request.content.feed_eof()  # or aiohttp reads on, to no good end but a traceback
        answer = wire.gateway_refusal()
        return web.json_response(answer.body, status=answer.status, headers={"Connection": "close"})


def run(argv: Sequence[str]) -> int:
    """Serve until SIGTERM or SIGINT.

    Returns the exit code: 0, 1 (cannot listen, or use the state file), 2 (bad arguments).
    """
    try:
        wanted = config.read(argv)
    except SystemExit as stop:  # argparse has said why
        return stop.code if isinstance(stop.code, int) else 2
    return asyncio.run(_serve(wanted))


async def _serve(wanted: Config) -> int:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for ending in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(ending, stopped.set)
    try:
        app = make_app(wanted)
    except StateError as error:
        sys.stderr.write(f"phonepe_sandbox: {error}\n")
        return 1
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=ENDING_S)
    await runner.setup()
    try:
        await web.TCPSite(runner, wanted.host, wanted.port, backlog=BACKLOG).start()
    except OSError as error:
        reason = error.strerror or error
        sys.stderr.write(f"phonepe_sandbox: cannot listen on {wanted.host}:{wanted.port}: {reason}\n")
        await runner.cleanup()
        return 1
    port = runner.addresses[0][1]
    host = "127.0.0.1" if wanted.host in ("0.0.0.0", "") else wanted.host  # noqa: S104
    sys.stdout.write(f"PhonePe sandbox listening on http://{host}:{port}\n")
    sys.stdout.flush()
    await stopped.wait()
    await runner.cleanup()
    return 0
