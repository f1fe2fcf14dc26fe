"""Compare measured ratios with the committed ones.

Absolute figures belong to one machine on one day: they are left out. So are the parts of what a fixed wait of the
gateway's allows: another machine is as good with half of it.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

from benchmarks.figures import Figures, leaves
from benchmarks.tables import Table, show

MARGIN = 0.6  # of what was committed; a quick run on a busy machine must pass
SLACK = 0.02  # two per cent of calls refused instead of none are no regression
RATIOS = ("_ratio", "_share")
OF_A_WAIT = frozenset({"in_flight_share", "latency_share", "loop_ratio"})
LESS_IS_BETTER = frozenset(
    {"cost_ratio", "late_ratio", "time_ratio", "memory_ratio", "refused_share", "per_3_s_share"}
)


@dataclass(frozen=True, slots=True)
class Compared:
    """One ratio, then and now."""

    path: str
    committed: float
    measured: float

    @property
    def less_is_better(self) -> bool:
        return self.path.rpartition(".")[2] in LESS_IS_BETTER

    @property
    def bound(self) -> float:
        """What it may come to at worst."""
        return self.committed / MARGIN + SLACK if self.less_is_better else self.committed * MARGIN

    @property
    def is_met(self) -> bool:
        return self.measured <= self.bound if self.less_is_better else self.measured >= self.bound


def compare(committed: Figures, measured: Figures) -> list[Compared]:
    """Every ratio of two speeds that both have, in the order of `measured`."""
    known = dict(leaves(committed))
    return [
        Compared(path, known[path], value)
        for path, value in leaves(measured)
        if path.endswith(RATIOS) and path in known and path.rpartition(".")[2] not in OF_A_WAIT
    ]


def report(compared: list[Compared]) -> bool:
    """Print then and now; whether every ratio is within its bound."""
    rows = [
        (
            one.path,
            f"{one.committed:.3g}",
            f"{one.measured:.3g}",
            f"{'≤' if one.less_is_better else '≥'} {one.bound:.3g}",
            "met" if one.is_met else "WORSE",
        )
        for one in compared
    ]
    worse = sum(not one.is_met for one in compared)
    note = (
        f"{worse} of {len(compared)} ratios are worse than they may be."
        if compared
        else "Nothing to compare."
    )
    show(Table(("ratio", "committed", "measured", "may be", ""), rows, note))
    sys.stdout.flush()
    return bool(compared) and not worse
