"""A learner leaves a course: the seat becomes free and the money goes back."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from payments import refunds, transitions
from payments.models import PaymentOrder, Refund
from tests.othershop.courses.models import Enrolment


@transaction.atomic
def leave(enrolment: Enrolment, *, by: str) -> Refund:
    """Give all the money back and the seat to whoever comes next: both, or neither.

    Raises payments.errors.NotRefundable when nothing is left to give back, or a refund is under way.
    """
    paid = PaymentOrder.objects.get(merchant_order_id=enrolment.merchant_order_id)
    order = transitions.lock(paid.pk)
    refund = refunds.open_refund(
        order,
        amount_paise=None,
        reason="The learner leaves the course.",
        requested_by=by,
        now=timezone.now(),
    )
    enrolment.delete()
    return refund
