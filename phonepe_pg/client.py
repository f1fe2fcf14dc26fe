"""The client: one method per call. `wire` knows the protocol, `transport` carries, this joins them."""

import logging
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self, TypeVar

from phonepe_pg import wire
from phonepe_pg.answers import Answer
from phonepe_pg.errors import (
    Malformed,
    Misconfigured,
    OutcomeUnknown,
    PhonePeError,
    RateLimited,
    Rejected,
    Unavailable,
)
from phonepe_pg.masking import forms_of
from phonepe_pg.token import TokenStore
from phonepe_pg.transport import Transport
from phonepe_pg.types import (
    CallRecord,
    CreatedOrder,
    Credentials,
    Hosts,
    OrderStatus,
    PaymentRequest,
    RefundRequest,
    RefundStatus,
)

VERSION: Final = "0.1.0"

_log = logging.getLogger("phonepe_pg")
_T = TypeVar("_T")


class Client:
    """PhonePe Standard Checkout v2, for one set of credentials and one event loop.

    Any number of tasks may use it at once; `max_connections` bounds what is open. Nothing is repeated
    inside but a call refused with 401, once, with a new token (which is safe: it was not processed).
    Every call raises only PhonePeError (see `phonepe_pg.errors`), or CancelledError when cancelled;
    a cancelled `create_payment` or `refund` is as uncertain as an OutcomeUnknown. (RuntimeError: used from
    a second event loop.)
    Errors that any call may raise: InvalidRequest, Misconfigured, Rejected, RateLimited, Unavailable,
    Malformed.

    `connect_timeout_s` bounds connecting, `answer_timeout_s` the time from sending to the answer's end.
    `on_call` is told of every HTTP call that ended (also the token's); what it raises is logged only.
    Use it as `async with Client(...)`, or call `close()`.
    """

    def __init__(
        self,
        credentials: Credentials,
        hosts: Hosts,
        *,
        connect_timeout_s: float = 3.0,
        answer_timeout_s: float = 10.0,
        max_connections: int = 200,
        user_agent: str = f"phonepe_pg/{VERSION}",
        on_call: Callable[[CallRecord], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._credentials = credentials
        self._hosts = hosts
        self._on_call = on_call
        self._secrets = forms_of(credentials.client_secret)
        self._tokens = TokenStore(self._fetch_token, clock=clock)
        self._transport = Transport(
            connect_timeout_s=connect_timeout_s,
            answer_timeout_s=answer_timeout_s,
            max_connections=max_connections,
            user_agent=user_agent,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections. Calls under way fail; later ones raise Unavailable. Safe to repeat."""
        await self._transport.close()

    async def create_payment(self, payment: PaymentRequest) -> CreatedOrder:
        """Create an order and get its pay page (§3). Sent once: do not repeat it with the same id.

        Raises OutcomeUnknown when the order may exist all the same: ask `order_status` first.
        Unavailable and RateLimited only when it was certainly not sent (`sent` is False): no connection,
        no token. Rejected for other refusals; a plain 400 BAD_REQUEST is also how an id that is already
        there is answered, so after an earlier try with this id ask `order_status` as well.
        """
        return await self._create(wire.payment(payment), wire.read_created_order)

    async def order_status(self, merchant_order_id: str) -> OrderStatus:
        """Ask what became of an order (§4). Changes nothing: always safe to repeat.

        Raises UnknownOrder when the gateway has no such order (right after a pay call: not yet).
        """
        return await self._call(
            wire.order_status(merchant_order_id),
            lambda answer: wire.read_order_status(answer, merchant_order_id=merchant_order_id),
        )

    async def refund(self, refund: RefundRequest) -> RefundStatus:
        """Give money back (§5.1). Sent once.

        Raises OutcomeUnknown when the refund may exist all the same: ask `refund_status` for the same id,
        and repeat with the same id only after UnknownRefund. Unavailable and RateLimited only when it was
        certainly not sent (`sent` is False). Rejected (BAD_REQUEST too) when it was refused.
        """
        return await self._create(wire.refund(refund), wire.read_refund)

    async def refund_status(self, merchant_refund_id: str) -> RefundStatus:
        """Ask what became of a refund (§5.2). Always safe to repeat. Raises UnknownRefund."""
        return await self._call(
            wire.refund_status(merchant_refund_id),
            lambda answer: wire.read_refund_status(answer, merchant_refund_id=merchant_refund_id),
        )

    async def check_credentials(self) -> None:
        """Fetch a token (§2), also when one is held, and use it from now on.

        Raises Misconfigured, RateLimited or Unavailable.
        """
        self._tokens.keep(await self._fetch_token())

    async def _create(self, request: wire.Request, read: Callable[[Answer], _T]) -> _T:
        try:
            return await self._call(request, read)
        except (Unavailable, Malformed, RateLimited) as error:
            if not error.sent:
                raise
            raise _unknown(error) from error
        except Rejected as error:
            if not wire.looks_like_a_duplicate(request, error):
                raise
            raise _unknown(error) from error

    async def _call(self, request: wire.Request, read: Callable[[Answer], _T]) -> _T:
        token = await self._tokens.get()
        try:
            return await self._exchange(request, read, token=token)
        except Misconfigured as error:
            if error.http_status != 401:
                raise
        # The gateway has not looked at a request whose token it refuses: repeating it is safe (§2.3).
        self._tokens.drop(token)
        return await self._exchange(request, read, token=await self._tokens.get())

    async def _fetch_token(self) -> wire.Token:
        return await self._exchange(wire.token(self._credentials), wire.read_token)

    async def _exchange(self, request: wire.Request, read: Callable[[Answer], _T], *, token: str = "") -> _T:
        """One request, one answer, one record."""
        started = time.monotonic()
        try:
            answer = await self._transport.send(
                request,
                base=self._hosts.oauth if request.host == "oauth" else self._hosts.pg,
                authorization=f"O-Bearer {token}" if token else "",
                secrets=(token, *self._secrets),
            )
            result = read(answer)
        except PhonePeError as error:
            self._record(request, started, error.http_status, error)
            raise
        self._record(request, started, answer.http_status)
        return result

    def _record(
        self,
        request: wire.Request,
        started: float,
        http_status: int | None,
        error: PhonePeError | None = None,
    ) -> None:
        if self._on_call is None:
            return
        record = CallRecord(
            what=request.what,
            http_status=http_status,
            code=error.code if error else "",
            error=type(error).__name__ if error else "",
            merchant_order_id=request.merchant_order_id,
            merchant_refund_id=request.merchant_refund_id,
            took_s=time.monotonic() - started,
        )
        try:
            self._on_call(record)
        except Exception:  # noqa: BLE001
            # A broken counter must not make a payment that was sent look as if it had failed.
            _log.exception("The on_call hook failed")


def _unknown(error: PhonePeError) -> OutcomeUnknown:
    return OutcomeUnknown(
        f"the outcome is unknown, ask for the status: {error}",
        http_status=error.http_status,
        code=error.code,
        body=error.body,
    )
