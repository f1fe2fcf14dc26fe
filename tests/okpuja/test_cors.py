"""Who may call the API from a browser at another origin: whoever CORS_ALLOWED_ORIGINS names, without cookies."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.test import AsyncClient, Client

from okpuja.api import api
from tests import listening, make
from tests.cart import rows
from tests.processes import ROOT

pytestmark = pytest.mark.django_db

LISTED, STRANGER = "https://www.shop.example", "https://elsewhere.example"
ALLOWED = "access-control-allow-origin"


@pytest.fixture(autouse=True)
def one_origin_is_listed(settings: Any) -> None:
    settings.CORS_ALLOWED_ORIGINS = [LISTED]


def operations() -> list[tuple[str, str]]:
    paths = api.get_openapi_schema()["paths"]
    paths = {path: methods for path, methods in paths.items() if path.startswith("/api/")}
    return [(method.upper(), path) for path, methods in paths.items() for method in methods]


def cors(answer: Any) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name.startswith("access-control")}


def preflight(path: str, *, origin: str, method: str) -> dict[str, str]:
    asked = {"access-control-request-method": method, "access-control-request-headers": "content-type"}
    return cors(Client().options(path, headers={"origin": origin} | asked))


@pytest.mark.parametrize(("method", "path"), operations())
def test_preflight_of_a_listed_origin_is_allowed_and_of_a_stranger_not(method: str, path: str) -> None:
    allowed = preflight(path, origin=LISTED, method=method)

    assert allowed[ALLOWED] == LISTED
    assert method in allowed["access-control-allow-methods"]
    assert "content-type" in allowed["access-control-allow-headers"]
    assert "access-control-allow-credentials" not in allowed
    assert preflight(path, origin=STRANGER, method=method) == {}


@pytest.mark.parametrize(("method", "path"), operations())
@pytest.mark.parametrize("origin", [LISTED, STRANGER])
def test_answer_may_be_read_by_a_listed_origin_alone_whatever_it_says(
    method: str, path: str, origin: str
) -> None:
    request = getattr(Client(), method.lower())
    how = {"data": "{}", "content_type": "application/json"} if method == "POST" else {}

    told = cors(request(path, headers={"origin": origin}, **how))

    readable = {ALLOWED: LISTED, "access-control-expose-headers": "Retry-After"}
    assert told == (readable if origin == LISTED else {})


@pytest.mark.django_db(transaction=True)
async def test_event_stream_may_be_read_by_a_listed_origin_alone() -> None:
    order = await sync_to_async(lambda: make.order(cart_id=str(rows.cart().cart_id)))()
    path = f"/api/payments/cart/{order.cart_id}/events/"

    answers = [await AsyncClient().get(path, headers={"origin": origin}) for origin in (LISTED, STRANGER)]

    assert [answer.headers["Content-Type"] for answer in answers] == ["text/event-stream"] * 2
    assert [answer.headers.get(ALLOWED) for answer in answers] == [LISTED, None]
    await listening.end()


def test_page_outside_the_api_is_read_by_no_other_origin() -> None:
    assert cors(Client().get("/accounts/login/", headers={"origin": LISTED})) == {}


@pytest.mark.parametrize("wrong", ["https://shop.example/", "shop.example", "https://a.example/x", "*"])
def test_start_with_an_origin_that_could_never_match_is_refused(wrong: str) -> None:
    environment = os.environ | {"CORS_ALLOWED_ORIGINS": f"https://good.example, {wrong}"}

    done = subprocess.run(
        [sys.executable, "-c", "import okpuja.settings"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert f"{wrong!r} is none." in done.stderr
