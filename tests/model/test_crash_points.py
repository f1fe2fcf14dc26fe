"""A crash at every step of every story: between any two commits, lone writes and calls of PhonePe.

Each story is played once to count its steps, then once for each of them, with a crash there. Whoever acted
goes on with the next act, a checker is started again, and in the end every rupee is booked or given back.
Two steps that follow one another in several stories are parted by a crash in the first of them alone;
CRASH_EVERY_STEP=1 does it in all.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from payments import byhand, inbox, metrics, refunds, rescue, retention
from payments.models import PaymentOrder, WebhookDelivery
from payments.records import Row
from payments.states import Source
from tests import make
from tests.model import invariants, shop, steps
from tests.model.phonepe import BookedOrder
from tests.model.world import AMOUNT, World

EVERY_STEP = bool(os.environ.get("CRASH_EVERY_STEP"))
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(3600 if EVERY_STEP else 600)]

Act = Callable[[World], Any]


def first(world: World) -> str:
    return next(iter(world.phonepe.orders), "")


def last(world: World) -> str:
    return next(reversed(world.phonepe.orders), "")


def pays(which: Callable[[World], str] = first, paise: int | None = None) -> Act:
    return lambda world: which(world) and world.phonepe.pay(which(world), paise=paise)


def fails(world: World) -> None:
    if first(world):
        world.phonepe.fail(first(world))


def starts(cart: str = "cart-1") -> Act:
    return lambda world: world.start(cart)


def fault(kind: str, what: str) -> Act:
    return lambda world: world.phonepe.faults.update({kind: what})


def waits(seconds: float) -> Act:
    return lambda world: world.pass_time(seconds)


def verifies(source: Source) -> Act:
    return lambda world: world.verify(first(world), source)


def behaves(mood: str) -> Act:
    return lambda world: shop.behave(mood)


def sweeps(world: World) -> None:
    world.sweep()


def works(world: World) -> None:
    world.work()


def webhook(world: World) -> None:
    world.webhook(first(world))


def early_webhook(world: World) -> None:
    """One that was stored and not acted on, and one of an order that never comes."""
    world.webhook(first(world), note="left behind")
    WebhookDelivery.objects.update(state="received")
    world.webhook("OKP-nobody")
    world.pass_time(10)


def gives_back(paise: int | None) -> Act:
    return lambda world: world.give_back(first(world), paise)


def refunds_end(state: str) -> Act:
    return lambda world: world.phonepe.finish_refunds(state)


def refund_webhooks(world: World) -> None:
    world.refund_webhooks()


def audits(world: World) -> None:
    world.sabotaged = True
    PaymentOrder.objects.filter(status="INITIATED").update(next_check_at=None)
    world.audit()


def undeliverable_without_refund(world: World) -> None:
    """What the audit puts before a person, made as a bug would have left it."""
    world.sabotaged = True
    PaymentOrder.objects.filter(fulfilment="UNFULFILLABLE").update(attention="")
    world.audit()


def settles_by_hand(world: World) -> None:
    byhand.settle_attention(first(world), by="ravi", reason="seen to it", now=timezone.now())


def refunds_by_hand(world: World) -> None:
    refunds.request(
        first(world), amount_paise=5000, reason="asked for", requested_by="ravi", now=timezone.now()
    )


def books_anyway(world: World) -> None:
    byhand.book_anyway(first(world), by="ravi", reason="it can be done", now=timezone.now())


def scraped(world: World) -> None:
    metrics.exposition()


def opened_elsewhere(world: World) -> None:
    world.phonepe.orders["OLD-1"] = BookedOrder("OMO-OLD", AMOUNT)
    world.elsewhere.add("OLD-1")


def rescued(world: World) -> None:
    row = Row(2, "OLD-1", "cart-1", AMOUNT, "INITIATED", None, "", make.SNAPSHOT)
    list(rescue.rescue(iter([row]), apply=True))


def prunes(world: World) -> None:
    inbox.prune(before=timezone.now())
    list(retention.prune_events(before=timezone.now()))


def releases_forgotten(world: World) -> None:
    world.sabotaged = True
    PaymentOrder.objects.filter(status="FAILED").update(holding=True, attention="")
    world.audit()


def refuses_moves(world: World) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE payments_event ADD CONSTRAINT no_moves CHECK (kind <> 'moved') NOT VALID")


def takes_moves(world: World) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE payments_event DROP CONSTRAINT no_moves")


STORIES: dict[str, list[Act]] = {
    "paid, webhook": [starts(), pays(), webhook, sweeps],
    "paid, tab closed": [starts(), pays(), waits(25), sweeps],
    "two paid, settled together": [
        starts(), starts("cart-2"), pays(first), pays(last), waits(30), sweeps, works,
    ],
    "two paid together, shop raises": [
        starts(), starts("cart-2"), pays(first), pays(last), behaves("raises"), waits(30), sweeps, behaves(""),
        waits(10), sweeps,
    ],
    "paid, status, return and by hand": [
        starts(), waits(40), verifies(Source.STATUS), pays(), waits(4), verifies(Source.RETURN),
        waits(4), verifies(Source.MANUAL),
    ],
    "pay call lost, tried again": [
        fault("pay", "lost"), starts(), waits(5), starts(), pays(last), waits(30), sweeps,
    ],
    "pay call answered 500 after storing, both paid": [
        fault("pay", "stored_then_lost"), starts(), waits(5), starts(), pays(first), pays(last), waits(30),
        sweeps, works, refunds_end("COMPLETED"), works,
    ],
    "refused pay call": [fault("pay", "refused"), starts(), waits(130), sweeps],
    "failed, then paid all the same": [starts(), fails, waits(30), sweeps, pays(), waits(400), sweeps],
    "expired, paid late": [starts(), waits(1100), sweeps, pays(), waits(3600), sweeps],
    "fulfilment raises": [
        starts(), pays(), behaves("raises"), waits(30), sweeps, behaves(""), waits(10), sweeps,
    ],
    "refused, refund lost and asked about": [
        starts(), pays(), behaves("refuses"), webhook, sweeps, fault("refund", "lost"), works, works,
        refunds_end("COMPLETED"), refund_webhooks, works,
    ],
    "refund stored, answer lost": [
        starts(), pays(), webhook, sweeps, gives_back(5000), fault("refund", "stored_then_lost"), works,
        fault("refund_status", "unavailable"), works, works, gives_back(None), works,
    ],
    "refund failed": [
        starts(), pays(), behaves("refuses"), webhook, sweeps, works, refunds_end("FAILED"), works,
        undeliverable_without_refund,
    ],
    "another sum": [starts(), pays(paise=100), waits(30), sweeps, webhook, sweeps],
    "another sum, settled by hand": [starts(), pays(paise=100), waits(30), sweeps, settles_by_hand, sweeps],
    "refunded by hand": [starts(), pays(), webhook, sweeps, refunds_by_hand, works, refunds_end("COMPLETED"), works],
    "refused, refund failed, booked anyway": [
        starts(), pays(), behaves("refuses"), webhook, sweeps, works, refunds_end("FAILED"), works, behaves(""),
        books_anyway,
    ],
    "late for a slot that is gone": [
        starts(), fails, waits(30), sweeps, starts("cart-2"), starts("cart-3"), pays(), waits(400), sweeps, works,
    ],
    "gateway in trouble": [
        starts(), pays(), waits(25), fault("ask", "unavailable"), sweeps, waits(5), fault("ask", "limited"),
        sweeps, waits(5), fault("ask", "malformed"), sweeps, waits(5), sweeps,
    ],
    "answer that could not be settled": [
        starts(), pays(), refuses_moves, waits(30), sweeps, takes_moves, waits(60), sweeps,
    ],
    "webhook left behind": [starts(), pays(), early_webhook, sweeps, prunes],
    "audit": [starts(), audits, fails, sweeps, releases_forgotten, sweeps],
    "another system's order, rescued": [
        opened_elsewhere, rescued, waits(60), pays(), rescued, waits(60), rescued, sweeps,
    ],
    "read by Prometheus": [starts(), pays(), scraped, webhook, sweeps, waits(3600), scraped],
}  # fmt: skip


def play(story: list[Act], settings: Any, *, die_at: int | None) -> World:
    """Play a story; with `die_at` a process ends at that step."""
    world = World()
    with world.running(settings):
        if die_at is not None:
            world.steps.die_at(die_at)
        for act in story:
            world.do(lambda act=act: act(world))
            if not world.sabotaged:
                invariants.always(world)
        world.come_to_rest()
        invariants.in_the_end(world)
    return world


def step_numbers(story: list[Act], settings: Any, seen: set[tuple[str, str]]) -> list[int]:
    """The steps of a story at which to crash: those that follow their neighbour for the first time in `seen`."""
    passed = play(story, settings, die_at=None).steps.passed
    numbers = []
    for number, pair in enumerate(pairwise(["", *passed])):
        if pair not in seen or EVERY_STEP:
            seen.add(pair)
            numbers.append(number)
    return numbers


def test_a_crash_at_any_step_loses_and_doubles_nothing(settings):
    seen: set[tuple[str, str]] = set()
    crashes = 0
    for name, story in STORIES.items():
        for number in step_numbers(story, settings, seen):
            try:
                crashes += len(play(story, settings, die_at=number).crashes)
            except AssertionError as broken:
                raise AssertionError(f"{name}: crashed at step {number}") from broken

    assert {after.split(":")[0] for _, after in seen} >= steps.in_source()  # no step is forgotten
    assert crashes >= len(seen) // 2


def test_the_steps_of_the_code_are_found():
    found = steps.in_source()

    assert {"payments.completion._settle", "payments.checkout._open", "gateway.refund"} <= found
