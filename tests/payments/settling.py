"""What the tests of settling share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from payments import completion
from payments.answers import Answer
from payments.models import PaymentEvent, PaymentOrder
from payments.states import Source
from phonepe_pg import UnknownOrder
from tests import make

Kind = PaymentEvent.Kind


def settle(order: PaymentOrder, answer: Answer, **how: Any) -> PaymentOrder:
    values = {"source": Source.CHECKER, "now": timezone.now()} | how
    completion.settle(order.pk, answer, **values)
    return PaymentOrder.objects.get(pk=order.pk)


def kinds(order: PaymentOrder) -> list[str]:
    return list(order.events.order_by("pk").values_list("kind", flat=True))


def moves(order: PaymentOrder) -> list[tuple[str, str]]:
    moved = order.events.filter(kind=Kind.MOVED).order_by("pk")
    return list(moved.values_list("from_status", "to_status"))


@contextmanager
def refusing(order: PaymentOrder, errcode: str, *, kind: str = "") -> Iterator[None]:
    """PostgreSQL refuses every line in this order's trail, or those of one kind, with an error of this code."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                IF NEW.order_id = {order.pk} AND NEW.kind LIKE '{kind or "%"}' THEN
                    RAISE EXCEPTION 'no' USING ERRCODE = '{errcode}';
                END IF;
                RETURN NEW;
            END $$;
            CREATE TRIGGER refuse BEFORE INSERT ON payments_event FOR EACH ROW EXECUTE FUNCTION refuse()
            """
        )
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TRIGGER refuse ON payments_event; DROP FUNCTION refuse()")


def unknown_order(**how: Any) -> Answer:
    return make.trouble(UnknownOrder("none", code="INVALID_MERCHANT_ORDER_ID", http_status=400), **how)


def refund_jobs() -> list[dict[str, Any]]:
    return list(
        ProcrastinateJob.objects.filter(task_name="payments.pursue_refund").values_list("args", flat=True)
    )
