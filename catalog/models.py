"""What is offered: pujas, and the packages in which each can be booked."""

from __future__ import annotations

from typing import ClassVar

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q

MINIMUM_PAISE = 100  # PhonePe takes no smaller sum
CAPACITY = 5


class PujaQuerySet(models.QuerySet["Puja"]):
    def offered(self) -> PujaQuerySet:
        """Active pujas that have an active package, in the shop's order."""
        return self.filter(is_active=True, packages__is_active=True).distinct().order_by("order", "name")


class PackageQuerySet(models.QuerySet["Package"]):
    def offered(self) -> PackageQuerySet:
        """What can be bought now, the cheapest first."""
        return self.filter(is_active=True, puja__is_active=True).order_by("price_paise", "pk")


class Puja(models.Model):
    """A ritual that a priest performs at the customer's place."""

    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=100)
    summary = models.CharField(max_length=200, help_text="one sentence, for the catalogue")
    description = models.TextField()
    duration_minutes = models.PositiveSmallIntegerField()
    capacity = models.PositiveSmallIntegerField(
        default=CAPACITY,
        db_default=CAPACITY,
        validators=[MinValueValidator(1)],
        help_text="how many can take place at one date and time; times that exist keep their own",
    )
    is_active = models.BooleanField(default=True)
    order = models.PositiveSmallIntegerField(default=0, help_text="smaller comes first")

    objects = PujaQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["order", "name"]
        constraints: ClassVar = [
            models.CheckConstraint(name="catalog_puja_capacity", condition=Q(capacity__gte=1)),
        ]

    def __str__(self) -> str:
        return self.name


class Package(models.Model):
    """One way to book a puja, with its price."""

    puja = models.ForeignKey(Puja, on_delete=models.PROTECT, related_name="packages")
    name = models.CharField(max_length=100)
    description = models.TextField()
    price_paise = models.BigIntegerField(help_text="paise")
    is_active = models.BooleanField(default=True)

    objects = PackageQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(name="catalog_package_price", condition=Q(price_paise__gte=MINIMUM_PAISE)),
            models.UniqueConstraint(name="catalog_package_name", fields=["puja", "name"]),
        ]

    def __str__(self) -> str:
        return f"{self.puja.name}: {self.name}"
