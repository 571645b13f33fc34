"""What a call costs and how it looks, measured beside aiortc's MediaRelay in the same run."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
HOW = "make bench ONLY=media"


@contextmanager
def media_server(*arguments: str) -> Iterator[tuple[str, int]]:
    """(origin, process id) of a bench.media_server."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.media_server", *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip(), process.pid
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:  # aiortc's decoder threads do not end by themselves
            process.kill()
            process.wait()
        assert process.stdout is not None
        process.stdout.close()


def load(origin: str, pid: int, calls: int, seconds: float = 6.0) -> dict[str, Any]:
    """Figures of bench.media_load against a running server."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.media_load", "--origin", origin, "--pids", str(pid)]  # noqa: RUF005
        + ["--calls", str(calls), "--seconds", str(seconds)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        timeout=60 + 2 * calls + seconds,
        check=True,
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def row(name: str, value: float, unit: str, baseline: float | None, goal: str, met: bool | None) -> dict[str, Any]:
    ratio = round(baseline / value, 2) if baseline is not None and value else None
    return {
        "name": name,
        "value": value,
        "unit": unit,
        "baseline": baseline,
        "ratio": ratio,
        "goal": goal,
        "met": met,
        "how": HOW,
    }


def measure_cpu() -> list[dict[str, Any]]:
    """CPU seconds of the server per second of a call; a call is two browsers, 500 kbit/s each way."""
    with media_server("--engine", "relay") as (origin, pid):
        relay = load(origin, pid, 2)
    rows: list[dict[str, Any]] = []
    for calls in (4, 16, 64):
        with media_server("--engine", "embedded") as (origin, pid):
            embedded = load(origin, pid, calls)
        many = calls >= 16  # with few calls the loop wakes up for each packet alone
        rows.append(
            row(
                f"media_cpu_per_call_{calls}",
                embedded["cpu"],
                "CPU s per call s; baseline: MediaRelay, 2 calls",
                relay["cpu"],
                "at least 50 times less" if many else "",
                relay["cpu"] >= 50 * embedded["cpu"] if many else None,
            )
        )
        if calls == 64:
            rows.append(
                row(
                    "media_forward_p95_64",
                    embedded["p95_ms"],
                    "ms through the server",
                    None,
                    "at most 5 ms at p50",
                    None,
                )
            )
    return rows


def measure() -> list[dict[str, Any]]:
    """All rows of the media bench."""
    return measure_cpu()


if __name__ == "__main__":
    print(json.dumps(measure(), indent=1))
