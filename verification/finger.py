"""A finger drawn across a card: what covers the card against its own earlier look, and how that moves.

What is laid over a picture by software covers the finger too, or leaves a hole where it lies: the finger has to be seen
over every part of the middle of the card, from one side to the other, while the rest stays as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from verification.contract import Pixels

CELLS: Final = (40, 25)
"""Columns and rows in which the card is looked at: about 2 mm each."""
LEAST_COVER: Final = 0.012
MOST_COVER: Final = 0.6
"""Shares of the card that a finger, or a finger with its hand, covers."""
STAYS: Final = 0.12
"""Share of the card that may look changed beside the finger: shadow, and the card's device as it moves in the hand."""
CROSSED: Final = 0.85
"""Share of the middle's columns over which the finger has to be seen."""
TRAVELLED: Final = 0.3
"""Way of the covered part's middle, in widths of the card. A finger from below travels 0.7; one whose hand comes from
the side covers ever more or less, and its middle moves half of that."""

_LIGHT: Final = 15.0
_COLOUR: Final = 7.0
"""Steps in Lab (8-bit) of lightness, and of a or b, beyond which a cell is another thing than before; wavering light
and compression gave up to 9 and 4 on rendered cards."""
_MIDDLE_ROWS: Final = (0.3, 0.66)
"""The rows of the portrait: over them the finger has to pass."""
_MIDDLE_COLUMNS: Final = (0.1, 0.9)
_FILLED: Final = 0.25
"""Share of a column's middle rows that a finger covers which passes there."""
_RESTING: Final = 0.7
"""What is changed in more of the frames than this does not move: a device's other colour, or a sticker."""
_LEAST_FRAMES: Final = 3
_BACK: Final = 0.08
"""Widths by which the finger may go back on its way."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Way:
    """What a finger did. ``travelled``: widths of the card, to the right positive; ``crossed``: share of the middle's
    columns it was seen over on that way; ``rest``: largest share of the card that changed beside it."""

    travelled: float
    crossed: float
    rest: float

    @property
    def whole(self) -> bool:
        """From side to side, over every part, the rest unchanged."""
        return abs(self.travelled) >= TRAVELLED and self.crossed >= CROSSED and self.rest <= STAYS


def cover(before: Pixels, now: Pixels) -> Mask:
    """Which cells (25, 40) of a card laid flat look like another thing than before. Both BGR, of the same size."""
    first, second = (_cells(pixels) for pixels in (before, now))
    difference = second - first
    difference -= np.median(difference.reshape(-1, 3), axis=0)  # the whole card lighter, or in other light
    other = (np.abs(difference[..., 0]) > _LIGHT) | (np.abs(difference[..., 1:]).max(axis=2) > _COLOUR)
    return np.asarray(cv2.morphologyEx(other.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)) > 0)


def way(covers: Sequence[Mask], direction: int) -> Way:
    """The finger's best way in ``direction`` (1 to the right of the picture, -1 to the left) over a sequence."""
    resting = np.mean(covers, axis=0) > _RESTING if len(covers) > _LEAST_FRAMES else np.zeros(CELLS[::-1], bool)
    seen = [_finger(mask & ~resting) for mask in covers]
    best = Way(0.0, 0.0, 0.0)
    for run in _runs(seen):
        for start, end in _advances([middle for middle, _, _ in run], direction):
            part = run[start : end + 1]
            travelled = direction * abs(part[-1][0] - part[0][0])
            found = Way(travelled, _crossed([columns for _, columns, _ in part]), max(rest for _, _, rest in part))
            if (found.whole, found.crossed, abs(travelled)) > (best.whole, best.crossed, abs(best.travelled)):
                best = found
    return best


Finger = tuple[float, Mask, float]
"""Middle of the covered part (0..1 from the left), columns it covers in the middle, share that changed beside it."""


def _cells(pixels: Pixels) -> NDArray[np.float64]:
    lab = cv2.cvtColor(cv2.GaussianBlur(pixels, (0, 0), 2.0), cv2.COLOR_BGR2LAB)
    return np.asarray(cv2.resize(lab, CELLS, interpolation=cv2.INTER_AREA), np.float64)


def _finger(mask: Mask) -> Finger | None:
    """The largest thing over the card, if it is of a finger's or hand's size."""
    count, labels, figures, centres = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    if count < 2:
        return None
    largest = 1 + int(np.argmax(figures[1:, cv2.CC_STAT_AREA]))
    share = float(figures[largest, cv2.CC_STAT_AREA]) / mask.size
    if not LEAST_COVER <= share <= MOST_COVER:
        return None
    rows = slice(round(_MIDDLE_ROWS[0] * CELLS[1]), round(_MIDDLE_ROWS[1] * CELLS[1]))
    columns = (labels[rows] == largest).mean(axis=0) >= _FILLED
    return float((centres[largest][0] + 0.5) / CELLS[0]), np.asarray(columns), float(mask.mean()) - share


def _runs(seen: Sequence[Finger | None]) -> list[list[Finger]]:
    """Stretches in which a finger is seen; one frame without it does not end one."""
    runs: list[list[Finger]] = [[]]
    missed = 0
    for one in seen:
        missed = 0 if one is not None else missed + 1
        if one is not None:
            runs[-1].append(one)
        elif missed > 1 and runs[-1]:
            runs.append([])
    return [run for run in runs if len(run) >= _LEAST_FRAMES]


def _advances(middles: Sequence[float], direction: int) -> list[tuple[int, int]]:
    """Parts (first, last) of the way that go on in the direction, but for a little back."""
    parts, start, far = [], 0, 0
    for index in range(1, len(middles)):
        gone_back = direction * (middles[far] - middles[index])
        if gone_back > _BACK:
            parts.append((start, far))
            start = far = index
        elif gone_back < 0:
            far = index
    parts.append((start, far))
    return [(first, last) for first, last in parts if last - first + 1 >= _LEAST_FRAMES]


def _crossed(columns: Sequence[Mask]) -> float:
    """Share of the middle's columns that were covered, those passed between one frame and the next among them."""
    covered = np.zeros(CELLS[0], bool)
    for now in columns:
        covered |= now
    for before, now in pairwise(columns):
        if before.any() and now.any():
            at = sorted((int(np.flatnonzero(before).mean()), int(np.flatnonzero(now).mean())))
            covered[at[0] : at[1] + 1] = True
    inside = slice(round(_MIDDLE_COLUMNS[0] * CELLS[0]), round(_MIDDLE_COLUMNS[1] * CELLS[0]))
    return float(covered[inside].mean())
