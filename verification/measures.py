"""What one frame shows of a face: where it looks, how open its eyes and mouth are, how near and in which light.

Angles are degrees in the subject's own terms: yaw > 0 is turned to the subject's left (right of an unmirrored picture),
pitch > 0 is looking down, roll > 0 is leaning towards the subject's left shoulder.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from verification import detector, mesh
from verification.contract import Frame, Pixels

RIGHT_LID: Final = (33, 160, 158, 133, 153, 144)
LEFT_LID: Final = (362, 385, 387, 263, 373, 380)
"""Corner, two upper, corner, two lower: the six points of the eye aspect ratio (Soukupova and Cech, 2016)."""
LIPS: Final = (13, 14, 78, 308)
"""Inner lips: upper, lower, right corner, left corner."""
FACE_OVAL: Final = (10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148,
                    176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109)  # fmt: skip
SKIN_CENTRES: Final = (151, 205, 425)
"""Forehead and both cheeks: skin without hair, shade of the brow or beard (in most people)."""
SKIN_PATCH: Final = 0.11
"""Half the side of a patch of skin, as a share of the distance between the eyes' outer corners."""

# Rigid points with their weights, and where they lie on MediaPipe's canonical face (cm; x to the subject's left, y up,
# z towards the viewer): geometry_pipeline_metadata_landmarks.binarypb in the package the model comes from.
_RIGID: Final = np.array(
    [
        (4, 0.0709, 0.0, -0.463, 7.587), (6, 0.0321, 0.0, 2.473, 5.789), (10, 0.0084, 0.0, 8.262, 4.482),
        (33, 0.0587, -4.446, 2.664, 3.173), (263, 0.0587, 4.446, 2.664, 3.173),
        (54, 0.0077, -6.279, 6.615, 1.426), (284, 0.0077, 6.279, 6.615, 1.426),
        (67, 0.0091, -3.524, 8.006, 3.729), (297, 0.0091, 3.524, 8.006, 3.729),
        (117, 0.0098, -5.259, 0.946, 2.974), (346, 0.0098, 5.259, 0.946, 2.974),
        (119, 0.0146, -3.301, 0.862, 3.873), (348, 0.0146, 3.301, 0.862, 3.873),
        (121, 0.0186, -1.821, 1.468, 4.224), (350, 0.0186, 1.821, 1.468, 4.224),
        (127, 0.0052, -7.743, 2.365, -2.005), (356, 0.0052, 7.743, 2.365, -2.005),
        (129, 0.1206, -1.786, -0.978, 4.85), (358, 0.1206, 1.786, -0.978, 4.85),
        (132, 0.0056, -7.271, -2.891, -2.252), (361, 0.0056, 7.271, -2.891, -2.252),
        (133, 0.0533, -1.856, 2.585, 3.758), (362, 0.0533, 1.856, 2.585, 3.758),
        (136, 0.0669, -5.085, -7.179, 0.715), (365, 0.0669, 5.085, -7.179, 0.715),
        (143, 0.0148, -6.408, 2.236, 1.561), (372, 0.0148, 6.408, 2.236, 1.561),
        (147, 0.0143, -6.235, -1.944, 1.664), (376, 0.0143, 6.235, -1.944, 1.664),
        (198, 0.0255, -1.247, 0.23, 5.681), (420, 0.0255, 1.247, 0.23, 5.681),
        (205, 0.0473, -3.833, -1.537, 4.138), (425, 0.0473, 3.833, -1.537, 4.138),
    ]
)  # fmt: skip
_RIGID_INDEX: Final = _RIGID[:, 0].astype(int)
_RIGID_WEIGHT: Final = _RIGID[:, 1] / _RIGID[:, 1].sum()
_CANONICAL: Final = _RIGID[:, 2:] * (1, -1, -1)  # to the picture's axes: x right, y down, z away
_CENTRED: Final = _CANONICAL - _RIGID_WEIGHT @ _CANONICAL
_SOLVER: Final = np.linalg.inv((_CENTRED * _RIGID_WEIGHT[:, None]).T @ _CENTRED) @ (_CENTRED * _RIGID_WEIGHT[:, None]).T

Colour = tuple[float, float, float]
"""Red, green, blue in linear light, 0..1."""


@dataclass(frozen=True, slots=True)
class FaceMeasures:
    """One frame's face in numbers."""

    at: float
    """The frame's ``received_at``, seconds."""
    rtp: int
    faces: int
    """How many faces the detector saw (where it did not run on this frame: the last count)."""
    presence: float
    """0..1, the mesh's belief that the tracked region holds a face."""
    box: tuple[float, float, float, float]
    """x, y, width, height of the landmarks as fractions of the frame."""
    yaw: float
    pitch: float
    roll: float
    right_eye: float
    left_eye: float
    """Eye aspect ratio (subject's right, left): about 0.3 open, under 0.2 closed; judged against the person's own."""
    mouth: float
    """Opening of the inner lips over their width: about 0 closed, 0.6 wide open."""
    eye_distance: float
    """Pixels between the outer corners of the eyes, corrected for yaw."""
    skin: Colour
    surround: Colour
    """Mean colour of forehead and cheeks, and of what stands left and right of the head."""
    nearing: float | None = None
    """1/cm, parallax.Motion.nearing against a look at rest; None where it was not measured."""

    @property
    def eyes(self) -> float:
        """Mean eye aspect ratio of both eyes."""
        return (self.right_eye + self.left_eye) / 2


def pose(points: NDArray[np.float32]) -> tuple[float, float, float]:
    """Yaw, pitch, roll in degrees from a mesh (468, 3).

    Weighted least squares of the rigid points against the canonical face under weak perspective; the mesh's own z is
    not used. On four clips of real heads yaw had 0.4 to 0.9 degrees of frame-to-frame noise where solvePnP on six
    points had 0.9 to 1.8 (docs/liveness.md).
    """
    seen = points[_RIGID_INDEX, :2].astype(np.float64)
    affine = (_SOLVER @ (seen - _RIGID_WEIGHT @ seen)).T
    left, _, right = np.linalg.svd(affine, full_matrices=False)
    rows = left @ right
    rotation = np.vstack([rows, np.cross(rows[0], rows[1])])
    yaw = math.degrees(math.atan2(rotation[2, 0], math.hypot(rotation[0, 0], rotation[1, 0])))
    pitch = math.degrees(math.atan2(rotation[2, 1], rotation[2, 2]))
    roll = math.degrees(math.atan2(rotation[1, 0], rotation[0, 0]))
    return yaw, pitch, roll


def lid_ratio(points: NDArray[np.float32], lid: tuple[int, ...]) -> float:
    """Eye aspect ratio of one eye: mean height over width."""
    a, b, c, d, e, f = (points[i, :2] for i in lid)
    width = float(np.linalg.norm(a - d))
    return float(np.linalg.norm(b - f) + np.linalg.norm(c - e)) / (2 * width) if width > 0 else 0.0


def of_landmarks(
    points: NDArray[np.float32], presence: float, pixels: Pixels, faces: int, frame: Frame
) -> FaceMeasures:
    """All measures of a mesh found in ``pixels`` (BGR)."""
    height, width = pixels.shape[:2]
    yaw, pitch, roll = pose(points)
    low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    foreshortening = max(math.cos(math.radians(yaw)), 0.5)  # beyond 60 degrees nothing here is measured
    lips = _distance(points, LIPS[2], LIPS[3])
    return FaceMeasures(
        at=frame.received_at,
        rtp=frame.rtp_timestamp,
        faces=faces,
        presence=presence,
        box=(
            float(low[0]) / width,
            float(low[1]) / height,
            float(high[0] - low[0]) / width,
            float(high[1] - low[1]) / height,
        ),
        yaw=yaw,
        pitch=pitch,
        roll=roll,
        right_eye=lid_ratio(points, RIGHT_LID),
        left_eye=lid_ratio(points, LEFT_LID),
        mouth=_distance(points, LIPS[0], LIPS[1]) / lips if lips > 0 else 0.0,
        eye_distance=_distance(points, *mesh.RIGHT_EYE) / foreshortening,
        skin=_skin(points, pixels),
        surround=_surround(low, high, pixels),
    )


class FaceMeter:
    """Measures frame after frame of one stream; follows the face, and looks for faces anew a few times a second.

    Picklable and small: a few numbers, a region and the last mesh.
    """

    DETECT_EVERY: Final = 0.25
    """Seconds between runs of the detector while the mesh holds the face: a second face is seen within this time."""

    def __init__(self) -> None:
        self.points: NDArray[np.float32] | None = None
        """The mesh (468, 3) of the last frame; None where it held no face."""
        self._region: mesh.Region | None = None
        self._faces = 0
        self._detected_at = -math.inf

    def measure(self, frame: Frame) -> FaceMeasures | None:
        """The measures of the largest face; None where there is none."""
        pixels = frame.pixels
        due = not 0 <= frame.received_at - self._detected_at < self.DETECT_EVERY
        if self._region is None or due:
            self._look(pixels, frame.received_at)
        found = mesh.landmarks(pixels, self._region) if self._region is not None else None
        if found is None and self._region is not None and self._detected_at != frame.received_at:
            self._look(pixels, frame.received_at)
            found = mesh.landmarks(pixels, self._region) if self._region is not None else None
        if found is None:
            self._region = self.points = None
            return None
        self.points = found.points
        self._region = mesh.region_of_landmarks(found.points)
        return of_landmarks(found.points, found.presence, pixels, self._faces, frame)

    def _look(self, pixels: Pixels, at: float) -> None:
        faces = detector.detect(pixels)
        self._detected_at = at
        self._faces = len(faces)
        if not faces:
            self._region = None
            return
        face = faces[0]
        if self._region is not None and _inside(self._region, face):
            return  # the mesh follows the face closer than the box does
        self._region = region_of_face(face)


def measure(frame: Frame) -> FaceMeasures | None:
    """The measures of the largest face of one frame on its own; None where there is none."""
    return FaceMeter().measure(frame)


def region_of_face(face: detector.Face) -> mesh.Region:
    """Where the mesh should look for a detected face."""
    right, left = face.landmarks[0], face.landmarks[1]
    return mesh.region_of_face(
        (face.x, face.y, face.width, face.height),
        (float(right[0]), float(right[1])),
        (float(left[0]), float(left[1])),
    )


def _inside(region: mesh.Region, face: detector.Face) -> bool:
    """Whether the followed region is still on the detected face: centres within a quarter of the face's size."""
    across = abs(face.x + face.width / 2 - region.x)
    down = abs(face.y + face.height / 2 - region.y)
    size = max(face.width, face.height)
    return max(across, down) < size / 4 and 0.6 < region.side / (mesh.MARGIN * size) < 1.6


def _distance(points: NDArray[np.float32], first: int, second: int) -> float:
    return float(np.linalg.norm(points[first, :2] - points[second, :2]))


def _skin(points: NDArray[np.float32], pixels: Pixels) -> Colour:
    half = max(2.0, SKIN_PATCH * _distance(points, *mesh.RIGHT_EYE))
    means = [_mean(pixels, x - half, y - half, x + half, y + half) for x, y in points[SKIN_CENTRES, :2].tolist()]
    found = [mean for mean in means if mean is not None]
    return _average(found)


def _surround(low: NDArray[np.float32], high: NDArray[np.float32], pixels: Pixels) -> Colour:
    """What stands beside the head: a strip on each side, a third of the face wide, a little away from the hair."""
    wide, top, bottom = float(high[0] - low[0]), float(low[1]), float(high[1])
    gap, strip = 0.35 * wide, 0.35 * wide
    sides = (
        _mean(pixels, float(low[0]) - gap - strip, top, float(low[0]) - gap, bottom),
        _mean(pixels, float(high[0]) + gap, top, float(high[0]) + gap + strip, bottom),
    )
    return _average([side for side in sides if side is not None])


def _mean(pixels: Pixels, x0: float, y0: float, x1: float, y1: float) -> Colour | None:
    """Mean linear colour of a rectangle cut to the picture; None where less than 2 x 2 pixels are left."""
    height, width = pixels.shape[:2]
    left, right = max(0, int(x0)), min(width, int(x1))
    top, bottom = max(0, int(y0)), min(height, int(y1))
    if right - left < 2 or bottom - top < 2:
        return None
    patch = cv2.LUT(np.ascontiguousarray(pixels[top:bottom, left:right]), _TO_LINEAR)
    blue, green, red = (float(value) for value in np.asarray(patch).reshape(-1, 3).mean(axis=0))
    return red, green, blue


def _average(colours: list[Colour]) -> Colour:
    if not colours:
        return 0.0, 0.0, 0.0
    red, green, blue = (float(value) for value in np.mean(colours, axis=0))
    return red, green, blue


def _linear_table() -> NDArray[np.float32]:
    """sRGB's transfer function (IEC 61966-2-1) as a table of 256."""
    v = np.arange(256) / 255.0
    return np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4).astype(np.float32)


_TO_LINEAR: Final = _linear_table()
