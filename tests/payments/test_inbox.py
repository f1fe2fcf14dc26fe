"""The inbox: stored before anything is made of it, picked up when left behind, replayed, pruned."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.utils import timezone

from payments import claims, inbox, jobs, transitions
from payments.models import PaymentOrder, WebhookDelivery
from tests import make
from tests.payments.settling import refusing

pytestmark = pytest.mark.django_db(transaction=True)

State = WebhookDelivery.State


def callback(merchant_order_id: str, **more: Any) -> bytes:
    payload = {"merchantOrderId": merchant_order_id, "state": "COMPLETED"} | more
    return json.dumps({"event": "checkout.order.completed", "payload": payload}).encode()


def delivered(state: State, *, age_s: float = 0, name: str = "OKP-nobody") -> WebhookDelivery:
    delivery = inbox.receive(callback(name, note=str(timezone.now())), now=timezone.now())
    received_at = timezone.now() - timedelta(seconds=age_s)
    WebhookDelivery.objects.filter(pk=delivery.pk).update(state=state, received_at=received_at)
    delivery.refresh_from_db()
    return delivery


def state_of(delivery: WebhookDelivery) -> str:
    return WebhookDelivery.objects.get(pk=delivery.pk).state


@contextmanager
def locked_by_another(order: PaymentOrder) -> Iterator[None]:
    """The order's row held by another connection while the block runs."""
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        try:
            with transaction.atomic():
                transitions.lock(order.pk)
                held.set()
                done.wait(20)
        finally:
            connection.close()

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(10)
    yield
    done.set()
    thread.join(10)


# -- stored first -------------------------------------------------------------------------


def test_webhook_while_its_orders_row_is_held_is_stored_at_once_and_caught_up_with_later():
    order = make.order(next_check_at=timezone.now() + timedelta(hours=1))

    with locked_by_another(order):
        before = time.monotonic()
        delivery = inbox.receive(callback(order.merchant_order_id), now=timezone.now())
        took_s = time.monotonic() - before
    later = timezone.now() + inbox.LEFT_BEHIND_AFTER + timedelta(seconds=1)
    caught = inbox.catch_up(now=later)

    order.refresh_from_db()
    assert (delivery.state, caught, state_of(delivery)) == ("received", 1, "nudged")
    assert took_s < 1  # PhonePe is answered within a second (contract)
    assert order.next_check_at <= later


def test_webhook_whose_order_cannot_be_hurried_is_stored_all_the_same(monkeypatch):
    def crash(*_: Any, **__: Any) -> bool:
        raise KeyboardInterrupt  # the process ends here

    monkeypatch.setattr(claims, "nudge", crash)

    with pytest.raises(KeyboardInterrupt):
        inbox.receive(callback("OKP-1"), now=timezone.now())

    assert WebhookDelivery.objects.get().state == "received"


def test_lock_timeout_of_the_inbox_does_not_outlive_its_transaction():
    inbox.receive(callback(make.order().merchant_order_id), now=timezone.now())

    with connection.cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone() == ("0",)


# -- picked up ----------------------------------------------------------------------------


def test_catch_up_hurries_a_parked_webhooks_order_once_it_is_here():
    early = "OKP-early"
    parked = delivered(State.PARKED, name=early)
    nothing_yet = inbox.catch_up(now=timezone.now())

    order = make.order(merchant_order_id=early, next_check_at=timezone.now() + timedelta(hours=1))
    caught = inbox.catch_up(now=timezone.now())

    order.refresh_from_db()
    assert (nothing_yet, caught, state_of(parked)) == (0, 1, "nudged")
    assert (order.nudged_by, order.next_check_at <= timezone.now()) == ("webhook", True)


def test_catch_up_leaves_what_is_being_acted_on_just_now_and_what_is_done():
    fresh = delivered(State.RECEIVED, age_s=0)
    done = delivered(State.IGNORED, age_s=3600)
    foreign = delivered(State.PARKED, age_s=3600)

    assert inbox.catch_up(now=timezone.now()) == 0
    assert [state_of(one) for one in (fresh, done, foreign)] == ["received", "ignored", "parked"]


def test_catch_up_leaves_a_locked_order_for_later_and_goes_on_with_the_next():
    locked, free = make.order(next_check_at=None), make.order(next_check_at=None)
    for order in (locked, free):
        delivered(State.RECEIVED, age_s=60, name=order.merchant_order_id)
    PaymentOrder.objects.update(next_check_at=None)

    with locked_by_another(locked):
        caught = inbox.catch_up(now=timezone.now())

    states = dict(WebhookDelivery.objects.values_list("merchant_order_id", "state"))
    assert caught == 1
    assert states == {locked.merchant_order_id: "received", free.merchant_order_id: "nudged"}


def test_catch_up_with_one_that_fails_goes_on_with_the_next():
    bad, good = make.order(), make.order()
    for order in (bad, good):
        delivered(State.RECEIVED, age_s=60, name=order.merchant_order_id)

    with refusing(bad, "23514"):
        caught = inbox.catch_up(now=timezone.now())

    states = dict(WebhookDelivery.objects.values_list("merchant_order_id", "state"))
    assert caught == 1
    assert states == {bad.merchant_order_id: "received", good.merchant_order_id: "nudged"}


def test_webhook_and_checkout_take_their_locks_in_the_same_order():
    """The order first: else a parked webhook and the pay call's answer could wait for one another."""
    order = make.order()
    delivery = delivered(State.PARKED, name=order.merchant_order_id)

    with locked_by_another(order):
        thread = threading.Thread(target=_act_and_close, args=(delivery.pk,))
        thread.start()
        time.sleep(0.3)  # it waits for the order by now
        with transaction.atomic():
            taken = WebhookDelivery.objects.select_for_update(nowait=True).filter(pk=delivery.pk)
            assert taken.exists()
    thread.join(10)

    assert state_of(delivery) == "nudged"


def _act_and_close(pk: int) -> None:
    try:
        inbox.act(pk, now=timezone.now())
    finally:
        connection.close()


def test_a_parked_webhook_whose_order_never_came_is_ignored_after_the_watch_and_waits_no_longer():
    day = 24 * 3600
    old, young = delivered(State.PARKED, age_s=4 * day), delivered(State.PARKED, age_s=2 * day)
    left_behind = delivered(State.RECEIVED, age_s=4 * day)

    jobs.prune_webhooks(0)

    assert [state_of(one) for one in (old, young, left_behind)] == ["ignored", "parked", "received"]


# -- replayed -----------------------------------------------------------------------------


def replay(*arguments: str) -> list[str]:
    out = StringIO()
    call_command("replay_webhooks", *arguments, stdout=out)
    return out.getvalue().splitlines()


def test_replay_takes_what_nothing_came_of_and_says_what_came_of_it():
    order = make.order(next_check_at=None)
    delivered(State.RECEIVED, name=order.merchant_order_id)
    delivered(State.PARKED)
    delivered(State.NUDGED, name=order.merchant_order_id)

    lines = replay()

    order.refresh_from_db()
    assert lines[-1] == "Replayed: 1 nudged, 1 parked."
    assert order.next_check_at <= timezone.now()


def test_replay_of_one_order_takes_all_of_its_webhooks_again():
    order = make.order()
    for _ in range(2):
        delivered(State.NUDGED, name=order.merchant_order_id)
    delivered(State.PARKED)

    lines = replay("--order", order.merchant_order_id, "--json")

    told = [json.loads(line) for line in lines]
    assert [one.get("names") for one in told] == [order.merchant_order_id] * 2 + [None]
    assert told[-1] == {"summary": {"nudged": 2}, "replayed": True}
    assert order.events.filter(kind="nudged").count() == 4  # twice as they came, twice as replayed


def test_replay_of_the_last_hours_leaves_older_ones():
    delivered(State.PARKED, age_s=3 * 3600)

    assert replay("--all", "--hours", "2") == ["Replayed: none."]


def test_replay_as_a_dry_run_changes_nothing():
    order = make.order(next_check_at=None)
    delivery = delivered(State.RECEIVED, name=order.merchant_order_id)
    PaymentOrder.objects.update(next_check_at=None)

    lines = replay("--dry-run")

    order.refresh_from_db()
    assert lines[-1] == "Found: 1 received."
    assert (state_of(delivery), order.next_check_at) == ("received", None)


@pytest.mark.parametrize(
    ("arguments", "why"), [(["--order", "OKP-x"], "No webhook was received"), (["--hours", "0"], "--hours")]
)
def test_replay_with_a_choice_that_makes_no_sense_says_why(arguments, why):
    with pytest.raises(CommandError, match=why):
        replay(*arguments)


# -- pruned -------------------------------------------------------------------------------


def test_prune_deletes_the_old_in_batches_and_keeps_what_was_never_acted_on():
    day = 24 * 3600
    old = [delivered(State.NUDGED, age_s=91 * day) for _ in range(5)]
    kept = [delivered(State.NUDGED, age_s=89 * day), delivered(State.RECEIVED, age_s=91 * day)]

    pruned = inbox.prune(before=timezone.now() - timedelta(days=90), batch=2)

    assert pruned == len(old)
    assert set(WebhookDelivery.objects.values_list("pk", flat=True)) == {one.pk for one in kept}


def test_prune_command_says_how_many():
    delivered(State.IGNORED, age_s=8 * 24 * 3600)
    out = StringIO()

    call_command("prune_webhooks", "--days", "7", stdout=out)

    assert out.getvalue() == "1 webhooks deleted.\n"
    with pytest.raises(CommandError):
        call_command("prune_webhooks", "--days", "0")


@pytest.mark.parametrize("prune", [lambda: call_command("prune_webhooks"), lambda: jobs.prune_webhooks(0)])
def test_prune_by_command_and_by_the_checker_keeps_webhooks_as_long_as_the_shop_wants(settings, prune):
    settings.PAYMENTS = settings.PAYMENTS | {"KEEP_WEBHOOK_DAYS": 400}
    day = 24 * 3600
    kept = delivered(State.NUDGED, age_s=399 * day)
    delivered(State.NUDGED, age_s=401 * day)

    prune()

    assert WebhookDelivery.objects.get() == kept
