"""What the merchant asked and was answered: a bounded log and counts, secrets masked."""

import re
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from phonepe_sandbox.entries import Json

CALL_KINDS = ("token", "pay", "status", "transaction_status", "refund", "refund_status", "sdk_order")
KEPT = 5_000  # exchanges
KEPT_BODY = 20_000  # bytes of each body

SECRETS = (
    (re.compile(rb"(client_secret=)[^&]*"), rb"\1********"),
    (re.compile(rb'("client_secret"\s*:\s*")[^"]*'), rb"\1********"),
    (re.compile(rb'("(?:encrypted_)?access_token":")[^"]*'), rb"\1********"),
    (re.compile(rb'([?&]token=|"token":")[^"&]*'), rb"\1********"),
)


@dataclass(slots=True)
class Exchange:
    """One request and its answer. `status` None: the caller got no answer."""

    at_ms: int
    kind: str
    method: str
    path: str
    merchant_order_id: str | None = None
    request: bytes = b""
    status: int | None = None
    response: bytes = b""
    content_type: str = ""  # of the request
    took_ms: float = 0.0
    faults: list[str] = field(default_factory=list)
    reason: str | None = None

    def shown(self) -> Json:
        return {
            "at": self.at_ms,
            "kind": self.kind,
            "method": self.method,
            "path": self.path,
            "merchantOrderId": self.merchant_order_id,
            "status": self.status,
            "request": self.request.decode("utf-8", "replace"),
            "response": self.response.decode("utf-8", "replace"),
            "tookMs": round(self.took_ms, 1),
            "faults": self.faults,
            "reason": self.reason,
        }


class Journal:
    """Counts every API call; keeps the latest exchanges."""

    def __init__(self, kept: int = KEPT) -> None:
        self._exchanges: deque[Exchange] = deque(maxlen=kept)
        self.totals: Counter[str] = Counter()
        self.by_order: dict[str, Counter[str]] = {}
        self.keeps_fresh = False
        self.fresh: list[Exchange] = []  # not yet in the state file

    def count(self, kind: str, merchant_order_id: str | None) -> None:
        """Counted when the call arrives, so that a call that never gets an answer counts too."""
        self.totals[kind] += 1
        if merchant_order_id is not None:
            self.by_order.setdefault(merchant_order_id, Counter())[kind] += 1

    def keep(self, exchange: Exchange) -> None:
        if exchange.kind in ("token", "pay", "sdk_order", "unmapped"):  # those that may carry secrets
            exchange.request = masked(exchange.request)
            exchange.response = masked(exchange.response)
        exchange.request = exchange.request[:KEPT_BODY]
        exchange.response = exchange.response[:KEPT_BODY]
        self.restore(exchange)
        if self.keeps_fresh:
            self.fresh.append(exchange)

    def restore(self, exchange: Exchange) -> None:
        """Keep an exchange that is masked and cut already."""
        self._exchanges.append(exchange)

    def note(self, at_ms: int, merchant_order_id: str, action: str) -> None:
        """Log what a customer did, among the calls but not counted with them."""
        self.keep(Exchange(at_ms, "customer", "", action, merchant_order_id))

    def calls(self, merchant_order_id: str | None = None) -> dict[str, int]:
        counted = (
            self.totals if merchant_order_id is None else self.by_order.get(merchant_order_id, Counter())
        )
        return {kind: counted[kind] for kind in CALL_KINDS}

    def newest(self, merchant_order_id: str | None = None) -> Iterator[Exchange]:
        """Kept exchanges, the latest first."""
        for exchange in reversed(self._exchanges):
            if merchant_order_id is None or exchange.merchant_order_id == merchant_order_id:
                yield exchange


def masked(body: bytes) -> bytes:
    """A body without the client secret, OAuth tokens and pay page tokens."""
    for pattern, replacement in SECRETS:
        body = pattern.sub(replacement, body)
    return body
