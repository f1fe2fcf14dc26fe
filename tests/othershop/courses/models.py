"""Courses with a number of seats, and who has one."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone


class Course(models.Model):
    title = models.CharField(max_length=100)
    price_paise = models.BigIntegerField()
    seats = models.PositiveIntegerField()


class Enrolment(models.Model):
    """A paid seat; the database keeps it to one per order, and to one per learner and course."""

    course = models.ForeignKey(Course, on_delete=models.PROTECT, related_name="enrolments")
    learner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="enrolments")
    merchant_order_id = models.CharField(max_length=63, unique=True)
    enrolled_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(name="courses_one_seat_each", fields=["course", "learner"])
        ]

    @property
    def number(self) -> str:
        return f"ENR-{self.pk}"
