"""Whether a live person does what was asked, when it was asked, and stays the same person: judged on received frames.

``Judge`` takes frames one at a time and is small and picklable, so that it can travel to a worker with each frame and
back; ``judge`` does the same for a recorded sequence. All times are seconds on the clock of ``Frame.received_at``.
"""

from __future__ import annotations

import itertools
import math
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from verification import detector, gestures, matcher_sface, mesh, parallax, quality
from verification.challenge import Kind, Script, Step
from verification.contract import CheckResult, Frame, Outcome
from verification.gestures import Baseline, Recognition
from verification.measures import FaceMeasures, FaceMeter

CHECK: Final = "liveness"
VERSION: Final = "1"
MODEL: Final = f"{mesh.MODEL.name}-{mesh.VERSION}+{matcher_sface.VERSION}"

MIN_RATE: Final = 8.0
"""Frames a second under which blinks and lips fall between frames."""
CALM_YAW: Final = 6.0
CALM_PITCH: Final = 6.0
CALM_MOUTH: Final = 0.15
"""How far from her own baseline (degrees; mouth opening over width) a person at rest may be."""
FRONTAL: Final = 20.0
"""Degrees of yaw within which a straight look to the camera has to lie at all."""
CALIBRATION_FRAMES: Final = 6
CALM_MEMORY: Final = 45
"""Calm frames that the baseline is the median of: a few seconds."""
TRAIL: Final = 240
"""Frames remembered: the longest window (8.2 s) at 25 frames a second and more; older ones of a step fall out."""
LOST: Final = 0.25
"""Share of a step's frames without a face, or seconds in a row / 2, past which the step cannot be judged."""
LOOK_ANYWAY: Final = 1.5
"""Seconds after a step at which the face is compared even if it does not rest as it did (it may be another's)."""
JUMP: Final = 0.6
"""Face widths between two frames at most 0.2 s apart: no head moves like that, a cut does."""
SAME_PERSON: Final = 0.408
"""Cosine of SFace at a false match rate of 1e-4 (portrait x webcam; within one call genuine scores are far higher)."""
OTHER_PERSON: Final = 0.30
"""Below this at two looks in a row it is another face."""

_NOBODY: Final = Baseline(0.0, 0.0, 0.3, 0.0, 1.0)
"""Before any face was seen."""

REASONS: Final = (
    "challenge_answered",
    "challenge_wrong_action",
    "challenge_too_early",
    "challenge_not_answered",
    "challenge_unfinished",
    "identity_changed",
    "identity_uncertain",
    "several_faces",
    "face_lost",
    "face_jumped",
    "too_few_frames",
)
"""Codes of the whole; translated as ``reason.<code>``."""
STEP_REASONS: Final = (
    "answered",
    "not_answered",
    "wrong_direction",
    "wrong_action",
    "too_early",
    "no_perspective",
    "lips_out_of_time",
    "skin_did_not_answer",
    "face_lost",
    "several_faces",
    "too_few_frames",
    "not_shown",
)
"""Codes of one step; translated as ``step.<code>``."""


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """What became of one step."""

    index: int
    kind: Kind
    outcome: Outcome
    reason: str
    """One of STEP_REASONS."""
    shown_at: float | None = None
    ended_at: float | None = None
    score: float = 0.0
    """The act's own figure (gestures.Recognition.score)."""
    frames: tuple[int, ...] = ()
    """Evidence: numbers (from 0, in the order they were fed) of the first frame after the prompt, the one that shows
    the act best, and the last."""


@dataclass(frozen=True, slots=True)
class LivenessResult:
    """The check and its steps."""

    result: CheckResult
    """check = "liveness"; score is the share of steps answered."""
    steps: tuple[StepOutcome, ...]


@dataclass(frozen=True, slots=True)
class Feedback:
    """What one frame changed."""

    face: bool
    ready: bool
    """The person looks straight and calm long enough for the next step to be shown."""
    progress: float
    """0..1 of the step under way."""
    keep: bool
    """This frame shows the step better than any before it: worth keeping as its picture of evidence."""
    ended: StepOutcome | None
    """The step that this frame ended."""


@dataclass(slots=True)
class _Running:
    """The step under way."""

    index: int
    step: Step
    shown_at: float
    base: Baseline
    first: int
    missed: int = 0
    frames: int = 0
    best: int = -1
    progress: float = 0.0
    score: float = 0.0
    missing: str = "not_answered"


class Judge:
    """One challenge, frame by frame: ``feed`` each frame, ``show`` when the next step is put on the applicant's screen.

    Picklable; under 150 kB. Not for two threads at once.
    """

    def __init__(self, script: Script) -> None:
        self.script = script
        self.outcomes: list[StepOutcome] = []
        self._meter = FaceMeter()
        self._trail: deque[tuple[int, FaceMeasures]] = deque(maxlen=TRAIL)
        self._calm: deque[FaceMeasures] = deque(maxlen=CALM_MEMORY)
        self._base: Baseline | None = None
        self._calm_since: float | None = None
        self._running: _Running | None = None
        self._fed = 0
        self._times: deque[float] = deque(maxlen=TRAIL)
        self._reference: matcher_sface.Vector | None = None
        self._rest_look: parallax.Look | None = None
        self._identity: list[float] = []
        self._look_due = True
        self._jumps = 0
        self._crowded = 0
        self._milliseconds = 0.0

    @property
    def finished(self) -> bool:
        """Every step has ended, or one has ended in a way that ends the challenge."""
        return len(self.outcomes) == len(self.script.steps) or any(o.outcome is Outcome.FAILED for o in self.outcomes)

    @property
    def complete(self) -> bool:
        """Finished, and the face was looked at once more after the last step: ``result`` is final."""
        failed = any(o.outcome is Outcome.FAILED for o in self.outcomes)
        return self.finished and (failed or not self._look_due)

    @property
    def next_step(self) -> Step | None:
        """The step to show next; None while one is under way or when the challenge is finished."""
        if self._running is not None or self.finished:
            return None
        return self.script.steps[len(self.outcomes)]

    @property
    def ready(self) -> bool:
        """Calm and straight for the next step's ``rest`` seconds, and looked at for identity: time to ``show`` it."""
        step = self.next_step
        if step is None or len(self._calm) < CALIBRATION_FRAMES or self._look_due or not self._trail:
            return False
        now = self._trail[-1][1].at
        return self._calm_since is not None and self._times[-1] == now and now - self._calm_since >= step.rest

    def show(self, at: float) -> Step:
        """The next step is shown at ``at``. Raises ValueError when none is due."""
        step = self.next_step
        if step is None:
            raise ValueError("no step is due")
        self._running = _Running(len(self.outcomes), step, at, self._own(), self._fed)
        self._calm_since = None
        return step

    def feed(self, frame: Frame) -> Feedback:
        """Judge one frame. Frames have to come in the order of ``received_at``."""
        started = time.perf_counter()
        measures = self._meter.measure(frame)
        if measures is None:
            self._calm_since = None
        index = self._fed
        self._fed += 1
        self._times.append(frame.received_at)
        if measures is not None:
            measures = self._with_depth(frame, measures)
            self._note(index, measures)
            if self._running is None and self._may_look(measures):
                self._look(frame)
        feedback = self._advance(index, frame.received_at, measures)
        self._milliseconds += 1000 * (time.perf_counter() - started)
        return feedback

    def feed_measures(self, measures: FaceMeasures) -> Feedback:
        """As ``feed`` for a frame measured before (identity is then not looked at): for calibration on many scripts."""
        index = self._fed
        self._fed += 1
        self._times.append(measures.at)
        self._look_due = False
        self._note(index, measures)
        return self._advance(index, measures.at, measures)

    def result(self) -> LivenessResult:
        """The answer so far; steps that were not shown have not run."""
        shown = len(self.outcomes)
        pending = tuple(
            StepOutcome(i, step.kind, Outcome.NOT_RUN, "not_shown")
            for i, step in enumerate(self.script.steps[shown:], start=shown)
        )
        steps = (*self.outcomes, *pending)
        outcome, reasons = self._whole(steps)
        answered = sum(o.outcome is Outcome.PASSED for o in steps)
        details: dict[str, Any] = {
            "steps": [
                {"kind": str(o.kind), "outcome": str(o.outcome), "reason": o.reason, "score": o.score} for o in steps
            ],
            "entropy_bits": self.script.entropy_bits,
            "identity_scores": [round(score, 4) for score in self._identity],
            "frames": self._fed,
            "frames_per_second": round(self._rate(), 1),
        }
        check = CheckResult(
            CHECK,
            outcome,
            reasons,
            round(answered / len(steps), 3),
            1.0,
            None,
            MODEL,
            VERSION,
            round(self._milliseconds, 1),
            details,
        )
        return LivenessResult(check, steps)

    def _note(self, index: int, measures: FaceMeasures) -> None:
        if self._trail:
            last = self._trail[-1][1]
            gap = measures.at - last.at
            moved = math.hypot(
                measures.box[0] + measures.box[2] / 2 - last.box[0] - last.box[2] / 2,
                measures.box[1] + measures.box[3] / 2 - last.box[1] - last.box[3] / 2,
            )
            if 0 < gap <= 0.2 and moved > JUMP * last.box[2]:
                self._jumps += 1
        self._trail.append((index, measures))
        if measures.faces > 1:
            self._crowded += 1
        if self._running is None:
            if self._settled(measures):
                self._calm.append(measures)
                self._base = None
                self._calm_since = measures.at if self._calm_since is None else self._calm_since
            else:
                self._calm_since = None

    def _settled(self, measures: FaceMeasures) -> bool:
        """At rest: before there is a baseline, facing the camera and steady over the last half second."""
        if len(self._calm) >= CALIBRATION_FRAMES:
            return self._is_calm(measures)
        recent = [m for _, m in self._trail if m.at >= measures.at - 0.5]
        spread = float(np.ptp([m.yaw for m in recent]) + np.ptp([m.pitch for m in recent])) if recent else 99.0
        return abs(measures.yaw) < FRONTAL and spread < CALM_YAW

    def _own(self) -> Baseline:
        """The person's own calm look, as far as it is known."""
        if self._base is None:
            calm = self._calm or [m for _, m in self._trail]
            self._base = gestures.baseline(calm) if calm else _NOBODY
        return self._base

    def _is_calm(self, measures: FaceMeasures) -> bool:
        base = self._own()
        return (
            abs(measures.yaw - base.yaw) < CALM_YAW
            and abs(measures.pitch - base.pitch) < CALM_PITCH
            and measures.mouth - base.mouth < CALM_MOUTH
        )

    def _with_depth(self, frame: Frame, measures: FaceMeasures) -> FaceMeasures:
        """While somebody comes closer and is close: whether a solid head does."""
        running, points = self._running, self._meter.points
        if running is None or running.step.kind is not Kind.COME_CLOSER or self._rest_look is None or points is None:
            return measures
        if measures.eye_distance < gestures.CLOSER * running.base.eye_distance:
            return measures
        moved = parallax.motion(self._rest_look, parallax.look(frame.pixels, points))
        return replace(measures, nearing=moved.nearing)

    def _may_look(self, measures: FaceMeasures) -> bool:
        """A look is due and the face is straight: calm as at the beginning, or after a while as it is."""
        waited = self.outcomes and measures.at - (self.outcomes[-1].ended_at or measures.at) > LOOK_ANYWAY
        return self._look_due and abs(measures.yaw) < FRONTAL and (bool(waited) or self._settled(measures))

    def _look(self, frame: Frame) -> None:
        """Compare the face with the one at the beginning, at rest, before the first step and after each."""
        faces = detector.detect(frame.pixels)
        if not faces:
            return
        if quality.several(faces):
            self._crowded += 1
        vector = matcher_sface.embed(matcher_sface.align(frame.pixels, faces[0]))
        if self._reference is None:
            self._reference = vector
        else:
            self._identity.append(matcher_sface.cosine(self._reference, vector))
        if self._meter.points is not None:
            self._rest_look = parallax.look(frame.pixels, self._meter.points)
        self._look_due = False

    def _advance(self, index: int, at: float, measures: FaceMeasures | None) -> Feedback:
        running = self._running
        if running is None or at < running.shown_at:
            return Feedback(measures is not None, self.ready, 0.0, False, None)
        running.frames += 1
        running.missed += measures is None
        over = at - running.shown_at > running.step.window + gestures.WINDOW_GRACE
        found = Recognition(missing=running.missing)
        keep = False
        if measures is not None:
            seen = [(i, m) for i, m in self._trail if m.at >= running.shown_at]
            found = gestures.recognise(running.step, running.shown_at, [m for _, m in seen], running.base)
            running.missing, running.score = found.missing, found.score
            if found.peak is not None and seen[found.peak][0] == index:
                keep, running.best = True, index
            running.progress = found.progress
        ended = self._ending(running, index, at, found, over)
        if ended is not None:
            self.outcomes.append(ended)
            self._running = None
            self._look_due = True
        return Feedback(measures is not None, False, running.progress, keep, ended)

    def _ending(self, running: _Running, index: int, at: float, found: Recognition, over: bool) -> StepOutcome | None:
        """How this frame ends the step, or None while it goes on."""
        if found.refused:
            outcome, reason = Outcome.FAILED, found.refused
        elif found.done:
            outcome, reason = Outcome.PASSED, "answered"
        elif not over:
            return None
        elif running.missed > LOST * running.frames:
            outcome, reason = Outcome.INCONCLUSIVE, "face_lost"
        elif running.frames < MIN_RATE * running.step.window / 2:
            outcome, reason = Outcome.INCONCLUSIVE, "too_few_frames"
        else:
            outcome, reason = Outcome.INCONCLUSIVE, found.missing
        frames = tuple(sorted({running.first, running.best if running.best >= 0 else index, index}))
        return StepOutcome(
            running.index, running.step.kind, outcome, reason, running.shown_at, at, running.score, frames
        )

    def _rate(self) -> float:
        if len(self._times) < 2 or self._times[-1] <= self._times[0]:
            return 0.0
        return (len(self._times) - 1) / (self._times[-1] - self._times[0])

    def _whole(self, steps: Sequence[StepOutcome]) -> tuple[Outcome, tuple[str, ...]]:
        """One wrong act fails; one act missed cannot be told from a slow person: ask again; two missed fail."""
        doubts = self._doubts()
        reasons = {o.reason for o in steps}
        low = [score < OTHER_PERSON for score in self._identity]
        if any(a and b for a, b in itertools.pairwise(low)) or (low and low[-1]):
            return Outcome.FAILED, ("identity_changed",)
        if reasons & {"wrong_direction", "wrong_action"}:
            return Outcome.FAILED, ("challenge_wrong_action",)
        if "too_early" in reasons:
            return Outcome.FAILED, ("challenge_too_early",)
        missed = [o for o in steps if o.outcome is Outcome.INCONCLUSIVE]
        unjudged = [o.reason for o in missed if o.reason in ("face_lost", "too_few_frames")]
        if len(missed) - len(unjudged) >= 2:
            return Outcome.FAILED, ("challenge_not_answered",)
        if missed:
            return Outcome.INCONCLUSIVE, tuple(dict.fromkeys([*unjudged, "challenge_not_answered"][: len(missed)]))
        if not self.complete:
            return Outcome.INCONCLUSIVE, ("challenge_unfinished",)
        if doubts:
            return Outcome.INCONCLUSIVE, doubts
        return Outcome.PASSED, ("challenge_answered",)

    def _doubts(self) -> tuple[str, ...]:
        """What makes answered steps inconclusive all the same."""
        found = {
            "several_faces": self._crowded > 0,
            "face_jumped": self._jumps > 0,
            "identity_uncertain": any(score < SAME_PERSON for score in self._identity),
            "too_few_frames": self._rate() < MIN_RATE,
        }
        return tuple(code for code, true in found.items() if true)


def judge(script: Script, frames: Sequence[Frame], prompts: Sequence[float]) -> LivenessResult:
    """Judge a recorded sequence: ``prompts`` are the moments at which each step was shown (server's clock)."""
    state = Judge(script)
    due = deque(prompts)
    for frame in frames:
        if state.complete:
            break
        if due and state.next_step is not None and frame.received_at >= due[0]:
            state.show(due.popleft())
        state.feed(frame)
    return state.result()
