"""Rows of the shop for tests, as plain functions."""

from __future__ import annotations

from datetime import date, time, timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.utils import timezone

from cart.models import Cart
from catalog.models import Package, Puja


def puja(slug: str = "ganesh-puja", *, capacity: int = 5) -> Puja:
    """Ganesh Puja, or another of this slug; made, with this capacity, when it is not there."""
    defaults = {
        "name": "Ganesh Puja",
        "summary": "A beginning.",
        "description": "Before something new.",
        "duration_minutes": 75,
        "capacity": capacity,
    }
    return Puja.objects.get_or_create(slug=slug, defaults=defaults)[0]


def package(*, price_paise: int = 149900, capacity: int = 5, **fields: Any) -> Package:
    """A package of Ganesh Puja, which is made, with this capacity, when it is not there."""
    values = {"name": f"Package {Package.objects.count()}", "description": "One priest."} | fields
    return Package.objects.create(puja=puja(capacity=capacity), price_paise=price_paise, **values)


def coming_day(days: int = 14) -> date:
    """A date that many days ahead, in Asia/Kolkata."""
    return timezone.localdate() + timedelta(days=days)


def cart(**fields: Any) -> Cart:
    """An open guest cart over a new package."""
    values: dict[str, Any] = {
        "date": coming_day(),
        "time": time(9, 30),
        "name": "Asha Rao",
        "email": "asha@example.com",
        "phone": "+919876543210",
        "address": "12 Temple Road\nBengaluru 560003",
    } | fields
    return Cart.objects.create(package=values.pop("package", None) or package(), **values)


def customer(name: str = "asha", **fields: Any) -> Any:
    """A user who can sign in."""
    return get_user_model().objects.create_user(name, f"{name}@example.com", "secret-123", **fields)


def body(**fields: Any) -> dict[str, Any]:
    """A good body for POST /api/cart/; give `package_id`."""
    return {
        "date": coming_day().isoformat(),
        "time": "09:30",
        "name": "Asha Rao",
        "email": "asha@example.com",
        "phone": "098765 43210",
        "address": "12 Temple Road, Bengaluru 560003",
    } | fields
