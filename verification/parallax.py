"""Depth from movement: how a face's near and far parts moved against each other between two looks.

A real head that comes nearer grows more at the nose than at the ears, because the nose is nearer to the camera; a flat
picture that comes nearer grows alike everywhere. The mesh does not show this (its points keep a learned shape: its
ratios change by 1 to 2% where 7% are expected), the pixels do: both looks are brought to one crop by the eyes, dense
flow gives the rest of the motion, and that rest is explained by an affine map, by depth times a shift (turning) and by
depth times place (nearing). The last coefficient is ``1/before - 1/after`` of the distances, in 1/cm.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from verification import mesh, models
from verification.contract import Pixels

CANONICAL: Final = models.ModelFile(
    "mediapipe-canonical-face",
    "verification",
    "weights/canonical_face.npy",
    "950c7a131b14aade2fc241c24ce9c5ef3f9d8b2a7d9f47a621bace5f104acfc7",
    "Apache-2.0",
    "npm @mediapipe/face_mesh 0.4.1657299874, geometry_pipeline_metadata_landmarks.binarypb (vertices, cm)",
)
SIDE: Final = 192
EYES_SPAN: Final = 76.0
"""Pixels of the crop between the outer corners of the eyes, which are 8.9 cm apart on the canonical face."""
EYES_DOWN: Final = 0.38
"""Where in the crop the eyes lie, from the top."""
CENTIMETRES: Final = 8.892 / EYES_SPAN
_BRIDGE: Final = 6
_ROBUST: Final = 0.1
"""Centimetres of motion beyond which a point counts less (an eyelid, a lip)."""
_ROUNDS: Final = 5


@dataclass(frozen=True, slots=True)
class Look:
    """One face brought to the common crop. Picklable, 43 kB."""

    crop: NDArray[np.uint8]
    """Grey, SIDE x SIDE."""
    places: NDArray[np.float32]
    """The mesh in the crop: (468, 2)."""


@dataclass(frozen=True, slots=True)
class Motion:
    """What moved between two looks, beyond what a flat picture could do."""

    nearing: float
    """1/cm: 1/(distance after) - 1/(distance before); above 0 when a solid head came nearer."""
    turning: float
    """Length of the shift per centimetre of depth: about the sine of the angle that a solid head turned."""
    residual: float
    """Centimetres (median) that neither explains: speech, noise."""


def look(pixels: Pixels, points: NDArray[np.float32]) -> Look:
    """The face of a BGR picture whose mesh is ``points`` (468, 3)."""
    right, left = (points[i, :2].astype(np.float64) for i in mesh.RIGHT_EYE)
    middle = (right + left) / 2
    span = max(1.0, float(np.hypot(*(left - right))))
    angle = math.degrees(math.atan2(left[1] - right[1], left[0] - right[0]))
    turn = cv2.getRotationMatrix2D((float(middle[0]), float(middle[1])), angle, EYES_SPAN / span)
    turn[0, 2] += SIDE / 2 - middle[0]
    turn[1, 2] += SIDE * EYES_DOWN - middle[1]
    grey = np.asarray(cv2.cvtColor(cv2.warpAffine(pixels, turn, (SIDE, SIDE)), cv2.COLOR_BGR2GRAY), np.uint8)
    even = np.asarray(cv2.createCLAHE(2.0, (4, 4)).apply(grey), np.uint8)  # light changes are not motion
    return Look(even, (points[:, :2] @ turn[:, :2].T + turn[:, 2]).astype(np.float32))


def motion(before: Look, after: Look) -> Motion:
    """Depth's part in the motion from one look to the other (about 5 ms)."""
    flow = np.asarray(_flow().calc(before.crop, after.crop, np.zeros((SIDE, SIDE, 2), np.float32)))
    inside = ((before.places > 4) & (before.places < SIDE - 5)).all(axis=1)
    places = before.places[inside]
    moved = flow[places[:, 1].astype(int), places[:, 0].astype(int)].astype(np.float64) * CENTIMETRES
    x, y = ((places - before.places[_BRIDGE]).astype(np.float64) * CENTIMETRES).T
    depth = canonical_depths()[inside]
    one, none = np.ones_like(depth), np.zeros_like(depth)
    across = np.column_stack([x, y, one, none, none, none, depth, none, x * depth])
    down = np.column_stack([none, none, none, x, y, one, none, depth, y * depth])
    basis, values = np.vstack([across, down]), np.concatenate([moved[:, 0], moved[:, 1]])
    weights = np.ones_like(values)
    for _ in range(_ROUNDS):  # iteratively reweighted least squares with Cauchy weights
        solution, *_ = np.linalg.lstsq(basis * weights[:, None], values * weights, rcond=None)
        rest = values - basis @ solution
        weights = 1 / np.sqrt(1 + (rest / _ROBUST) ** 2)
    return Motion(-float(solution[8]), float(np.hypot(solution[6], solution[7])), float(np.median(np.abs(rest))))


@functools.cache
def _flow() -> cv2.DISOpticalFlow:
    return cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)


@functools.cache
def canonical_depths() -> NDArray[np.float64]:
    """Depth of each of the 468 points behind the bridge of the nose, cm, on MediaPipe's canonical face."""
    vertices = np.load(models.locate(CANONICAL), allow_pickle=False).astype(np.float64)
    return np.asarray(vertices[_BRIDGE, 2] - vertices[:, 2])
