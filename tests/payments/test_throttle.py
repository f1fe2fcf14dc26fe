"""The throttle's arithmetic, on any clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments import throttle
from payments.models import GatewayThrottle
from payments.throttle import Report, burst, draw, learn
from phonepe_pg import (
    Malformed,
    Misconfigured,
    RateLimited,
    Rejected,
    Unavailable,
    UnknownOrder,
)
from tests import make

START = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
CEILING = 10.0


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def bucket(**fields: object) -> GatewayThrottle:
    values = {"rate": CEILING, "tokens": 1.0, "refilled_at": START, "adapted_at": START}
    return GatewayThrottle(pk=1, **(values | fields))


def take(row: GatewayThrottle, wanted: int = 1, *, at: float, customer: bool = False) -> throttle.Grant:
    return draw(row, wanted, now=after(at), ceiling=CEILING, waiting_customer=customer)


def tell(row: GatewayThrottle, *, at: float, jitter: float = 1.0, **told: Any) -> None:
    learn(row, Report(**told), now=after(at), ceiling=CEILING, jitter=jitter)


# -- the bucket ---------------------------------------------------------------------------


def test_draw_from_a_full_bucket_grants_what_is_there_and_says_when_there_is_more():
    row = bucket()

    first, second = take(row, 5, at=0), take(row, 5, at=0)

    assert (first.count, second.count) == (1, 0)
    assert second.wait_s == pytest.approx(0.1)


def test_draw_after_a_quiet_hour_grants_one_burst_only():
    row = bucket(rate=1000.0)

    granted = draw(row, 500, now=after(3600), ceiling=1000.0, waiting_customer=False).count

    assert granted == burst(1000.0) == 50


def test_draw_when_the_ceiling_was_lowered_follows_it_at_once():
    row = bucket(rate=1000.0, tokens=100)

    granted = take(row, 100, at=0).count

    assert (granted, row.rate) == (1, CEILING)


def test_draw_when_the_clock_runs_backwards_refills_nothing_and_nothing_twice():
    row = bucket(tokens=0)

    back = take(row, 5, at=-3).count
    again = take(row, 5, at=0).count
    later = take(row, 5, at=0.1).count

    assert (back, again, later) == (0, 0, 1)


def test_draw_after_a_clock_an_hour_ahead_goes_on_at_once():
    hour = 3600
    row = bucket(tokens=0, refilled_at=after(hour), priority_until=after(hour), blocked_until=after(hour))

    waits = take(row, 5, at=0)
    goes_on = take(row, 5, at=0.1)

    assert (waits.count, waits.wait_s) == (0, pytest.approx(0.1))
    assert goes_on.count == 1


def turns(grant: throttle.Grant) -> list[float]:
    return [(turn - START).total_seconds() for turn in grant.leave_at]


def test_draw_ahead_grants_what_will_be_there_each_call_at_its_turn():
    row = bucket(rate=40.0, tokens=1.0)

    grant = draw(row, 50, now=START, ceiling=40.0, ahead_s=0.1)

    assert (grant.count, turns(grant), row.tokens) == (5, pytest.approx([0, 0.025, 0.05, 0.075, 0.1]), -4)


def test_draw_ahead_at_a_low_rate_comes_so_long_before_the_turn():
    row = bucket(rate=5.0, tokens=0.0)

    early = draw(row, 50, now=START, ceiling=5.0, ahead_s=0.05)
    grant = draw(row, 50, now=after(early.wait_s + 0.001), ceiling=5.0, ahead_s=0.05)

    assert (early, turns(grant)) == (throttle.Grant(0, pytest.approx(0.15)), pytest.approx([0.2]))


def test_draw_for_a_customer_grants_nothing_ahead_and_only_when_what_is_owed_is_paid():
    row = bucket(tokens=1.0)
    draw(row, 50, now=START, ceiling=CEILING, ahead_s=0.1)

    customer = [take(row, at=at, customer=True).count for at in (0, 0.15, 0.21)]

    assert customer == [0, 0, 1]


def test_draw_for_a_customer_at_a_low_rate_keeps_the_background_away_until_its_turn():
    row = bucket(rate=1.0, tokens=0.0)

    customer = take(row, at=0, customer=True)
    background = draw(row, 50, now=after(0.99), ceiling=CEILING, ahead_s=0.1).count
    customer_again = take(row, at=1.01, customer=True)

    assert (customer.wait_s, background, customer_again.count) == (1.0, 0, 1)


@given(
    rate=st.floats(1, 500),
    calls=st.lists(
        st.tuples(st.floats(0, 2), st.integers(1, 50), st.sampled_from([0.0, throttle.AHEAD_S])), max_size=60
    ),
)
def test_draw_in_any_window_lets_no_more_leave_than_the_rate_and_one_burst(rate, calls):
    row = bucket(rate=rate, tokens=burst(rate))
    moments = accumulate(pause for pause, _, _ in calls)
    leaving = sorted(
        turn
        for moment, (_, wanted, ahead_s) in zip(moments, calls, strict=True)
        for turn in turns(draw(row, wanted, now=after(moment), ceiling=rate, ahead_s=ahead_s))
    )

    for first, opened in enumerate(leaving):
        for last, closed in enumerate(leaving[first:], start=1):
            assert last <= burst(rate) + rate * (closed - opened) + 0.01


def test_draw_while_a_customer_waits_gives_the_background_nothing():
    row = bucket(tokens=0)

    customer = take(row, at=0, customer=True)
    background = take(row, 50, at=0.15)
    customer_again = take(row, at=0.15, customer=True)

    assert (customer.count, background.count, customer_again.count) == (0, 0, 1)
    assert background.wait_s == pytest.approx(0.15)


@pytest.mark.parametrize("rate", [0.5, 1.0, 10.0, 20.0])
def test_draw_while_customers_wait_without_end_leaves_the_background_a_share(rate):
    row = bucket(rate=rate, tokens=0.0)
    customers = background = 0
    looks_at = START

    # Two minutes in steps of 10 ms: somebody waits all the time, and a checker looks.
    for tick in range(12_000):
        now = after(tick / 100)
        customers += draw(row, 1, now=now, ceiling=rate, waiting_customer=True).count
        if now >= looks_at:
            grant = draw(row, 50, now=now, ceiling=rate, ahead_s=throttle.AHEAD_S)
            looks_at = now + timedelta(seconds=grant.wait_s)
            background += grant.count

    everything = customers + background
    assert everything >= 0.9 * 120 * rate
    assert 0.1 * everything <= background <= 0.35 * everything


def test_draw_when_the_customer_has_gone_serves_the_background_again():
    row = bucket(tokens=0)
    take(row, at=0, customer=True)

    granted = take(row, at=throttle.PRIORITY_S + 0.01).count

    assert granted == 1


# -- 429 ----------------------------------------------------------------------------------


def test_learn_a_429_halves_the_rate_and_pauses_for_everybody():
    row = bucket()

    tell(row, at=0, limited=1)

    assert row.rate == 5
    assert take(row, at=0.9, customer=True).count == 0
    assert take(row, at=1.01).count == 1


def test_learn_a_429_with_retry_after_honours_it():
    row = bucket()

    tell(row, at=0, limited=1, retry_after_s=30)

    assert take(row, at=29.9, customer=True) == throttle.Grant(0, pytest.approx(0.1))
    assert take(row, at=30.1).count == 1


def test_learn_a_shorter_pause_does_not_cut_a_longer_one():
    row = bucket()
    tell(row, at=0, limited=1, retry_after_s=30)

    tell(row, at=1, limited=1, retry_after_s=2)

    assert row.limited_until == after(30)


def test_learn_429_after_429_never_goes_below_the_least_rate():
    row = bucket()

    for second in range(20):
        tell(row, at=second, limited=1)

    assert row.rate == throttle.MIN_RATE


def rates_after(row: GatewayThrottle, seconds: int, *, since: int = 0) -> list[float]:
    rates = []
    for second in range(since + 1, since + seconds + 1):
        tell(row, at=second, healthy=1)
        rates.append(row.rate)
    return rates


def test_learn_success_restores_the_rate_step_by_step_up_to_the_ceiling():
    row = bucket(rate=1.0)

    assert rates_after(row, 6) == pytest.approx([3.5, 6, 8.5, 10, 10, 10])


def test_learn_many_successes_in_one_moment_restores_no_more_than_the_moment():
    row = bucket(rate=5.0)

    for _ in range(100):
        tell(row, at=0.5, healthy=200)

    assert row.rate == pytest.approx(6.25)


def test_learn_success_after_a_429_restores_the_rate_to_a_little_below_it():
    row = bucket(rate=8.0)
    tell(row, at=0, limited=1)

    rates = rates_after(row, 4, since=1)

    assert rates == pytest.approx([5.9, 7.6, 7.6, 7.6], abs=0.02)
    assert row.refused_rate == 8


def test_learn_a_429_after_a_long_calm_halves_the_rate_and_leaves_the_mark():
    row = bucket(rate=7.6, refused_rate=8.0, limited_until=START)

    tell(row, at=throttle.CALM_S + 1, limited=1)

    assert (row.rate, row.refused_rate) == (3.8, 8)


def test_learn_a_second_429_soon_after_one_moves_the_mark_down():
    row = bucket(rate=7.6, refused_rate=8.0, limited_until=START)

    tell(row, at=throttle.CALM_S - 1, limited=1)

    assert (row.rate, row.refused_rate) == (3.8, 7.6)


def test_learn_a_429_sent_right_after_a_pause_says_how_few_calls_fill_a_second():
    row = bucket(rate=500.0, refused_rate=1000.0, limited_until=START)

    learn(
        row,
        Report(limited=1, limited_asked_at=after(0.8)),
        now=after(0.9), ceiling=1000.0, jitter=1.0,
    )  # fmt: skip

    assert (row.refused_rate, row.rate) == (pytest.approx(400), pytest.approx(200))


def test_learn_a_429_at_once_after_a_pause_moves_the_mark_to_half_the_rate_at_most():
    row = bucket(rate=500.0, refused_rate=1000.0, limited_until=START)

    learn(row, Report(limited=1), now=START, ceiling=1000.0, jitter=1.0)

    assert (row.refused_rate, row.rate) == (250, 125)


def test_learn_success_feels_its_way_up_to_the_refused_rate_within_two_minutes_and_then_hastens():
    row = bucket(rate=76.0, refused_rate=80.0)
    rates = []
    for second in range(1, 400):
        learn(row, Report(healthy=1), now=after(second), ceiling=1000.0, jitter=1.0)
        rates.append(row.rate)

    reached = next(second for second, rate in enumerate(rates) if rate > 80)
    ten_times = next(second for second, rate in enumerate(rates) if rate > 800)
    assert 50 < reached < 90
    assert ten_times < 300


def test_learn_more_429s_of_calls_sent_before_the_first_halve_only_once():
    row = bucket()
    tell(row, at=0, limited=50)

    tell(row, at=0.9, limited=50)
    tell(row, at=2.5, limited=50, limited_asked_at=after(-0.1))
    tell(row, at=2.6, healthy=1)

    assert (row.rate, row.refused_rate, row.limited_until) == (5, 10, after(3.5))


def test_learn_failures_during_a_pause_that_phonepe_asked_for_do_not_cut_it():
    row = bucket()
    tell(row, at=0, limited=1, retry_after_s=30)

    tell(row, at=0.1, failed=5)
    tell(row, at=0.2, healthy=1)

    assert take(row, at=29.9).count == 0
    assert take(row, at=30.1).count == 1


# -- the breaker --------------------------------------------------------------------------


def opened(*, at: float = 0) -> GatewayThrottle:
    row = bucket()
    for _ in range(throttle.BREAKER_AFTER):
        tell(row, at=at, failed=1)
    return row


def test_learn_four_failures_and_a_success_leave_the_breaker_closed():
    row = bucket()

    for told in ("failed", "failed", "failed", "failed", "healthy", "failed"):
        tell(row, at=0, **{told: 1})

    assert (row.pause_s, row.failures) == (0, 1)


def test_learn_five_failures_in_a_row_open_the_breaker_for_a_second():
    row = opened()

    assert row.pause_s == 1
    assert take(row, at=0.9, customer=True).count == 0


def test_draw_half_open_lets_one_probe_through_and_nobody_else():
    row = opened()

    grants = [take(row, 50, at=1.1).count, take(row, 50, at=1.1).count, take(row, at=5, customer=True).count]

    assert grants == [1, 0, 0]


def test_draw_when_the_probe_is_never_heard_of_again_sends_another():
    row = opened()
    take(row, at=1.1)

    lost = take(row, at=1.1 + throttle.PROBE_S - 0.1).count
    replaced = take(row, at=1.1 + throttle.PROBE_S + 0.1).count

    assert (lost, replaced) == (0, 1)


def test_learn_failed_probes_double_the_pause_up_to_a_minute():
    row = opened()
    now, pauses = 0.0, [row.pause_s]

    for _ in range(7):
        now += row.pause_s + 0.01
        assert take(row, at=now).count == 1
        tell(row, at=now, failed=1)
        pauses.append(row.pause_s)

    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]


def test_learn_failures_of_calls_sent_before_the_breaker_opened_do_not_lengthen_its_pause():
    row = opened()

    tell(row, at=0.1, failed=20)

    assert row.pause_s == 1


def test_learn_a_healthy_probe_closes_the_breaker_at_once():
    row = opened()
    take(row, at=1.1)

    tell(row, at=1.2, healthy=1)

    assert (row.pause_s, row.failures, row.probing, row.blocked_until) == (0, 0, False, None)
    assert take(row, at=1.3).count == 1


def test_learn_spreads_the_pauses_of_breakers_by_jitter():
    row = bucket()

    tell(row, at=0, jitter=1.2, failed=5)

    assert row.blocked_until == after(1.2)


def test_report_counts_each_answer_by_what_it_says_of_the_gateway():
    answers = [
        make.answer(),
        make.trouble(UnknownOrder("none")),
        make.trouble(Rejected("no")),
        make.trouble(Unavailable("down")),
        make.trouble(Malformed("nonsense")),
        make.trouble(Misconfigured("keys")),
        make.trouble(RateLimited("slow", retry_after=3)),
        make.trouble(RateLimited("slow", retry_after=9)),
        make.trouble(RateLimited("slow")),
    ]

    assert Report.of(answers) == Report(
        healthy=3, failed=1, limited=3, retry_after_s=9, limited_asked_at=answers[-1].asked_at
    )
