"""What the customer fills in. The rules are the cart's own, so the form and the API refuse the same things."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django import forms
from django.utils import timezone

from cart import rules
from catalog.models import Package, Puja
from storefront import slots


class OrderForm(forms.Form):
    """A package of one puja, when, where and for whom. `cleaned_data` is what `cart.carts.open_cart` takes."""

    required_css_class = "required"

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
        error_messages={"required": "Choose a date.", "invalid": "Give the date as YYYY-MM-DD."},
    )
    time = forms.ChoiceField(
        label="Starts at",
        choices=slots.choices,
        initial="09:00",
        error_messages={"required": "Choose a time.", "invalid_choice": "Choose one of the times."},
    )
    name = forms.CharField(
        label="Your name",
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
        error_messages={"required": "Give your name."},
    )
    email = forms.CharField(
        label="Email",
        help_text="The confirmation goes here.",
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
        error_messages={"required": "Give your mail address."},
    )
    phone = forms.CharField(
        label="Mobile number",
        help_text="The priest calls you the day before.",
        widget=forms.TextInput(attrs={"type": "tel", "autocomplete": "tel", "inputmode": "tel"}),
        error_messages={"required": "Give your mobile number."},
    )
    address = forms.CharField(
        label="Address of the puja",
        help_text="House, street, city and PIN code.",
        widget=forms.Textarea(attrs={"rows": 3, "autocomplete": "street-address"}),
        error_messages={"required": "Give the address."},
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
