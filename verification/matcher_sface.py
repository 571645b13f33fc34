"""The default matcher: SFace, 128 numbers a face, compared by cosine."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from verification import models
from verification.contract import Pixels
from verification.detector import Face

NAME: Final = "sface"
VERSION: Final = f"{models.YUNET.name}+{models.SFACE.name}"
CROP: Final = 112
"""Side in pixels of the square that the network was trained on."""
_PLACES: Final = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]], np.float64
)
"""Where the five landmarks lie in that square (ArcFace's reference points, which OpenCV's SFace uses too)."""

Vector = NDArray[np.float32]


class Embedder(Protocol):
    """From an aligned face to a unit vector: SFace here, or an organisation's own network (matcher_onnx)."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    @property
    def licence(self) -> str: ...

    def embed(self, crop: Pixels, mirrored: bool = False) -> Vector:
        """Unit vector of a CROP x CROP face, BGR; with ``mirrored`` that of the face and its mirror image together."""
        ...


class SFace:
    """The embedder that comes with the product."""

    name: Final = NAME
    version: Final = VERSION
    licence: Final = models.SFACE.licence

    def embed(self, crop: Pixels, mirrored: bool = False) -> Vector:
        """See Embedder. Raises models.ModelUnavailable."""
        return embed(crop, mirrored)


@lru_cache(maxsize=1)
def _network() -> cv2.dnn.Net:
    return cv2.dnn.readNet(str(models.locate(models.SFACE)))


def align(pixels: Pixels, face: Face) -> Pixels:
    """The face turned upright and scaled so that its landmarks lie at the reference places; CROP x CROP, BGR."""
    warped = cv2.warpAffine(pixels, _similarity(face.landmarks.astype(np.float64)), (CROP, CROP))
    return np.asarray(warped, dtype=np.uint8)


def embed(crop: Pixels, mirrored: bool = False) -> Vector:
    """Unit vector of an aligned crop; with ``mirrored``, the direction of the sum with its mirror image's vector."""
    vector = _forward(crop)
    if mirrored:
        vector = unit(vector + _forward(np.ascontiguousarray(crop[:, ::-1])))
    return vector


def unit(vector: Vector) -> Vector:
    """The same direction, length 1."""
    return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)


def cosine(one: Vector, other: Vector) -> float:
    """Score of two unit vectors: -1..1, larger is more alike."""
    return float(np.dot(one, other))


def _forward(crop: Pixels) -> Vector:
    network = _network()
    # OpenCV 5 takes the weights of the block-quantised file for inputs: the picture's input has to be named
    network.setInput(cv2.dnn.blobFromImage(crop, 1.0, (CROP, CROP), (0, 0, 0), True), "data")
    return unit(np.array(network.forward(), dtype=np.float32).ravel())


def _similarity(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """2x3 matrix of the least-squares similarity (Umeyama 1991) from ``points`` to the reference places."""
    middle, target = points.mean(axis=0), _PLACES.mean(axis=0)
    centred, wanted = points - middle, _PLACES - target
    left, stretch, right = np.linalg.svd(wanted.T @ centred / len(points))
    flip = np.array([1.0, np.sign(np.linalg.det(left) * np.linalg.det(right))])
    turn = (left * flip) @ right
    scale = (stretch * flip).sum() / centred.var(axis=0).sum()
    return np.column_stack([scale * turn, target - scale * turn @ middle])
