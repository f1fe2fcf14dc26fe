"""What any JSON becomes: the short way for ordinary bodies must not differ from the careful one."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from phonepe_pg import lenient

TEXTS = st.text(alphabet=st.characters(exclude_categories=[]), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=12,
)


def carefully(value: Any) -> Any:
    """What may be stored anywhere, said without regard to speed."""
    if isinstance(value, dict):
        return {carefully(name): carefully(item) for name, item in value.items()}
    if isinstance(value, list):
        return [carefully(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        return "".join("\ufffd" if c == "\0" else "?" if "\ud800" <= c <= "\udfff" else c for c in value)
    return value


@given(st.dictionaries(TEXTS, VALUES, max_size=4), st.booleans())
@example({"a": "\0"}, True)
@example({"\ud800": "\udfff"}, True)
@example({"a": math.inf, "b": math.nan}, True)
def test_json_object_keeps_all_that_can_be_stored_and_replaces_the_rest(found, as_ascii):
    body = json.dumps(found, ensure_ascii=as_ascii).encode("utf-8", "surrogatepass")
    expected = carefully(json.loads(body))

    assert lenient.json_object(body) == expected


@pytest.mark.parametrize("body", [b'{"a": 1e999}', b'{"a": -1e999}', b'{"a": NaN}', b'{"a": -Infinity}'])
def test_json_object_takes_no_number_that_is_none(body):
    assert lenient.json_object(body) == {"a": None}


@pytest.mark.parametrize(("depth", "is_taken"), [(64, True), (65, True), (66, False), (5000, False)])
def test_json_object_is_only_so_deep(depth, is_taken):
    body = b'{"a":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"

    if is_taken:
        assert lenient.json_object(body)["a"] is not None
    else:
        with pytest.raises(ValueError, match="nested too deeply"):
            lenient.json_object(body)
