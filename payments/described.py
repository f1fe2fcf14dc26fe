"""What the OpenAPI document says beyond types: each refusal's code, and the doors that are no JSON endpoints."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, NamedTuple

from django.db.models import TextChoices

from payments.errors import Refusal, TooManyRequests
from payments.models import WebhookDelivery

CART_ID = "0e4b6f0e-6d7c-4f0e-9a55-0b5f6f1f7f11"
ORDER_ID = "OKP-261124-0123456789ABCDEF0123"
FAILURE = {"$ref": "#/components/schemas/Failure"}


class Code(NamedTuple):
    """An error code: its status, when it comes, and the message (an example, where that varies) if it is another."""

    status: int
    code: str
    means: str
    message: str = ""

    @property
    def says(self) -> str:
        """What people are told."""
        return self.message or self.means


BAD_REQUEST = Code(400, "bad_request", "The request is malformed.", "The request cannot be understood.")
INVALID_JSON = Code(400, "invalid_json", "The body is not JSON.", "Cannot parse request body")
NOT_SIGNED_IN = Code(401, "not_signed_in", "Nobody is signed in.", "Sign in first.")
TOO_LARGE = Code(413, "too_large", "The body is too large.", "The request is too large.")
INVALID_REQUEST = Code(
    422, "invalid_request", "A field is missing or wrong; the message names it.", "cart_id: Field required"
)
INTERNAL_ERROR = Code(
    500,
    "internal_error",
    "A fault on our side; it has been logged.",
    "Something went wrong on our side. The error has been logged.",
)
OF_ANY = (TooManyRequests, INTERNAL_ERROR)
OF_A_BODY = (BAD_REQUEST, INVALID_JSON, TOO_LARGE, INVALID_REQUEST)
RETRY_AFTER = {
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 0}}
}


def refusals(*known: type[Refusal] | Code) -> dict[int, Any]:
    """OpenAPI's `responses` of these refusals."""
    by_status: defaultdict[int, list[Code]] = defaultdict(list)
    for one in known:
        code = one if isinstance(one, Code) else _of(one)
        by_status[code.status].append(code)
    return {status: _response(status, codes) for status, codes in sorted(by_status.items())}


def _of(refusal: type[Refusal]) -> Code:
    meaning = " ".join((refusal.__doc__ or "").split())
    return Code(refusal.status, refusal.code, meaning.replace("`", ""), refusal.example)


def _response(status: int, codes: list[Code]) -> dict[str, Any]:
    examples = {
        one.code: {"summary": one.code, "value": {"success": False, "code": one.code, "message": one.says}}
        for one in codes
    }
    headers = {"headers": RETRY_AFTER} if status == TooManyRequests.status else {}
    return {
        "description": "  \n".join(f"`{one.code}`: {one.means}" for one in codes),
        "content": {"application/json": {"schema": FAILURE, "examples": examples}},
        **headers,
    }


def one_of(choices: type[TextChoices]) -> dict[str, Any]:
    """The values of a field that is one of these, for Pydantic's `json_schema_extra`."""
    return {"enum": list(choices.values)}


def parameter(name: str, example: str, description: str) -> dict[str, Any]:
    """A path parameter of OpenAPI."""
    schema = {"type": "string", "examples": [example]}
    return {
        "in": "path",
        "name": name,
        "required": True,
        "schema": schema,
        "example": example,
        "description": description,
    }


def doors(prefix: str) -> dict[str, Any]:
    """OpenAPI's `paths` of `payments.urls`, mounted at `prefix`, "/api/payments" for example."""
    return {
        f"{prefix}/webhook/phonepe/": {"post": _webhook()},
        f"{prefix}/return/{{merchant_order_id}}/": {"get": _return_page()},
        f"{prefix}/cart/{{cart_id}}/events/": {"get": _events()},
    }


def security_schemes() -> dict[str, Any]:
    """How callers prove who they are, where they must."""
    return {
        "session": {
            "type": "apiKey",
            "in": "cookie",
            "name": "sessionid",
            "description": "A signed-in session.",
        },
        "phonepe": {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": "SHA-256 of `username:password`, in hexadecimal.",
        },
    }


NOT_JSON = Code(400, "not_json", "The body is not a JSON object.")
BAD_CREDENTIAL = Code(
    401,
    "bad_credential",
    "The credential is missing or wrong.",
    "The Authorization header is not the expected one.",
)
NOT_CONFIGURED = Code(
    503,
    "webhook_not_configured",
    "PHONEPE_WEBHOOK_USERNAME or PHONEPE_WEBHOOK_PASSWORD is not set.",
    "This shop has not set up its webhook credentials.",
)
NOT_FOUND = Code(404, "not_found", "There is no such order.")
NO_CART = Code(
    404,
    "not_found",
    "There is no such cart for this caller, or no payment was started for it.",
    "No payment has been started for this cart.",
)
CALLBACK = {
    "event": "checkout.order.completed",
    "payload": {
        "merchantOrderId": ORDER_ID,
        "orderId": "OMO2611241200001",
        "state": "COMPLETED",
        "amount": 149900,
    },
}
EVENT = {"data": f'{{"cart_id": "{CART_ID}", "payment_status": "INITIATED", "booking_id": null, …}}'}
CSRF = "the CSRF token: the same in the header and in the cookie"


def csrf_token() -> list[dict[str, Any]]:
    """The two parameters of an endpoint that takes the word of a session."""
    schema = {"type": "string", "minLength": 32}
    token = {"required": True, "schema": schema, "description": CSRF, "example": "0123456789abcdef" * 2}
    return [{"in": "header", "name": "X-CSRFToken"} | token, {"in": "cookie", "name": "csrftoken"} | token]


def _webhook() -> dict[str, Any]:
    body = {"type": "object", "additionalProperties": True, "examples": [CALLBACK]}
    known = "; ".join(f"{state.value}: {state.label}" for state in WebhookDelivery.State)
    state = {"type": "string", "description": known, "examples": ["nudged"], **one_of(WebhookDelivery.State)}
    stored = {
        "type": "object",
        "required": ["success", "data"],
        "properties": {
            "success": {"const": True},
            "data": {"type": "object", "required": ["state"], "properties": {"state": state}},
        },
    }
    return {
        "operationId": "payments_webhooks_phonepe",
        "tags": ["PhonePe"],
        "summary": "PhonePe's callback",
        "description": "Stored once, and a reason to ask PhonePe sooner; what it says decides nothing. Unknown"
        " orders and events are answered 200 as well.",
        "security": [{"phonepe": []}],
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": {
            200: _answer("Stored.", "application/json", stored),
            **refusals(NOT_JSON, BAD_CREDENTIAL, TOO_LARGE, NOT_CONFIGURED),
        },
    }


def _return_page() -> dict[str, Any]:
    location = {"type": "string", "examples": ["/booking-success/BK-163A5751"]}
    there = {
        "description": "To the page that tells the truth about the order.",
        "required": True,
        "schema": location,
    }
    return {
        "operationId": "payments_pages_come_back",
        "tags": ["PhonePe"],
        "summary": "Where PhonePe sends the customer back to",
        "description": "Asks PhonePe now, for at most 3 s, then redirects: to `/booking-success/{booking_id}`,"
        " `/payment-pending/{cart_id}` or `/payment-failed/{cart_id}`, below `FRONTEND_URL`. Needs no session."
        " Errors are a page for browsers (`Accept: text/html`).",
        "parameters": [parameter("merchant_order_id", ORDER_ID, "The order's number.")],
        "responses": {
            302: {"description": "On to the customer's page.", "headers": {"Location": there}},
            **refusals(NOT_FOUND),
        },
    }


def _events() -> dict[str, Any]:
    status = {"$ref": "#/components/schemas/StandingOut"}
    data = {"type": "string", "contentMediaType": "application/json", "contentSchema": status}
    event = {"type": "object", "required": ["data"], "properties": {"data": data}, "examples": [EVENT]}
    return {
        "operationId": "payments_stream_events",
        "tags": ["payments"],
        "summary": "A cart's payment as server-sent events",
        "description": "Each event's data is what the status endpoint has in `data`: one now, one at each change,"
        " until it is final; then the stream ends.",
        "parameters": [parameter("cart_id", CART_ID, "The cart.")],
        "responses": {
            200: _answer("The events.", "text/event-stream", event),
            **refusals(NO_CART),
        },
    }


def _answer(description: str, media_type: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {media_type: {"schema": schema}}}
