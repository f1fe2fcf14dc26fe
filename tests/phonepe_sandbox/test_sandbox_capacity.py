"""Ten thousand live orders and 2,000 status calls a second on one core, without growing slower.

`make bench ARGS=emulator` prints the figures. Here each is held against another of the same run, in the
emulator's own CPU time and by its cheapest rounds, so that a busy machine and the clock's ticks do not decide; the
one absolute bar is met five times over.
"""

from benchmarks import emulator


def test_ten_thousand_live_orders_then_a_status_call_costs_what_it_costs_with_ten_and_no_more_later():
    few, *many = emulator.measure(rounds=6)

    told = [(one.name, round(one.calls_per_s), one.costs_s) for one in (few, *many)]
    assert [one.orders for one in many] == [10_000, 10_000]
    assert all(min(one.costs_s) <= 1.5 * min(few.costs_s) for one in many), told
    assert all(min(one.costs_s[3:]) <= 1.5 * min(one.costs_s[:3]) for one in many), told
    assert all(one.calls_per_s >= emulator.BAR_PER_S for one in many), told
