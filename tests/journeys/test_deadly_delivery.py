"""A delivery that ends its process takes the record of the money with it: not for ever, and not the others' either."""

from __future__ import annotations

import signal
import subprocess

import pytest
from django.utils import timezone

from payments.models import PaymentOrder
from payments.states import Attention, Fulfilment, Status
from tests.journeys import customer
from tests.processes import manage
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db(transaction=True)
KILLED = -signal.SIGKILL


def test_the_money_is_recorded_and_a_person_sees_it_and_the_others_are_booked(sandbox: Sandbox) -> None:
    deadly, other = customer.orders_known_to(sandbox, 2)

    def sweep() -> subprocess.CompletedProcess[str]:
        """By the next process, once the claims of the last are over."""
        now = timezone.now()
        PaymentOrder.objects.filter(leased_until__isnull=False).update(leased_until=now)
        PaymentOrder.objects.filter(next_check_at__isnull=False).update(next_check_at=now)
        return manage(
            "auto_complete_payments",
            DJANGO_SETTINGS_MODULE="tests.journeys.deadly_settings",
            DEADLY=deadly.merchant_order_id,
            PHONEPE_BASE_URL=sandbox.base_url,
        )

    ended = [sweep().returncode for _ in range(4)]

    assert ended == [KILLED, KILLED, KILLED, 0]
    deadly.refresh_from_db()
    assert (deadly.status, deadly.fulfilment) == (Status.SUCCESS, Fulfilment.DUE)
    assert deadly.attention == Attention.FULFILMENT_FAILED
    assert deadly.next_check_at is not None
    assert deadly.events.get(kind="fulfilment_raised").detail == {"error": "ProcessEnded"}
    assert customer.booked(other) == 1

    # Each later try costs one process, not three again.
    assert [sweep().returncode for _ in range(2)] == [KILLED, 0]
    deadly.refresh_from_db()
    assert (deadly.fulfilment, deadly.events.filter(kind="fulfilment_raised").count()) == (Fulfilment.DUE, 2)
