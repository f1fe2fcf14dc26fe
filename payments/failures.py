"""The contract's error body for a NinjaAPI: `{"success": false, "code": …, "message": …}` whatever went wrong."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import structlog
from django.core.exceptions import BadRequest, RequestDataTooBig, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse
from django.http.multipartparser import MultiPartParserError
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError

from payments.described import BAD_REQUEST, INTERNAL_ERROR, NOT_SIGNED_IN, TOO_LARGE
from payments.errors import Refusal

log = structlog.get_logger(__name__)

Fail = Callable[[HttpRequest, int, str, str], HttpResponse]


def body(code: str, message: str) -> dict[str, Any]:
    """The contract's error body."""
    return {"success": False, "code": code, "message": message}


def shape(api: NinjaAPI) -> None:
    """Make every refusal and every accident inside `api` an answer of that shape, with a fitting status."""

    def fail(request: HttpRequest, status: int, code: str, message: str) -> HttpResponse:
        return api.create_response(request, body(code, message), status=status)

    _shape_refusals(api, fail)
    _shape_requests(api, fail)
    _shape_accidents(api, fail)


def _shape_refusals(api: NinjaAPI, fail: Fail) -> None:
    @api.exception_handler(Refusal)
    def refused(request: HttpRequest, refusal: Refusal) -> HttpResponse:
        response = fail(request, refusal.status, refusal.code, refusal.message)
        if refusal.retry_after_s is not None:
            response["Retry-After"] = str(math.ceil(refusal.retry_after_s))
        return response

    @api.exception_handler(AuthenticationError)
    def not_signed_in(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
        return fail(request, NOT_SIGNED_IN.status, NOT_SIGNED_IN.code, NOT_SIGNED_IN.says)

    @api.exception_handler(Http404)
    def not_found(request: HttpRequest, error: Http404) -> HttpResponse:
        return fail(request, 404, "not_found", "There is nothing here.")


def _shape_requests(api: NinjaAPI, fail: Fail) -> None:
    @api.exception_handler(ValidationError)
    def invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
        return fail(request, 422, "invalid_request", "; ".join(_sentence(one) for one in error.errors))

    @api.exception_handler(HttpError)
    def http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
        codes = {400: "invalid_json", 429: "too_many_requests"}
        return fail(request, error.status_code, codes.get(error.status_code, "refused"), str(error))

    @api.exception_handler(MultiPartParserError)
    @api.exception_handler(SuspiciousOperation)
    @api.exception_handler(BadRequest)
    def not_understood(request: HttpRequest, error: Exception) -> HttpResponse:
        return fail(request, BAD_REQUEST.status, BAD_REQUEST.code, BAD_REQUEST.says)

    @api.exception_handler(RequestDataTooBig)
    def too_large(request: HttpRequest, error: RequestDataTooBig) -> HttpResponse:
        return fail(request, TOO_LARGE.status, TOO_LARGE.code, TOO_LARGE.says)


def _shape_accidents(api: NinjaAPI, fail: Fail) -> None:
    @api.exception_handler(Exception)
    def accident(request: HttpRequest, error: Exception) -> HttpResponse:
        log.error("request failed", path=request.path, method=request.method, exc_info=error)
        return fail(request, INTERNAL_ERROR.status, INTERNAL_ERROR.code, INTERNAL_ERROR.says)


def _sentence(error: dict[str, Any]) -> str:
    """One of pydantic's findings: which field, and what is wrong with it."""
    where = [str(part) for part in error.get("loc", ()) if part not in ("body", "query", "path")]
    field = ".".join(where[1:] if len(where) > 1 else where)
    return f"{field}: {error.get('msg', 'invalid')}" if field else str(error.get("msg", "invalid"))
