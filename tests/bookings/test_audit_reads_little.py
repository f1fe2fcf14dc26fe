"""Between whole audits no question reads a table from end to end, the shop's as little as the engine's."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from benchmarks.audit import TABLES, fill
from payments import audit
from payments.models import AuditRun, PaymentOrder
from tests.cart import rows
from tests.plans import read_whole

pytestmark = [pytest.mark.django_db, pytest.mark.okpuja]
ORDERS = 100_000


def asked(last: AuditRun | None) -> list[str]:
    with CaptureQueriesContext(connection) as captured:
        found = audit.audit(repair=False, now=timezone.now(), last=last)
    assert found == []
    return [query["sql"] for query in captured.captured_queries]


def test_an_audit_of_what_was_touched_reads_no_table_from_end_to_end():
    package = rows.package()
    with connection.cursor() as cursor:
        fill(cursor.execute, ORDERS, puja=package.puja_id, package=package.pk)
    assert PaymentOrder.objects.count() == ORDERS

    whole = asked(None)
    lately = asked(AuditRun(at=timezone.now() - timedelta(minutes=5), broken={}))

    assert set().union(*map(read_whole, whole)) == set(TABLES)
    assert [(sql[:200], sorted(read)) for sql in lately if (read := read_whole(sql))] == []
    assert len(lately) > len(audit.questions())
