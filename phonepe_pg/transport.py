"""Carry one request over HTTP and bring back the answer: connections, time limits, size limits."""

import asyncio
from dataclasses import dataclass
from typing import Final

import aiohttp
from aiohttp.connector import Connection
from yarl import URL

from phonepe_pg.answers import Answer
from phonepe_pg.deadline import Deadline
from phonepe_pg.errors import Unavailable
from phonepe_pg.lenient import MAX_BODY_BYTES
from phonepe_pg.wire import Request

# The gateway's balancer silently drops connections that idle for 60 s (§11).
_KEEP_ALIVE_S: Final = 45.0


@dataclass(slots=True)
class _Flight:
    """One request under way: its deadline, and whether its first bytes may have left."""

    deadline: Deadline
    answer_timeout_s: float
    sent: bool = False

    async def once(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Keep aiohttp from sending a GET a second time when the connection breaks: only the caller repeats.

        It does so for these two errors, but for no other.
        """
        assert isinstance(request, _Request)
        request.flight = self
        try:
            return await handler(request)
        except aiohttp.ClientConnectorError:
            raise
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as problem:
            raise _Lost("the connection was lost") from problem

    def leave(self) -> None:
        """A connection is there and the request goes out: from now on the answer's own time counts."""
        self.sent = True
        self.deadline.move(self.answer_timeout_s)


class _Request(aiohttp.ClientRequest):
    """Tells its flight that it leaves. aiohttp's tracing would do so too, for a sixth of what a call costs."""

    flight: _Flight | None = None

    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        if self.flight:
            self.flight.leave()
        return await super().send(conn)


class _Lost(aiohttp.ClientConnectionError):
    """The connection broke under way; `__cause__` says how."""


class Transport:
    """A pool of connections, opened at the first request inside the running loop; one loop per instance."""

    def __init__(
        self, *, connect_timeout_s: float, answer_timeout_s: float, max_connections: int, user_agent: str
    ) -> None:
        self._connect_timeout_s = connect_timeout_s
        self._answer_timeout_s = answer_timeout_s
        self._max_connections = max_connections
        self._user_agent = user_agent
        self._session: aiohttp.ClientSession | None = None
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
        headers = dict(request.headers) | ({"Authorization": authorization} if authorization else {})
        loop = asyncio.get_running_loop()
        try:
            # Bounds the wait for a free connection; the answer's own time starts when the request leaves.
            limit_s = self._connect_timeout_s + self._answer_timeout_s
            with Deadline(limit_s, at_least_s=self._answer_timeout_s) as deadline:
                flight = _Flight(deadline, self._answer_timeout_s)
                async with self._open_session(loop).request(
                    request.method,
                    URL(base + request.path, encoded=True),
                    data=request.body,
                    headers=headers,
                    allow_redirects=False,
                    middlewares=(flight.once,),
                ) as response:
                    body = await _read(response)
                    return Answer(
                        http_status=response.status, headers=response.headers, body=body, secrets=secrets
                    )
        except (aiohttp.ClientError, OSError) as problem:
            error = self._unavailable(request, problem, sent=flight.sent)
        raise error

    async def close(self) -> None:
        """Close every connection; calls under way fail, later ones are refused. Safe to repeat."""
        self._closed = True
        if self._session is not None:
            await self._session.close()

    def _open_session(self, loop: asyncio.AbstractEventLoop) -> aiohttp.ClientSession:
        if self._session is None:
            self._loop = loop
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._max_connections, keepalive_timeout=_KEEP_ALIVE_S),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._connect_timeout_s),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": self._user_agent},
                request_class=_Request,
                trust_env=False,
            )
        if self._loop is not loop:
            raise RuntimeError("a Client belongs to the event loop that used it first; make one per loop")
        return self._session

    def _unavailable(self, request: Request, problem: Exception, *, sent: bool) -> Unavailable:
        if isinstance(problem, aiohttp.ClientConnectorError):
            told = f"cannot connect: {problem}"
        elif isinstance(problem, TimeoutError):
            told = f"no answer within {self._answer_timeout_s:g} s" if sent else "could not connect in time"
        else:
            told = f"the connection failed ({type(problem.__cause__ or problem).__name__})"
        error = Unavailable(f"{request.what}: {told}", sent=sent)
        # A ClientResponseError carries the request's headers, hence the token, into whatever shows it.
        if not isinstance(problem, aiohttp.ClientResponseError):
            error.__cause__ = problem
        return error


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """Read the body, at most one byte more than is accepted: enough to tell that it is too long."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            response.close()
            break
    return bytes(body[: MAX_BODY_BYTES + 1])
