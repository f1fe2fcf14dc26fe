"""OAuth tokens: who may call (§2)."""

import hmac
from collections.abc import Callable
from dataclasses import dataclass

from phonepe_sandbox.identity import Mint


@dataclass(frozen=True, slots=True)
class Credentials:
    client_id: str
    client_secret: str
    client_version: str

    def match(self, client_id: str, client_secret: str, client_version: str) -> bool:
        """Whether a token request comes from our merchant; compared in constant time."""
        ours = (self.client_id, self.client_secret, self.client_version)
        theirs = (client_id, client_secret, client_version)
        same = [
            hmac.compare_digest(a.encode(), b.encode("utf-8", "replace"))
            for a, b in zip(ours, theirs, strict=True)
        ]
        return all(same)


@dataclass(frozen=True, slots=True)
class Token:
    value: str
    issued_at: int
    expires_at: int


class TokenDesk:
    """Issues tokens and knows which are alive; times in epoch seconds (§2.2).

    A token opens the environment that gave it, and no other (§1).
    """

    def __init__(self, mint: Mint, now: Callable[[], float]) -> None:
        self._mint = mint
        self._now = now
        self.alive_until: dict[str, int] = {}  # "layout token" → epoch seconds

    def issue(self, life: int, *, layout: str) -> Token:
        now = int(self._now())
        self._forget_expired(now)
        token = Token(self._mint.token({"iat": now, "exp": now + life}), now, now + life)
        self.alive_until[f"{layout} {token.value}"] = token.expires_at
        return token

    def knows(self, authorization: str | None, *, layout: str) -> bool:
        """Whether an Authorization header is `O-Bearer` + a live token; plain `Bearer` is wrong (§2.2)."""
        scheme, _, value = (authorization or "").partition(" ")
        return scheme == "O-Bearer" and self._now() < self.alive_until.get(f"{layout} {value}", 0)

    def _forget_expired(self, now: int) -> None:
        self.alive_until = {key: until for key, until in self.alive_until.items() if until > now}
