"""A card tilted before the camera: is it one rigid plane, and does light move over its variable devices as it should?

Judged on a sequence of frames. Each frame's card is laid flat by its outline, then registered on the clearest one by
points followed across it. On one plane every part moves by one homography (Hartley and Zisserman 2004, ch. 13): a part
that moves by itself was laid over the card. An optically variable device changes colour and brightness with the angle,
and a copy of it does not, while light on the rest of the card changes evenly.

The thresholds come from rendered sequences (``verification/tilt_sequence.py``; figures in docs/document.md), not from
cards in people's hands: what is not passed is therefore inconclusive, for the consultant to look at, never failed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from verification import card
from verification.card_quality import Box
from verification.contract import CheckResult, Outcome, Pixels

VERSION: Final = "tilt-1"
FLAT: Final = (640, 404)
"""Width and height in pixels at which sequences are compared: 7.5 pixels a millimetre."""
LEAST_FRAMES: Final = 5
"""Frames with the whole card needed: two would do for a plane, five show an order in the change."""
LEAST_TILT: Final = 5.0
"""Degrees between the extreme positions: below that the card was not tilted. A swing through the frontal position
measures as its larger half, for an outline alone does not tell to which side a card leans."""
ONE_PLANE: Final = 0.86
"""Least share of the card's cells that move with the rest."""
LIGHT_MOVES: Final = 3.5
"""Least change of a variable device over that of the rest of the card."""

_STRAY: Final = 2.2
"""Pixels (at FLAT) that a cell may be off the common movement: twice what tracking errors gave on rendered cards."""
_CELLS: Final = (10, 6)
_POINTS_A_CELL: Final = 3
_AS_DEVIATION: Final = 1.68
"""The middle three fifths of a normal distribution are so many standard deviations wide."""
_DEVICE: Final = 0.03
"""Share of the card that a variable device fills at least."""
FOCAL: Final = 1.0
"""Focal length over the picture's longest side, of a phone or laptop camera (65 to 75 degrees across)."""
_LEAST_CHANGE: Final = 0.3
"""Grey levels: what even a still card changes by, from compression and noise."""
BORDER: Final = 0.06
"""Share of the card at its edges that is left out: outline errors and fingers are there."""

Matrix = NDArray[np.float64]
_FLAT_CORNERS: Final = np.array([[0, 0], [FLAT[0], 0], [FLAT[0], FLAT[1]], [0, FLAT[1]]], np.float32)


@dataclass(frozen=True, slots=True)
class _Laid:
    """One frame's card, laid flat by its outline with the homography ``to_flat``."""

    flat: Pixels
    to_flat: Matrix
    size: tuple[int, int]
    """Width and height of the frame."""


@dataclass(frozen=True, slots=True)
class TiltFigures:
    """``tilt``: degrees between the extreme positions. ``plane``: share of cells that move as one plane.
    ``change``: of the variable devices, over that of the rest of the card."""

    frames: int
    tilt: float
    plane: float
    change: float


def judge(frames: Sequence[Pixels], variable: Sequence[Box]) -> CheckResult:
    """Judge a sequence in order of time. ``variable``: the optically variable regions, fractions of the card.

    Reasons: tilt_card_not_seen, tilt_too_small, tilt_not_one_plane, tilt_light_does_not_move. About 0.2 s a frame.
    """
    figures = measure(frames, variable)
    if figures is None:
        return CheckResult("tilt", Outcome.INCONCLUSIVE, ("tilt_card_not_seen",), version=VERSION)
    reasons = []
    if figures.tilt < LEAST_TILT:
        reasons.append("tilt_too_small")
    if figures.plane < ONE_PLANE:
        reasons.append("tilt_not_one_plane")
    if variable and figures.change < LIGHT_MOVES:
        reasons.append("tilt_light_does_not_move")
    details = {
        "frames": figures.frames,
        "tilt_degrees": round(figures.tilt, 1),
        "one_plane": round(figures.plane, 3),
        "change": round(figures.change, 2),
    }
    outcome = Outcome.INCONCLUSIVE if reasons else Outcome.PASSED
    return CheckResult("tilt", outcome, tuple(reasons), version=VERSION, details=details)


def measure(frames: Sequence[Pixels], variable: Sequence[Box]) -> TiltFigures | None:
    """The figures of a sequence; None where the whole card is seen in too few frames."""
    laid = _laid(frames)
    if len(laid) < LEAST_FRAMES:
        return None
    greys = [np.asarray(cv2.cvtColor(one.flat, cv2.COLOR_BGR2GRAY), np.uint8) for one in laid]
    reference = int(np.argmax([cv2.Laplacian(grey, cv2.CV_32F).var() for grey in greys]))
    registered, planes = [laid[reference].flat], []
    normals = [_normals(laid[reference], np.eye(3, dtype=np.float64))]
    for index, one in enumerate(laid):
        if index == reference:
            continue
        found = register(greys[reference], greys[index])
        if found is None:
            continue
        homography, plane = found
        planes.append(plane)
        registered.append(np.asarray(cv2.warpPerspective(one.flat, homography, FLAT), np.uint8))
        normals.append(_normals(one, np.asarray(np.linalg.inv(homography), np.float64)))
    if len(registered) < LEAST_FRAMES:
        return None
    steady = _steady(normals)
    angles = np.degrees(np.arccos(np.clip(steady @ steady.T, -1, 1)))
    # The frame in which the most parts stray counts, but for one: a blurred frame tracks badly.
    plane = float(np.sort(planes)[min(1, len(planes) - 1)])
    return TiltFigures(len(registered), float(angles.max()), plane, change(registered, variable))


def _laid(frames: Sequence[Pixels]) -> list[_Laid]:
    """Every frame whose whole card is found, turned as the one before."""
    laid: list[_Laid] = []
    before: NDArray[np.float32] | None = None
    for pixels in frames:
        found = [one for one in card.find(pixels) if not one.cut and not one.whole_picture]
        if not found:
            continue
        corners = found[0].corners
        if before is not None:
            turned = np.roll(corners, 2, axis=0)
            if np.linalg.norm(turned - before) < np.linalg.norm(corners - before):
                corners = turned
        before = corners
        to_flat = np.asarray(cv2.getPerspectiveTransform(corners, _FLAT_CORNERS), np.float64)
        flat = cv2.warpPerspective(pixels, to_flat, FLAT, flags=cv2.INTER_AREA)
        laid.append(_Laid(np.asarray(flat, np.uint8), to_flat, (pixels.shape[1], pixels.shape[0])))
    return laid


def _normals(one: _Laid, from_reference: Matrix) -> Matrix:
    """Both normals (2, 3) that the card can have (IPPE, Collins and Bartoli 2014), for the assumed focal length.

    The corners are those of the reference frame's outline carried over by the points followed: an outline found anew
    in each frame wavers by more than a small tilt moves it.
    """
    carried = np.linalg.inv(one.to_flat) @ from_reference
    corners = cv2.perspectiveTransform(_FLAT_CORNERS.reshape(-1, 1, 2), carried).reshape(-1, 2)
    width, height = one.size
    focal = FOCAL * max(height, width)
    camera = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]], np.float64)
    half = np.array([card.ASPECT / 2, 0.5])
    model = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half
    points = np.column_stack([model, np.zeros(4)]).astype(np.float64)
    _, rotations, _, _ = cv2.solvePnPGeneric(
        points, corners.astype(np.float64), camera, np.zeros(4), flags=cv2.SOLVEPNP_IPPE
    )
    normals = [np.asarray(cv2.Rodrigues(rotation)[0], np.float64)[:, 2] for rotation in rotations]
    return np.array([normals[0], normals[-1]])


def _steady(choices: Sequence[Matrix]) -> Matrix:
    """One normal a frame: the sequence that turns least in all. A nearly frontal card looks the same leant to either
    side, and taken alone would seem to flip."""
    cost = np.zeros(2)
    came = []
    for before, now in pairwise(choices):
        turn = np.arccos(np.clip(before @ now.T, -1, 1)) + cost[:, None]
        came.append(turn.argmin(axis=0))
        cost = turn.min(axis=0)
    chosen = [int(cost.argmin())]
    for origin in reversed(came):
        chosen.append(int(origin[chosen[-1]]))
    return np.array([normals[index] for normals, index in zip(choices, reversed(chosen), strict=True)])


def register(reference: Pixels, other: Pixels) -> tuple[Matrix, float] | None:
    """Homography from ``other`` onto ``reference`` (grey, FLAT) and the share of cells on it; None without one."""
    mask = np.zeros(reference.shape, np.uint8)
    edge_x, edge_y = round(FLAT[0] * BORDER), round(FLAT[1] * BORDER)
    mask[edge_y:-edge_y, edge_x:-edge_x] = 255
    points = cv2.goodFeaturesToTrack(reference, 700, 0.004, 5, mask=mask)
    if points is None or len(points) < 24:
        return None
    start = np.asarray(points, np.float32)
    moved, tracked, _ = cv2.calcOpticalFlowPyrLK(reference, other, start, start.copy(), winSize=(21, 21), maxLevel=3)
    back, again, _ = cv2.calcOpticalFlowPyrLK(other, reference, moved, moved.copy(), winSize=(21, 21), maxLevel=3)
    apart = np.linalg.norm((np.asarray(back) - start).reshape(-1, 2), axis=1)
    good = (tracked.ravel() == 1) & (again.ravel() == 1) & (apart < 1.0)
    source, target = np.asarray(moved).reshape(-1, 2)[good], start.reshape(-1, 2)[good]
    if len(source) < 24:
        return None
    homography, _ = cv2.findHomography(source, target, cv2.RANSAC, 1.5)
    if homography is None:
        return None
    placed = cv2.perspectiveTransform(source.reshape(-1, 1, 2), homography).reshape(-1, 2)
    stray = np.linalg.norm(placed - target, axis=1)
    cell = (target / np.array(FLAT) * np.array(_CELLS)).astype(int)
    number = cell[:, 1] * _CELLS[0] + cell[:, 0]
    medians = [np.median(stray[number == one]) for one in np.unique(number) if (number == one).sum() >= _POINTS_A_CELL]
    if len(medians) < _CELLS[0]:
        return None
    return np.asarray(homography, np.float64), float(np.mean(np.array(medians) < _STRAY))


def change(registered: Sequence[Pixels], variable: Sequence[Box]) -> float:
    """Change of the variable regions over the sequence, over that of the rest of the card; 0 without regions."""
    if not variable:
        return 0.0
    inside = np.zeros((FLAT[1], FLAT[0]), bool)
    for left, top, right, bottom in variable:
        rows = slice(round(top * FLAT[1]), round(bottom * FLAT[1]))
        inside[rows, round(left * FLAT[0]) : round(right * FLAT[0])] = True
    rest = _middle() & ~cv2.dilate(inside.astype(np.uint8), np.ones((15, 15), np.uint8)).astype(bool)
    spread = np.linalg.norm(_evened_all(registered, rest).std(axis=0), axis=2)
    return float(spread[inside].mean() / max(float(np.median(spread[rest])), _LEAST_CHANGE))


def change_anywhere(registered: Sequence[Pixels]) -> float:
    """As ``change``, of whatever part (3% of the card) changes most: for a card whose devices' places are not known.

    Says less: a lamp mirrored in a glossy print moves, too.
    """
    middle = _middle()
    stack = _evened_all(registered, middle)
    # Of the middle three fifths of the looks: a finger that is over the card in one or two of them is no device.
    low, high = np.percentile(stack, (20, 80), axis=0)
    spread = np.asarray(np.linalg.norm((high - low) / _AS_DEVIATION, axis=2), np.float64)
    cells = np.sort(cv2.resize(spread, _CELLS, interpolation=cv2.INTER_AREA).ravel())
    most = cells[-max(1, round(_DEVICE * cells.size)) :].mean()
    return float(most / max(float(np.median(spread[middle])), _LEAST_CHANGE))


def _middle() -> NDArray[np.bool_]:
    """The card without its edges."""
    middle = np.zeros((FLAT[1], FLAT[0]), bool)
    edge_x, edge_y = round(FLAT[0] * BORDER), round(FLAT[1] * BORDER)
    middle[edge_y:-edge_y, edge_x:-edge_x] = True
    return middle


def _evened_all(registered: Sequence[Pixels], rest: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The sequence in Lab, shape (frames, height, width, 3), even changes of light taken off."""
    # Blurred, for a pixel's error of registration must not count; in Lab, where steps are about as visible anywhere.
    colours = [
        cv2.cvtColor(cv2.GaussianBlur(one, (0, 0), 3), cv2.COLOR_BGR2LAB).astype(np.float64) for one in registered
    ]
    return np.stack([_evened(one, colours[0], rest) for one in colours])


def _evened(
    colours: NDArray[np.float64], reference: NDArray[np.float64], rest: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """The frame with the slope of light over the rest of the card taken off: light on paper changes like a plane."""
    y, x = np.nonzero(rest)
    basis = np.column_stack([np.ones(len(x)), x / FLAT[0], y / FLAT[1]])[::7]
    difference = (colours - reference)[rest][::7]
    slope, *_ = np.linalg.lstsq(basis, difference, rcond=None)
    rows, columns = np.mgrid[0 : FLAT[1], 0 : FLAT[0]]
    whole = np.stack([np.ones_like(rows), columns / FLAT[0], rows / FLAT[1]], axis=-1)
    return np.asarray(colours - whole @ slope)
