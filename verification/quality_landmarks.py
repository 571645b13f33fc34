"""What the mesh adds to the quality of a live frame: eyes, mouth, things before the face (ISO/IEC 29794-5 names)."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from verification import measures, mesh
from verification.contract import Frame, Pixels
from verification.detector import Face

PROBLEMS: Final = ("open_eyes", "close_mouth", "uncover_face")
"""Most important first; translated as ``guidance.<code>``."""

EYES_SHUT: Final = 0.13
"""Eye aspect ratio of a shut eye is 0.10 to 0.17 in the clips; of narrow open eyes behind glasses 0.22, of a laughing
face 0.16: only a clearly shut eye is asked about."""
EYES_OPEN: Final = 0.22
MOUTH_SHUT: Final = 0.15
MOUTH_OPEN: Final = 0.4
"""Opening over width of the inner lips: speech is mostly under 0.3."""
COVERED: Final = 0.45
"""Share of the lower face that may differ in colour from the cheeks and forehead before something covers it."""
_SKIN_DISTANCE: Final = 16.0
"""Distance in Lab's a and b (8-bit) from the face's own median that is still skin, lips or stubble."""


def components(frame: Frame, face: Face) -> tuple[dict[str, float], tuple[str, ...]]:
    """``eyes_open``, ``mouth_closed``, ``face_occlusion_prevention`` (each 0..1, higher is better) and the problems.

    Empty where the mesh sees no face in the detected box. About 3 ms on top of the detection.
    """
    found = mesh.landmarks(frame.pixels, measures.region_of_face(face))
    if found is None:
        return {}, ()
    seen = measures.of_landmarks(found.points, found.presence, frame.pixels, 1, frame)
    cover = covered(frame.pixels, found.points)
    values = {
        "eyes_open": _ramp(min(seen.right_eye, seen.left_eye), EYES_SHUT - 0.03, EYES_OPEN),
        "mouth_closed": 1 - _ramp(seen.mouth, MOUTH_SHUT, MOUTH_OPEN + 0.2),
        "face_occlusion_prevention": 1 - cover,
    }
    problems = {
        "open_eyes": max(seen.right_eye, seen.left_eye) < EYES_SHUT,
        "close_mouth": seen.mouth > MOUTH_OPEN,
        "uncover_face": cover > COVERED,
    }
    rounded = {name: round(value, 3) for name, value in values.items()}
    return rounded, tuple(code for code in PROBLEMS if problems[code])


def covered(pixels: Pixels, points: NDArray[np.float32]) -> float:
    """Share of the lower half of the face (nose to chin) whose hue is not that of the forehead and cheeks.

    A mask, a scarf, a hand in a glove or a phone before the mouth; a bare hand has the skin's hue and is not seen.
    """
    lower = np.array([points[i, :2] for i in _LOWER_FACE])
    x, y, width, height = cv2.boundingRect(lower.astype(np.int32))
    x, y = max(0, x), max(0, y)
    part = pixels[y : y + height, x : x + width]
    if min(part.shape[:2]) < 8:
        return 0.0
    mask = np.zeros(part.shape[:2], np.uint8)
    cv2.fillPoly(mask, [(lower - (x, y)).astype(np.int32)], 255)
    lab = np.asarray(cv2.cvtColor(part, cv2.COLOR_BGR2LAB), np.float32)
    own = _skin_hue(pixels, points)
    away = np.hypot(lab[..., 1] - own[0], lab[..., 2] - own[1])
    return float((away[mask > 0] > _SKIN_DISTANCE).mean()) if mask.any() else 0.0


_LOWER_FACE: Final = (205, 2, 425, 367, 397, 365, 379, 378, 400, 377, 152, 148, 176, 149, 150, 136, 172, 138)


def _skin_hue(pixels: Pixels, points: NDArray[np.float32]) -> tuple[float, float]:
    """Lab's a and b (8-bit) of the forehead: what a mask leaves free."""
    x, y = (int(v) for v in points[151, :2])
    half = max(3, int(0.08 * np.linalg.norm(points[33, :2] - points[263, :2])))
    patch = pixels[max(0, y - half) : y + half, max(0, x - half) : x + half]
    if patch.size == 0:
        return 128.0, 128.0
    lab = np.asarray(cv2.cvtColor(np.ascontiguousarray(patch), cv2.COLOR_BGR2LAB)).reshape(-1, 3)
    return float(np.median(lab[:, 1])), float(np.median(lab[:, 2]))


def _ramp(value: float, low: float, high: float) -> float:
    return float(min(1.0, max(0.0, (value - low) / (high - low))))
