"""The throttle under minutes of traffic on a virtual clock: it finds the gateway's limit and keeps to it."""

from __future__ import annotations

from bisect import bisect_left

import pytest

from payments import throttle
from payments.models import GatewayThrottle
from tests.payments.simulated import CLAIM_S, LATENCY_S, ON_THE_WAY_S, Gateway, InMemory, InPostgres, World

SETTLED_S, END_S = 40, 140
FAR_ABOVE = 1000


def assert_settled(gateway: Gateway) -> None:
    assert gateway.used(SETTLED_S, END_S) >= 0.9
    assert gateway.refused_share(SETTLED_S, END_S) <= 0.02


@pytest.mark.parametrize("ceiling", ["the limit itself", "far above"])
@pytest.mark.parametrize("checkers", [1, 3, 10])
@pytest.mark.parametrize("limit", [5, 20, 100])
def test_throttle_uses_nine_tenths_of_the_limit_and_is_refused_once_in_fifty_at_most(
    limit, checkers, ceiling
):
    gateway = Gateway(limit)
    row = InMemory(limit if ceiling == "the limit itself" else FAR_ABOVE)

    World(row, gateway, checkers=checkers).run(END_S)

    assert_settled(gateway)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("checkers", [1, 3, 10])
def test_throttle_in_postgres_settles_as_well(checkers, settings):
    settings.PHONEPE_MAX_RPS = FAR_ABOVE
    gateway = Gateway(5)

    World(InPostgres(), gateway, checkers=checkers).run(100)

    assert gateway.used(40, 100) >= 0.9
    assert gateway.refused_share(40, 100) <= 0.02
    assert GatewayThrottle.objects.get().refused_rate == pytest.approx(5, rel=0.1)


@pytest.mark.parametrize("ceiling", ["the limit itself", "far above"])
@pytest.mark.parametrize("limit", [5, 20, 100])
def test_throttle_settles_when_one_checker_always_takes_a_tenth_of_a_second_longer_to_claim(limit, ceiling):
    gateway = Gateway(limit)
    row = InMemory(limit if ceiling == "the limit itself" else FAR_ABOVE)

    World(row, gateway, checkers=3, slow_s=0.1).run(END_S)

    assert_settled(gateway)


@pytest.mark.parametrize("limit", [5, 20, 100])
def test_throttle_finds_a_limit_far_below_the_ceiling_within_a_quarter_of_a_minute(limit):
    gateway = Gateway(limit)

    World(InMemory(FAR_ABOVE), gateway, checkers=3).run(55)

    assert gateway.used(15, 55) >= 0.9
    assert gateway.refused_share(15, 55) <= 0.02


def test_throttle_settles_when_the_gateway_is_slow_to_answer(monkeypatch):
    monkeypatch.setattr("tests.payments.simulated.LATENCY_S", (0.3, 1.5))
    gateway = Gateway(20)

    World(InMemory(20), gateway, checkers=10).run(END_S)

    assert_settled(gateway)


@pytest.mark.parametrize(("before", "after", "within_s"), [(100, 20, 30), (20, 100, 240)])
def test_throttle_follows_a_limit_that_is_changed(before, after, within_s):
    gateway = Gateway(before)
    world = World(InMemory(FAR_ABOVE), gateway, checkers=3)
    world.run(60)
    gateway.limit = after

    world.run(60 + within_s + 60)

    since = 60 + within_s
    assert gateway.used(since, since + 60) >= 0.9
    assert gateway.refused_share(since, since + 60) <= 0.02


def test_throttle_after_retry_after_is_quiet_to_the_second_in_all_checkers():
    gateway = Gateway(20, retry_after_s=30)
    World(InMemory(20), gateway, checkers=10).run(250)

    calls = sorted(gateway.passed + gateway.refused)
    assert gateway.refused
    for refused in gateway.refused:
        heard = refused + LATENCY_S[1]
        begun = heard + max(throttle.AHEAD_S, CLAIM_S[2]) + ON_THE_WAY_S[1]  # what was granted before is sent
        over = refused + LATENCY_S[0] + 30  # at the earliest
        assert not [call for call in calls if begun < call < over]
        assert [call for call in calls if over < call < over + 0.3]


def test_throttle_of_a_dead_gateway_sends_a_probe_now_and_then_and_is_back_at_once_when_one_is_answered():
    gateway = Gateway(20, down=(60, 660))
    World(InMemory(20), gateway, checkers=10).run(900)

    first, probes = gateway.failed[0], [moment for moment in gateway.failed if moment > 61]
    under_way = [moment for moment in gateway.failed if moment <= 61]
    assert first < 60.2
    assert len(under_way) <= 5 + 20 * (0.1 + throttle.AHEAD_S)  # BREAKER_AFTER, and what was under way
    assert len(probes) == pytest.approx(6 + 540 / 60, abs=2)  # 1, 2, 4, … 60 s, then every minute
    assert gateway.used(725, 900) >= 0.9


def test_throttle_when_checkers_are_killed_with_calls_and_the_probe_in_hand_goes_on_with_the_others():
    gateway = Gateway(20, down=(60, 63))
    row = InMemory(20)
    world = World(row, gateway, checkers=3)
    world.run(60)
    world.kill(0)
    moment = 60.0
    while not row.row.probing:
        moment += 0.001
        world.run(moment)
    owner = next(checker for checker in (1, 2) if world.holds_call(checker))
    world.kill(owner)

    world.run(moment + throttle.PROBE_S + 110)

    back = moment + throttle.PROBE_S + 10
    assert gateway.used(back, back + 100) >= 0.9


@pytest.mark.parametrize("checkers", [1, 10])
@pytest.mark.parametrize("ceiling", [1, 7, 100])
def test_throttle_never_allows_more_than_the_ceiling_and_one_burst_in_a_second(ceiling, checkers):
    gateway = Gateway(10_000)
    world = World(InMemory(ceiling), gateway, checkers=checkers)
    world.run(60)

    turns = sorted(world.turns)
    for first, opened in enumerate(turns):
        in_a_second = bisect_left(turns, opened + 1) - first
        assert in_a_second <= ceiling + throttle.burst(ceiling) + 0.01
