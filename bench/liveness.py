"""Liveness: frames a second per core, steps recognised, recordings for another script that pass.

Needs the clips of real faces in ``BETPE_SHARED``'s data/video (default ../shared); without them it says so.
"""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import cv2
import numpy as np

from bench.rows import Row, result_row
from verification import clips, face, liveness, liveness_trials, rates
from verification.contract import Frame

SHARED = Path(os.environ.get("BETPE_SHARED", Path(__file__).parents[2] / "shared"))
VIDEO = SHARED / "data" / "video"
HOW = "make bench ONLY=liveness"
GENUINE_SCRIPTS = 500
GENUINE_PIXELS_EACH = 3
OTHER_SCRIPTS = 3100
"""With none accepted, the rule of three then bounds the rate under 0.1%."""

row = functools.partial(result_row, HOW)


def rate(call: Callable[[Frame], object], frames: list[Frame]) -> float:
    """Calls a second of one thread's CPU time; the first call, which loads models, is not counted."""
    call(frames[0])
    started = time.process_time()
    for frame in frames[1:]:
        call(frame)
    return (len(frames) - 1) / (time.process_time() - started)


def usual_way() -> Callable[[Frame], object]:
    """face_recognition as everyone uses it for the same question: locations (HOG) and landmarks of each frame."""
    import face_recognition

    def landmarks(frame: Frame) -> object:
        rgb = np.ascontiguousarray(frame.pixels[:, :, ::-1])
        return face_recognition.face_landmarks(rgb, face_recognition.face_locations(rgb), model="small")

    return landmarks


def measure() -> list[Row]:
    """All rows. One row that says why where the clips are not there."""
    if clips.missing(VIDEO):
        missing = row("liveness_frames_per_second_per_core", None, "frames/s, 640x480", None, "", None, more=True)
        return [{**missing, "how": f"not run: no clips in {VIDEO.name} (BETPE_SHARED); {HOW}"}]
    cv2.setNumThreads(1)
    script, frames, prompts = liveness_trials.staged(clips.load(VIDEO, "liveportrait_d10"), Random("bench"))
    judge, due = liveness.Judge(script), list(prompts)

    def live(frame: Frame) -> object:
        if due and judge.next_step is not None and frame.received_at >= due[0]:
            judge.show(due.pop(0))
        return judge.feed(frame)

    usual = rate(usual_way(), frames[:25])
    judged, guided = rate(live, frames), rate(face.guide, frames[:150])
    measured = liveness_trials.measure_clips(VIDEO)
    genuine = liveness_trials.genuine_in_numbers(measured, GENUINE_SCRIPTS)
    pixels = liveness_trials.genuine_in_pixels(VIDEO, GENUINE_PIXELS_EACH)
    other = liveness_trials.other_scripts_in_numbers(measured, OTHER_SCRIPTS)
    rows = [
        row(name, round(speed, 1), "frames/s, 640x480", round(usual, 2), "", None, more=True)
        for name, speed in (
            ("liveness_frames_per_second_per_core", judged),
            ("guidance_frames_per_second_per_core", guided),
        )
    ]
    for name, tally in (("numbers", genuine), ("pixels", pixels)):
        asked, right = tally.asked.total(), tally.recognised.total()
        low = rates.interval(asked - right, asked)
        rows.append(
            row(
                f"liveness_steps_recognised_{name}",
                round(right / asked, 5),
                f"share of {asked} steps in {tally.scripts} scripts; 95%: {1 - low.high:.4f} to {1 - low.low:.4f}",
                None,
                "at least 0.95",
                right / asked >= 0.95,
            )
        )
    bound = rates.interval(other.passed, other.scripts).high
    rows.append(
        row(
            "liveness_other_script_accepted",
            round(other.passed / other.scripts, 5),
            f"share of {other.scripts} recordings made for another script; 95% upper bound {bound:.5f}",
            None,
            "under 0.001",
            bound < 0.001,
        )
    )
    return rows
