"""One card followed from frame to frame: where its plane is, how it leans, and what it looks like laid flat.

The card's first whole, straight look is the reference. Each later frame is matched to it by ORB features (Rublee et al.
2011) and then registered by points followed across it (``tilt.register``): an outline need not be found again, so that
a hand may cover the card's edge.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from verification import card, detector, tilt
from verification.contract import Pixels
from verification.front import level, portrait_sized

FEATURES: Final = 1200
"""Of the reference; of a frame twice as many, for there is more in it than the card."""
LEAST_MATCHES: Final = 16
"""Fewer that agree on one plane are no card seen again."""
_NEAR: Final = 4.0
"""Pixels of the frame that a match may be off the plane."""
_RATIO: Final = 0.8
"""A match has to be so much better than the second best (Lowe 2004, 7.1)."""
_WORKING: Final = 1280
"""Longest side in pixels at which a frame is matched."""

Matrix = NDArray[np.float64]
_FLAT_CORNERS: Final = np.array(
    [[0, 0], [tilt.FLAT[0], 0], [tilt.FLAT[0], tilt.FLAT[1]], [0, tilt.FLAT[1]]], np.float32
)


@dataclass(frozen=True, slots=True)
class Seen:
    """The card in one frame."""

    lean: tuple[float, float]
    """Degrees, about: how far its left (first) and its upper edge in the picture are nearer than the opposite ones."""
    flat: Pixels
    """Laid flat on the reference: 404x640x3 BGR."""
    plane: float
    """Share of the card's cells that lie on the one plane, 0..1."""


@dataclass(frozen=True, slots=True)
class Reference:
    """The card as it was first seen whole. Picklable; about a megabyte."""

    flat: Pixels
    grey: Pixels
    points: NDArray[np.float32]
    descriptors: NDArray[np.uint8]


def refer(pixels: Pixels) -> tuple[Reference, Seen] | None:
    """A first look: the front of a card, whole in the picture, upright by its portrait. None where there is none.

    About 0.2 s for 1280x720.
    """
    best: tuple[float, NDArray[np.float32]] | None = None
    for one in card.find(pixels):
        if one.cut or one.whole_picture:
            continue
        for turn in (0, 2):
            corners = np.roll(one.corners, turn, axis=0)
            certain = portrait_certainty(_lay(pixels, _onto_flat(corners)))
            if certain and (best is None or certain > best[0]):
                best = (certain, corners)
    if best is None:
        return None
    flat = _lay(pixels, _onto_flat(best[1]))
    grey = np.asarray(cv2.cvtColor(flat, cv2.COLOR_BGR2GRAY), np.uint8)
    points, descriptors = _features(grey, FEATURES)
    if descriptors is None:
        return None
    return Reference(flat, grey, points, descriptors), Seen(lean(best[1], _size(pixels)), flat, 1.0)


def follow(reference: Reference, pixels: Pixels) -> Seen | None:
    """The same card in a later frame; None where it is not seen. 0.05 to 0.1 s."""
    scale = min(1.0, _WORKING / max(pixels.shape[:2]))
    small = pixels if scale == 1.0 else np.asarray(cv2.resize(pixels, None, fx=scale, fy=scale), np.uint8)
    points, descriptors = _features(np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), np.uint8), 2 * FEATURES)
    if descriptors is None or len(descriptors) < LEAST_MATCHES:
        return None
    pairs = cv2.BFMatcher(cv2.NORM_HAMMING).knnMatch(reference.descriptors, descriptors, k=2)
    good = [two[0] for two in pairs if len(two) == 2 and two[0].distance < _RATIO * two[1].distance]
    if len(good) < LEAST_MATCHES:
        return None
    source = reference.points[[match.queryIdx for match in good]]
    target = points[[match.trainIdx for match in good]] / scale
    rough, inside = cv2.findHomography(source, target, cv2.RANSAC, _NEAR / scale)
    if rough is None or int(np.sum(inside)) < LEAST_MATCHES:
        return None
    to_flat = np.asarray(np.linalg.inv(np.asarray(rough, np.float64)), np.float64)
    laid = _lay(pixels, to_flat)
    fine = tilt.register(reference.grey, np.asarray(cv2.cvtColor(laid, cv2.COLOR_BGR2GRAY), np.uint8))
    if fine is None:
        return None
    onto, plane = fine
    onto_flat = np.asarray(onto @ to_flat, np.float64)
    corners = cv2.perspectiveTransform(_FLAT_CORNERS.reshape(-1, 1, 2), np.linalg.inv(onto_flat)).reshape(-1, 2)
    if not cv2.isContourConvex(np.asarray(corners, np.float32)):
        return None
    return Seen(lean(np.asarray(corners, np.float32), _size(pixels)), _lay(pixels, onto_flat), plane)


def lean(corners: NDArray[np.float32], size: tuple[int, int]) -> tuple[float, float]:
    """How a card leans: degrees by which the picture's left and upper side of it are nearer than right and lower.

    ``corners``: 4x2 pixels, clockwise from the card's own top left; ``size``: width and height of the picture. The
    nearer of two equal edges looks longer: their ratio, the card's size and the focal length assumed (``tilt.FOCAL``)
    give the angle, in proportion to the true one where the focal length is another.
    """
    top, right, bottom, left = (float(np.linalg.norm(corners[(i + 1) % 4] - corners[i])) for i in range(4))
    focal = tilt.FOCAL * max(size)
    own = np.array(
        [
            np.log(max(left, 1.0) / max(right, 1.0)) * focal / max((top + bottom) / 2, 1.0),
            np.log(max(top, 1.0) / max(bottom, 1.0)) * focal / max((left + right) / 2, 1.0),
        ]
    )
    across = (corners[1] - corners[0]) + (corners[2] - corners[3])
    cos, sin = across / max(float(np.linalg.norm(across)), 1e-9)
    in_picture = np.array([[cos, -sin], [sin, cos]]) @ np.degrees(np.arcsin(np.clip(own, -1, 1)))
    return float(in_picture[0]), float(in_picture[1])


def portrait_certainty(flat: Pixels) -> float:
    """The detector's score of an upright face of a portrait's size; 0 without one."""
    faces = detector.detect(flat, tilt.FLAT[0])
    return max((one.score for one in faces if level(one) and portrait_sized(one, flat.shape[0])), default=0.0)


def _features(grey: Pixels, count: int) -> tuple[NDArray[np.float32], NDArray[np.uint8] | None]:
    keys, descriptors = cv2.ORB.create(count, fastThreshold=12).detectAndCompute(grey, None)
    points = np.array([key.pt for key in keys], np.float32).reshape(-1, 2)
    return points, None if descriptors is None else np.asarray(descriptors, np.uint8)


def _onto_flat(corners: NDArray[np.float32]) -> Matrix:
    return np.asarray(cv2.getPerspectiveTransform(np.asarray(corners, np.float32), _FLAT_CORNERS), np.float64)


def _lay(pixels: Pixels, onto_flat: Matrix) -> Pixels:
    return np.asarray(cv2.warpPerspective(pixels, onto_flat, tilt.FLAT, flags=cv2.INTER_AREA), np.uint8)


def _size(pixels: Pixels) -> tuple[int, int]:
    return pixels.shape[1], pixels.shape[0]
