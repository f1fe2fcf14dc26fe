"""What a person says about a step by hand."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms


class ReasonForm(forms.Form):
    """What somebody says about a step; kept in the order's audit trail."""

    def __init__(self, *args: Any, label: str = "How was it settled?", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"].label = label

    reason = forms.CharField(
        min_length=3,
        max_length=200,
        help_text="Kept for ever with your name. Write no personal data.",
    )


class RefundForm(forms.Form):
    """How much goes back, in rupees (empty: all that is left), and why."""

    amount = forms.DecimalField(
        label="Amount in rupees",
        min_value=Decimal("0.01"),
        max_digits=12,
        decimal_places=2,
        required=False,
        help_text="Leave empty to return all that is left.",
    )
    reason = forms.CharField(
        label="Why?",
        min_length=3,
        max_length=200,
        help_text="Kept for ever with your name. Write no personal data.",
    )

    def amount_paise(self, *, left_paise: int) -> int:
        """What was asked for; all that is left when nothing was said."""
        amount = self.cleaned_data["amount"]
        return left_paise if amount is None else int(amount.scaleb(2))
