"""What the tests of refunds share."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateEvent

from payments import refunds
from payments.models import PaymentOrder, Refund
from payments.states import Status
from tests import make
from tests.sandbox import Sandbox, wait_until


def paid_order(sandbox: Sandbox | None = None, **fields: Any) -> PaymentOrder:
    values = {"completed_at": timezone.now(), "fulfilment": "BOOKED", "next_check_at": None} | fields
    order = make.order(Status.SUCCESS, **values)
    if sandbox:
        registered = {
            "merchantOrderId": order.merchant_order_id,
            "amount": order.amount,
            "state": "COMPLETED",
        }
        sandbox.register(registered)
    return order


def request(order: PaymentOrder, amount: int | None = None, **more: str) -> Refund:
    asked = {"reason": "The priest is ill.", "requested_by": "staff"} | more
    return refunds.request(order.merchant_order_id, amount_paise=amount, now=timezone.now(), **asked)


def pursue(refund: Refund, *, attempt: int = 0) -> Refund:
    refunds.pursue(refund.pk, attempt=attempt)
    return Refund.objects.get(pk=refund.pk)


def pursue_to_its_end(refund: Refund) -> None:
    wait_until(lambda: pursue(refund, attempt=1).state == "COMPLETED")


def jobs() -> list[tuple[dict[str, Any], float]]:
    """The deferred looks: their arguments, and how many seconds (about) after they were deferred they are due."""
    deferred = ProcrastinateEvent.objects.filter(type="deferred", job__task_name=refunds.PURSUE)
    return [
        (one.job.args, round((one.job.scheduled_at - one.at).total_seconds()) if one.job.scheduled_at else 0)
        for one in deferred.select_related("job").order_by("job_id")
    ]


def at_phonepe(sandbox: Sandbox, order: PaymentOrder) -> list[tuple[str, int]]:
    found = sandbox.order(order.merchant_order_id)["refunds"]
    return [(refund["merchantRefundId"], refund["amount"]) for refund in found]


def calls(sandbox: Sandbox) -> tuple[int, int]:
    made = sandbox.calls()
    return made.get("refund", 0), made.get("refund_status", 0)
