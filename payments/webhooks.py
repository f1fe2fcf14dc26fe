"""PhonePe's callback: check the header, store, answer. What it says decides nothing (wire reference §6)."""

from __future__ import annotations

import structlog
from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from payments import failures, inbox
from payments.described import BAD_CREDENTIAL, NOT_CONFIGURED, NOT_JSON, TOO_LARGE, Code
from phonepe_pg import Malformed, authorization_is_genuine

log = structlog.get_logger(__name__)

MAX_BYTES = 64 * 1024


@csrf_exempt
@require_POST
def phonepe(request: HttpRequest) -> JsonResponse:
    """200 once the callback is stored; 503 without credentials of ours, 401, 413, 400 as the contract says."""
    username, password = settings.PHONEPE_WEBHOOK_USERNAME, settings.PHONEPE_WEBHOOK_PASSWORD
    if not (username and password):
        log.error("webhook refused: PHONEPE_WEBHOOK_USERNAME and PHONEPE_WEBHOOK_PASSWORD are not both set")
        return _refuse(NOT_CONFIGURED)
    if not authorization_is_genuine(
        request.headers.get("Authorization"), username=username, password=password
    ):
        log.warning("webhook refused: wrong credential", remote=request.META.get("REMOTE_ADDR"))
        return _refuse(BAD_CREDENTIAL)
    body = _read(request)
    if body is None:
        log.warning("webhook refused: too large")
        return _refuse(TOO_LARGE)
    try:
        delivery = inbox.receive(body, now=timezone.now())
    except Malformed as error:
        log.warning("webhook refused: not a JSON object", why=str(error))
        return _refuse(NOT_JSON)
    return JsonResponse({"success": True, "data": {"state": delivery.state}})


def _read(request: HttpRequest) -> bytes | None:
    """The body, or None when it is longer than `MAX_BYTES`; never more than that is read.

    The Content-Length is not looked at: it is whatever the sender wrote there.
    """
    body = request.read(MAX_BYTES + 1)
    return None if len(body) > MAX_BYTES else body


def _refuse(why: Code) -> JsonResponse:
    return JsonResponse(failures.body(why.code, why.says), status=why.status)
