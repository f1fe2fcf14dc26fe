"""Read JSON that anybody may have written: what is not understood is dropped, nothing crashes."""

import json
import math
from datetime import UTC, datetime
from typing import Any

MAX_BODY_BYTES = 1_048_576

_MAX_DEPTH = 64
_MAX_TEXT = 255
_MAX_PAISE = 2**63 - 1


def json_object(body: bytes) -> dict[str, Any]:
    """Parse a JSON object that can be stored anywhere: bounded depth, no NaN, no NUL, no half characters.

    Raises ValueError saying what is wrong.
    """
    if len(body) > MAX_BODY_BYTES:
        raise ValueError(f"more than {MAX_BODY_BYTES} bytes")
    try:
        written = body.decode(json.detect_encoding(body), "surrogatepass")
        value = _DECODER.decode(written)
        value = value if _is_plain(written) else _storable(value)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except UnicodeDecodeError:
        raise ValueError("not UTF-8") from None
    except json.JSONDecodeError:
        raise ValueError("not JSON") from None
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004  callers know one kind of failure
    return value


def text(value: object) -> str:
    """The string itself, at most 255 characters of it; a number as digits; anything else is ""."""
    if isinstance(value, str):
        return value[:_MAX_TEXT]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _MAX_PAISE:
        return str(value)
    return ""


def paise(value: object) -> int | None:
    """An amount, None when it is absent. Raises ValueError when it is no integer of 0 … 2**63-1.

    JSON's true, 1000.0 and "1000" are no integers (§10 row 14).
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MAX_PAISE:
        raise ValueError("the amount is no integer of paise")
    return value


def instant(value: object) -> datetime | None:
    """Epoch milliseconds as an aware UTC datetime; None for anything that is none."""
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    try:
        return datetime.fromtimestamp(value / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def mapping(value: object) -> dict[str, Any]:
    """The object itself, else an empty one."""
    return value if isinstance(value, dict) else {}


def objects(value: object, *, at_most: int = 100) -> list[dict[str, Any]]:
    """The objects of a list, others dropped; the latest `at_most` of them."""
    if not isinstance(value, list):
        return []
    return [item for item in value if isinstance(item, dict)][-at_most:]


def _unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # {"state": "PENDING", "state": "COMPLETED"} must not become whichever comes last.
    found = dict(pairs)
    if len(found) != len(pairs) and any(found[name] != value for name, value in pairs):
        raise ValueError("a name stands twice with different values")
    return found


def _finite(written: str) -> float | None:
    value = float(written)
    return value if math.isfinite(value) else None


# PostgreSQL's jsonb refuses NaN, \u0000 and lone surrogates: a body must not prevent its own record.
_DECODER = json.JSONDecoder(
    object_pairs_hook=_unambiguous, parse_float=_finite, parse_constant=lambda _: None
)


def _is_plain(written: str) -> bool:
    """Whether nothing in it can need `_storable`: as every answer in practice, which then costs a third less."""
    is_shallow = written.count("{") + written.count("[") <= _MAX_DEPTH
    return is_shallow and written.isascii() and "\\u" not in written


def _storable(value: Any, depth: int = 0) -> Any:
    if depth > _MAX_DEPTH:
        raise ValueError("nested too deeply")
    if isinstance(value, str):
        return value.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_storable(name): _storable(item, depth + 1) for name, item in value.items()}
    if isinstance(value, list):
        return [_storable(item, depth + 1) for item in value]
    return value
