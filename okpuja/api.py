"""The JSON API, put together; every refusal and every accident becomes the contract's error shape here."""

from __future__ import annotations

import math
from typing import Any

import structlog
from django.core.exceptions import RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError

from cart.api import router as cart_router
from catalog.api import router as catalog_router
from payments.api import router as payments_router
from payments.errors import Refusal

log = structlog.get_logger(__name__)

api = NinjaAPI(
    title="OkPuja Payments",
    version="1",
    description="Payments complete themselves on the server; a front end only reads a status.",
    docs_url="/docs",
    openapi_url="/openapi.json",
    urls_namespace="api",
)
api.add_router("/catalog/", catalog_router)
api.add_router("/cart/", cart_router)
api.add_router("/payments/", payments_router)


def _failure(request: HttpRequest, status: int, code: str, message: str) -> HttpResponse:
    body = {"success": False, "code": code, "message": message}
    return api.create_response(request, body, status=status)


@api.exception_handler(Refusal)
def _refused(request: HttpRequest, refusal: Refusal) -> HttpResponse:
    response = _failure(request, refusal.status, refusal.code, refusal.message)
    if refusal.retry_after_s is not None:
        response["Retry-After"] = str(math.ceil(refusal.retry_after_s))
    return response


@api.exception_handler(ValidationError)
def _invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    return _failure(request, 422, "invalid_request", "; ".join(_sentence(one) for one in error.errors))


def _sentence(error: dict[str, Any]) -> str:
    """One of pydantic's findings: which field, and what is wrong with it."""
    where = [str(part) for part in error.get("loc", ()) if part not in ("body", "query", "path")]
    field = ".".join(where[1:] if len(where) > 1 else where)
    return f"{field}: {error.get('msg', 'invalid')}" if field else str(error.get("msg", "invalid"))


@api.exception_handler(HttpError)
def _http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    codes = {400: "invalid_json", 429: "too_many_requests"}
    return _failure(request, error.status_code, codes.get(error.status_code, "refused"), str(error))


@api.exception_handler(AuthenticationError)
def _not_signed_in(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
    return _failure(request, 401, "not_signed_in", "Sign in first.")


@api.exception_handler(RequestDataTooBig)
def _too_large(request: HttpRequest, error: RequestDataTooBig) -> HttpResponse:
    return _failure(request, 413, "too_large", "The request is too large.")


@api.exception_handler(Http404)
def _not_found(request: HttpRequest, error: Http404) -> HttpResponse:
    return _failure(request, 404, "not_found", "There is nothing here.")


@api.exception_handler(Exception)
def _accident(request: HttpRequest, error: Exception) -> HttpResponse:
    log.error("request failed", path=request.path, method=request.method, exc_info=error)
    return _failure(request, 500, "internal_error", "Something went wrong on our side. It has been recorded.")
