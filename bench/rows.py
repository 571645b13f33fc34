"""The lines of bench/results.json."""

from __future__ import annotations

from typing import Any

Row = dict[str, Any]


def result_row(
    how: str,
    name: str,
    value: float | None,
    unit: str,
    baseline: float | None,
    goal: str,
    met: bool | None,
    more: bool = False,
) -> Row:
    """One line; ``how`` is the command that repeats it.

    ``ratio`` is how many times better than the baseline (``more``: larger is better).
    """
    ratio = None
    if value and baseline:
        ratio = round(value / baseline if more else baseline / value, 2)
    result = {"name": name, "value": value, "unit": unit, "baseline": baseline, "ratio": ratio}
    return {**result, "goal": goal, "met": met, "how": how}
