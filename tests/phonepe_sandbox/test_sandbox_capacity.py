"""Ten thousand live orders and 2,000 status calls a second on one core, without growing slower.

`make bench ARGS=emulator` prints the figures. Here each is held against another of the same run, in the
emulator's own CPU time, so that a busy machine does not decide; the one absolute bar is met five times over.
"""

from statistics import median

from benchmarks import emulator


def test_ten_thousand_live_orders_then_a_status_call_costs_what_it_costs_with_ten_and_no_more_later():
    few, *many = emulator.measure(rounds=6)

    told = [(one.name, round(one.calls_per_s), round(one.grown, 2)) for one in (few, *many)]
    assert [one.orders for one in many] == [10_000, 10_000]
    assert all(median(one.costs_s) <= 1.5 * median(few.costs_s) for one in many), told
    assert all(one.grown <= 1.5 for one in many), told
    assert all(one.calls_per_s >= emulator.BAR_PER_S for one in many), told
