"""Carry one request over HTTP and bring back the answer: connections, time limits, size limits."""

import asyncio
from datetime import timedelta
from typing import Final

from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import DetailedPyreqwestError
from pyreqwest.request import RequestBuilder
from pyreqwest.response import Response

from phonepe_pg.answers import Answer
from phonepe_pg.errors import Unavailable
from phonepe_pg.lenient import MAX_BODY_BYTES
from phonepe_pg.wire import Request

# The gateway's balancer silently drops connections that idle for 60 s (§11).
_KEEP_ALIVE_S: Final = 45.0
# How hyper says that there was no connection. Should it say so in other words one day, a call that was not sent
# counts as one that may have been: a question more, never a payment more.
_NOT_CONNECTED: Final = "client error (Connect)"


class Transport:
    """A pool of connections, opened at the first request inside the running loop; one loop per instance.

    HTTP itself runs in pyreqwest's own thread (reqwest, hyper and rustls, without Python's lock): a call costs Python
    a third of what aiohttp makes of it (`make bench ARGS=client`). It repeats a request only when nothing of it was
    written, because a kept connection had gone. A call that is cancelled may stay open until its time is over.
    """

    def __init__(
        self, *, connect_timeout_s: float, answer_timeout_s: float, max_connections: int, user_agent: str
    ) -> None:
        self._connect_timeout_s = connect_timeout_s
        self._answer_timeout_s = answer_timeout_s
        self._user_agent = user_agent
        self._lines = asyncio.Semaphore(max_connections)
        self._pool: Client | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    async def send(
        self, request: Request, *, base: str, authorization: str, secrets: tuple[str, ...]
    ) -> Answer:
        """Send once and read the whole answer, whatever its status.

        Raises Unavailable when no complete answer came; its `sent` is False when nothing was sent.
        """
        if self._closed:
            raise Unavailable(f"{request.what}: the client is closed", sent=False)
        call = self._call(request, base=base, authorization=authorization)
        await self._take_line(request)
        try:
            async with call.build_streamed() as response:
                body = await _read(response)
                return Answer(
                    http_status=response.status, headers=response.headers, body=body, secrets=secrets
                )
        except DetailedPyreqwestError as problem:
            task = asyncio.current_task()
            if (
                task and task.cancelling()
            ):  # the call ended before it had heard that it is not wanted any more
                raise asyncio.CancelledError from problem
            error = self._unavailable(request, problem)
        finally:
            self._lines.release()
        raise error

    async def close(self) -> None:
        """Close every connection; calls under way fail, later ones are refused. Safe to repeat."""
        self._closed = True
        if self._pool is not None:
            await self._pool.close()

    def _call(self, request: Request, *, base: str, authorization: str) -> RequestBuilder:
        pool = self._open_pool(asyncio.get_running_loop())
        call = pool.request(request.method, base + request.path).headers(request.headers)
        if authorization:
            call = call.header("Authorization", authorization, is_sensitive=True)
        return call if request.body is None else call.body_bytes(request.body)

    async def _take_line(self, request: Request) -> None:
        """Wait for a free connection no longer than a call may take."""
        try:
            async with asyncio.timeout(self._connect_timeout_s + self._answer_timeout_s):
                await self._lines.acquire()
        except TimeoutError:
            raise Unavailable(f"{request.what}: no connection became free in time", sent=False) from None

    def _open_pool(self, loop: asyncio.AbstractEventLoop) -> Client:
        if self._pool is None:
            self._loop = loop
            self._pool = (
                ClientBuilder()
                .connect_timeout(timedelta(seconds=self._connect_timeout_s))
                .timeout(timedelta(seconds=self._answer_timeout_s))
                .pool_idle_timeout(timedelta(seconds=_KEEP_ALIVE_S))
                .follow_redirects(False)
                .no_proxy()
                .user_agent(self._user_agent)
                .build()
            )
        if self._loop is not loop:
            raise RuntimeError("a Client belongs to the event loop that used it first; make one per loop")
        return self._pool

    def _unavailable(self, request: Request, problem: DetailedPyreqwestError) -> Unavailable:
        causes = [cause["message"] for cause in problem.details["causes"] or ()]
        if _NOT_CONNECTED in causes:
            return Unavailable(f"{request.what}: cannot connect: {causes[-1]}", sent=False)
        if isinstance(problem, TimeoutError):
            return Unavailable(f"{request.what}: no answer within {self._answer_timeout_s:g} s", sent=True)
        told = causes[-1] if causes else type(problem).__name__
        return Unavailable(f"{request.what}: the connection failed ({told})", sent=True)


async def _read(response: Response) -> bytes:
    """Read the body, at most one byte more than is accepted: enough to tell that it is too long."""
    reader = response.body_reader
    body = bytearray()
    while (chunk := await reader.read_chunk()) is not None:
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            break
    return bytes(body[: MAX_BODY_BYTES + 1])
