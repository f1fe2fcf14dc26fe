"""One HTTP answer, and what it means when it is not the hoped-for one (wire reference §7)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

from phonepe_pg import lenient
from phonepe_pg.errors import (
    NO_SUCH_PATH,
    Malformed,
    Misconfigured,
    PhonePeError,
    RateLimited,
    Rejected,
    Unavailable,
)
from phonepe_pg.masking import masked

_E = TypeVar("_E", bound=PhonePeError)

_MISCONFIGURED = frozenset(
    {"KEY_NOT_CONFIGURED", "INVALID_CLIENT", "OIM000", "AUTHORIZATION_FAILED", "PR004"}
)
_MAX_RETRY_AFTER_S = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One HTTP answer as it came. `secrets` must not reach an error message; `headers` ignore case."""

    http_status: int
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False, default_factory=dict)
    secrets: tuple[str, ...] = field(repr=False, default=())
    received_at: datetime = field(default_factory=lambda: datetime.now(UTC))


def is_success(answer: Answer) -> bool:
    """Whether the status is 2xx. The body's own `success` is missing in good answers and is not looked at (§7.1)."""
    return 200 <= answer.http_status < 300


def state_object(
    what: str,
    answer: Answer,
    *,
    unknown: type[Rejected] = Rejected,
    codes: frozenset[str] = frozenset(),
    any_404: bool = False,
) -> dict[str, Any]:
    """Return the body of a 2xx answer with a textual `state`; raise what anything else means.

    A 4xx whose code is in `codes` (with `any_404`, also a 404 with whatever code) raises `unknown`.
    """
    if not is_success(answer):
        error = refusal(what, answer)
        if isinstance(error, Rejected) and (error.code in codes or (any_404 and error.http_status == 404)):
            raise error_of(unknown, answer, str(error), code=error.code)
        raise error
    try:
        found = lenient.json_object(answer.body)
    except ValueError as problem:
        raise error_of(Malformed, answer, f"{what}: the answer is {problem}") from None
    if not isinstance(found.get("state"), str) or not found["state"]:
        raise error_of(Malformed, answer, f"{what}: the answer holds no state")
    return found


def refusal(what: str, answer: Answer) -> PhonePeError:
    """What an answer outside 2xx means (§7)."""
    try:
        found = lenient.json_object(answer.body)
    except ValueError:
        found = {}
    code = lenient.text(found.get("errorCode")) or lenient.text(found.get("code"))
    said = lenient.text(found.get("message"))
    status = answer.http_status
    message = f"{what}: the gateway answered {' '.join(filter(None, [str(status), code, said]))}"
    refused = 400 <= status < 500
    if status == 429 or (refused and code == "TOO_MANY_REQUESTS"):
        return error_of(RateLimited, answer, message, code=code, retry_after=_retry_after(answer))
    if not refused or status == 408:
        return error_of(Unavailable, answer, message, code=code)
    bare = status == 404 and not code
    if status in (401, 403) or bare or code in _MISCONFIGURED or NO_SUCH_PATH in said.lower():
        return error_of(Misconfigured, answer, message, code=code)
    return error_of(Rejected, answer, message, code=code)


def error_of(kind: type[_E], answer: Answer, message: str, *, code: str = "", **more: Any) -> _E:
    """An error of this kind with the answer's status and the beginning of its body; secrets are masked everywhere.

    `code` is PhonePe's word for it (§7.2), "" when there is none; `more` is what this kind takes besides.
    """
    body = answer.body[: lenient.MAX_BODY_BYTES].decode("utf-8", "replace")
    return kind(
        masked(message, secrets=answer.secrets),
        http_status=answer.http_status,
        code=masked(code, secrets=answer.secrets),
        body=masked(body, secrets=answer.secrets),
        **more,
    )


def _retry_after(answer: Answer) -> float | None:
    """The pause asked for: seconds, or a date, compared with the answer's own Date when it has one."""
    given = answer.headers.get("Retry-After", "").strip()
    if given.isascii() and given.isdigit():
        return min(float(given[:9]), _MAX_RETRY_AFTER_S)
    until = _http_date(given)
    if until is None:
        return None
    now = _http_date(answer.headers.get("Date", "")) or answer.received_at
    return min(max((until - now).total_seconds(), 0.0), _MAX_RETRY_AFTER_S)


def _http_date(value: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
