"""`manage.py seed_catalog`: the sample pujas and packages."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand
from django.db import transaction

from catalog.models import Package, Puja
from catalog.samples import SAMPLES, SamplePuja


class Command(BaseCommand):
    help = (
        "Put the sample pujas and packages into the shop. Safe to repeat: samples that are there are brought"
        " up to date by slug and package name, and nothing else is touched."
    )

    @transaction.atomic
    def handle(self, *args: Any, verbosity: int, **options: Any) -> None:
        for order, sample in enumerate(SAMPLES, start=1):
            _put(sample, order=order * 10)
        packages = sum(len(sample.packages) for sample in SAMPLES)
        if verbosity:
            self.stdout.write(f"The catalogue has the {len(SAMPLES)} sample pujas with {packages} packages.")


def _put(sample: SamplePuja, *, order: int) -> None:
    puja, _ = Puja.objects.update_or_create(
        slug=sample.slug,
        defaults={
            "name": sample.name,
            "summary": sample.summary,
            "description": sample.description,
            "duration_minutes": sample.duration_minutes,
            "capacity": sample.capacity,
            "is_active": True,
            "order": order,
        },
    )
    for package in sample.packages:
        Package.objects.update_or_create(
            puja=puja,
            name=package.name,
            defaults={
                "description": package.description,
                "price_paise": package.price_paise,
                "is_active": True,
            },
        )
