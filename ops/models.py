"""No table: only the rights that staff are given in the admin."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class Desk(models.Model):
    """Carries the rights of these pages; whoever may view payment orders may see the pages."""

    class Meta:
        managed = False
        default_permissions = ()
        permissions: ClassVar = [
            ("verify_payment", "Can ask PhonePe about a payment"),
            ("settle_attention", "Can mark a payment that needs a person as settled"),
            ("book_anyway", "Can have a refused payment booked after all"),
            ("see_personal_data", "Can see customers' names, addresses, mails and phones"),
        ]
