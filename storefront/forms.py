"""What the customer fills in. The rules are the cart's own, so the form and the API refuse the same things."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, time
from typing import Any

from django import forms
from django.utils import timezone

from cart import rules
from cart.slots import TIMES, free_times, full_times
from catalog.models import Package, Puja
from storefront import slots


class OrderForm(forms.Form):
    """A package of one puja, when, where and for whom. `cleaned_data` is what `cart.carts.open_cart` takes."""

    required_css_class = "required"
    day: date | None = None  # the day whose `free` and `full` times are known
    free: Sequence[time] = ()
    full: Sequence[time] = ()

    package = forms.ModelChoiceField(
        Package.objects.none(),
        empty_label=None,
        widget=forms.RadioSelect,
        error_messages={
            "required": "Choose a package.",
            "invalid_choice": "This package is not offered any more.",
        },
    )
    date = forms.DateField(
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        error_messages={"required": "Choose a date.", "invalid": "Please enter the date as YYYY-MM-DD."},
    )
    time = forms.ChoiceField(
        label="Starts at",
        choices=slots.choices,
        initial="09:00",
        widget=slots.TimeSelect,
        error_messages={"required": "Choose a time.", "invalid_choice": "Choose one of the times."},
    )
    name = forms.CharField(
        label="Your name",
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
        error_messages={"required": "Please enter your name."},
    )
    email = forms.CharField(
        label="Email",
        help_text="The confirmation goes here.",
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
        error_messages={"required": "Please enter your email address."},
    )
    phone = forms.CharField(
        label="Mobile number",
        help_text="The priest will call you before the puja, usually the day before.",
        widget=forms.TextInput(attrs={"type": "tel", "autocomplete": "tel", "inputmode": "tel"}),
        error_messages={"required": "Please enter your mobile number."},
    )
    address = forms.CharField(
        label="Address of the puja",
        help_text="House, street, city and PIN code.",
        widget=forms.Textarea(attrs={"rows": 3, "autocomplete": "street-address"}),
        error_messages={"required": "Please enter the address."},
    )

    def __init__(self, *args: Any, puja: Puja, now: datetime, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.now = timezone.localtime(now).replace(tzinfo=None)
        today = self.now.date()
        offered = Package.objects.offered().filter(puja=puja)
        self.fields["package"].queryset = offered
        self.fields["package"].initial = offered.first()
        self.fields["date"].widget.attrs |= {
            "min": today.isoformat(),
            "max": (today + rules.YEAR).isoformat(),
        }
        for field in ("name", "address"):
            self.fields[field].widget.attrs["maxlength"] = getattr(rules, f"{field}_LENGTH".upper())[1]
        self._mark_times(puja)

    def _mark_times(self, puja: Puja) -> None:
        """Mark what cannot be had on the day that the form knows of, and propose a time that can."""
        today = self.now.date()
        day = _as_day(self["date"].value())
        if day is None or not today <= day <= today + rules.YEAR:
            return
        self.day, self.full = day, sorted(full_times(puja.pk, day))
        self.free = free_times(puja.pk, day, now=self.now)
        closed = {
            slots.value(at): "full" if at in self.full else "past" for at in TIMES if at not in self.free
        }
        self.fields["time"].widget.closed = closed
        proposed = self.get_initial_for_field(self.fields["time"], "time")
        if self.free and proposed in closed:
            self.initial = self.initial | {"time": slots.value(self.free[0])}

    def clean_date(self) -> Any:
        return self._by(lambda value: rules.day(value, today=self.now.date()), "date")

    def clean_time(self) -> Any:
        return self._by(rules.clock, "time")

    def clean_name(self) -> Any:
        return self._by(rules.name, "name")

    def clean_email(self) -> Any:
        return self._by(rules.email, "email")

    def clean_phone(self) -> Any:
        return self._by(rules.phone, "phone")

    def clean_address(self) -> Any:
        return self._by(rules.address, "address")

    def clean(self) -> dict[str, Any]:
        values = self.cleaned_data
        if values.get("date") and values.get("time"):
            try:
                rules.moment(values["date"], values["time"], now=self.now)
            except ValueError as error:
                self.add_error("time", str(error))
        return values

    def _by(self, rule: Callable[[Any], Any], field: str) -> Any:
        try:
            return rule(self.cleaned_data[field])
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error


def _as_day(value: Any) -> date | None:
    """The form's date, as typed or as given; None when there is none that can be read."""
    try:
        return value if isinstance(value, date) else date.fromisoformat(str(value))
    except ValueError:
        return None
