"""What the applicant is asked to do with the card, drawn at random: tilts in some order, and a finger across it.

Directions are those of the picture as the camera sent it: ``tilt_left`` brings the edge that is at the left of that
picture nearer to the camera. A page that shows the own picture mirrored tells the person the other side.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Final


class Kind(StrEnum):
    """Kinds of step. Text for people: ``challenge.<kind>``."""

    TILT_LEFT = "tilt_left"
    TILT_RIGHT = "tilt_right"
    TILT_UP = "tilt_up"
    TILT_DOWN = "tilt_down"
    FINGER_LEFT = "finger_left"
    FINGER_RIGHT = "finger_right"


TILTS: Final = (Kind.TILT_LEFT, Kind.TILT_RIGHT, Kind.TILT_UP, Kind.TILT_DOWN)
FINGERS: Final = (Kind.FINGER_LEFT, Kind.FINGER_RIGHT)
TILTS_ASKED: Final = 3
TILT_SECONDS: Final = 8.0
"""A tilt takes a second or two; a person has to read and understand before it."""
FINGER_SECONDS: Final = 12.0
REST_SECONDS: Final = (0.6, 0.9, 1.2, 1.5)
"""How long the card is held straight before a step, of which one is drawn: the moment of a step is not known before."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do with the card."""

    kind: Kind
    window: float
    """Seconds from the moment the step is shown within which it has to be done."""
    rest: float
    """Seconds for which the card is held straight before it is shown."""

    @property
    def parameters(self) -> dict[str, object]:
        """Nothing beyond the kind; as ``challenge.Step`` has them."""
        return {}


@dataclass(frozen=True, slots=True)
class Script:
    """Steps in the order in which they are shown."""

    steps: tuple[Step, ...]
    entropy_bits: float
    """log2 of the number of scripts that are as likely."""


def choose(random: Random) -> Script:
    """Three of the four tilts in random order, and at a random place among them a finger from a random side.

    Pass ``secrets.SystemRandom()`` in service: who could foresee the script could film it.
    """
    kinds = random.sample(TILTS, TILTS_ASKED)
    kinds.insert(random.randrange(TILTS_ASKED + 1), random.choice(FINGERS))
    steps = tuple(
        Step(kind, FINGER_SECONDS if kind in FINGERS else TILT_SECONDS, random.choice(REST_SECONDS)) for kind in kinds
    )
    scripts = math.perm(len(TILTS), TILTS_ASKED) * len(FINGERS) * (TILTS_ASKED + 1)
    return Script(steps, round(math.log2(scripts), 2))
