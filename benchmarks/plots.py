"""Plots as SVG files of their own, drawn by hand: bars in rows, and lines over sizes.

The colours are read on white and on black; the words are in whatever sans-serif the reader has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from math import log10

WIDTH = 700
ROW = 26
LABELS = 275  # room for the names of bars
NOTES = 110  # room for what is written after them
TOP = 40
LEFT, RIGHT, PLOT_HEIGHT = 64, 150, 200
GREY = "#808a94"
COLOURS = ("#2f81c7", "#d9822b", "#2e9e6b", "#a06bc4")
Number = Callable[[float], str]


def plain(value: float) -> str:
    """Whole numbers with separators, small ones with two digits that count."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def bars(title: str, values: Mapping[str, float], *, first: str = "", number: Number = plain) -> str:
    """A bar for each value, the longest filling the width; the one named `first` stands out."""
    top = max(values.values(), default=0) or 1
    room = WIDTH - LABELS - NOTES
    drawn = []
    for nth, (name, value) in enumerate(values.items()):
        y, length = TOP + nth * ROW, max(1.0, room * value / top)
        colour = COLOURS[0] if name == first or not first else GREY
        drawn += [
            _text(LABELS - 8, y + 15, name, anchor="end"),
            f'<rect x="{LABELS}" y="{y + 3}" width="{length:.1f}" height="{ROW - 10}" rx="2" fill="{colour}"/>',
            _text(LABELS + length + 6, y + 15, number(value)),
        ]
    return _page(title, TOP + len(values) * ROW + 8, drawn)


def lines(
    title: str, series: Mapping[str, Sequence[tuple[float, float]]], *, x_name: str, number: Number = plain
) -> str:
    """Lines over sizes that grow tenfold: the horizontal scale is logarithmic, the vertical begins at 0."""
    sizes = sorted({x for points in series.values() for x, _ in points})
    top = _nice(max(y for points in series.values() for _, y in points))
    bottom = TOP + 8 + PLOT_HEIGHT

    def across(x: float) -> float:
        span = log10(sizes[-1] / sizes[0]) or 1
        return LEFT + 14 + (WIDTH - LEFT - RIGHT - 28) * log10(x / sizes[0]) / span

    def up(y: float) -> float:
        return bottom - PLOT_HEIGHT * y / top

    drawn = [_rule(up(top * step / 4), number(top * step / 4)) for step in range(5)]
    drawn += [_text(across(x), bottom + 18, f"{x:,.0f}", anchor="middle") for x in sizes]
    drawn.append(_text((LEFT + WIDTH - RIGHT) / 2, bottom + 38, x_name, anchor="middle"))
    heights = _apart({name: up(points[-1][1]) for name, points in series.items()})
    for colour, (name, points) in zip(COLOURS, series.items(), strict=False):
        drawn.append(_line([(across(x), up(y)) for x, y in points], colour))
        drawn.append(_text(WIDTH - RIGHT + 10, heights[name] + 4, name, colour=colour))
    return _page(title, bottom + 48, drawn)


def _page(title: str, height: float, drawn: Sequence[str]) -> str:
    inside = "\n".join([_text(8, 20, title, size=15), *drawn])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}"'
        f' height="{height:.0f}" role="img" aria-label="{escape(title)}" font-family="sans-serif">\n{inside}\n</svg>\n'
    )


def _text(
    x: float, y: float, words: str, *, anchor: str = "start", size: int = 13, colour: str = GREY
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}"'
        f' fill="{colour}">{escape(words)}</text>'
    )


def _rule(y: float, words: str) -> str:
    line = f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="{GREY}" stroke-opacity="0.35"/>'
    return line + _text(LEFT - 8, y + 4, words, anchor="end")


def _line(points: Sequence[tuple[float, float]], colour: str) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>' for x, y in points)
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2.5"/>{dots}'


def _apart(heights: Mapping[str, float]) -> dict[str, float]:
    """Names at the ends of their lines, pushed down where they would cover each other."""
    placed: dict[str, float] = {}
    for name, y in sorted(heights.items(), key=lambda item: item[1]):
        placed[name] = max([y, *(other + 17 for other in placed.values())])
    return placed


def _nice(highest: float) -> float:
    """The smallest of 1, 2, 4, 8 times a power of ten that is not below `highest`: its quarters read well."""
    power = 10 ** (len(f"{int(highest)}") - 1) if highest >= 1 else 0.1
    return next(step * power for step in (1, 2, 4, 8, 10, 20) if step * power >= highest)
