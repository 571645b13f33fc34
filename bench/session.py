"""Seconds from Approve to the certificate on the citizen's screen, in two real browsers."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from tests.browser import journey

DATA = Path(__file__).resolve().parents[1] / "tests" / "data"
GOAL_SECONDS = 10.0
"""Of our own: shorter than anybody puts the phone away, the time to undo included."""


def measure() -> list[dict[str, Any]]:
    """Run one session with the test portraits; raises RuntimeError when it does not end in a certificate."""
    with tempfile.TemporaryDirectory(prefix="betpe-bench-") as folder:
        report = asyncio.run(journey.run(DATA / "obama.jpg", DATA / "obama2.jpg", "issued", Path(folder)))
    if not report["met"]:
        raise RuntimeError(f"the session ended otherwise: {report.get('error')} ({report['state']})")
    seconds = report["seconds"]
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
