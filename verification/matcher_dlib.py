"""The second opinion: dlib's ResNet, the network behind face_recognition, 128 numbers a face, Euclidean distance.

Another architecture, trained by other people on other data than SFace. The face's box comes from the caller's
detector (HOG, face_recognition's own, finds no face in 3.4% of printed portraits); the five landmarks that place the
crop are dlib's own. ``face_recognition`` itself is not imported: it would load the 68-point file, whose licence
excludes commercial use. dlib keeps the interpreter's lock while it computes: call this in worker processes only.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.metadata import version
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from verification import models
from verification.contract import Pixels
from verification.detector import Face

NAME: Final = "dlib-resnet"
_HALF_SIDE: Final = 0.46
"""Half the side of dlib's square, brow to chin, in sides of YuNet's larger dimension."""

Vector = NDArray[np.float32]


@lru_cache(maxsize=1)
def _networks() -> tuple[Any, Any, Any]:
    import dlib  # 100 MB and the interpreter's lock: only where a second opinion is asked for

    landmarks = dlib.shape_predictor(str(models.locate(models.DLIB_LANDMARKS)))
    network = dlib.face_recognition_model_v1(str(models.locate(models.DLIB_RESNET)))
    return dlib, landmarks, network


@lru_cache(maxsize=1)
def model_version() -> str:
    """The model file and the library that runs it."""
    return f"{models.DLIB_RESNET.name}+dlib-{version('dlib-bin')}"


def embed(pixels: Pixels, face: Face) -> Vector:
    """128 numbers, not of unit length; compare with ``distance``."""
    dlib, landmarks, network = _networks()
    rgb = np.ascontiguousarray(pixels[:, :, ::-1])
    eyes, mouth = face.landmarks[:2].mean(axis=0), face.landmarks[3:].mean(axis=0)
    across, down = (eyes + mouth) / 2
    half = max(face.width, face.height) * _HALF_SIDE
    box = dlib.rectangle(int(across - half), int(down - half), int(across + half), int(down + half))
    return np.array(network.compute_face_descriptor(rgb, landmarks(rgb, box), 1), dtype=np.float32)


def distance(one: Vector, other: Vector) -> float:
    """0 or more, smaller is more alike."""
    return float(np.linalg.norm(one - other))
