"""What the applicant is asked to do, drawn at random: steps, their order, their parameters and the pauses between.

A script is drawn afresh from the caller's random source (``secrets.SystemRandom()`` in the service) for each challenge,
so that no recording can have been made for it. ``Script.entropy_bits`` counts only what the judge can tell apart.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from typing import Any, Final


class Kind(StrEnum):
    """Kinds of step. Text for people: ``challenge.<kind>``."""

    TURN_LEFT = "turn_left"
    TURN_RIGHT = "turn_right"
    NOD = "nod"
    BLINK = "blink"
    OPEN_MOUTH = "open_mouth"
    COME_CLOSER = "come_closer"
    READ_DIGITS = "read_digits"
    COLOUR_FLASH = "colour_flash"


NEEDS: Final[Mapping[str, frozenset[Kind]]] = {
    "light_sensitive": frozenset({Kind.COLOUR_FLASH}),
    "cannot_speak": frozenset({Kind.READ_DIGITS}),
    "cannot_read_screen": frozenset({Kind.READ_DIGITS}),
    "cannot_turn_head": frozenset({Kind.TURN_LEFT, Kind.TURN_RIGHT, Kind.NOD}),
    "cannot_move_nearer": frozenset({Kind.COME_CLOSER}),
    "cannot_close_eyes": frozenset({Kind.BLINK}),
    "cannot_open_mouth": frozenset({Kind.OPEN_MOUTH, Kind.READ_DIGITS}),
}
"""What a person says she cannot do -> the kinds that are left out for her (WCAG 2.2, EN 301 549). Text:
``need.<code>``. The other kinds are the alternative set; the script grows until it is as hard to guess."""

MIN_BITS: Final = 12.0
"""A script is worth at least this: a recording made for another script fits by luck once in 4096, before timing."""
MAX_STEPS: Final = 7
"""A longer script is refused rather than asked of a person: 7 steps take about 40 seconds."""
DEFAULT_COUNT: Final = 4

BLINKS: Final = (2, 3)
DIGIT_SLOTS: Final = 6
DIGITS_SHOWN: Final = 3
SLOT_SECONDS: Final = 1.2
"""One digit is read aloud in 0.3 to 0.5 s, and people begin 0.4 to 0.8 s after it is shown."""

FLASH_COLOURS: Final[Mapping[str, str]] = {
    "rose": "#ff96aa",
    "green": "#6ecd78",
    "blue": "#96b4ff",
    "amber": "#e1af32",
}
"""Colours of nearly one relative luminance (0.46 to 0.49): going from one to another is no *flash* in WCAG 2.3.1's
sense (a change of 10% of the greatest luminance), none is a saturated red, and the skin still answers in hue."""
FLASH_SLOTS: Final = 6
FLASH_SECONDS: Final = 0.8
"""Each colour's time: 1.25 changes a second, well under the three a second of WCAG 2.3.1."""

REST_SECONDS: Final = (0.8, 1.0, 1.2, 1.4, 1.6, 1.8, 2.0, 2.2)
"""The pause before a step, of which one is drawn, so that the moment of a step is not known from the one before."""

_WINDOWS: Final[Mapping[Kind, float]] = {
    Kind.TURN_LEFT: 4.0,
    Kind.TURN_RIGHT: 4.0,
    Kind.NOD: 4.0,
    Kind.BLINK: 5.0,
    Kind.OPEN_MOUTH: 4.0,
    Kind.COME_CLOSER: 6.0,
    Kind.READ_DIGITS: DIGIT_SLOTS * SLOT_SECONDS + 1.0,
    Kind.COLOUR_FLASH: FLASH_SLOTS * FLASH_SECONDS + 0.6,
}
_ONCE: Final = frozenset({Kind.READ_DIGITS, Kind.COLOUR_FLASH})


class ScriptTooWeak(Exception):
    """So many kinds are left out that no script of at most MAX_STEPS steps is hard enough to guess.

    ``code`` is ``challenge_too_weak``: such a person is identified by a consultant's own questions, or in person.
    """

    code = "challenge_too_weak"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do. Everything in ``parameters`` is JSON-able and may be sent to the applicant's page."""

    kind: Kind
    window: float
    """Seconds from the moment the step is shown within which it has to be done."""
    rest: float
    """Seconds of a calm, straight look before the step is shown."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """blink: ``times``; read_digits: ``slots`` (a digit or "" for a pause) and ``seconds`` for each;
    colour_flash: ``colours`` (codes of FLASH_COLOURS), ``shades`` (#rrggbb) and ``seconds`` for each."""

    @property
    def text(self) -> str:
        """The code of its sentence."""
        return f"challenge.{self.kind}"


@dataclass(frozen=True, slots=True)
class Script:
    """Steps in the order in which they are shown, one at a time, each only when it is due."""

    steps: tuple[Step, ...]
    entropy_bits: float
    """Surprise of this script: minus log2 of its probability, of kinds, order and judged parameters alone."""


def choose(random: Random, count: int = DEFAULT_COUNT, excluded: frozenset[Kind] = frozenset()) -> Script:
    """Draw a script of at least ``count`` steps without the ``excluded`` kinds.

    ``random`` has to be a cryptographic source in service (``secrets.SystemRandom()``). A colour flash is always among
    the steps unless excluded, at a random place: it is the step that a recording cannot answer. No kind comes twice in
    a row; reading digits and colours come at most once. Raises ScriptTooWeak, and ValueError for a count out of
    1..MAX_STEPS.
    """
    if not 1 <= count <= MAX_STEPS:
        raise ValueError(f"count has to be 1..{MAX_STEPS}, not {count}")
    allowed = [kind for kind in Kind if kind not in excluded and kind is not Kind.COLOUR_FLASH]
    for length in range(count, MAX_STEPS + 1):
        script = _draw(random, length, allowed, Kind.COLOUR_FLASH not in excluded)
        if script is not None and script.entropy_bits >= MIN_BITS:
            return script
    raise ScriptTooWeak(f"{len(allowed)} kinds of step cannot make a script of {MIN_BITS:.0f} bits")


def excluded_for(needs: Sequence[str]) -> frozenset[Kind]:
    """The kinds to leave out for what a person says she cannot do. Raises ValueError for an unknown need."""
    unknown = sorted(set(needs) - NEEDS.keys())
    if unknown:
        raise ValueError(f"unknown need: {', '.join(unknown)}")
    return frozenset[Kind]().union(*(NEEDS[need] for need in needs))


def _draw(random: Random, length: int, allowed: Sequence[Kind], flash: bool) -> Script | None:
    place = random.randrange(length) if flash else -1
    bits = math.log2(length) if flash else 0.0
    steps: list[Step] = []
    for index in range(length):
        if index == place:
            options: list[Kind] = [Kind.COLOUR_FLASH]
        else:
            used = {step.kind for step in steps}
            last = steps[-1].kind if steps else None
            options = [kind for kind in allowed if kind != last and not (kind in _ONCE and kind in used)]
        if not options:
            return None
        kind = random.choice(options)
        parameters, more = _parameters(random, kind)
        bits += math.log2(len(options)) + more
        steps.append(Step(kind, _WINDOWS[kind], random.choice(REST_SECONDS), parameters))
    return Script(tuple(steps), round(bits, 2))


def _parameters(random: Random, kind: Kind) -> tuple[dict[str, Any], float]:
    """A step's parameters, and the bits of them that the judge can tell apart."""
    if kind is Kind.BLINK:
        return {"times": random.choice(BLINKS)}, 0.0  # a recording of three blinks holds two: no bits for the number
    if kind is Kind.READ_DIGITS:
        places = random.choice(list(itertools.combinations(range(DIGIT_SLOTS), DIGITS_SHOWN)))
        slots = [str(random.randrange(10)) if place in places else "" for place in range(DIGIT_SLOTS)]
        # lips say when something is said, not what: the digits themselves are for the consultant's ears
        return {"slots": slots, "seconds": SLOT_SECONDS}, math.log2(math.comb(DIGIT_SLOTS, DIGITS_SHOWN))
    if kind is Kind.COLOUR_FLASH:
        colours = [random.choice(list(FLASH_COLOURS))]
        while len(colours) < FLASH_SLOTS:
            colours.append(random.choice([name for name in FLASH_COLOURS if name != colours[-1]]))
        bits = math.log2(len(FLASH_COLOURS)) + (FLASH_SLOTS - 1) * math.log2(len(FLASH_COLOURS) - 1)
        shades = [FLASH_COLOURS[name] for name in colours]
        return {"colours": colours, "shades": shades, "seconds": FLASH_SECONDS}, bits
    return {}, 0.0
