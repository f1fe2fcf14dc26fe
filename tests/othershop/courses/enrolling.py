"""A paid order → a seat in the course, once. `payments` calls `enrol` when the money is in."""

from __future__ import annotations

from payments.errors import Unfulfillable
from payments.shop import PaidOrder
from tests.othershop.courses.models import Course, Enrolment


def enrol(paid: PaidOrder) -> str:
    """Give the learner a seat and return the enrolment's number. Safe to repeat: one seat per order.

    Raises Unfulfillable when the course is full, or when another payment has bought the learner's seat.
    """
    course = Course.objects.select_for_update().get(pk=paid.snapshot["course_id"])  # one learner at a time
    enrolment = course.enrolments.filter(learner=paid.snapshot["learner_id"]).first()
    if enrolment is None:
        enrolment = _take_seat(course, paid)
    if enrolment.merchant_order_id != paid.merchant_order_id:
        raise Unfulfillable("This learner's seat has already been paid for.")
    return enrolment.number


def _take_seat(course: Course, paid: PaidOrder) -> Enrolment:
    if course.enrolments.count() >= course.seats:
        raise Unfulfillable("The course is full.")
    return course.enrolments.create(
        learner_id=paid.snapshot["learner_id"], merchant_order_id=paid.merchant_order_id
    )
