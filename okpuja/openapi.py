"""The whole OpenAPI document: the JSON endpoints, the engine's other doors, and what a monitor asks."""

from __future__ import annotations

from typing import Any

from ninja import NinjaAPI
from ninja.openapi.schema import OpenAPISchema

from payments import described


class DescribedAPI(NinjaAPI):
    """A NinjaAPI whose document leaves nothing out that can be called."""

    def get_openapi_schema(self, **how: Any) -> OpenAPISchema:
        """As Ninja makes it, with the addresses it does not serve itself and the refusals that any may give."""
        schema = super().get_openapi_schema(**how)
        schema["paths"] |= described.doors("/api/payments") | _monitoring()
        for path, operations in schema["paths"].items():
            if path.startswith("/api/"):
                for operation in operations.values():
                    operation["responses"] |= _of_any(operation["responses"])
        schema["components"]["securitySchemes"] = described.security_schemes()
        schema["tags"] = [{"name": name, "description": means} for name, means in TAGS.items()]
        return schema


TAGS = {
    "catalog": "What is offered.",
    "cart": "What the customer wants.",
    "payments": "How the money comes, and goes back.",
    "PhonePe": "What PhonePe and its customers are sent to.",
    "monitoring": "For load balancers and monitors.",
}


def _of_any(known: dict[int, Any]) -> dict[int, Any]:
    return {
        status: response
        for status, response in described.refusals(*described.OF_ANY).items()
        if status not in known
    }


def _monitoring() -> dict[str, Any]:
    ready = {"status": "ok", "database": True, "migrations": True, "checker": True}
    return {
        "/healthz": _get("healthz", "This process answers", {200: _json({"status": "ok"})}),
        "/readyz": _get(
            "readyz",
            "Database, migrations and a checker are there",
            {200: _json(ready), 503: _json(ready | {"status": "not ready", "checker": False})},
        ),
        "/metrics": _get("metrics", "The payments_* metrics for Prometheus", {200: METRICS}),
    }


METRICS = {
    "description": "Prometheus' text format.",
    "content": {"text/plain": {"schema": {"type": "string", "examples": ["payments_due 0"]}}},
}


def _get(name: str, summary: str, responses: dict[int, Any]) -> dict[str, Any]:
    operation = {
        "operationId": name,
        "tags": ["monitoring"],
        "summary": summary,
        "description": f"{summary}.",
    }
    return {"get": operation | {"responses": responses}}


def _json(example: dict[str, Any]) -> dict[str, Any]:
    types = {name: "boolean" if isinstance(value, bool) else "string" for name, value in example.items()}
    properties = {name: {"type": kind, "examples": [example[name]]} for name, kind in types.items()}
    schema = {"type": "object", "required": list(example), "properties": properties}
    return {"description": str(example["status"]), "content": {"application/json": {"schema": schema}}}
