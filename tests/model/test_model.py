"""The engine against a model of the world: anything may happen in any order, and the invariants hold.

Hypothesis chooses what customers, banks, PhonePe, the network, staff and crashes do; the real engine answers on
real PostgreSQL. MODEL_EXAMPLES=1000 looks longer.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from payments.states import Source
from tests.model import invariants, shop
from tests.model.phonepe import FAULTS
from tests.model.world import World

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(900)]

EXAMPLES = int(os.environ.get("MODEL_EXAMPLES", "25"))
CARTS = ("cart-1", "cart-2", "cart-3", "cart-4")
NUDGES = (Source.STATUS, Source.RETURN, Source.MANUAL)
FAULT = st.sampled_from([(kind, what) for kind, all_ in FAULTS.items() for what in all_])


class Shop(RuleBasedStateMachine):
    """Two places, four carts; `django` is pytest's settings fixture."""

    django: Any = None

    @initialize()
    def open(self) -> None:
        self.world, self.running = World(), ExitStack()
        self.running.enter_context(self.world.running(self.django))

    def act(self, action: Any) -> None:
        self.world.do(action)
        invariants.always(self.world)

    def named(self, number: int) -> str:
        """One of the orders that PhonePe has; "" when it has none."""
        names = list(self.world.phonepe.orders)
        return names[number % len(names)] if names else ""

    # -- customers ------------------------------------------------------------------------

    @rule(cart=st.sampled_from(CARTS))
    def starts(self, cart: str) -> None:
        self.act(lambda: self.world.start(cart))

    @precondition(lambda self: self.world.phonepe.orders)
    @rule(number=st.integers(0, 9), short=st.sampled_from([False] * 9 + [True]))
    def pays(self, number: int, short: bool) -> None:
        """Also what had failed or expired: banks are late."""
        name = self.named(number)
        if self.world.phonepe.orders[name].state != "COMPLETED":
            self.act(lambda: self.world.phonepe.pay(name, paise=100 if short else None))

    @precondition(lambda self: self.world.phonepe.orders)
    @rule(number=st.integers(0, 9))
    def fails(self, number: int) -> None:
        if self.world.phonepe.orders[self.named(number)].state == "PENDING":
            self.act(lambda: self.world.phonepe.fail(self.named(number)))

    @precondition(lambda self: self.world.phonepe.orders)
    @rule(number=st.integers(0, 9), source=st.sampled_from(NUDGES))
    def looks(self, number: int, source: Source) -> None:
        self.act(lambda: self.world.verify(self.named(number), source))

    # -- PhonePe and whoever pretends to be it --------------------------------------------

    @rule(number=st.integers(0, 9), state=st.sampled_from(["COMPLETED", "FAILED"]), note=st.integers(0, 2))
    def webhook(self, number: int, state: str, note: int) -> None:
        """True or forged, new or doubled: it never says more than "ask"."""
        self.act(lambda: self.world.webhook(self.named(number) or "OKP-nobody", state, str(note)))

    @rule()
    def refund_webhooks(self) -> None:
        self.act(self.world.refund_webhooks)

    @rule(fault=FAULT)
    def fault(self, fault: tuple[str, str]) -> None:
        kind, what = fault
        self.world.phonepe.faults[kind] = what

    @rule(state=st.sampled_from(["COMPLETED", "FAILED"]))
    def refunds_end(self, state: str) -> None:
        self.act(lambda: self.world.phonepe.finish_refunds(state))

    # -- the shop and its staff -----------------------------------------------------------

    @rule(mood=st.sampled_from(["", "", "raises", "refuses"]))
    def shop_behaves(self, mood: str) -> None:
        shop.behave(mood)

    @precondition(lambda self: self.world.phonepe.orders)
    @rule(number=st.integers(0, 9), paise=st.sampled_from([None, 100, 149900, 149901]))
    def staff_gives_back(self, number: int, paise: int | None) -> None:
        self.act(lambda: self.world.give_back(self.named(number), paise))

    # -- our processes --------------------------------------------------------------------

    @rule()
    def sweeps(self) -> None:
        self.act(self.world.sweep)

    @rule()
    def works(self) -> None:
        self.act(self.world.work)

    @rule()
    def audits(self) -> None:
        self.act(self.world.audit)

    @rule(steps=st.integers(0, 12))
    def crash(self, steps: int) -> None:
        """One of the next steps is the last of its process."""
        self.world.steps.die_at(steps)

    @rule(seconds=st.sampled_from([1, 5, 30, 130, 1000, 4000]))
    def time_passes(self, seconds: int) -> None:
        self.world.pass_time(seconds)

    def teardown(self) -> None:
        with self.running:
            self.world.come_to_rest()
            invariants.in_the_end(self.world)


def test_whatever_happens_every_rupee_is_booked_or_given_back(settings: Any) -> None:
    Shop.django = settings

    run_state_machine_as_test(Shop, settings=HOW)


HOW = settings(
    max_examples=EXAMPLES,
    stateful_step_count=30,
    deadline=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
