"""Quality of a face picture, a number per component, and the sentence that would improve it.

Component names follow ISO/IEC 29794-5 (face image quality), each 0..1, higher is better; ``no_backlight`` and
``position`` are this product's own. The limits below are for live frames of a phone or a webcam, and are looser than
the standard's for passport photographs: a frame below them is a worse probe, not a crime.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from verification.contract import Pixels
from verification.detector import Face
from verification.matcher_sface import CROP, align

PROBLEMS: Final = (
    "no_face",
    "several_faces",
    "too_close",
    "come_closer",
    "move_to_centre",
    "more_light",
    "less_light",
    "light_from_front",
    "look_straight",
    "hold_still",
)
"""Most important first; translated on the pages as ``guidance.<code>``."""

USABLE: Final = 0.1
"""A frame whose unified quality is lower is not compared."""
_SECOND_FACE: Final = 0.4
"""Another face at least this wide, in widths of the largest, is another person in the room and not a picture on the
wall or the ghost portrait of a card (a quarter to a third of the portrait's width)."""
_SECOND_FACE_SCORE: Final = 0.75

_EYES_MIN: Final = 22.0
_EYES_GOOD: Final = 50.0
"""Pixels between the eyes. SFace's crop has 35 between them: below that the face is being enlarged."""
_EYES_ASK: Final = 40.0
_TOO_CLOSE: Final = 0.85  # face height in frame heights: the chin or the forehead is about to leave the frame
_OFF_CENTRE: Final = 0.22  # distance of the face's middle from the frame's, in frame sizes
_DARK: Final = 70.0  # mean grey of the face, 0..255
_BRIGHT: Final = 205.0
_BURNT: Final = 0.2  # share of the face at grey 250 and over
_BACKLIGHT: Final = 60.0  # grey levels by which the surroundings outshine a face that is not bright itself
_SIDE_LIGHT: Final = 0.35  # overlap of the grey histograms of the two halves of the face
_DETAIL: Final = (0.01, 0.03)
_BLURRED: Final = 0.45
"""Sharp LFW faces measure 0.049 (median) and lose 1.7% of genuine pairs at the threshold; at 0.019, where this
component is 0.45, a blur costs 4% (Gaussian) to 9% (motion) of them, at 0.016 42%."""
_DIRECTION: Final = (0.15, 0.5)
"""Detail along a movement in proportion to the detail across it: 0.9 in a still face; at 0.22 a portrait photograph
has lost half of its score (0.77 to 0.38)."""
_TURNED: Final = 22.0  # degrees of yaw or pitch
_TILTED: Final = 12.0  # degrees of roll as read from YuNet's landmarks, which turn by about half of the true angle
_NOSE_DEPTH: Final = 0.42  # nose tip before the plane of the eyes, in eye distances (mean head, ISO/IEC 19794-5 sizes)
_NOSE_PLACE: Final = 0.56  # of the way from the eyes down to the mouth where a frontal nose tip lies
_FACE_DEPTH: Final = 0.41  # nose tip before the plane of eyes and mouth, in eye-to-mouth heights


@dataclass(frozen=True, slots=True)
class Quality:
    """One face judged."""

    components: dict[str, float]
    problems: tuple[str, ...]
    """Codes of PROBLEMS, most important first."""
    unified: float
    """0..1; 0 where no face can be compared."""


NOTHING: Final = Quality({"single_face_present": 0.0}, ("no_face",), 0.0)


def several(faces: Sequence[Face]) -> bool:
    """Is there a second face that could be meant? ``faces`` is largest first, as the detector gives them."""
    return any(face.width >= _SECOND_FACE * faces[0].width and face.score >= _SECOND_FACE_SCORE for face in faces[1:])


def pose(face: Face) -> tuple[float, float, float]:
    """Yaw, pitch and roll in degrees from five landmarks; positive: to image right, up, clockwise.

    A rough reading (a few degrees for a frontal face): enough to choose frames and to ask for another look.
    """
    right_eye, left_eye, nose, right_mouth, left_mouth = face.landmarks.astype(np.float64)
    eyes, mouth = (right_eye + left_eye) / 2, (right_mouth + left_mouth) / 2
    across = left_eye - right_eye
    distance = max(1e-6, float(np.hypot(*across)))
    unit = across / distance
    down = np.array([-unit[1], unit[0]])
    height = max(1e-6, float((mouth - eyes) @ down))
    middle = (eyes + mouth) / 2
    yaw = np.degrees(np.arctan(float((nose - middle) @ unit) / distance / _NOSE_DEPTH))
    pitch = np.degrees(np.arctan((_NOSE_PLACE - float((nose - eyes) @ down) / height) / _FACE_DEPTH))
    roll = np.degrees(np.arctan2(across[1], across[0]))
    return float(yaw), float(pitch), float(roll)


def assess(pixels: Pixels, faces: Sequence[Face], crop: Pixels | None = None) -> Quality:
    """Judge the largest of ``faces`` in its picture; ``crop`` spares aligning it again."""
    if not faces:
        return NOTHING
    face = faces[0]
    aligned = align(pixels, face) if crop is None else crop
    grey: NDArray[np.uint8] = np.asarray(cv2.cvtColor(aligned, cv2.COLOR_BGR2GRAY), dtype=np.uint8)
    inner = grey[CROP // 4 :, CROP // 8 : -CROP // 8]
    yaw, pitch, roll = pose(face)
    light, around = float(inner.mean()), _surroundings(pixels, face)
    size, place = _framing(pixels, face)
    components = {
        "single_face_present": 0.0 if several(faces) else 1.0,
        "inter_eye_distance": _ramp(face.eye_distance, _EYES_MIN, _EYES_GOOD),
        "head_size": 1 - _ramp(size, _TOO_CLOSE - 0.15, _TOO_CLOSE + 0.15),
        "position": 1 - _ramp(place, 0.0, 2 * _OFF_CENTRE),
        "sharpness": _sharpness(grey),
        "under_exposure_prevention": _ramp(light, 15.0, 2 * _DARK - 15.0),
        "over_exposure_prevention": 1 - _ramp(float((inner >= 250).mean()), 0.0, 2 * _BURNT),
        "dynamic_range": _entropy(inner) / 8,
        "illumination_uniformity": _overlap(inner),
        "no_backlight": 1 - _ramp(around - light, 0.0, 2 * _BACKLIGHT),
        "head_pose_yaw": float(np.cos(np.radians(yaw)) ** 2),
        "head_pose_pitch": float(np.cos(np.radians(pitch)) ** 2),
        "head_pose_roll": float(np.cos(np.radians(roll)) ** 2),
    }
    found = {
        "several_faces": components["single_face_present"] == 0,
        "too_close": size > _TOO_CLOSE,
        "come_closer": face.eye_distance < _EYES_ASK,
        "move_to_centre": place > _OFF_CENTRE,
        "more_light": light < _DARK and around - light <= _BACKLIGHT,
        "less_light": light > _BRIGHT or float((inner >= 250).mean()) > _BURNT,
        "light_from_front": (light < 110 and around - light > _BACKLIGHT)
        or components["illumination_uniformity"] < _SIDE_LIGHT,
        "look_straight": abs(yaw) > _TURNED or abs(pitch) > _TURNED or abs(roll) > _TILTED,
        "hold_still": components["sharpness"] < _BLURRED,
    }
    problems = tuple(code for code in PROBLEMS if found.get(code))
    rounded = {name: round(value, 3) for name, value in components.items()}
    return Quality(rounded, problems, _unified(components))


def _unified(components: dict[str, float]) -> float:
    """Geometric mean of what changes comparison scores; a single hopeless component takes it to nothing."""
    names = (
        "inter_eye_distance",
        "sharpness",
        "under_exposure_prevention",
        "over_exposure_prevention",
        "illumination_uniformity",
        "head_pose_yaw",
        "head_pose_pitch",
        "head_size",
    )
    values = [min(1.0, max(0.0, components[name])) for name in names]
    return round(float(np.prod(values) ** (1 / len(values))), 3)


def _ramp(value: float, low: float, high: float) -> float:
    return min(1.0, max(0.0, (value - low) / (high - low)))


def _framing(pixels: Pixels, face: Face) -> tuple[float, float]:
    """Height of the face in frame heights, and distance of its middle from the frame's middle in frame sizes."""
    height, width = pixels.shape[:2]
    across = (face.x + face.width / 2) / width - 0.5
    down = (face.y + face.height / 2) / height - 0.5
    return face.height / height, float(np.hypot(across, down))


def _surroundings(pixels: Pixels, face: Face) -> float:
    """Mean grey of the frame outside the face's box."""
    step = max(1, max(pixels.shape[:2]) // 64)
    grey = pixels[::step, ::step].mean(axis=2)  # every tenth pixel of a frame tells its light as well as all of them
    across = down = 1 / step
    outside = np.ones(grey.shape, bool)
    top, left = max(0, int(face.y * down)), max(0, int(face.x * across))
    outside[top : int((face.y + face.height) * down) + 1, left : int((face.x + face.width) * across) + 1] = False
    return float(grey[outside].mean()) if outside.any() else float(grey.mean())


def _sharpness(grey: NDArray[np.uint8]) -> float:
    """Mean second difference in proportion to the contrast of the crop, the weaker of the two directions.

    A motion blur leaves the detail across it untouched, so a measure over both directions does not see it.
    """
    smooth = cv2.GaussianBlur(grey, (0, 0), 0.8).astype(np.float32)
    across = np.abs(smooth[:, 2:] - 2 * smooth[:, 1:-1] + smooth[:, :-2]).mean()
    down = np.abs(smooth[2:] - 2 * smooth[1:-1] + smooth[:-2]).mean()
    weaker, stronger = float(min(across, down)), float(max(across, down))
    return min(
        _ramp(weaker / max(8.0, float(smooth.std())), *_DETAIL), _ramp(weaker / max(1e-6, stronger), *_DIRECTION)
    )


def _entropy(grey: NDArray[np.uint8]) -> float:
    share = np.bincount(grey.ravel(), minlength=256) / grey.size
    present = share[share > 0]
    return float(-(present * np.log2(present)).sum())


def _overlap(inner: NDArray[np.uint8]) -> float:
    """Intersection of the grey histograms (32 bins, smoothed) of the face's left and right halves."""
    middle = inner.shape[1] // 2
    halves = []
    for half in (inner[:, :middle], inner[:, -middle:]):
        counts = np.bincount(half.ravel() >> 3, minlength=32).astype(np.float64)
        halves.append(np.convolve(counts / counts.sum(), np.full(5, 0.2), "same"))
    return float(np.minimum(halves[0], halves[1]).sum())
