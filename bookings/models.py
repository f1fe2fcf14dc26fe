"""What a customer got."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from payments.states import News


def new_booking_id() -> str:
    """`BK-` and eight upper-case hex digits. Short enough to be read out, so it is no secret and can collide."""
    return f"BK-{secrets.token_hex(4).upper()}"


class Booking(models.Model):
    """A paid puja. Written once from the order's snapshot; the database keeps it to one per order and cart."""

    booking_id = models.CharField(max_length=11, unique=True, default=new_booking_id)
    cart_id = models.CharField(max_length=64, unique=True)
    merchant_order_id = models.CharField(max_length=63, unique=True)
    puja = models.CharField(max_length=100)
    package = models.CharField(max_length=100)
    date = models.DateField()
    time = models.TimeField(help_text="Asia/Kolkata")
    name = models.CharField(max_length=100)
    email = models.EmailField()
    phone = models.CharField(max_length=16)
    address = models.CharField(max_length=500)
    amount = models.BigIntegerField(help_text="paise")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="bookings"
    )
    created_at = models.DateTimeField(default=timezone.now)
    confirmation_sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "bookings_booking"
        ordering: ClassVar = ["-created_at"]
        constraints: ClassVar = [
            models.CheckConstraint(
                name="bookings_booking_number", condition=Q(booking_id__regex=r"^BK-[0-9A-F]{8}$")
            ),
            models.CheckConstraint(name="bookings_booking_amount", condition=Q(amount__gte=1)),
        ]

    def __str__(self) -> str:
        return self.booking_id

    @property
    def starts_at(self) -> datetime:
        """When the puja begins, aware, in Asia/Kolkata."""
        return timezone.make_aware(datetime.combine(self.date, self.time))


class Notice(models.Model):
    """One event of a payment that its customer hears of by mail; the unique key makes it one mail per event."""

    news = models.CharField(max_length=20, choices=News.choices)
    merchant_order_id = models.CharField(max_length=63)
    merchant_refund_id = models.CharField(max_length=63, blank=True)
    amount = models.BigIntegerField(help_text="paise; the refund's for news of a refund")
    created_at = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(null=True, blank=True)
    dropped_at = models.DateTimeField(null=True, blank=True, help_text="it had become pointless")

    class Meta:
        db_table = "bookings_notice"
        constraints: ClassVar = [
            models.UniqueConstraint(
                name="bookings_notice_one_per_event",
                fields=["merchant_order_id", "news", "merchant_refund_id"],
            ),
            models.CheckConstraint(
                name="bookings_notice_one_end", condition=Q(sent_at__isnull=True) | Q(dropped_at__isnull=True)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.news} {self.merchant_refund_id or self.merchant_order_id}"

    @property
    def is_settled(self) -> bool:
        """Whether its mail went out, or will never be sent."""
        return self.sent_at is not None or self.dropped_at is not None
