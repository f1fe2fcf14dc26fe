"""The numbers of the throttles, and what an operator may change."""

from __future__ import annotations

import pytest

from guard.rules import DEFAULTS, rules


def test_changed_number_keeps_its_window_and_the_share_that_is_free():
    changed = rules({"status_per_cart": 60})["status_per_cart"]

    assert (changed.calls, changed.free, changed.window) == (60, 30, DEFAULTS["status_per_cart"].window)


def test_zero_switches_off_one_or_all_but_those_named():
    assert set(rules({"status_per_cart": 0})) == set(DEFAULTS) - {"status_per_cart"}
    assert rules({"all": 0}) == {}
    assert set(rules({"all": 0, "pay_per_cart": 3})) == {"pay_per_cart"}


@pytest.mark.parametrize("changes", [{"status_per_nobody": 1}, {"status_per_cart": -1}])
def test_a_name_or_number_that_is_none_is_refused(changes):
    with pytest.raises(ValueError, match="status_per_"):
        rules(changes)


def test_a_front_end_that_polls_every_two_seconds_is_never_counted():
    assert DEFAULTS["status_per_cart"].free >= 30


def test_what_is_free_never_exceeds_what_is_allowed():
    assert all(rule.free <= rule.calls for rule in DEFAULTS.values())
