"""A card tilted as the server asks, and a finger drawn across it: judged frame by frame while it happens.

Each step is measured against the card's own pose just before it, so that neither the camera's focal length nor a hand
that never holds a card quite straight decides. At the end the whole sequence has to be one rigid plane whose variable
devices changed more than the rest (``tilt``). Figures: docs/document.md, ``python -m verification tilt``.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import cv2
import numpy as np

from verification import card_plane, finger, images, tilt
from verification.card_challenge import FINGERS, TILTS, Kind, Script, Step
from verification.card_quality import Box
from verification.contract import CheckResult, Frame, Outcome, Pixels

CHECK: Final = "tilt"
VERSION: Final = "tilt-2"
MODEL: Final = "ORB, Lucas-Kanade"

ASKED: Final = 8.0
"""Degrees (``card_plane.lean``) by which the asked edge has to come nearer."""
OTHER: Final = 11.0
"""Degrees in another direction, in two frames, that are another movement than the asked one."""
STRAIGHT: Final = 14.0
"""Degrees from facing the camera within which a step may begin."""
STEADY: Final = 4.0
"""Degrees between two frames of a card that is held still."""
APART: Final = 0.8
"""Share of cells on one plane below which a part moves by itself: overlays gave 0.66 to 0.76, cards 0.97 to 1."""

STEP_REASONS: Final = ("answered", "not_answered", "wrong_direction", "card_lost", "card_partly_uncovered", "not_shown")
"""Codes of one step; translated as ``step.<code>``."""
_TOWARDS: Final = {
    Kind.TILT_LEFT: (1.0, 0.0),
    Kind.TILT_RIGHT: (-1.0, 0.0),
    Kind.TILT_UP: (0.0, 1.0),
    Kind.TILT_DOWN: (0.0, -1.0),
}
_KEPT: Final = 20
"""Looks of the sequence kept for the whole's judgement: a few of each step."""
_KEEP_EVERY: Final = 0.5
"""Seconds between two of them."""
_LOST_SHARE: Final = 0.5
"""Of a step's frames, without the card: then it was lost rather than not tilted."""
_WRONG_REFERENCE: Final = 12
"""Frames in a row without the card, before the first step, after which another one is looked for."""
_JPEG: Final = 92


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """What became of one step."""

    kind: Kind
    outcome: Outcome
    reason: str
    """One of STEP_REASONS."""
    figure: float = 0.0
    """Of a tilt: degrees towards the asked side at most; of a finger: share of the card's middle it passed over."""


@dataclass(frozen=True, slots=True)
class Feedback:
    """What one frame changed."""

    face: bool
    """The card is seen. (Named as in ``liveness.Feedback``, for what both hand on.)"""
    progress: float
    """0..1 of the step under way."""
    keep: bool
    """This frame shows the step better than any before it: worth keeping as its picture of evidence."""


@dataclass(slots=True)
class _Running:
    step: Step
    shown_at: float
    base: tuple[float, float]
    before: Pixels
    frames: int = 0
    lost: int = 0
    best: float = 0.0
    other: int = 0
    covers: list[finger.Mask] = field(default_factory=list)


class Judge:
    """One sequence: ``feed`` each frame in order of time, ``show`` when the next step is put on the screen. Picklable.

    ``variable``: the card's optically variable regions, where their places are known (fractions of the upright card).
    """

    def __init__(self, script: Script, variable: Sequence[Box] = ()) -> None:
        self.script = script
        self.outcomes: list[StepOutcome] = []
        self._variable = tuple(variable)
        self._reference: card_plane.Reference | None = None
        self._recent: deque[tuple[float, card_plane.Seen]] = deque(maxlen=2)
        self._straight_since: float | None = None
        self._running: _Running | None = None
        self._kept: list[bytes] = []
        self._kept_at = -math.inf
        self._planes: list[float] = []
        self._missed = 0
        self._fed = 0
        self._milliseconds = 0.0

    @property
    def complete(self) -> bool:
        """Every step has ended, or one has failed."""
        failed = any(one.outcome is Outcome.FAILED for one in self.outcomes)
        return failed or len(self.outcomes) == len(self.script.steps)

    @property
    def next_step(self) -> Step | None:
        """The step to show next; None while one is under way or when all is over."""
        return None if self._running is not None or self.complete else self.script.steps[len(self.outcomes)]

    @property
    def ready(self) -> bool:
        """The card is held straight and still for as long as the next step wants."""
        step = self.next_step
        if step is None or len(self._recent) < 2 or self._straight_since is None:
            return False
        return self._recent[-1][0] - self._straight_since >= step.rest

    def show(self, at: float) -> Step:
        """The next step is shown at ``at``. Raises ValueError when none is due."""
        step = self.next_step
        if step is None or not self._recent:
            raise ValueError("no step is due")
        base = np.mean([seen.lean for _, seen in self._recent], axis=0)
        before = self._recent[-1][1]
        self._running = _Running(step, at, (float(base[0]), float(base[1])), before.flat)
        self._note(at, before, False)
        self._straight_since = None
        return step

    def feed(self, frame: Frame) -> Feedback:
        """Judge one frame. 0.05 to 0.2 s."""
        started = time.perf_counter()
        seen = self._look(frame.pixels)
        self._fed += 1
        running, progress, keep = self._running, 0.0, False
        if running is None:
            self._wait(frame.received_at, seen)
        elif frame.received_at >= running.shown_at:
            progress, keep = self._advance(running, frame.received_at, seen)
        if seen is not None and running is not None and running.step.kind in TILTS:
            self._note(frame.received_at, seen, keep)
        self._milliseconds += 1000 * (time.perf_counter() - started)
        return Feedback(seen is not None, progress, keep)

    def result(self) -> CheckResult:
        """The answer so far.

        Reasons: tilt_wrong_movement, finger_wrong_way, tilt_not_one_plane (these fail it where they are plain),
        tilt_card_not_seen, tilt_not_answered, finger_not_seen, finger_part_uncovered, tilt_light_does_not_move.
        """
        missing = self.script.steps[len(self.outcomes) :]
        steps = [*self.outcomes, *(StepOutcome(one.kind, Outcome.NOT_RUN, "not_shown") for one in missing)]
        failed, doubtful = self._of_steps(steps)
        plane = float(np.sort(self._planes)[min(1, len(self._planes) - 1)]) if self._planes else None
        change = self._changed()
        if plane is not None and plane < APART:
            failed.append("tilt_not_one_plane")
        elif plane is not None and plane < tilt.ONE_PLANE:
            doubtful.append("tilt_not_one_plane")
        if change is not None and change < tilt.LIGHT_MOVES:
            doubtful.append("tilt_light_does_not_move")
        details: dict[str, Any] = {
            "steps": [
                {"kind": str(one.kind), "outcome": str(one.outcome), "reason": one.reason, "score": one.figure}
                for one in steps
            ],
            "entropy_bits": self.script.entropy_bits,
            "frames": self._fed,
            "one_plane": None if plane is None else round(plane, 3),
            "change": None if change is None else round(change, 2),
            "places_known": bool(self._variable),
        }
        return CheckResult(
            CHECK,
            Outcome.FAILED if failed else Outcome.INCONCLUSIVE if doubtful else Outcome.PASSED,
            tuple(dict.fromkeys([*failed, *doubtful])),
            model=MODEL,
            version=VERSION,
            milliseconds=round(self._milliseconds, 1),
            details=details,
        )

    def _of_steps(self, steps: Sequence[StepOutcome]) -> tuple[list[str], list[str]]:
        """Reasons that fail the whole, and reasons that leave it open."""
        failed, doubtful = [], []
        for one in steps:
            across = one.kind in FINGERS
            if one.outcome is Outcome.FAILED:
                failed.append("finger_wrong_way" if across else "tilt_wrong_movement")
            elif one.reason == "card_partly_uncovered":
                doubtful.append("finger_part_uncovered")
            elif self._reference is None or one.reason == "card_lost":
                doubtful.append("tilt_card_not_seen")
            elif one.reason == "not_answered":
                doubtful.append("finger_not_seen" if across else "tilt_not_answered")
            elif one.outcome is Outcome.NOT_RUN:
                doubtful.append("tilt_not_answered")
        return failed, doubtful

    def _look(self, pixels: Pixels) -> card_plane.Seen | None:
        if self._reference is not None:
            return card_plane.follow(self._reference, pixels)
        first = card_plane.refer(pixels)
        if first is None or math.hypot(*first[1].lean) > STRAIGHT:
            return None
        self._reference = first[0]
        return first[1]

    def _wait(self, at: float, seen: card_plane.Seen | None) -> None:
        """Between steps: is the card held straight and still?"""
        if seen is None:
            self._recent.clear()
            self._straight_since = None
            self._missed += 1
            if self._missed >= _WRONG_REFERENCE and not self.outcomes:
                self._reference = None  # it was something else than the card that is held up
            return
        self._missed = 0
        before = self._recent[-1][1].lean if self._recent else seen.lean
        self._recent.append((at, seen))
        still = math.dist(before, seen.lean) < STEADY and math.hypot(*seen.lean) < STRAIGHT
        if not still:
            self._straight_since = None
        elif self._straight_since is None:
            self._straight_since = at

    def _advance(self, running: _Running, at: float, seen: card_plane.Seen | None) -> tuple[float, bool]:
        running.frames += 1
        progress, keep = 0.0, False
        if seen is None:
            running.lost += 1
        elif running.step.kind in FINGERS:
            progress, keep = self._finger(running, seen)
        else:
            progress, keep = self._tilt(running, seen)
        if self._running is not None and at - running.shown_at > running.step.window:
            self._give_up(running)
        return progress, keep

    def _tilt(self, running: _Running, seen: card_plane.Seen) -> tuple[float, bool]:
        moved = (seen.lean[0] - running.base[0], seen.lean[1] - running.base[1])
        towards = _TOWARDS[running.step.kind]
        asked = moved[0] * towards[0] + moved[1] * towards[1]
        aside = abs(moved[0] * towards[1]) + abs(moved[1] * towards[0])
        keep = asked > max(running.best, ASKED / 2)
        running.best = max(running.best, asked)
        running.other = running.other + 1 if max(aside, -asked) >= OTHER and asked < ASKED else 0
        if asked >= ASKED and asked > aside:
            self._end(Outcome.PASSED, "answered", asked)
        elif running.other >= 2:
            self._end(Outcome.FAILED, "wrong_direction", asked)
        return float(np.clip(asked / ASKED, 0, 1)), keep

    def _finger(self, running: _Running, seen: card_plane.Seen) -> tuple[float, bool]:
        running.covers.append(finger.cover(running.before, seen.flat))
        found = finger.way(running.covers, _direction(running.step.kind))
        keep = bool(running.covers[-1].any()) and found.crossed > running.best
        running.best = max(running.best, found.crossed)
        if found.whole:
            self._end(Outcome.PASSED, "answered", found.crossed)
        return float(np.clip(found.crossed / finger.CROSSED, 0, 1)), keep

    def _give_up(self, running: _Running) -> None:
        """The step's time is over."""
        asked = running.step.kind
        if asked in FINGERS:
            if finger.way(running.covers, -_direction(asked)).whole:
                return self._end(Outcome.FAILED, "wrong_direction", running.best)
            if abs(finger.way(running.covers, _direction(asked)).travelled) >= finger.TRAVELLED:
                return self._end(Outcome.INCONCLUSIVE, "card_partly_uncovered", running.best)
        lost = running.lost > _LOST_SHARE * running.frames
        return self._end(Outcome.INCONCLUSIVE, "card_lost" if lost else "not_answered", running.best)

    def _end(self, outcome: Outcome, reason: str, figure: float) -> None:
        assert self._running is not None
        self.outcomes.append(StepOutcome(self._running.step.kind, outcome, reason, round(float(figure), 3)))
        self._running = None
        self._recent.clear()

    def _note(self, at: float, seen: card_plane.Seen, best: bool) -> None:
        self._planes.append(seen.plane)
        if (best or at - self._kept_at >= _KEEP_EVERY) and len(self._kept) < _KEPT:
            self._kept.append(images.encode_jpeg(seen.flat, _JPEG))
            self._kept_at = at

    def _changed(self) -> float | None:
        """How much more the variable devices changed than the rest; None where too little was seen to say."""
        if len(self._kept) < tilt.LEAST_FRAMES:
            return None
        looks = [
            np.asarray(cv2.imdecode(np.frombuffer(one, np.uint8), cv2.IMREAD_COLOR), np.uint8) for one in self._kept
        ]
        return tilt.change(looks, self._variable) if self._variable else tilt.change_anywhere(looks)


def _direction(kind: Kind) -> int:
    return 1 if kind is Kind.FINGER_RIGHT else -1
