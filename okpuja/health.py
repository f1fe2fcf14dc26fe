"""`/healthz`, `/readyz` and `/metrics`."""

from __future__ import annotations

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from payments import checkers, metrics


@csrf_exempt  # nothing but GET is taken, and that should be said
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """This process answers."""
    return JsonResponse({"status": "ok"})


@csrf_exempt  # nothing but GET is taken, and that should be said
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """200 when the database answers, is migrated, and a checker was seen in its last two intervals; else 503."""
    try:
        found = {"database": True, "migrations": _migrated(), "checker": bool(checkers.alive(timezone.now()))}
    except DatabaseError:
        found = {"database": False, "migrations": False, "checker": False}
    ready = all(found.values())
    return JsonResponse({"status": "ok" if ready else "not ready", **found}, status=200 if ready else 503)


def _migrated() -> bool:
    executor = MigrationExecutor(connection)
    return not executor.migration_plan(executor.loader.graph.leaf_nodes())


@csrf_exempt  # nothing but GET is taken, and that should be said
@require_safe
def prometheus(request: HttpRequest) -> HttpResponse:
    """The `payments_*` metrics, read from the database, so that any process may be asked."""
    return HttpResponse(metrics.exposition(), content_type=metrics.CONTENT_TYPE)
