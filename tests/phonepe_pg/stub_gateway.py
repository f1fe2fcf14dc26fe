"""A stub gateway: a real HTTP server that answers what it is told and remembers what it was asked."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from phonepe_pg import Credentials, PaymentRequest, RefundRequest

SECRET = "sec/ret+value=42"
TOKEN = "opaque.access-token/1"
PAY_PAGE = "https://mercury-uat.phonepe.com/transact/uat_v2?token=eyJhbGciOiJIUzI1NiJ9.e30.c2ln"
CREDENTIALS = Credentials("client-7", SECRET)
PAYMENT = PaymentRequest(
    merchant_order_id="ORD-1",
    amount_paise=150_000,
    redirect_url="https://shop.example/back/ORD-1",
    expire_after_s=900,
)
REFUND = RefundRequest(merchant_refund_id="R-1", original_merchant_order_id="ORD-1", amount_paise=1_000)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Seen:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


@dataclass
class Stub:
    """`answers` are used up one by one, the last one stays; so are `token_answers`."""

    base: str = ""
    calls: list[Seen] = field(default_factory=list)
    token_calls: list[Seen] = field(default_factory=list)
    answers: list[web.Response | Handler] = field(default_factory=list)
    token_answers: list[web.Response | Handler] = field(default_factory=list)

    def says(self, *answers: Any) -> None:
        self.answers[:] = answers

    async def handle(self, request: web.Request) -> web.StreamResponse:
        is_token = request.path.endswith("/v1/oauth/token")
        calls, answers = (self.token_calls, self.token_answers) if is_token else (self.calls, self.answers)
        body = await request.read()
        calls.append(Seen(request.method, request.path, dict(request.query), dict(request.headers), body))
        if is_token and not answers:
            return token_answer(f"{TOKEN}-{len(calls)}")
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if not isinstance(answer, web.Response):
            return await answer(request)
        return web.Response(status=answer.status, body=answer.body, headers=answer.headers)


def answer(status: int, body: Any, **headers: str) -> web.Response:
    """A JSON answer from an object, or any answer from bytes."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return web.Response(
        status=status, body=data, headers={k.replace("_", "-"): v for k, v in headers.items()}
    )


def token_answer(token: str, *, issued_at: int = 1_706_073_005, lives_s: int = 3600) -> web.Response:
    return answer(
        200,
        {
            "access_token": token,
            "encrypted_access_token": token,
            "expires_in": 0,
            "issued_at": issued_at,
            "expires_at": issued_at + lives_s,
            "session_expires_at": issued_at + lives_s,
            "token_type": "O-Bearer",
        },
    )


class RawServer:
    """Speaks bytes, not HTTP: reads one request, writes `reply`, closes (or resets, or stays silent)."""

    def __init__(self, reply: bytes, *, reset: bool = False) -> None:
        self.reply = reply
        self.reset = reset
        self.requests = 0

    async def __aenter__(self) -> "RawServer":
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.base = f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.close()
        await self.server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            (int(x.split(b":")[1]) for x in head.split(b"\r\n") if x.lower().startswith(b"content-length")), 0
        )
        await reader.readexactly(length)
        self.requests += 1
        if self.reset:
            writer.transport.abort()
            return
        writer.write(self.reply)
        writer.close()
