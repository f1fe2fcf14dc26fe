"""The ladder of wire reference §8, rung by rung, and what holds for every order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from payments import schedule

START = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
WATCH = timedelta(hours=72)
LIFE_S = st.integers(300, 3600)
SPREAD = st.floats(0, 1, exclude_max=True)


def asked_at_s(*, life_s: int = 900, spread: float = 0.0, watch: timedelta = WATCH) -> list[float]:
    """Seconds after creation of every ask, when each is made the moment it falls due."""
    times, now = [], START
    while True:
        due = schedule.next_check(
            created_at=START,
            expires_at=START + timedelta(seconds=life_s),
            now=now,
            spread=spread,
            late_watch=watch,
        )
        if due is None:
            return times
        times.append((due - START).total_seconds())
        now = due


def test_ladder_without_spread_is_that_of_the_wire_reference():
    ladder = asked_at_s()

    deadline = 900
    expected = [20.0]
    expected += [20 + 3 * n for n in range(1, 11)]  # to 50
    expected += [50 + 6 * n for n in range(1, 11)]  # to 110
    expected += [110 + 10 * n for n in range(1, 7)]  # to 170
    expected += [200, 230]
    expected += list(range(290, deadline, 60))
    expected += [deadline, deadline + 120, deadline + 600]
    expected += [deadline + 600 + 3600 * n for n in range(1, 72)]
    assert ladder == expected


def test_first_check_for_any_spread_comes_20_to_25_seconds_after_creation():
    firsts = [asked_at_s(spread=n / 100)[0] for n in range(100)]

    assert min(firsts) == 20.0
    assert 24.9 < max(firsts) < 25.0


def test_next_check_when_rungs_were_missed_goes_on_with_the_first_still_to_come():
    due = schedule.next_check(
        created_at=START,
        expires_at=START + timedelta(seconds=900),
        now=START + timedelta(seconds=49.5),
        spread=0,
        late_watch=WATCH,
    )

    assert due == START + timedelta(seconds=50)


def test_next_check_at_the_end_of_the_late_watch_is_none():
    last_s = asked_at_s(watch=timedelta(hours=1))[-1]

    assert last_s == 900 + 600  # the next hour would end after the watch


def test_next_fulfilment_waits_longer_each_time_and_never_gives_up():
    pauses = [(schedule.next_fulfilment(now=START, attempts=n) - START).total_seconds() for n in range(1, 8)]

    assert pauses == [5, 30, 120, 600, 3600, 3600, 3600]


def test_spread_of_neighbours_lies_far_apart():
    spreads = [schedule.spread_of(n) for n in range(1, 1001)]

    assert all(0 <= spread < 1 for spread in spreads)
    assert all(0.3 < abs(one - two) < 0.7 for one, two in pairwise(spreads))


@given(life_s=LIFE_S, spread=SPREAD, after_s=st.floats(0, 80 * 3600))
def test_next_check_is_later_than_now_and_within_the_watch(life_s, spread, after_s):
    now = START + timedelta(seconds=after_s)
    expires_at = START + timedelta(seconds=life_s)

    due = schedule.next_check(
        created_at=START, expires_at=expires_at, now=now, spread=spread, late_watch=WATCH
    )

    assert due is None or now < due <= expires_at + WATCH
    assert due is not None or now > expires_at + WATCH - timedelta(hours=1, seconds=1)


@given(life_s=LIFE_S, spread=SPREAD, one_s=st.floats(0, 7200), two_s=st.floats(0, 7200))
def test_next_check_for_a_later_now_is_never_earlier(life_s, spread, one_s, two_s):
    def due(after_s: float) -> datetime:
        found = schedule.next_check(
            created_at=START,
            expires_at=START + timedelta(seconds=life_s),
            now=START + timedelta(seconds=after_s),
            spread=spread,
            late_watch=WATCH,
        )
        assert found
        return found

    assert due(min(one_s, two_s)) <= due(max(one_s, two_s))


@given(life_s=LIFE_S, spread=SPREAD)
def test_ladder_before_the_deadline_has_no_gap_over_a_minute(life_s, spread):
    times = [0.0, *(t for t in asked_at_s(life_s=life_s, spread=spread) if t < life_s)]

    assert max(later - earlier for earlier, later in pairwise(times)) <= 60.000001
    assert life_s - times[-1] <= 60 + schedule.SPREAD_S


@given(life_s=LIFE_S, spread=SPREAD)
def test_spread_shifts_every_rung_by_the_same_less_than_five_seconds(life_s, spread):
    rungs = schedule.rungs(created_at=START, expires_at=START + timedelta(seconds=life_s), spread=spread)
    shift = timedelta(seconds=spread * schedule.SPREAD_S)

    first = next(rungs)

    assert first - START == timedelta(seconds=20) + shift
    assert timedelta(0) <= shift <= timedelta(seconds=5)


@given(LIFE_S, SPREAD, st.floats(-60, 4 * 86_400))
def test_next_check_is_the_first_rung_that_is_still_to_come(life_s, spread, after_s):
    expires_at, now = START + timedelta(seconds=life_s), START + timedelta(seconds=after_s)

    due = schedule.next_check(
        created_at=START, expires_at=expires_at, now=now, spread=spread, late_watch=timedelta(days=5)
    )

    rungs = schedule.rungs(created_at=START, expires_at=expires_at, spread=spread)
    assert due == next(rung for rung in rungs if rung > now)
    exactly = schedule.next_check(
        created_at=START, expires_at=expires_at, now=due, spread=spread, late_watch=timedelta(days=5)
    )
    assert exactly == next(rungs)
