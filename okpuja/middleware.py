"""Errors below /api/ that Django itself answers (no such path, wrong method, bad host) in the contract's shape."""

from __future__ import annotations

import json
from collections.abc import Callable
from http import HTTPStatus

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import sync_and_async_middleware

MESSAGES = {
    404: "There is nothing at this address.",
    405: "This address does not take that method.",
    413: "The request is too large.",
}


@sync_and_async_middleware
def api_errors(get_response: Callable) -> Callable:  # type: ignore[type-arg]
    """Turn every error page below /api/ into `{"success": false, "code", "message"}`."""
    if iscoroutinefunction(get_response):

        async def middleware(request: HttpRequest) -> HttpResponse:
            return _shaped(request, await get_response(request))

        return markcoroutinefunction(middleware)
    return lambda request: _shaped(request, get_response(request))


def _shaped(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    is_error_page = response.status_code >= 400 and "json" not in response.get("Content-Type", "")
    if not (is_error_page and request.path.startswith("/api/")):
        return response
    status = HTTPStatus(response.status_code)
    code = status.phrase.lower().replace(" ", "_").replace("-", "_")
    message = MESSAGES.get(status, status.description or status.phrase)
    response.content = json.dumps({"success": False, "code": code, "message": message}).encode()
    response["Content-Type"] = "application/json"
    response["Content-Length"] = str(len(response.content))
    return response
