"""The page of charts."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from ops import figures, svg
from ops.access import staff_page
from ops.figures import OUTCOMES, PERIODS, Column, Histogram, Period
from ops.words import span

COLOUR_OF_LAGS = "c5"
COLOUR_OF_CALLS = "c4"


@staff_page()
@require_safe
def charts(request: HttpRequest) -> HttpResponse:
    """How payments went over a period: `?span=` day, week or month."""
    key = request.GET.get("span", "day")
    period = PERIODS.get(key, PERIODS["day"])
    now = timezone.now()
    since = period.starts(now)[0]
    columns = figures.outcomes(period, now=now)
    lags, calls = figures.lags(since=since), figures.calls(since=since)
    sources = figures.sources(since=since)
    context = {
        "here": "charts",
        "periods": [(name, p.name, p is period) for name, p in PERIODS.items()],
        "period": period,
        "outcomes": svg.stacked(_stacks(columns, period), names=OUTCOMES, title="Payments by outcome"),
        "legend": [
            (f"c{i}", name, sum(c.counts[i - 1] for c in columns)) for i, name in enumerate(OUTCOMES, 1)
        ],
        "sources": svg.rows(_shares(sources), title="Who noticed the payment", label_width=70)
        if sources
        else "",
        "lags": _histogram(lags, COLOUR_OF_LAGS, "From payment to booking"),
        "lag": (span(lags.typical), span(lags.extreme)) if lags.total else None,
        "calls": _histogram(calls, COLOUR_OF_CALLS, "Calls per paid order"),
        "call": calls,
    }
    return render(request, "ops/charts.html", context)


def _stacks(columns: list[Column], period: Period) -> list[svg.Stack]:
    form = "%H:%M" if period.unit == "hour" else "%-d %b"
    return [svg.Stack(column.start.strftime(form), column.counts) for column in columns]


def _shares(counts: list[tuple[str, int]]) -> list[svg.Row]:
    total = sum(count for _, count in counts)
    return [svg.Row(name, count, f"({100 * count / total:.0f} %)") for name, count in counts]


def _histogram(found: Histogram, colour: str, title: str) -> str:
    if not found.total:
        return ""
    bars = [svg.Row(name, count) for name, count in zip(found.names, found.counts, strict=True)]
    return svg.rows(bars, title=title, colour=colour)
