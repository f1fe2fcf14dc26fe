"""Small charts as SVG: columns stacked over time, and bars in rows. Colours come from the style sheet's classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from ops.words import grouped

WIDTH = 340
PLOT_HEIGHT = 150
TOP = 16
LEFT = 34
ROW = 22
LABELS = 6


@dataclass(frozen=True, slots=True)
class Stack:
    """One column: its label below, and its parts from the bottom up."""

    label: str
    parts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One bar: the label before it and what is written after it."""

    label: str
    value: int
    note: str = ""


def stacked(columns: Sequence[Stack], *, names: Sequence[str], title: str) -> SafeString:
    """Columns side by side, each part in the class c1, c2 … of its place in `names`."""
    top = nice_top(max((sum(column.parts) for column in columns), default=0))
    width = (WIDTH - LEFT) / max(len(columns), 1)
    every = -(-len(columns) // LABELS)
    drawn = [
        _column(column, names, x=LEFT + i * width, width=width, top=top) for i, column in enumerate(columns)
    ]
    labels = format_html_join(
        "",
        '<text x="{}" y="{}" text-anchor="middle">{}</text>',
        (
            (_n(LEFT + (i + 0.5) * width), TOP + PLOT_HEIGHT + 14, column.label)
            for i, column in enumerate(columns)
            if i % every == 0
        ),
    )
    return format_html(
        '<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}{}{}</svg>',
        WIDTH,
        TOP + PLOT_HEIGHT + 20,
        title,
        _axis(top),
        format_html_join("", "{}", ((one,) for one in drawn)),
        labels,
    )


def rows(bars: Sequence[Row], *, title: str, colour: str = "c1", label_width: int = 60) -> SafeString:
    """Bars below one another, the longest filling the width."""
    top = max((bar.value for bar in bars), default=0) or 1
    room = WIDTH - label_width - 76
    drawn = format_html_join(
        "",
        '<text x="{}" y="{}" text-anchor="end">{}</text>'
        '<rect class="{}" x="{}" y="{}" width="{}" height="{}" rx="2"/>'
        '<text x="{}" y="{}">{} {}</text>',
        (
            (
                label_width - 6, i * ROW + 15, bar.label,
                colour, label_width, i * ROW + 4, _n(max(room * bar.value / top, 1 if bar.value else 0)), ROW - 7,
                _n(label_width + room * bar.value / top + 6), i * ROW + 15, grouped(bar.value), bar.note,
            )
            for i, bar in enumerate(bars)
        ),
    )  # fmt: skip
    return format_html(
        '<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>',
        WIDTH,
        len(bars) * ROW + 4,
        title,
        drawn,
    )


def nice_top(highest: int) -> int:
    """The smallest of 4, 8, 20, 40, 80, 200 … that is not below `highest`, so that quarters are whole."""
    top = 4
    while top < highest:
        top = top * 5 // 2 if str(top).startswith("8") else top * 2
    return top


def _column(column: Stack, names: Sequence[str], *, x: float, width: float, top: int) -> SafeString:
    parts, below = [], 0
    for place, count in enumerate(column.parts, start=1):
        if count:
            height = PLOT_HEIGHT * count / top
            y = TOP + PLOT_HEIGHT - PLOT_HEIGHT * below / top - height
            parts.append((f"c{place}", _n(x + width * 0.1), _n(y), _n(width * 0.8), _n(height)))
            below += count
    told = ", ".join(f"{count} {name}" for name, count in zip(names, column.parts, strict=True) if count)
    return format_html(
        "<g><title>{}: {}</title>{}</g>",
        column.label,
        told or "none",
        format_html_join("", '<rect class="{}" x="{}" y="{}" width="{}" height="{}"/>', parts),
    )


def _axis(top: int) -> SafeString:
    lines = [(TOP + PLOT_HEIGHT * (4 - step) / 4, top * step // 4) for step in range(5)]
    return format_html_join(
        "",
        '<line class="axis" x1="{}" x2="{}" y1="{}" y2="{}"/><text x="{}" y="{}" text-anchor="end">{}</text>',
        ((LEFT, WIDTH, _n(y), _n(y), LEFT - 5, _n(y + 4), grouped(value)) for y, value in lines),
    )


def _n(value: float) -> str:
    """A coordinate with at most one decimal."""
    return f"{value:.1f}".removesuffix(".0")
