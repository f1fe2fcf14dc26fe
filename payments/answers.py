"""What PhonePe said to one question, and what of it is kept for the audit trail."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from phonepe_pg import OrderStatus, PhonePeError, UnknownOrder

# Wire reference §4.2 and §6.4: what names a person or an account, wherever it stands; the second half PhonePe
# does not send today, and may tomorrow.
PERSONAL = frozenset(
    {
        "vpa",
        "accountHolderName",
        "maskedAccountNumber",
        "maskedCardNumber",
        "phoneNumber",
        "prefillUserLoginDetails",
        "name",
        "customerName",
        "cardHolderName",
        "accountNumber",
        "cardNumber",
        "upiId",
        "phone",
        "mobile",
        "mobileNumber",
        "email",
        "emailId",
        "address",
    }
)
MASK = "•••"
# In a text that is no JSON, or only the beginning of one. No closing quote is asked for: it may be cut off.
_PERSONAL_TEXT = re.compile(
    rf"""(["'](?:{"|".join(sorted(PERSONAL))})["']\s*:\s*)(["'](?:\\.|[^"'\\])*|\{{[^}}]*)"""
)


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
    def is_dead(self) -> bool:
        """PhonePe calls the order FAILED or has none: as of now nobody can pay it."""
        return self.is_unknown_order or (self.status is not None and self.status.failed)

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
            record |= trouble(self.error)
        return record


def trouble(error: PhonePeError) -> dict[str, Any]:
    """An error as the audit trail keeps it: what any bytes of PhonePe's may hold, but storable and masked."""
    return {
        "http_status": error.http_status,
        "code": masked(error.code),
        "message": _masked_text(str(error)),
        "body": _masked_text(error.body),
    }


def masked(value: Any) -> Any:
    """A JSON value with personal data replaced by dots, and without the NUL that PostgreSQL's JSON refuses."""
    if isinstance(value, str):
        return value.replace("\0", "") if "\0" in value else value
    if isinstance(value, dict):
        return {
            key.replace("\0", ""): MASK if key in PERSONAL and item else masked(item)
            for key, item in value.items()
        }
    return [masked(item) for item in value] if isinstance(value, list) else value


def _masked_text(text: str) -> str:
    return _PERSONAL_TEXT.sub(rf'\g<1>"{MASK}"', text.replace("\0", ""))
