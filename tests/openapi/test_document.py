"""The OpenAPI document leaves nothing out: every address, with examples, and every code an answer may carry."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import get_resolver

from okpuja.api import api
from payments.errors import Refusal
from payments.models import WebhookDelivery
from tests.processes import ROOT

DOCUMENT = json.loads(json.dumps(api.get_openapi_schema(), default=str))
OPERATIONS = {
    f"{method.upper()} {path}": operation
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}
SCHEMAS = DOCUMENT["components"]["schemas"]
FIELDS = [(name, field) for name, schema in SCHEMAS.items() for field in schema["properties"]]
NOT_DESCRIBED = {"api/docs", "api/openapi.json", "api/"}  # the document itself, and where Ninja hangs it

ON_STAFF_PAGES_ONLY = {"refused", "not_settleable", "not_deliverable"}


def urls(patterns: Any, before: str = "") -> set[str]:
    """Every address below /api/, its parameters in braces."""
    found: set[str] = set()
    for one in patterns:
        route = before + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", str(one.pattern))
        found |= urls(one.url_patterns, route) if hasattr(one, "url_patterns") else {route}
    return found


def refusals(of: type[Refusal] = Refusal) -> set[type[Refusal]]:
    return {of} | {one for subclass in of.__subclasses__() for one in refusals(subclass)}


def codes(operation: Any) -> dict[str, int]:
    """Each documented error code with its status."""
    return {
        code: int(status)
        for status, response in operation["responses"].items()
        for code in response.get("content", {}).get("application/json", {}).get("examples", {})
    }


def test_every_address_of_the_api_is_described():
    below = {url for url in urls(get_resolver().url_patterns) if url.startswith("api/")} - NOT_DESCRIBED

    assert {f"/{url}" for url in below} | {"/healthz", "/readyz", "/metrics"} == set(DOCUMENT["paths"])


@pytest.mark.parametrize("name", OPERATIONS)
def test_operation_says_what_it_does_and_what_comes_back(name: str) -> None:
    operation = OPERATIONS[name]

    assert operation["summary"]
    assert operation["description"]
    assert operation["tags"][0] in {tag["name"] for tag in DOCUMENT["tags"]}
    for status, response in operation["responses"].items():
        assert response["description"]
        assert response.get("content") or status == "302"
        if int(status) >= 400 and name.split()[1].startswith("/api/"):
            [told] = response["content"].values()
            assert [one["value"]["success"] for one in told["examples"].values()] == [False] * len(
                told["examples"]
            )


@pytest.mark.parametrize(("name", "field"), FIELDS)
def test_field_has_an_example_or_is_made_of_such(name: str, field: str) -> None:
    described = SCHEMAS[name]["properties"][field]

    assert described.get("examples") or "$ref" in described or "$ref" in described.get("items", {}), described


def examples_of_choices(node: Any) -> Iterator[tuple[Any, Any]]:
    """Each schema that lists its values, with each example of it."""
    if isinstance(node, dict):
        if "enum" in node:
            yield from ((node, one) for one in node.get("examples", []))
        for below in node.values():
            yield from examples_of_choices(below)
    elif isinstance(node, list):
        for below in node:
            yield from examples_of_choices(below)


def test_examples_of_what_has_a_list_of_values_are_on_it():
    found = list(examples_of_choices(DOCUMENT))

    assert [(one, schema["enum"]) for schema, one in found if one not in schema["enum"]] == []
    assert ("nudged", [*WebhookDelivery.State.values]) in [(one, schema["enum"]) for schema, one in found]


@pytest.mark.parametrize("name", OPERATIONS)
def test_parameters_have_an_example_and_a_meaning(name: str) -> None:
    for parameter in OPERATIONS[name].get("parameters", []):
        assert parameter["example"]
        assert parameter["description"]


def test_every_refusal_of_the_code_is_documented_somewhere_with_its_status():
    documented = {
        code: status for operation in OPERATIONS.values() for code, status in codes(operation).items()
    }

    spoken = {one.code: one.status for one in refusals() if one.code not in ON_STAFF_PAGES_ONLY}
    assert spoken.items() <= documented.items()


def test_table_of_codes_for_front_ends_is_what_their_endpoints_may_say():
    theirs = (
        "GET /api/catalog/",
        "POST /api/cart/",
        "POST /api/payments/cart/",
        "GET /api/payments/cart/{cart_id}/status/",
    )
    table = re.findall(
        r"^\| (\d{3}) \| `(\w+)` \|", (ROOT / "docs" / "frontend.md").read_text(), re.MULTILINE
    )

    told = {(str(status), code) for name in theirs for code, status in codes(OPERATIONS[name]).items()}
    assert set(table) == told | {("405", "method_not_allowed")}


@pytest.mark.django_db
def test_example_of_a_cart_can_be_ordered():
    call_command("seed_catalog", verbosity=0)
    body = {name: field["examples"][0] for name, field in SCHEMAS["CartIn"]["properties"].items()}
    catalog = Client().get("/api/catalog/").json()["data"]

    answer = Client().post(
        "/api/cart/", body | {"package_id": catalog[0]["packages"][0]["id"]}, content_type="application/json"
    )

    assert answer.status_code == 201, answer.content
