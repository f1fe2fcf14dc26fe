"""One access token for everybody: fetched once, renewed early, dropped when refused (wire reference §2.3)."""

import asyncio
import copy
import time
from collections.abc import Awaitable, Callable

from phonepe_pg.errors import PhonePeError
from phonepe_pg.wire import Token

_MARGIN_S = 300.0
# While the old token lives, a token service that hangs must not slow down every call.
_PAUSE_AFTER_FAILURE_S = 5.0


class TokenStore:
    """Holds the token that `fetch` brings. `clock` counts seconds and never goes back.

    Lifetimes are counted from receipt on that clock, so a wrong system time does no harm.
    """

    def __init__(
        self, fetch: Callable[[], Awaitable[Token]], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._fetch = fetch
        self._clock = clock
        self._lock = asyncio.Lock()
        self._token: Token | None = None  # whose repr does not show it
        self._renew_at = 0.0
        self._ends_at = 0.0
        self._not_before = 0.0
        self._failures = 0
        self._failure: PhonePeError | None = None

    async def get(self) -> str:
        """Return a token that is believed to be good; any number of callers cause one request.

        A renewal that fails goes unnoticed as long as the old token lives. Raises Misconfigured,
        RateLimited or Unavailable, all with `sent` False.
        """
        if self._is_fresh() or (self._lives() and (self._lock.locked() or self._clock() < self._not_before)):
            return self._value
        failures = self._failures
        async with self._lock:
            if self._is_fresh():
                return self._value
            if self._failures != failures:
                return self._after_failure()
            return await self._renew()

    def drop(self, token: str) -> None:
        """Forget exactly this token, which the gateway refused; a newer one stays."""
        if token == self._value:
            self._token = None

    @property
    def _value(self) -> str:
        return self._token.value if self._token else ""

    def _is_fresh(self) -> bool:
        return bool(self._value) and self._clock() < self._renew_at

    def _lives(self) -> bool:
        return bool(self._value) and self._clock() < self._ends_at

    async def _renew(self) -> str:
        # Set before asking: a caller who gives up half-way must count as a failure too.
        self._not_before = self._clock() + _PAUSE_AFTER_FAILURE_S
        try:
            token = await self._fetch()
        except PhonePeError as error:
            error.sent = False
            self._failures += 1
            self._failure = error
            if self._lives():
                return self._value
            raise
        self.keep(token)
        return token.value

    def keep(self, token: Token) -> None:
        """Use this token, which was received just now, from now on."""
        now = self._clock()
        self._token = token
        self._renew_at = now + token.lifetime_s - min(_MARGIN_S, token.lifetime_s / 2)
        self._ends_at = now + token.lifetime_s
        self._not_before = 0.0
        self._failure = None

    def _after_failure(self) -> str:
        """For those who waited while another's request failed: its error, instead of time-outs in a queue."""
        if self._lives():
            return self._value
        assert self._failure is not None
        raise copy.copy(self._failure) from self._failure
