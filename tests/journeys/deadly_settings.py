"""OkPuja's settings with a delivery that ends its process at one order."""

from okpuja.settings import *  # noqa: F403
from okpuja.settings import PAYMENTS

PAYMENTS |= {"FULFIL": "tests.journeys.deadly.fulfil", "FULFIL_MANY": "tests.journeys.deadly.fulfil_many"}
