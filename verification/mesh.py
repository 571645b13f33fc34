"""Where 468 points of a face lie: MediaPipe's face mesh in LiteRT, one thread, about 2 ms a face.

The model's file travels with the package (``weights/README.md``) and its SHA-256 is checked before it is loaded.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from verification import models
from verification.contract import Pixels

VERSION: Final = "0.4.1657299874"
"""Version of the npm package that the model was taken from."""
MODEL: Final = models.ModelFile(
    "mediapipe-face-mesh",
    "verification",
    "weights/face_landmark.tflite",
    "c603fa6149219a3e9487dc9abd7a0c24474c77263273d24868378cdf40aa26d1",
    "Apache-2.0",
    "npm @mediapipe/face_mesh 0.4.1657299874, face_mesh_solution_packed_assets.data, bytes 2495952 to 3737848",
)

POINTS: Final = 468
INPUT_SIDE: Final = 192
"""The model's input is 192 x 192 RGB, 0..1 (model card "MediaPipe Face Mesh", Google 2020)."""
MARGIN: Final = 1.5
"""The model was trained on squares 1.5 times the face's longer side (``face_landmark_front_cpu.pbtxt``)."""
MIN_PRESENCE: Final = 0.5
"""The model's own face-presence threshold in MediaPipe's graphs."""

RIGHT_EYE: Final = (33, 263)
"""Outer corners: the subject's right eye, the subject's left eye."""


@dataclass(frozen=True, slots=True)
class Region:
    """A rotated square to look for a face in: centre and side in pixels, angle in radians (clockwise on screen)."""

    x: float
    y: float
    side: float
    angle: float


@dataclass(frozen=True, slots=True)
class Landmarks:
    """468 points as float32 (468, 3): x, y in pixels of the frame, z in pixels, smaller is nearer to the camera."""

    points: NDArray[np.float32]
    presence: float
    """0..1: the model's belief that a face is there."""


def region_of_face(
    box: tuple[float, float, float, float], right_eye: tuple[float, float], left_eye: tuple[float, float]
) -> Region:
    """The region for a detected face: box as x, y, width, height and the subject's eyes, all in pixels."""
    x, y, width, height = box
    angle = math.atan2(left_eye[1] - right_eye[1], left_eye[0] - right_eye[0])
    return Region(x + width / 2, y + height / 2, MARGIN * max(width, height), angle)


def region_of_landmarks(points: NDArray[np.float32]) -> Region:
    """The region for the next frame of a stream, so that the detector need not run on every frame."""
    low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    right, left = points[RIGHT_EYE[0]], points[RIGHT_EYE[1]]
    angle = math.atan2(float(left[1] - right[1]), float(left[0] - right[0]))
    centre = (low + high) / 2
    return Region(float(centre[0]), float(centre[1]), MARGIN * float((high - low).max()), angle)


def landmarks(pixels: Pixels, region: Region) -> Landmarks | None:
    """The mesh of the face in ``region`` of a BGR picture; None where the model sees no face there."""
    if region.side < 1 or not math.isfinite(region.side + region.x + region.y):
        return None
    centre = (region.x, region.y)
    turn = cv2.getRotationMatrix2D(centre, math.degrees(region.angle), INPUT_SIDE / region.side)
    turn[0, 2] += INPUT_SIDE / 2 - region.x
    turn[1, 2] += INPUT_SIDE / 2 - region.y
    crop = np.asarray(cv2.warpAffine(pixels, turn, (INPUT_SIDE, INPUT_SIDE)), np.uint8)
    raw, logit = _model().run(crop)
    presence = 1.0 / (1.0 + math.exp(-min(max(logit, -60.0), 60.0)))
    if presence < MIN_PRESENCE:
        return None
    back = cv2.invertAffineTransform(turn)
    points = np.empty_like(raw)
    points[:, :2] = raw[:, :2] @ back[:, :2].T + back[:, 2]
    points[:, 2] = raw[:, 2] * (region.side / INPUT_SIDE)
    return Landmarks(points, presence)


class _Model:
    """The interpreter and its tensors. One per process: LiteRT's interpreter is not to be shared by threads."""

    def __init__(self, weights: bytes) -> None:
        self._interpreter = Interpreter(model_content=weights, num_threads=1)
        self._interpreter.allocate_tensors()
        self._input = int(self._interpreter.get_input_details()[0]["index"])
        sizes = {int(np.prod(o["shape"])): int(o["index"]) for o in self._interpreter.get_output_details()}
        self._points, self._presence = sizes[POINTS * 3], sizes[1]

    def run(self, crop: Pixels) -> tuple[NDArray[np.float32], float]:
        """Points (468, 3) in pixels of the crop, and the logit of presence."""
        rgb = cv2.cvtColor(crop, cv2.COLOR_BGR2RGB).astype(np.float32) / 255.0
        self._interpreter.set_tensor(self._input, rgb[np.newaxis])
        self._interpreter.invoke()
        points = np.array(self._interpreter.get_tensor(self._points), dtype=np.float32).reshape(POINTS, 3)
        return points, float(np.ravel(self._interpreter.get_tensor(self._presence))[0])


@functools.cache
def _model() -> _Model:
    return _Model(models.locate(MODEL).read_bytes())
