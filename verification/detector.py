"""Where the faces are: YuNet through OpenCV, with five landmarks for each face."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from verification import models
from verification.contract import Pixels

MIN_SCORE: Final = 0.6
"""At this score YuNet missed 3 of 4564 printed card portraits (docs/models.md)."""
_NMS_OVERLAP: Final = 0.3  # OpenCV Zoo's own setting for this model
_TOP_K: Final = 50
WORKING_SIDE: Final = 320
"""Longest side in pixels at which a live frame is searched: finds faces from about 1/12 of the frame's width at a
third of the cost of 640."""


_WIDEST: Final = 1.15
"""Width over height of a face's box. 2732 faces on LFW and on clips of heads that turn and speak had at most 0.99; a
chin with a collar, taken for a face when the head is above the picture, had 1.3 to 1.5."""


@dataclass(frozen=True, slots=True)
class Face:
    """One face, in pixels of the picture that was searched."""

    x: float
    y: float
    width: float
    height: float
    landmarks: NDArray[np.float32]
    """Shape (5, 2): the subject's right eye, left eye, nose tip, right and left mouth corner (right = image left)."""
    score: float
    """The detector's confidence, 0..1."""

    @property
    def eye_distance(self) -> float:
        """Pixels between the eye centres."""
        return float(np.hypot(*(self.landmarks[1] - self.landmarks[0])))


@lru_cache(maxsize=4)
def _yunet(min_score: float) -> cv2.FaceDetectorYN:
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)  # each network opened logs a warning of no use
    return cv2.FaceDetectorYN.create(
        str(models.locate(models.YUNET)), "", (WORKING_SIDE, WORKING_SIDE), min_score, _NMS_OVERLAP, _TOP_K
    )


def detect(pixels: Pixels, long_side: int = WORKING_SIDE, min_score: float = MIN_SCORE) -> tuple[Face, ...]:
    """All faces, largest first, found with the picture's longest side resized to ``long_side`` pixels."""
    height, width = pixels.shape[:2]
    scale = long_side / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    interpolation = cv2.INTER_LINEAR if scale > 1 else cv2.INTER_AREA
    small = pixels if size == (width, height) else cv2.resize(pixels, size, interpolation=interpolation)
    network = _yunet(min_score)
    network.setInputSize(size)
    _, rows = network.detect(small)
    if rows is None:
        return ()
    across, down = width / size[0], height / size[1]
    faces = [_face(row, across, down) for row in np.asarray(rows, dtype=np.float32)]
    return tuple(sorted(faces, key=lambda face: face.width * face.height, reverse=True))


def live_faces(pixels: Pixels) -> tuple[Face, ...]:
    """The whole faces before a camera, the subject's first."""
    return subject_first([face for face in detect(pixels) if face.width <= _WIDEST * face.height], pixels)


def subject_first(faces: Sequence[Face], pixels: Pixels) -> tuple[Face, ...]:
    """The face that is meant first: large, sure, near the middle. The others follow, largest first."""
    if len(faces) < 2:
        return tuple(faces)
    height, width = pixels.shape[:2]

    def prominence(face: Face) -> float:
        across = (face.x + face.width / 2) / width - 0.5
        down = (face.y + face.height / 2) / height - 0.5
        nearness = math.exp(-4 * (across * across + down * down))  # 1 in the middle, 0.37 at an edge
        return face.width * face.height * face.score**2 * nearness

    meant = max(faces, key=prominence)
    return (meant, *(face for face in faces if face is not meant))


def _face(row: NDArray[np.float32], across: float, down: float) -> Face:
    stretch = np.array([across, down], np.float32)
    x, y = (float(value) for value in row[0:2] * stretch)
    width, height = (float(value) for value in row[2:4] * stretch)
    return Face(x, y, width, height, row[4:14].reshape(5, 2) * stretch, float(row[14]))
