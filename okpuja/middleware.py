"""Errors below /api/ that Django itself answers (no such path, wrong method, bad host) in the contract's shape."""

from __future__ import annotations

import json
from collections.abc import Callable
from http import HTTPStatus

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import sync_and_async_middleware

from guard.middleware import reads_pages
from payments import failures
from payments.described import BAD_REQUEST, INTERNAL_ERROR, TOO_LARGE

WITHOUT_SLASH = ("/api/docs", "/api/openapi.json")
MESSAGES = {
    400: BAD_REQUEST.says,
    403: "This request is not allowed from here.",
    404: "There is nothing at this address.",
    405: "This address does not take that method.",
    413: TOO_LARGE.says,
    500: INTERNAL_ERROR.says,
}


@sync_and_async_middleware
def api_errors(get_response: Callable) -> Callable:  # type: ignore[type-arg]
    """Turn every error page below /api/ into `{"success": false, "code", "message"}`."""
    if iscoroutinefunction(get_response):

        async def middleware(request: HttpRequest) -> HttpResponse:
            _forgive_slash(request)
            return _shaped(request, await get_response(request))

        return markcoroutinefunction(middleware)

    def sync_middleware(request: HttpRequest) -> HttpResponse:
        _forgive_slash(request)
        return _shaped(request, get_response(request))

    return sync_middleware


def _forgive_slash(request: HttpRequest) -> None:
    """A missing slash at the end means the same address: a redirect would lose a POST's body."""
    path = request.path_info
    if path.startswith("/api/") and not path.endswith("/") and path not in WITHOUT_SLASH:
        request.path_info += "/"
        request.path += "/"


def _shaped(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    is_error_page = response.status_code >= 400 and "json" not in response.get("Content-Type", "")
    if not is_error_page or (reads_pages(request) and response.content):
        return response
    status = HTTPStatus(response.status_code)
    code = status.phrase.lower().replace(" ", "_").replace("-", "_")
    message = MESSAGES.get(status, status.description or status.phrase)
    response.content = json.dumps(failures.body(code, message)).encode()
    response["Content-Type"] = "application/json"
    response["Content-Length"] = str(len(response.content))
    return response
