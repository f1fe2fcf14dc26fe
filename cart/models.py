"""What a customer wants: one package at one time and place."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from cart import pricing
from catalog.models import Package


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
