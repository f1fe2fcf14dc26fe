"""The times of day as the form offers them. The API takes any; priests are asked about other wishes by phone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import time
from typing import Any

from django import forms
from django.utils.translation import gettext as _

from cart.slots import TIMES, spoken


def choices() -> list[tuple[str, str]]:
    """Value and label for a select: ("09:00", "9:00 AM")."""
    return [(value(at), spoken(at)) for at in TIMES]


def value(at: time) -> str:
    """A time as the form sends it: "09:00"."""
    return at.strftime("%H:%M")


class TimeSelect(forms.Select):
    """A select in which times that cannot be had stay to be seen; `closed` says why, by value: "full" or
    "past", which `storefront.words` lists for the translators."""

    closed: Mapping[str, str] = {}

    def create_option(self, name: str, value: Any, label: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        why = self.closed.get(str(value))
        if not why:
            return super().create_option(name, value, label, *args, **kwargs)
        option = super().create_option(name, value, f"{label} ({_(why)})", *args, **kwargs)
        option["attrs"]["disabled"] = True
        return option
