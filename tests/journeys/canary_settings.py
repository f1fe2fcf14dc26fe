"""OkPuja's settings with a fulfilment that crashes while it holds a customer's data."""

import os

from okpuja.settings import *  # noqa: F403
from okpuja.settings import PAYMENTS

if os.environ.get("CRASH"):
    PAYMENTS |= {"FULFIL": "tests.journeys.canary_settings.crash", "FULFIL_MANY": ""}


def crash(paid: object) -> str:
    """Raise as a bug would, with a customer's data and a secret among the local variables."""
    held = {"email": "asha.canary@example.com", "secret": os.environ["PHONEPE_CLIENT_SECRET"]}
    raise RuntimeError(f"the shop crashed over {len(held)} values")
