"""Cutting one face out of a picture the way a portrait on a document is framed."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from verification import detector
from verification.contract import Pixels, UnusableInput
from verification.detector import Face

_EYES_APART: Final = 0.25
"""Eye distance over portrait width: ISO/IEC 19794-5 wants the head (about twice that) on 50 to 75 % of the width."""
_EYE_LINE: Final = 0.45
"""Height of the eyes below the top, over portrait height (ISO/IEC 19794-5: 30 to 50 %)."""
_SHARE: Final = 0.25
"""A second face with more than this share of the first one's area is a second person, not a passer-by or a ghost
image (the small repeated portrait that many cards carry)."""
_SEARCH_SIDES: Final = (640, 320)
"""Longest sides tried in turn: the larger finds small faces, the smaller ones that fill the picture."""


def only_face(pixels: Pixels) -> Face:
    """The one face that counts. Raises UnusableInput: no_face, several_faces."""
    faces: tuple[Face, ...] = ()
    for side in _SEARCH_SIDES:
        faces = detector.detect(pixels, long_side=side)
        if faces:
            break
    if not faces:
        raise UnusableInput("no_face", "No face was found in the picture.")
    largest = faces[0].width * faces[0].height
    if len(faces) > 1 and faces[1].width * faces[1].height > _SHARE * largest:
        raise UnusableInput("several_faces", "The picture has more than one face.")
    return faces[0]


def cut_portrait(pixels: Pixels, height: int = 540) -> Pixels:
    """The face framed 7:9, eyes level, ``height`` pixels high. Raises UnusableInput: no_face, several_faces."""
    return frame_face(pixels, only_face(pixels), height)


def frame_face(pixels: Pixels, face: Face, height: int = 540) -> Pixels:
    """This face framed 7:9, eyes level; what lies outside the picture repeats its edge."""
    width = round(height * 7 / 9)
    right_eye, left_eye = face.landmarks[0].astype(np.float64), face.landmarks[1].astype(np.float64)
    across = left_eye - right_eye
    # A turned head brings the eyes together: the face box, whose width it changes less, bounds the scale from below.
    distance = max(float(np.hypot(across[0], across[1])), 0.38 * face.width)
    scale = _EYES_APART * width / distance
    angle = float(np.degrees(np.arctan2(across[1], across[0])))
    middle = (right_eye + left_eye) / 2
    turn = cv2.getRotationMatrix2D((float(middle[0]), float(middle[1])), angle, scale)
    turn[:, 2] += np.array([width / 2, height * _EYE_LINE]) - middle
    source = cv2.GaussianBlur(pixels, (0, 0), 0.45 / scale) if scale < 0.9 else pixels
    cut = cv2.warpAffine(
        source, turn, (width, height), flags=cv2.INTER_LINEAR if scale < 1 else cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip
    return np.asarray(cut, dtype=np.uint8)
