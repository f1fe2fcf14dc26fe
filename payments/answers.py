"""What PhonePe said to one question, and what of it is kept for the audit trail."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from phonepe_pg import OrderStatus, PhonePeError, UnknownOrder

# Wire reference §4.2 and §6.4: what names a person or an account, wherever it stands.
PERSONAL = frozenset(
    {
        "vpa",
        "accountHolderName",
        "maskedAccountNumber",
        "maskedCardNumber",
        "phoneNumber",
        "prefillUserLoginDetails",
    }
)
MASK = "•••"


@dataclass(frozen=True, slots=True)
class Answer:
    """The outcome of one Order Status call: a status, or the error that came in its place."""

    asked_at: datetime
    took_ms: int
    status: OrderStatus | None = None
    error: PhonePeError | None = None

    @property
    def is_unknown_order(self) -> bool:
        """PhonePe has no such order, as of now (wire reference §4.4)."""
        return isinstance(self.error, UnknownOrder)

    @property
    def is_answer(self) -> bool:
        """PhonePe said something about the order, be it that there is none."""
        return self.status is not None or self.is_unknown_order

    @property
    def state(self) -> str:
        """PhonePe's word for the order, or the name of the error."""
        if self.status:
            return self.status.state
        return type(self.error).__name__ if self.error else ""

    def evidence(self) -> dict[str, Any]:
        """The answer as the audit trail keeps it: everything but personal data."""
        record: dict[str, Any] = {
            "asked_at": self.asked_at.isoformat(),
            "took_ms": self.took_ms,
            "state": self.state,
        }
        if self.status:
            record["body"] = masked(self.status.raw)
        if self.error:
            record |= {
                "http_status": self.error.http_status,
                "code": self.error.code,
                "message": str(self.error),
                "body": self.error.body,
            }
        return record


def masked(value: Any) -> Any:
    """A JSON value with personal data replaced by dots, and without the NUL that PostgreSQL's JSON refuses."""
    if isinstance(value, dict):
        return {
            key.replace("\0", ""): MASK if key in PERSONAL and item else masked(item)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [masked(item) for item in value]
    return value.replace("\0", "") if isinstance(value, str) else value
