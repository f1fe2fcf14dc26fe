"""What a customer wants: one package at one time and place. And how many can want the same time."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from cart import pricing
from catalog.models import Package, Puja


class Cart(models.Model):
    """One package, when, where and for whom. A guest's `cart_id` is the key to the cart: it is not guessable."""

    class Status(models.TextChoices):
        OPEN = "OPEN", "not booked yet"
        BOOKED = "BOOKED", "paid for and booked"

    cart_id = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.CASCADE, related_name="carts"
    )
    package = models.ForeignKey(Package, on_delete=models.PROTECT, related_name="carts")
    date = models.DateField()
    time = models.TimeField(help_text="Asia/Kolkata")
    name = models.CharField(max_length=100)
    email = models.EmailField()
    phone = models.CharField(max_length=16, help_text="+91 and ten digits")
    address = models.CharField(max_length=500)
    price_paise = models.BigIntegerField(
        null=True, blank=True, help_text="paise; what was paid. Empty: the package's price holds"
    )
    status = models.CharField(max_length=6, choices=Status.choices, default=Status.OPEN)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(name="cart_cart_status", condition=Q(status__in=["OPEN", "BOOKED"])),
            models.CheckConstraint(
                name="cart_cart_booked_price", condition=Q(status="OPEN") | Q(price_paise__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return str(self.cart_id)

    @property
    def total_paise(self) -> int:
        """What the cart costs: the package's price of the moment, or what was paid once it is booked."""
        return pricing.total(self.package.price_paise, paid_paise=self.price_paise)


class Slot(models.Model):
    """One puja at one date and time. `taken` counts its live holds; the database refuses more than `capacity`."""

    puja = models.ForeignKey(Puja, on_delete=models.PROTECT, related_name="slots")
    date = models.DateField()
    time = models.TimeField(help_text="Asia/Kolkata")
    capacity = models.PositiveSmallIntegerField(help_text="how many can take place; 0 closes the time")
    taken = models.PositiveSmallIntegerField(default=0, db_default=0, editable=False)

    class Meta:
        ordering: ClassVar = ["date", "time", "puja"]
        constraints: ClassVar = [
            models.UniqueConstraint(name="cart_slot_one_per_time", fields=["puja", "date", "time"]),
            models.CheckConstraint(
                name="cart_slot_not_overbooked", condition=Q(taken__gte=0, taken__lte=F("capacity"))
            ),
        ]

    def __str__(self) -> str:
        return f"{self.puja}, {self.date:%d %b %Y} {self.time:%H:%M}"


class SlotHold(models.Model):
    """One place of a slot, kept for a cart: HELD while it may be paid for, TAKEN by its booking.

    Rows are not deleted: they tell for whom a place was kept, and until when.
    """

    class State(models.TextChoices):
        HELD = "HELD", "kept for an order that may still be paid"
        TAKEN = "TAKEN", "booked"
        RELEASED = "RELEASED", "free again"

    LIVE: ClassVar = (State.HELD, State.TAKEN)

    cart_id = models.CharField(max_length=64)
    slot = models.ForeignKey(Slot, on_delete=models.PROTECT, related_name="holds")
    state = models.CharField(max_length=8, choices=State.choices, default=State.HELD)
    created_at = models.DateTimeField(default=timezone.now)
    changed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                name="cart_slothold_one_live",
                fields=["cart_id", "slot"],
                condition=Q(state__in=["HELD", "TAKEN"]),
            ),
            models.CheckConstraint(
                name="cart_slothold_state", condition=Q(state__in=["HELD", "TAKEN", "RELEASED"])
            ),
        ]

    def __str__(self) -> str:
        return f"{self.state} for {self.cart_id}"
