"""Comparing measured ratios with committed ones, and where the tables go."""

import pytest

from benchmarks import check, figures, plots, tables
from benchmarks.check import Compared, compare

COMMITTED = {
    "sweep": {"one": {"per_s": 2400.0, "used_share": 0.6}, "celery_ratio": 120.0, "in_flight_share": 0.6},
    "claim": {"at_1000000_rows": {"claim_ms": 5.0, "time_ratio": 1.2}},
    "limit": {"refused_share": 0.0},
}


def test_compare_then_ratios_and_shares_alone_and_only_those_that_both_have():
    measured = {
        "sweep": {"one": {"per_s": 3.0, "used_share": 0.5}, "celery_ratio": 110.0, "new_ratio": 1.0},
        "claim": {"at_1000000_rows": {"claim_ms": 500.0, "time_ratio": 1.3}},
    }

    assert compare(COMMITTED, measured) == [
        Compared("sweep.one.used_share", 0.6, 0.5),
        Compared("sweep.celery_ratio", 120.0, 110.0),
        Compared("claim.at_1000000_rows.time_ratio", 1.2, 1.3),
    ]


def test_compare_then_what_a_slower_machine_alone_would_make_worse_is_left_out():
    waits = {"in_flight_share": 0.3, "latency_share": 0.3, "loop_ratio": 80.0}
    fast = {name: 2 * value for name, value in waits.items()}

    assert compare({"sweep": fast}, {"sweep": waits | {"two_processes_ratio": 1.0}}) == []


@pytest.mark.parametrize(
    ("path", "committed", "measured", "is_met"),
    [
        ("sweep.celery_ratio", 100.0, 60.1, True),
        ("sweep.celery_ratio", 100.0, 59.9, False),
        ("sweep.celery_ratio", 100.0, 1000.0, True),
        ("claim.at_1000000_rows.time_ratio", 1.2, 2.0, True),
        ("claim.at_1000000_rows.time_ratio", 1.2, 2.1, False),
        ("claim.at_1000000_rows.time_ratio", 1.2, 0.1, True),
        ("limit.refused_share", 0.0, 0.02, True),
        ("limit.refused_share", 0.0, 0.03, False),
    ],
)
def test_bound_then_six_tenths_of_what_more_is_better_of_and_the_reverse_of_the_rest(
    path, committed, measured, is_met
):
    assert Compared(path, committed, measured).is_met == is_met


def test_report_when_one_ratio_is_worse_then_it_is_named_and_the_check_fails(capsys):
    fine, worse = Compared("sweep.celery_ratio", 100.0, 99.0), Compared("sweep.one.used_share", 0.6, 0.1)

    assert check.report([fine])
    capsys.readouterr()
    assert not check.report([fine, worse])

    told = capsys.readouterr().out
    assert [line.split()[0] for line in told.splitlines() if "WORSE" in line] == ["sweep.one.used_share"]
    assert "1 of 2 ratios are worse than they may be." in told


def test_report_when_nothing_is_committed_then_the_check_fails(capsys):
    assert not check.report([])


def test_store_then_the_other_parts_stay(tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "FOLDER", tmp_path)
    monkeypatch.setattr(figures, "FILE", tmp_path / "figures.json")

    figures.store("claim", {"time_ratio": 1.23456}, {"cores": 2})
    figures.store("sweep", {"per_s": 2345.678}, {"cores": 2})
    figures.store("claim", {"time_ratio": 1.5}, {"cores": 2})

    assert figures.committed() == {"claim": {"time_ratio": 1.5}, "sweep": {"per_s": 2346.0}}


def test_put_into_then_only_the_named_place_changes(tmp_path):
    page = tmp_path / "performance.md"
    page.write_text(
        "# A\n<!-- figures: lag -->\nold\n<!-- end -->\nB\n<!-- figures: claim -->\nC\n<!-- end -->\n"
    )
    table = tables.Table(("rows", "ms"), [("10,000", "4.2")], "A note.")

    assert tables.put_into(page, "lag", [tables.markdown(table)])
    assert not tables.put_into(page, "memory", ["anything"])

    assert page.read_text() == (
        "# A\n<!-- figures: lag -->\n| rows | ms |\n| --- | ---: |\n| 10,000 | 4.2 |\n\nA note.\n<!-- end -->\n"
        "B\n<!-- figures: claim -->\nC\n<!-- end -->\n"
    )


def test_put_into_when_a_place_has_lost_its_end_then_the_next_one_is_not_swallowed(tmp_path):
    page = tmp_path / "performance.md"
    page.write_text("<!-- figures: lag -->\nold\n\n<!-- figures: claim -->\nC\n<!-- end -->\n")

    assert not tables.put_into(page, "lag", ["new"])

    assert page.read_text() == "<!-- figures: lag -->\nold\n\n<!-- figures: claim -->\nC\n<!-- end -->\n"


def test_lines_then_names_at_the_ends_of_their_lines_do_not_cover_each_other():
    apart = plots._apart({"one": 100.0, "other": 101.0, "third": 40.0})

    assert apart == {"third": 40.0, "one": 100.0, "other": 117.0}
