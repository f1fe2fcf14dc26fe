"""A learner leaves a course: the seat becomes free and the money goes back."""

from __future__ import annotations

from django.utils import timezone

from payments import refunds
from payments.models import Refund
from tests.othershop.courses.models import Enrolment


def leave(enrolment: Enrolment, *, by: str) -> Refund:
    """Give all the money back, then the seat to whoever comes next.

    Raises payments.errors.NotRefundable when nothing is left to give back, or a refund is under way.
    """
    refund = refunds.request(
        enrolment.merchant_order_id,
        amount_paise=None,
        reason="The learner leaves the course.",
        requested_by=by,
        now=timezone.now(),
    )
    enrolment.delete()
    return refund
