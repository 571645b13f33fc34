"""How often the judge of challenges is wrong: trials on clips of real faces cut to random scripts (``clips``).

Two kinds of trial. In *numbers*, every frame of every clip is measured once and scripts are acted out on the measures,
with all clips' acts carried over to one face: thousands of scripts, every kind of step. In *pixels*, one person's clip
is cut, sent through VP8 as a browser would, and judged from the pictures: slow, and only the steps that this person
shows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

from verification import challenge, clips, conditions, liveness
from verification.challenge import Kind, Script
from verification.clips import Clip
from verification.contract import Frame, Outcome
from verification.measures import FaceMeasures, FaceMeter

Measured = Mapping[str, Mapping[int, FaceMeasures]]


@dataclass(slots=True)
class Tally:
    """Steps asked and recognised, by kind, and why not; whole scripts passed."""

    asked: Counter[Kind] = field(default_factory=Counter)
    recognised: Counter[Kind] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    scripts: int = 0
    passed: int = 0

    def add(self, steps: Sequence[liveness.StepOutcome]) -> None:
        """Count one script's steps; those that were not shown are not counted."""
        self.scripts += 1
        self.passed += all(step.outcome is Outcome.PASSED for step in steps)
        for step in steps:
            if step.outcome is Outcome.NOT_RUN:
                continue
            self.asked[step.kind] += 1
            if step.outcome is Outcome.PASSED:
                self.recognised[step.kind] += 1
            else:
                self.refused[f"{step.kind}:{step.reason}"] += 1


def measure_clips(folder: Path) -> dict[str, dict[int, FaceMeasures]]:
    """Measures of the frames that takes use. Raises OSError where a clip cannot be read, ValueError without a face."""
    found: dict[str, dict[int, FaceMeasures]] = {}
    for name in clips.CASTS:
        meter = FaceMeter()
        found[name] = {}
        for number, pixels in sorted(clips.load(folder, name).pixels.items()):
            measures = meter.measure(Frame(pixels, 0, number / clips.RATE))
            if measures is None:
                raise ValueError(f"{name}: frame {number} has no face")
            found[name][number] = measures
    return found


def genuine_in_numbers(measured: Measured, scripts: int, seed: int = 0) -> Tally:
    """People who do what is asked, with delays of 0.4 to 1 s; every kind of step."""
    tally = Tally()
    for random in _randoms(seed, scripts):
        names = _shuffled(measured, random)
        script = challenge.choose(random)
        take = clips.perform(script, names, random)
        judge, due = liveness.Judge(script), list(take.prompts)
        for measures in clips.measured(take, measured):
            if judge.finished:
                break
            if due and judge.next_step is not None and measures.at >= due[0]:
                judge.show(due.pop(0))
            judge.feed_measures(measures)
        tally.add(judge.result().steps)
    return tally


def other_scripts_in_numbers(
    measured: Measured, scripts: int, seed: int = 0, lit: bool = False, excluded: frozenset[Kind] = frozenset()
) -> Tally:
    """Recordings of people who did another random script, played at a random moment of it.

    Steps are shown as the service shows them: when the face is calm. A trial ends at the first step that is not
    answered, because a recording that misses one cannot pass. With ``lit`` the recording was made under the colours of
    its own script, otherwise under none. ``excluded``: kinds left out of both scripts.
    """
    tally = Tally()
    for random in _randoms(seed + 1, scripts):
        names = _shuffled(measured, random)
        asked, other = (challenge.choose(random, excluded=excluded) for _ in range(2))
        take = clips.perform(other, names, random, begin=-random.uniform(0.0, 8.0))
        judge = liveness.Judge(asked)
        for measures in clips.measured(take, measured, gain=0.15 if lit else 0.0):
            if measures.at < 0:
                continue
            ended = judge.feed_measures(measures).ended
            if ended is not None and ended.outcome is not Outcome.PASSED:
                break
            if judge.ready:
                judge.show(measures.at)
            if judge.finished:
                break
        tally.add(judge.result().steps)
    return tally


def genuine_in_pixels(folder: Path, each: int, kilobits: int = 400, seed: int = 0) -> Tally:
    """Each person's clip, cut to ``each`` scripts of the steps it can show, through VP8 at 15 frames a second."""
    tally = Tally()
    for name in clips.CASTS:
        clip = clips.load(folder, name)
        for random in _randoms(seed, each):
            script, frames, prompts = staged(clip, random, kilobits)
            tally.add(liveness.judge(script, frames, prompts).steps)
    return tally


def staged(clip: Clip, random: Random, kilobits: int = 400) -> tuple[Script, list[Frame], tuple[float, ...]]:
    """One clip cut to a random script of its own kinds and received through VP8: script, frames, prompts."""
    script = challenge.choose(random, excluded=frozenset(set(Kind) - clips.kinds_of([clip.name])))
    take = clips.perform(script, [clip.name], random)
    return script, received(clips.render(take, {clip.name: clip}), kilobits), take.prompts


def received(frames: Sequence[Frame], kilobits: int = 400) -> list[Frame]:
    """The frames as a receiver decodes them after a browser's live VP8."""
    decoded = conditions.through_vp8([frame.pixels for frame in frames], kilobits, round(clips.CAMERA_RATE))
    return [replace(frame, pixels=pixels) for frame, pixels in zip(frames, decoded, strict=False)]


def _randoms(seed: int, count: int) -> Iterator[Random]:
    for number in range(count):
        yield Random(f"{seed}:{number}")  # noqa: S311 - trials are to be repeatable


def _shuffled(measured: Measured, random: Random) -> list[str]:
    names = sorted(measured)
    random.shuffle(names)
    return names
