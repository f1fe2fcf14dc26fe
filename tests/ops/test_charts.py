"""The figures behind the charts, and the drawings."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import pytest

from ops import figures, svg
from payments.models import PaymentOrder
from payments.states import Status
from tests import make
from tests.ops import rows

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 11, 24, 12, 30, tzinfo=ZoneInfo("Asia/Kolkata"))
DAY, MONTH = figures.PERIODS["day"], figures.PERIODS["month"]


def booked_after(lag_s: float, *, asks: int = 1) -> PaymentOrder:
    order = rows.booked(at=NOON)
    values = {"paid_at": NOON - timedelta(seconds=lag_s), "asks": asks}
    PaymentOrder.objects.filter(pk=order.pk).update(**values)
    return order


def test_outcomes_are_counted_by_hour_of_kolkata_and_by_what_became_of_the_payment():
    rows.booked(at=NOON)
    rows.undelivered(at=NOON)
    for status in (Status.FAILED, Status.EXPIRED, Status.CANCELLED, Status.INITIATED):
        make.order(status, now=NOON)
    make.order(Status.FAILED, now=NOON - timedelta(hours=1))
    make.order(Status.FAILED, now=NOON - timedelta(days=2))

    columns = figures.outcomes(DAY, now=NOON)

    assert len(columns) == 24
    assert [(c.start.hour, c.counts) for c in columns if any(c.counts)] == [
        (11, (0, 0, 1, 0, 0)),
        (12, (1, 1, 1, 2, 1)),
    ]


def test_outcomes_of_a_month_are_counted_by_day_of_kolkata():
    midnight = NOON.replace(hour=0, minute=0)
    make.order(Status.FAILED, now=midnight + timedelta(seconds=61))  # made a minute before
    make.order(Status.FAILED, now=midnight - timedelta(seconds=1))

    columns = figures.outcomes(MONTH, now=NOON)

    assert [(c.start.day, sum(c.counts)) for c in columns if any(c.counts)] == [(23, 1), (24, 1)]


def test_lags_are_counted_by_class_with_p50_and_p99():
    for lag_s in (-3, 0.5, 1.5, 1.5, 4000):
        booked_after(lag_s)

    found = figures.lags(since=NOON - timedelta(hours=1))

    assert found.counts == (2, 2, 0, 0, 0, 0, 0, 0, 0, 1)
    assert (found.total, found.typical) == (5, 1.5)
    assert found.extreme == pytest.approx(3840, abs=1)


def test_calls_are_counted_by_class_with_mean_and_maximum():
    for asks in (0, 1, 3, 4, 5, 51):
        booked_after(1, asks=asks)

    found = figures.calls(since=NOON - timedelta(hours=1))

    assert dict(zip(found.names, found.counts, strict=True)) == {
        "none": 1, "1": 1, "2": 0, "3": 1, "4–5": 2, "6–10": 0, "11–20": 0, "21–50": 0, "more": 1,
    }  # fmt: skip
    assert (found.total, found.extreme) == (6, 51)


def test_sources_are_counted_the_busiest_first():
    for source in ("webhook", "checker", "webhook"):
        PaymentOrder.objects.filter(pk=rows.booked(at=NOON).pk).update(completed_by=source)

    assert figures.sources(since=NOON - timedelta(hours=1)) == [("webhook", 2), ("checker", 1)]


def test_figures_of_nothing_are_empty():
    assert figures.sources(since=NOON) == []
    assert figures.lags(since=NOON).total == figures.calls(since=NOON).total == 0


@pytest.mark.parametrize(
    ("highest", "top"), [(0, 4), (4, 4), (5, 8), (9, 20), (21, 40), (81, 200), (801, 2000)]
)
def test_nice_top_is_not_below_the_highest_and_has_whole_quarters(highest, top):
    assert (svg.nice_top(highest), svg.nice_top(highest) % 4) == (top, 0)


def test_stacked_draws_heights_in_proportion_and_escapes_its_labels():
    drawn = svg.stacked([svg.Stack("<b>", (3, 1)), svg.Stack("x", (0, 0))], names=("a", "b"), title="t")

    tree = ElementTree.fromstring(drawn)
    heights = {rect.get("class"): float(rect.get("height")) for rect in tree.iter("rect")}
    assert heights == {"c1": 112.5, "c2": 37.5}
    assert [title.text for title in tree.iter("title")] == ["<b>: 3 a, 1 b", "x: none"]


def test_rows_draw_the_longest_bar_over_the_whole_room_and_none_for_zero():
    drawn = svg.rows([svg.Row("a", 4), svg.Row("b", 2), svg.Row("c", 0)], title="t")

    widths = [float(rect.get("width")) for rect in ElementTree.fromstring(drawn).iter("rect")]
    assert widths == [204.0, 102.0, 0.0]


@pytest.mark.parametrize("span", ["", "?span=day", "?span=week", "?span=month", "?span=<script>"])
def test_charts_page_is_drawn_for_every_period(boss, span):
    rows.booked()

    answer = boss.get(f"/ops/charts/{span}")

    text = answer.content.decode()
    assert (answer.status_code, text.count("<svg"), "<script>" in text) == (200, 4, False)
    assert re.search("booked 1<", text)
