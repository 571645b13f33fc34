"""Plots as SVG text: nothing to install, nothing to load, readable in a saved page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

Points = Sequence[tuple[float, float]]
_WIDTH: Final = 640
_HEIGHT: Final = 420
_LEFT: Final = 70
_BOTTOM: Final = 54
_TOP: Final = 16
_RIGHT: Final = 16
_COLOURS: Final = ("#0b5fa5", "#b3541e", "#3c7d3c", "#7a3e9d", "#666666")


def det(curves: Mapping[str, Points]) -> str:
    """Detection error trade-off: FNMR over FMR, both logarithmic; one line for each named curve."""
    lowest = min((x for points in curves.values() for x, _ in points), default=1e-4)
    ticks_x = _decades(lowest, 0.5)
    ticks_y = _decades(0.001, 1.0)
    place = _Axes(math.log10(ticks_x[0]), math.log10(0.5), -3.0, 0.0)
    lines = []
    for number, (name, points) in enumerate(curves.items()):
        path = [place.at(math.log10(x), math.log10(max(y, 1e-3))) for x, y in points]
        lines.append(_line(path, _COLOURS[number % len(_COLOURS)]) + _key(number, name))
    grid = "".join(_tick_x(*place.at(math.log10(tick), -3.0), f"{tick:g}") for tick in ticks_x)
    grid += "".join(_tick_y(*place.at(math.log10(ticks_x[0]), math.log10(tick)), f"{tick:g}") for tick in ticks_y)
    return _svg(grid + "".join(lines), "false match rate", "false non-match rate")


def histogram(counts: Mapping[str, Sequence[float]], edges: Sequence[float], marks: Mapping[str, float]) -> str:
    """Shares of scores per bin for each named group, with thresholds marked."""
    tallest = max((max(values) for values in counts.values() if values), default=1.0) or 1.0
    place = _Axes(edges[0], edges[-1], 0.0, tallest * 1.05)
    parts = []
    for number, (name, values) in enumerate(counts.items()):
        steps = []
        for left, right, value in zip(edges, edges[1:], values, strict=False):
            steps += [place.at(left, value), place.at(right, value)]
        parts.append(_line(steps, _COLOURS[number % len(_COLOURS)]) + _key(number, name))
    for name, mark in marks.items():
        if edges[0] <= mark <= edges[-1]:
            x, bottom = place.at(mark, 0)
            parts.append(
                f'<line x1="{x:.1f}" y1="{_TOP}" x2="{x:.1f}" y2="{bottom:.1f}" stroke="#222" stroke-dasharray="4 3"/>'
                f'<text x="{x + 4:.1f}" y="{_TOP + 12}" font-size="11">{escape(name)}</text>'
            )
    span = edges[-1] - edges[0]
    ticks = [edges[0] + span * step / 8 for step in range(9)]
    grid = "".join(_tick_x(*place.at(tick, 0.0), f"{tick:.2f}") for tick in ticks)
    return _svg(grid + "".join(parts), "score", "share of comparisons")


class _Axes:
    """From values to places on the sheet."""

    def __init__(self, left: float, right: float, bottom: float, top: float) -> None:
        self._left, self._across = left, (right - left) or 1.0
        self._bottom, self._up = bottom, (top - bottom) or 1.0

    def at(self, x: float, y: float) -> tuple[float, float]:
        across = _LEFT + (_WIDTH - _LEFT - _RIGHT) * (x - self._left) / self._across
        down = _HEIGHT - _BOTTOM - (_HEIGHT - _BOTTOM - _TOP) * (y - self._bottom) / self._up
        return across, down


def _decades(low: float, high: float) -> list[float]:
    first = math.floor(math.log10(low) + 1e-9)
    return [10.0**power for power in range(first, math.floor(math.log10(high)) + 1)]


def _line(points: Sequence[tuple[float, float]], colour: str) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'


def _key(number: int, name: str) -> str:
    y = _TOP + 26 + 18 * number
    colour = _COLOURS[number % len(_COLOURS)]
    x = _WIDTH - 250
    return (
        f'<rect x="{x}" y="{y - 9}" width="14" height="4" fill="{colour}"/>'
        f'<text x="{x + 20}" y="{y - 3}" font-size="12">{escape(name)}</text>'
    )


def _tick_x(x: float, y: float, label: str) -> str:
    return (
        f'<line x1="{x:.1f}" y1="{_TOP}" x2="{x:.1f}" y2="{y:.1f}" stroke="#ddd"/>'
        f'<text x="{x:.1f}" y="{y + 16:.1f}" font-size="12" text-anchor="middle">{label}</text>'
    )


def _tick_y(x: float, y: float, label: str) -> str:
    return (
        f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{_WIDTH - _RIGHT}" y2="{y:.1f}" stroke="#ddd"/>'
        f'<text x="{x - 6:.1f}" y="{y + 4:.1f}" font-size="12" text-anchor="end">{label}</text>'
    )


def _svg(body: str, across: str, up: str) -> str:
    middle = (_HEIGHT - _BOTTOM) / 2
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(up)} over {escape(across)}" '
        f'xmlns="http://www.w3.org/2000/svg" font-family="sans-serif">{body}'
        f'<text x="{_WIDTH / 2}" y="{_HEIGHT - 12}" font-size="13" text-anchor="middle">{escape(across)}</text>'
        f'<text x="16" y="{middle}" font-size="13" text-anchor="middle" '
        f'transform="rotate(-90 16 {middle})">{escape(up)}</text></svg>'
    )
