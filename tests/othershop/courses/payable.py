"""What can be paid for: "course-7-user-3" is learner 3's seat in course 7."""

from __future__ import annotations

import re
from typing import Any

from payments.errors import NotFound
from payments.shop import Payable
from tests.othershop.courses.models import Course

REFERENCE = re.compile(r"course-([0-9]{1,9})-user-([0-9]{1,9})")


def find(reference: str, *, user: Any) -> Payable:
    """The seat that `reference` stands for. Raises NotFound for any but the learner and staff."""
    parts = REFERENCE.fullmatch(reference)
    if parts is None:
        raise NotFound("There is no such seat.")
    course_id, learner_id = map(int, parts.groups())
    course = Course.objects.filter(pk=course_id).first()
    if course is None or not (user.pk == learner_id or user.is_staff):
        raise NotFound("There is no such seat.")
    return seat(course, learner_id)


def seat(course: Course, learner_id: int) -> Payable:
    """A learner's seat as something to pay for; the price and what enrolling needs are frozen with the order."""
    is_taken = course.enrolments.filter(learner=learner_id).exists()
    is_full = course.enrolments.count() >= course.seats
    return Payable(
        reference=f"course-{course.pk}-user-{learner_id}",
        amount_paise=course.price_paise,
        status="ENROLLED" if is_taken else "OPEN",
        hindrance="The course is full." if is_full and not is_taken else "",
        snapshot={"course_id": course.pk, "learner_id": learner_id, "title": course.title},
    )
