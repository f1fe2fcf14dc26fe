"""Calls of the payments' API, and what their answers hold in the contract's shape."""

from __future__ import annotations

import json
from typing import Any

from django.test import Client


def post(path: str, body: Any, client: Client | None = None, **extra: Any) -> Any:
    return (client or Client()).post(
        f"/api/payments/{path}", json.dumps(body), content_type="application/json", **extra
    )


def get(path: str, client: Client | None = None) -> Any:
    return (client or Client()).get(f"/api/payments/{path}")


def data(response: Any, status: int = 200) -> Any:
    found = response.json()
    assert (response.status_code, found["success"], sorted(found)) == (status, True, ["data", "success"]), (
        found
    )
    return found["data"]


def refusal(response: Any) -> tuple[int, str]:
    found = response.json()
    assert sorted(found) == ["code", "message", "success"], found
    assert (found["success"], bool(found["message"])) == (False, True)
    return response.status_code, found["code"]
