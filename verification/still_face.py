"""The face on a printed portrait, found as surely and placed as exactly as one detector can.

A portrait is compared once in a session, so it may cost ten looks: the detector sees it at five sizes, each also
mirrored, and the landmarks of all looks that found the same face are averaged, weighted by the detector's confidence.
On 1374 printed portraits this finds every face (one look: 2 not found) and takes the share of genuine pairs refused at
a false match rate of 1e-3 from 4.9% to 3.8% (docs/models.md).
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from verification.contract import Pixels
from verification.detector import MIN_SCORE, WORKING_SIDE, Face, detect, subject_first

_SEARCHED: Final = (WORKING_SIDE, 640, 1024, 200)
"""Longest sides at which the face is first searched, in turn: a cut portrait, a whole photographed card."""
_LOOKS: Final = (200, 256, 320, 400, 512)
_LOOK_SCORE: Final = 0.3
"""A look may be unsure: it counts when it agrees with the others, by the fourth power of its score."""
_SAME: Final = 0.4  # overlap (intersection over union) of two boxes of one face
_WINDOW: Final = 1.8
"""Side of the window in which the face is looked at, in sides of its box."""
_WINDOW_PIXELS: Final = 320
"""Longest side to which the window is brought."""


def find(pixels: Pixels) -> tuple[Pixels, tuple[Face, ...]]:
    """The picture in which the faces lie, and the faces, the subject's first; () where there is none.

    The returned picture is the given one, or the given one with a border: a face that fills the picture is only
    found when there is something around it.
    """
    for side in _SEARCHED:
        faces = subject_first(detect(pixels, side), pixels)
        if faces:
            return pixels, faces
    framed = _with_border(pixels)
    return framed, subject_first(detect(framed), framed)


def look_closely(pixels: Pixels, face: Face) -> tuple[Pixels, Face]:
    """A window round the face, enlarged or reduced, and the face in it with averaged landmarks."""
    window, first = _window(pixels, face)
    looks = [found for side in _LOOKS for found in _look(window, side)]
    agreeing = [found for found in looks if _overlap(found, first) > _SAME]
    if not any(found.score >= MIN_SCORE for found in agreeing):
        return window, first
    weights = np.array([found.score for found in agreeing]) ** 4
    weights /= weights.sum()
    landmarks = np.einsum("i,ijk->jk", weights, np.array([found.landmarks for found in agreeing]))
    x, y, width, height = weights @ np.array([(f.x, f.y, f.width, f.height) for f in agreeing])
    score = max(found.score for found in agreeing)
    return window, Face(float(x), float(y), float(width), float(height), landmarks.astype(np.float32), score)


def _look(window: Pixels, side: int) -> list[Face]:
    straight = detect(window, side, _LOOK_SCORE)
    mirrored = detect(np.ascontiguousarray(window[:, ::-1]), side, _LOOK_SCORE)
    return [*straight, *(_mirror(face, window.shape[1]) for face in mirrored)]


def _mirror(face: Face, width: int) -> Face:
    places = face.landmarks[[1, 0, 2, 4, 3]].copy()
    places[:, 0] = width - 1 - places[:, 0]
    return Face(width - 1 - face.x - face.width, face.y, face.width, face.height, places, face.score)


def _window(pixels: Pixels, face: Face) -> tuple[Pixels, Face]:
    """Cut round the face; what lies outside of the picture repeats its edge."""
    side = max(face.width, face.height) * _WINDOW
    left, top = face.x + face.width / 2 - side / 2, face.y + face.height / 2 - side / 2
    scale = _WINDOW_PIXELS / side
    move = np.array([[scale, 0, -left * scale], [0, scale, -top * scale]])
    smooth = pixels
    if scale < 0.5:  # warping alone would skip pixels of a large photograph
        smooth = np.asarray(cv2.GaussianBlur(pixels, (0, 0), 0.5 / scale), dtype=np.uint8)
    size = (_WINDOW_PIXELS, _WINDOW_PIXELS)
    cut = cv2.warpAffine(smooth, move, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    landmarks = (face.landmarks - np.array([left, top], np.float32)) * np.float32(scale)
    moved = Face(
        (face.x - left) * scale, (face.y - top) * scale, face.width * scale, face.height * scale,
        landmarks, face.score,
    )  # fmt: skip
    return np.asarray(cut, dtype=np.uint8), moved


def _with_border(pixels: Pixels) -> Pixels:
    edge = max(pixels.shape[:2]) // 4
    return np.asarray(cv2.copyMakeBorder(pixels, edge, edge, edge, edge, cv2.BORDER_REPLICATE), dtype=np.uint8)


def _overlap(one: Face, other: Face) -> float:
    across = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
    down = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
    common = max(0.0, across) * max(0.0, down)
    return common / (one.width * one.height + other.width * other.height - common)
