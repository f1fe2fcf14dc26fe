"""A delivery that ends its process at the order that `DEADLY` names, as a crash in C or the kernel would."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence

from bookings import fulfilment, many
from payments.shop import PaidOrder


def fulfil(paid: PaidOrder) -> str:
    """Book it, if it is not the deadly one."""
    _meet(paid)
    return fulfilment.fulfil(paid)


def fulfil_many(paid: Sequence[PaidOrder]) -> dict[str, str]:
    """Book them, if the deadly one is not among them."""
    for one in paid:
        _meet(one)
    return many.fulfil(paid)


def _meet(paid: PaidOrder) -> None:
    if paid.merchant_order_id == os.environ["DEADLY"]:
        os.kill(os.getpid(), signal.SIGKILL)
