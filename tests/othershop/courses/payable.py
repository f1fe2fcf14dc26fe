"""What can be paid for: "course-7-user-3-1" is learner 3's first purchase of a seat in course 7."""

from __future__ import annotations

import re
from typing import Any

from payments.errors import NotFound
from payments.models import PaymentOrder
from payments.shop import Payable
from payments.states import Fulfilment
from tests.othershop.courses.models import Course, Enrolment

REFERENCE = re.compile(r"course-([0-9]{1,9})-user-([0-9]{1,9})-[0-9]{1,4}")


def find(reference: str, *, user: Any) -> Payable:
    """The seat that `reference` stands for. Raises NotFound for any but the learner and staff."""
    parts = REFERENCE.fullmatch(reference)
    if parts is None:
        raise NotFound("There is no such seat.")
    course_id, learner_id = map(int, parts.groups())
    course = Course.objects.filter(pk=course_id).first()
    if course is None or not (user.pk == learner_id or user.is_staff):
        raise NotFound("There is no such seat.")
    if reference not in _references(course, learner_id):
        raise NotFound("There is no such seat.")
    return _seat(course, learner_id, reference)


def seat(course: Course, learner_id: int) -> Payable:
    """A learner's seat as something to pay for; the price and what enrolling needs are frozen with the order."""
    return _seat(course, learner_id, _references(course, learner_id)[-1])


def _seat(course: Course, learner_id: int, reference: str) -> Payable:
    is_taken = course.enrolments.filter(learner=learner_id).exists()
    is_full = course.enrolments.count() >= course.seats
    return Payable(
        reference=reference,
        amount_paise=course.price_paise,
        status="ENROLLED" if is_taken else "OPEN",
        hindrance="The course is full." if is_full and not is_taken else "",
        snapshot={"course_id": course.pk, "learner_id": learner_id, "title": course.title},
    )


def _references(course: Course, learner_id: int) -> list[str]:
    """This learner's references for a seat in the course: one for each seat given up, and one for the next."""
    references = [f"course-{course.pk}-user-{learner_id}-1"]
    while _was_given_up(references[-1]):
        references.append(f"course-{course.pk}-user-{learner_id}-{len(references) + 1}")
    return references


def _was_given_up(reference: str) -> bool:
    """Whether a seat was delivered for it and is not there any more: then it cannot be paid for again."""
    delivered = PaymentOrder.objects.filter(cart_id=reference, fulfilment=Fulfilment.BOOKED).first()
    if delivered is None:
        return False
    return not Enrolment.objects.filter(merchant_order_id=delivered.merchant_order_id).exists()
