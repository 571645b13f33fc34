"""How often the judge of tilted cards is wrong: rendered people who do, or do not, what the server asks with a card.

``python -m verification tilt`` prints the table of docs/document.md. Everything is drawn (``specimen``, ``photograph``,
a hand of one colour): the figures say what the judge tells apart there, not what real hands and cards do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from random import Random
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from verification import card_challenge, specimen
from verification.card_challenge import FINGERS, Kind, Script
from verification.card_quality import Box
from verification.contract import CheckResult, Frame, Outcome, Pixels, UnusableInput
from verification.photograph import Shot, photograph
from verification.rates import interval
from verification.specimen import PORTRAIT_BOX, Holder, draw_front
from verification.tilt_judge import Judge

TODAY: Final = date(2026, 11, 22)
"""The day on which the cards are drawn."""
RATE: Final = 3.3
"""Frames a second that the service gives the judge."""
MOST_SECONDS: Final = 90.0
DEVICE: Final[Box] = (
    specimen.VARIABLE_BOX[0] / specimen.WIDTH,
    specimen.VARIABLE_BOX[1] / specimen.HEIGHT,
    specimen.VARIABLE_BOX[2] / specimen.WIDTH,
    specimen.VARIABLE_BOX[3] / specimen.HEIGHT,
)
_SHEENS: Final = 12
"""Looks of the variable device that are drawn: it comes round once in 30 degrees."""


class Actor(StrEnum):
    """Who holds what before the camera.

    GENUINE: the card, as asked; COPY: a print of it, as asked; OVERLAY: another portrait laid over the picture by a
    tracker with its error; MASK: the same without any error, in front of the finger; REPLAY: a film of a genuine card
    and another script; STILL: the card, and nothing done.
    """

    GENUINE = "genuine"
    COPY = "copy"
    OVERLAY = "overlay"
    MASK = "mask"
    REPLAY = "replay"
    STILL = "still"


_DIRECTIONS: Final = {
    Kind.TILT_LEFT: (0.0, -1.0),
    Kind.TILT_RIGHT: (0.0, 1.0),
    Kind.TILT_UP: (1.0, 0.0),
    Kind.TILT_DOWN: (-1.0, 0.0),
}
"""Signs of Shot.tilt_x and tilt_y that bring the asked edge nearer."""


@dataclass
class Person:
    """One rendered person: ``picture(at)`` is what the camera sees, ``asked(kind, at)`` what the screen shows."""

    actor: Actor
    holder: Holder
    face: Pixels
    seed: int
    size: tuple[int, int] = (960, 540)
    acts: list[tuple[float, Kind, float]] = field(default_factory=list)
    """When an act begins, which, and how far (degrees; a finger's side on side seconds)."""

    def __post_init__(self) -> None:
        random = Random(f"person {self.seed}:{self.actor}")  # noqa: S311 - a trial is to be repeatable
        self._random = random
        self._shot = Shot(
            width=self.size[0], height=self.size[1], fill=random.uniform(0.38, 0.55), turn=random.uniform(-6, 6),
            tilt_x=random.uniform(-3, 3), tilt_y=random.uniform(-3, 3), noise=0.0, light=random.uniform(0.7, 0.95),
            exposure=random.uniform(0.8, 1.05), blur=random.uniform(0.4, 1.0),
            offset=(random.uniform(-0.05, 0.05), random.uniform(-0.05, 0.05)),
        )  # fmt: skip
        self._skin = np.array([random.uniform(70, 150), random.uniform(105, 170), random.uniform(150, 225)])
        self._thumb = (random.choice((0.0, 1.0)), random.uniform(0.55, 0.9))
        self._other = random.choice([kind for kind in Kind if kind not in FINGERS])
        self._noise = np.random.default_rng(self.seed)
        self._fronts: dict[int, Pixels] = {}

    def asked(self, kind: Kind, at: float) -> None:
        """The screen asks: after a moment the person does it."""
        if self.actor is Actor.STILL:
            return
        reach = self._random.uniform(1.8, 3.0) if kind in FINGERS else self._random.uniform(13, 24)
        self.acts.append((at + self._random.uniform(0.7, 1.6), kind, reach))

    def picture(self, at: float) -> Pixels:
        """The camera's frame at a moment, BGR."""
        tilt_x, tilt_y, finger = 0.0, 0.0, None
        for begin, kind, reach in self.acts:
            if kind in FINGERS:
                along = (at - begin) / reach
                if 0 <= along <= 1:
                    finger = along if kind is Kind.FINGER_RIGHT else 1 - along
            else:
                far = reach * float(np.clip(min((at - begin) / 0.9, (begin + 2.1 - at) / 0.7), 0, 1))
                sign_x, sign_y = _DIRECTIONS[kind]
                tilt_x, tilt_y = tilt_x + sign_x * far, tilt_y + sign_y * far
        jitter = self._random.gauss
        shot = replace(
            self._shot,
            tilt_x=self._shot.tilt_x + tilt_x + jitter(0, 0.5),
            tilt_y=self._shot.tilt_y + tilt_y + jitter(0, 0.5),
            turn=self._shot.turn + jitter(0, 0.6),
            offset=(self._shot.offset[0] + jitter(0, 0.006), self._shot.offset[1] + jitter(0, 0.006)),
        )
        sheen = 0.0 if self.actor is Actor.COPY else (shot.tilt_x + shot.tilt_y) / 30
        taken = photograph(self._front(sheen), shot, self.seed)
        scene = self._hands(taken.pixels.astype(np.float32), taken.corners, finger)
        if self.actor in (Actor.OVERLAY, Actor.MASK):
            scene = self._laid_over(scene, taken.corners)
        scene += self._noise.normal(0, 2.5, scene.shape).astype(np.float32)
        pixels = np.clip(scene, 0, 255).astype(np.uint8)
        return np.asarray(cv2.imdecode(cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 78])[1], 1), np.uint8)

    def _front(self, sheen: float) -> Pixels:
        step = round(sheen * _SHEENS) % _SHEENS
        if step not in self._fronts:
            self._fronts[step] = draw_front(self.holder, self.face, self.seed, step / _SHEENS)
        return self._fronts[step]

    def _hands(self, scene: NDArray[np.float32], corners: NDArray[np.float32], finger: float | None) -> Any:
        side, height = self._thumb
        inner = side + (0.07 if side == 0.0 else -0.07)
        scene = self._limb(scene, corners, (side * 1.6 - 0.3, height + 0.1), (inner, height), 0.11)
        if finger is not None:
            across = -0.12 + 1.24 * finger
            scene = self._limb(scene, corners, (across + 0.12, 1.9), (across, 0.24), 0.095)
        return scene

    def _limb(
        self,
        scene: NDArray[np.float32],
        corners: NDArray[np.float32],
        origin: tuple[float, float],
        tip: tuple[float, float],
        width: float,
    ) -> Any:
        """A finger from ``origin`` to ``tip`` (fractions of the card), with a soft edge and a shadow."""
        unit = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
        plane = cv2.getPerspectiveTransform(unit, corners)
        ends = cv2.perspectiveTransform(np.array([[origin, tip]], np.float32), plane)[0]
        thick = max(3, round(width * float(np.linalg.norm(corners[1] - corners[0]))))
        mask = np.zeros(scene.shape[:2], np.uint8)
        points = [(round(float(x)), round(float(y))) for x, y in ends]
        cv2.line(mask, points[0], points[1], 255, thick, cv2.LINE_AA)
        share = cv2.GaussianBlur(mask, (0, 0), 1.4)[..., None] / np.float32(255)
        shadow = cv2.GaussianBlur(np.roll(mask, (5, 7), (0, 1)), (0, 0), 7)[..., None] / np.float32(255)
        return (scene * (1 - 0.3 * shadow)) * (1 - share) + self._skin.astype(np.float32) * share

    def _laid_over(self, scene: NDArray[np.float32], corners: NDArray[np.float32]) -> Any:
        left, top, right, bottom = PORTRAIT_BOX
        patch = self._front(0.0)[top:bottom, left:right]
        flat = np.array(
            [[0, 0], [specimen.WIDTH, 0], [specimen.WIDTH, specimen.HEIGHT], [0, specimen.HEIGHT]], np.float32
        )
        error = 0.0 if self.actor is Actor.MASK else 2.0
        wrong = np.array([[self._random.gauss(0, error), self._random.gauss(0, error)] for _ in range(4)], np.float32)
        shift = np.array([[1, 0, left], [0, 1, top], [0, 0, 1]], np.float64)
        plane = np.asarray(cv2.getPerspectiveTransform(flat, corners + wrong), np.float64) @ shift
        size = (scene.shape[1], scene.shape[0])
        laid = cv2.warpPerspective(patch, plane, size, flags=cv2.INTER_AREA).astype(np.float32)
        mask = cv2.warpPerspective(np.full(patch.shape[:2], 255, np.uint8), plane, size)
        share = cv2.GaussianBlur(mask, (0, 0), 0.8)[..., None] / np.float32(255)
        return laid * share * self._shot.exposure + scene * (1 - share)


def play(person: Person, script: Script, performed: Script | None = None, known: bool = True) -> CheckResult:
    """One sequence from beginning to end. ``performed``: what a replayed film shows instead of what is asked."""
    judge = Judge(script, [DEVICE] if known else [])
    at, end = 0.0, MOST_SECONDS
    while at < end and not judge.complete:
        judge.feed(Frame(person.picture(at), round(at * 90_000), at))
        if judge.ready:
            number = len(judge.outcomes)
            step = judge.show(at)
            person.asked(performed.steps[number].kind if performed else step.kind, at)
        at += 1 / RATE
    return judge.result()


@dataclass(slots=True)
class Tally:
    """What came of one actor's sequences."""

    sequences: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    steps: int = 0
    answered: int = 0
    reasons: dict[str, int] = field(default_factory=dict)

    def row(self, actor: Actor) -> dict[str, Any]:
        """JSON: shares with their 95% bounds."""
        passed = self.outcomes.get(Outcome.PASSED, 0)
        bounds = interval(passed, self.sequences)
        return {
            "actor": str(actor),
            "sequences": self.sequences,
            "passed": passed,
            "failed": self.outcomes.get(Outcome.FAILED, 0),
            "inconclusive": self.outcomes.get(Outcome.INCONCLUSIVE, 0),
            "passed_share": round(passed / self.sequences, 3),
            "passed_bounds": [round(bounds.low, 3), round(bounds.high, 3)],
            "steps_answered": round(self.answered / self.steps, 3),
            "reasons": dict(sorted(self.reasons.items(), key=lambda item: -item[1])),
        }


def actors(names: Sequence[str]) -> tuple[Actor, ...]:
    """Those of the names, all for none. Raises UnusableInput actor_unknown."""
    try:
        return tuple(Actor(name) for name in names) or tuple(Actor)
    except ValueError as error:
        raise UnusableInput("actor_unknown", f"There are {', '.join(Actor)}.") from error


def measure(
    face: Pixels, each: int, seed: int = 0, known: bool = True, chosen: Sequence[Actor] = tuple(Actor)
) -> list[dict[str, Any]]:
    """Rows for the actors, ``each`` sequences of another card, person and script; about 20 s of one core a sequence."""
    rows = []
    for actor in chosen:
        tally = Tally()
        for number in range(each):
            random = Random(f"{actor} {seed}:{number}")  # noqa: S311 - a run is to be repeatable
            holder = specimen.make_holder(seed=number, today=TODAY)
            script = card_challenge.choose(random)
            other = _another(script, random) if actor is Actor.REPLAY else None
            result = play(Person(actor, holder, face, 1000 * seed + number), script, other, known)
            tally.sequences += 1
            tally.outcomes[result.outcome] = tally.outcomes.get(result.outcome, 0) + 1
            for reason in result.reasons:
                tally.reasons[reason] = tally.reasons.get(reason, 0) + 1
            shown = [step for step in result.details["steps"] if step["outcome"] != Outcome.NOT_RUN]
            tally.steps += max(1, len(shown))
            tally.answered += sum(step["outcome"] == Outcome.PASSED for step in shown)
        rows.append(tally.row(actor))
    return rows


def _another(script: Script, random: Random) -> Script:
    """A script that asks for something else at some place."""
    while True:
        other = card_challenge.choose(random)
        if [step.kind for step in other.steps] != [step.kind for step in script.steps]:
            return other


def as_text(rows: list[dict[str, Any]]) -> str:
    """The rows as a table for people."""
    lines = [f"{'who':10} {'passed':>8} {'bounds':>14} {'failed':>7} {'open':>5} {'steps':>6}  reasons"]
    for row in rows:
        low, high = row["passed_bounds"]
        reasons = ", ".join(f"{name} {count}" for name, count in row["reasons"].items())
        lines.append(
            f"{row['actor']:10} {row['passed']:>4}/{row['sequences']:<3} {f'{low:.2f}-{high:.2f}':>14} "
            f"{row['failed']:>7} {row['inconclusive']:>5} {row['steps_answered']:>6.2f}  {reasons}"
        )
    return "\n".join(lines)
