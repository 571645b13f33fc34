"""The ``liveness`` command: a recorded clip and the script it answers in, the judge's answer out."""

from __future__ import annotations

import json
import math
from pathlib import Path
from random import SystemRandom
from typing import Any, Final

import av
import cv2
import numpy as np

from verification import challenge, liveness, signals
from verification.challenge import Kind, Script, Step
from verification.contract import CheckResult, Frame, Outcome, UnusableInput
from verification.liveness import LivenessResult

MAX_BYTES: Final = 200 * 1024 * 1024
MAX_FRAMES: Final = 3000
MAX_SIDE: Final = 1920
WORKING_SIDE: Final = 640
"""Longest side of the frames as they are judged: the size of the service's calls."""
MAX_SCRIPT_BYTES: Final = 65536


def new_script(count: int, needs: list[str]) -> dict[str, Any]:
    """A fresh script as JSON-able data, without prompts. Raises UnusableInput: unknown_need, challenge_too_weak."""
    try:
        return script_json(challenge.choose(SystemRandom(), count, challenge.excluded_for(needs)))
    except challenge.ScriptTooWeak as error:
        raise UnusableInput(error.code, str(error)) from error
    except ValueError as error:
        raise UnusableInput("challenge_not_possible", str(error)) from error


def script_json(script: Script) -> dict[str, Any]:
    """A script as JSON-able data; ``script_of`` reads it back."""
    return {
        "entropy_bits": script.entropy_bits,
        "steps": [
            {"kind": str(s.kind), "window": s.window, "rest": s.rest, "parameters": dict(s.parameters), "text": s.text}
            for s in script.steps
        ],
    }


def script_of(data: Any) -> Script:
    """A script from JSON-able data. Raises UnusableInput (``script_invalid``)."""
    try:
        steps = tuple(_step(row) for row in data["steps"])
        bits = float(data.get("entropy_bits", 0.0))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UnusableInput("script_invalid", f'The script has no "steps" that can be read: {error}.') from error
    if not 1 <= len(steps) <= challenge.MAX_STEPS:
        raise UnusableInput("script_invalid", f"A script has 1 to {challenge.MAX_STEPS} steps.")
    return Script(steps, bits)


def judge_files(clip: Path, script: Path) -> dict[str, Any]:
    """Judge a clip (any format PyAV reads) against ``{"steps": [...], "prompts": [seconds, ...]}``.

    Prompts are the moments, on the clip's own clock, at which each step was shown. Raises UnusableInput.
    """
    if not script.is_file() or script.stat().st_size > MAX_SCRIPT_BYTES:
        raise UnusableInput("script_invalid", "The script's file is missing or too large.")
    try:
        data = json.loads(script.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UnusableInput("script_invalid", f"The script is not JSON: {error}.") from error
    asked = script_of(data)
    prompts = _prompts(data, len(asked.steps))
    frames = read_clip(clip)
    return as_json(liveness.judge(asked, frames, prompts), signals.check(signals.observe(frames)))


def _prompts(data: dict[str, Any], steps: int) -> list[float]:
    """The moments at which the steps were shown. Raises UnusableInput script_invalid."""
    try:
        prompts = [float(value) for value in data["prompts"]]
    except KeyError:
        raise UnusableInput(
            "script_invalid", 'The script has no "prompts": the second of the clip at which each step was shown.'
        ) from None
    except (ValueError, TypeError) as error:
        raise UnusableInput("script_invalid", f"The prompts cannot be read: {error}.") from error
    if not 1 <= len(prompts) <= steps or not all(map(math.isfinite, prompts)) or prompts != sorted(prompts):
        raise UnusableInput("script_invalid", f"Of {steps} steps, 1 to {steps} prompts are needed, in order of time.")
    return prompts


def read_clip(path: Path) -> list[Frame]:
    """All frames of a clip, at most MAX_FRAMES, reduced to WORKING_SIDE.

    Raises UnusableInput: video_too_large, video_unreadable, video_empty.
    """
    if not path.is_file():
        raise UnusableInput("video_unreadable", "There is no such file.")
    if path.stat().st_size > MAX_BYTES:
        raise UnusableInput("video_too_large", f"The file has over {MAX_BYTES} bytes.")
    frames: list[Frame] = []
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise UnusableInput("video_empty", "The file has no pictures.")
            stream = container.streams.video[0]
            if max(stream.width, stream.height) > MAX_SIDE:
                raise UnusableInput("video_too_large", f"Pictures over {MAX_SIDE} pixels are not read.")
            for picture in container.decode(video=0):
                if len(frames) == MAX_FRAMES:
                    raise UnusableInput("video_too_large", f"The clip has over {MAX_FRAMES} pictures.")
                at = float(picture.time if picture.time is not None else len(frames) / 30)
                pixels = np.asarray(picture.to_ndarray(format="bgr24"), np.uint8)
                scale = min(1.0, WORKING_SIDE / max(pixels.shape[:2]))
                if scale < 1:
                    shrunk = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
                    pixels = np.asarray(shrunk, np.uint8)
                frames.append(Frame(pixels, round(at * 90000) % 2**32, at))
    except (av.FFmpegError, OSError, ValueError) as error:
        raise UnusableInput("video_unreadable", "The file is not a clip that can be read.") from error
    if not frames:
        raise UnusableInput("video_empty", "The file has no pictures.")
    return frames


def as_json(result: LivenessResult, signs: CheckResult) -> dict[str, Any]:
    """The whole answer."""
    check = result.result
    return {
        "outcome": str(check.outcome), "reasons": list(check.reasons), "score": check.score,
        "threshold": check.threshold, "model": check.model, "version": check.version,
        "milliseconds": check.milliseconds, "entropy_bits": check.details["entropy_bits"],
        "frames": check.details["frames"], "frames_per_second": check.details["frames_per_second"],
        "identity_scores": check.details["identity_scores"],
        "steps": [
            {
                "kind": str(s.kind), "outcome": str(s.outcome), "reason": s.reason, "shown_at": s.shown_at,
                "ended_at": s.ended_at, "score": s.score, "frames": list(s.frames),
            }
            for s in result.steps
        ],
        "injection": {
            "outcome": str(signs.outcome), "reasons": list(signs.reasons), "risk": signs.score,
            "refer_at": signs.threshold, "signals": dict(signs.details),
        },
    }  # fmt: skip


def outcome_of(answer: dict[str, Any]) -> Outcome:
    """The exit's outcome: the challenge's; a pass with a risk that wants referral is inconclusive."""
    if answer["outcome"] == "passed" and answer["injection"]["outcome"] != "passed":
        return Outcome.INCONCLUSIVE
    return Outcome(answer["outcome"])


def as_text(answer: dict[str, Any]) -> str:
    """For people: one line a step."""
    lines = [f"liveness {answer['outcome']}: {', '.join(answer['reasons'])}"]
    lines += [f"  {s['kind']:13} {s['outcome']:13} {s['reason']}" for s in answer["steps"]]
    risk = answer["injection"]
    lines.append(f"passive signs: risk {risk['risk']}, refer at {risk['refer_at']}: {', '.join(risk['reasons'])}")
    return "\n".join(lines)


def _step(row: Any) -> Step:
    kind, window, rest = Kind(row["kind"]), float(row["window"]), float(row["rest"])
    if not (0 < window <= 30 and 0 <= rest <= 30):
        raise ValueError("window and rest are seconds, at most 30")
    given = dict(row.get("parameters", {}))
    if kind is Kind.BLINK:
        return Step(kind, window, rest, {"times": min(max(int(given["times"]), 1), 5)})
    if kind is Kind.READ_DIGITS:
        slots = [str(slot)[:1] for slot in given["slots"]][:20]
        if not any(slots) or all(slots):
            raise ValueError("slots need digits and pauses")
        return Step(kind, window, rest, {"slots": slots, "seconds": _seconds(given)})
    if kind is Kind.COLOUR_FLASH:
        colours = [str(name) for name in given["colours"]][:20]
        shades = [challenge.FLASH_COLOURS[name] for name in colours]
        if len(set(shades)) < 2:
            raise ValueError("colours have to change")
        return Step(kind, window, rest, {"colours": colours, "shades": shades, "seconds": _seconds(given)})
    return Step(kind, window, rest)


def _seconds(given: dict[str, Any]) -> float:
    seconds = float(given["seconds"])
    if not 0.34 <= seconds <= 5:
        raise ValueError("seconds of a slot are 0.34 (three changes a second) to 5")
    return seconds
