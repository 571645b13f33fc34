"""Seconds from Approve to the certificate on the citizen's screen, in two real browsers; and what Compare takes."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from statistics import median
from typing import Any

from server.checker import WorkerChecker
from server.consultation.desk import Limits
from tests.browser import e2e
from tests.browser.chromium import living_still
from verification.contract import Frame, Outcome

DATA = Path(__file__).resolve().parents[1] / "tests" / "data"
GOAL_SECONDS = 10.0
"""Of our own: shorter than anybody puts the phone away, the time to undo included."""


COMPARISONS = 5


async def _comparison_alone() -> float:
    """Seconds from the first frame to the result, frames coming as in a call; the median of some."""
    limits = Limits()
    pictures = list(living_still(DATA / "obama2.jpg", 1.0))

    async def probes() -> AsyncIterator[Frame]:
        for number in range(limits.probes):
            if number:
                await asyncio.sleep(limits.probe_seconds / limits.probes)
            yield Frame(pictures[number], number * 9000, time.monotonic())

    checker = WorkerChecker(workers=2, seconds=20.0, queue=16, memory_mb=4096)
    try:
        await checker.warm()
        taken = []
        for _ in range(COMPARISONS):
            began = time.monotonic()
            comparison = await checker.compare((DATA / "obama.jpg").read_bytes(), probes())
            taken.append(time.monotonic() - began)
            if comparison.result.outcome is not Outcome.PASSED:
                raise RuntimeError(f"the comparison ended otherwise: {comparison.result.reasons}")
    finally:
        await checker.aclose()
    return median(taken)


def measure() -> list[dict[str, Any]]:
    """Run one session with the test portraits; raises RuntimeError when it does not end in a certificate."""
    with tempfile.TemporaryDirectory(prefix="betpe-bench-") as folder:
        report = asyncio.run(e2e.run(DATA / "obama.jpg", DATA / "obama2.jpg", "issued", Path(folder)))
    if not report["met"]:
        raise RuntimeError(f"the session ended otherwise: {report.get('error')} ({report['state']})")
    seconds = report["seconds"]
    alone = round(asyncio.run(_comparison_alone()), 2)
    undo = 5.0
    value = round(seconds["approval_sealed"] + seconds["signature"], 2)
    how = "make bench ONLY=session"
    return [
        {
            "name": "session.approve_to_certificate",
            "value": value,
            "unit": "s",
            "baseline": undo,
            "ratio": round(value / undo, 2),
            "goal": f"at most {GOAL_SECONDS:g} s, of which {undo:g} s are the time to undo (the baseline)",
            "met": value <= GOAL_SECONDS,
            "how": how,
        },
        {
            "name": "session.compare_now",
            "value": seconds["compare"],
            "unit": "s",
            "baseline": None,
            "ratio": None,
            "goal": "about a second: at most 2 s with two browsers on the same two cores",
            "met": seconds["compare"] <= 2.0,
            "how": how,
        },
        {
            "name": "session.compare_without_browsers",
            "value": alone,
            "unit": "s",
            "baseline": Limits().probe_seconds,
            "ratio": round(alone / Limits().probe_seconds, 2),
            "goal": "about a second: at most 1.3 s, of which the frames take the baseline",
            "met": alone <= 1.3,
            "how": how,
        },
        {
            "name": "session.first_picture",
            "value": seconds["first_picture"],
            "unit": "s",
            "baseline": None,
            "ratio": None,
            "goal": None,
            "met": None,
            "how": how,
        },
    ]
