"""What a call costs and how it looks: the embedded engine beside MediaRelay, Janus and peer to peer, in one run.

Processor figures are CPU seconds of the server's processes, which a busy machine changes little; latencies of a run in
which packets were late for want of a processor are given without a judgement.
"""

from __future__ import annotations

import asyncio
import functools
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench import media_networks, media_parts, media_signalling
from bench.rows import Row, result_row
from server.media.aiortc_internals import host_addresses

ROOT = Path(__file__).parents[1]
HOW = "make bench ONLY=media"
SECONDS = 6.0
DELIVERED = 0.97  # share of packets below which the machine, not the engine, was measured

row = functools.partial(result_row, HOW)


@contextmanager
def media_server(*arguments: str) -> Iterator[tuple[str, list[int]]]:
    """(origin, process ids whose time counts) of a bench.media_server."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.media_server", *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        started = json.loads(process.stdout.readline())
        yield started["origin"], started["pids"]
    finally:
        process.send_signal(2)
        try:
            process.wait(8)
        except subprocess.TimeoutExpired:  # aiortc's decoder threads do not end by themselves
            process.kill()
            process.wait()
        process.stdout.close()


def load(calls: int, *arguments: str) -> dict[str, Any]:
    """Figures of bench.media_load against a server of its own."""
    with media_server(*arguments) as (origin, pids):
        command = [sys.executable, "-m", "bench.media_load", "--origin", origin, "--calls", str(calls)]
        command += ["--seconds", str(SECONDS), "--pids", *map(str, pids)]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=120 + 3 * calls, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _judged(better: bool, run: dict[str, Any]) -> bool | None:
    """Whether a goal is met; None where the machine was too busy to say. A baseline that lost packets spent less than
    it would have to, so it is taken as it is."""
    return better if run["delivered"] >= DELIVERED else None


def _unit(run: dict[str, Any]) -> str:
    unit = "CPU s per call s"
    return unit if run["delivered"] >= DELIVERED else f"{unit}; the machine was busy, {run['delivered']:.0%} delivered"


def measure_cpu() -> list[Row]:
    """CPU seconds of the server per second of a call; a call is two browsers, 500 kbit/s each way."""
    relay = load(1, "--engine", "relay")["cpu"]  # one call takes more than half a core: two would starve the load
    address = next((found for found in host_addresses(loopback=False) if "." in found), "127.0.0.1")
    has_janus = shutil.which("janus") is not None and address != "127.0.0.1"
    rows: list[Row] = []
    for calls in (4, 16, 64, 120):
        ours = load(calls, "--engine", "embedded")
        cpu = ours["cpu"]
        goal, met = "at least 50 times less than MediaRelay", _judged(relay >= 50 * cpu, ours)
        rows.append(row(f"media_cpu_{calls}_calls", cpu, _unit(ours), relay, goal, met))
        if not has_janus:
            continue
        theirs = load(calls, "--engine", "janus", "--address", address)
        janus = theirs["cpu"]
        name, met = f"media_cpu_{calls}_calls_against_janus", _judged(cpu <= janus, ours)
        rows.append(row(name, cpu, _unit(ours), janus, "no more than Janus", met))
        if calls == 16:
            with tempfile.TemporaryDirectory() as folder:
                recorded = load(calls, "--engine", "embedded", "--record", folder)
            goal = "no more than 1.2 times Janus, both legs recorded"
            met = _judged(recorded["cpu"] <= 1.2 * janus, recorded)
            rows.append(row("media_cpu_16_calls_recorded", recorded["cpu"], _unit(recorded), janus, goal, met))
    with tempfile.TemporaryDirectory() as folder:
        everything = load(16, "--engine", "embedded", "--record", folder, "--look", "3")["cpu"]
    name = "media_calls_per_core_everything_on"
    rows.append(row(name, round(1 / everything, 1), "calls", round(1 / relay, 1), "", None, more=True))
    return rows


def measure_networks() -> list[Row]:
    """Two Chromiums, straight and through the server: latency, loss, a blackout."""
    if (reason := media_networks.reason_not_to_run()) is not None:
        return [row("media_networks", None, f"not measured: {reason}", None, "", None)]
    try:
        found = asyncio.run(media_networks.measure())
    except (TimeoutError, RuntimeError) as error:
        return [row("media_networks", None, f"not measured: {type(error).__name__}: {error}", None, "", False)]
    straight, through = found["straight"], found["through"]
    near = "at most 5 ms more than straight"
    rows = [
        *(
            row(f"media_latency_{name}", through[name], "ms", straight[name], near, through[name] - straight[name] <= 5)
            for name in ("p50", "p95")
        ),
        row(
            "media_latency_at_5_percent_loss",
            through["lossy_p50"],
            "ms",
            straight["lossy_p50"],
            "at most 1.2 times straight",
            through["lossy_p50"] <= 1.2 * straight["lossy_p50"],
        ),
        row(
            "media_frames_at_5_percent_loss",
            round(through["lossy_fps"], 1),
            "frames per second",
            round(straight["lossy_fps"], 1),
            "at least 0.95 of straight",
            through["lossy_fps"] >= 0.95 * straight["lossy_fps"],
            more=True,
        ),
        row(
            "media_first_picture",
            round(through["first_picture"], 2),
            "s",
            round(straight["first_picture"], 2),
            "",
            None,
        ),
        row(
            "media_first_second_allowed",
            round(through["first_allowed"], 2),
            "share of 1.5 Mbit/s that the browser may send a second after connecting",
            round(straight["first_allowed"], 2),
            "0.9",
            through["first_allowed"] >= 0.9,
            more=True,
        ),
        row(
            "media_first_second_sent",
            round(through["first_sent"], 2),
            "share of its later rate that the encoder sends in the first second",
            round(straight["first_sent"], 2),
            "",
            None,
            more=True,
        ),
    ]
    rows.append(row("media_back_after_blackout", round(found["blackout"], 2), "s", None, "", None))
    return rows


def measure_parts() -> list[Row]:
    """Recording, looking and memory, each alone."""
    ours, theirs = media_parts.recording_cpu()
    full, base = media_parts.sessions_per_core(2, 3), media_parts.sessions_per_core(0, 3)
    whole, half = media_parts.sessions_per_core(2, 15), media_parts.sessions_per_core(1, 15)
    growth = media_parts.memory_growth()
    goal = "at least 100 times cheaper than aiortc's MediaRecorder"
    return [
        row("media_recording_cpu", round(ours, 6), "CPU s per leg s", round(theirs, 4), goal, theirs >= 100 * ours),
        row("media_analysed_sessions_per_core", round(full), "sessions at 3 pictures a second", None, "", None),
        row("media_analysed_sessions_per_core_l1t3", round(base), "sessions", round(full), "", None, more=True),
        row("media_challenges_per_core", round(whole), "sessions at 15 pictures a second", None, "", None),
        row("media_challenges_per_core_l1t3", round(half), "sessions", round(whole), "", None, more=True),
        row(
            "media_memory_per_call",
            round(growth, 1),
            "kB kept per join and leave, of 500",
            None,
            "at most 10",
            growth <= 10,
        ),
    ]


def measure() -> list[Row]:
    """All rows of the media bench."""
    return [*measure_cpu(), *measure_parts(), *media_signalling.measure(), *measure_networks()]


if __name__ == "__main__":
    chosen = {"cpu": measure_cpu, "parts": measure_parts, "networks": measure_networks}
    chosen["signalling"] = media_signalling.measure
    steps = [chosen[name] for name in sys.argv[1:]] or [measure]
    print(json.dumps([found for step in steps for found in step()], indent=1))
