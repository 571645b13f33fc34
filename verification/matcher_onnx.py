"""An organisation's own embedder: one ONNX file, named with its hash and licence in the calibration file.

The network takes one aligned face, shape (1, 3, side, side), float32, and gives one vector; faces are aligned on
ArcFace's five points (verification.matcher_sface), which is what such networks are trained with.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from verification import models
from verification.contract import Pixels
from verification.matcher_sface import CROP, Vector, unit

MAX_SIDE: Final = 512


@dataclass(frozen=True, slots=True)
class OnnxEmbedder:
    """How one ONNX file is fed. ``(pixel - mean) * scale`` for each channel value 0..255."""

    path: Path
    sha256: str
    name: str
    licence: str
    side: int = CROP
    mean: float = 127.5
    scale: float = 1 / 127.5
    rgb: bool = True
    """Channel order: RGB, or BGR."""

    @property
    def version(self) -> str:
        """Name and the first 12 digits of the file's SHA-256."""
        return f"{self.name}@{self.sha256[:12]}"

    def embed(self, crop: Pixels, mirrored: bool = False) -> Vector:
        """Unit vector of an aligned crop (CROP x CROP, BGR). Raises models.ModelUnavailable."""
        vector = self._forward(crop)
        return unit(vector + self._forward(np.ascontiguousarray(crop[:, ::-1]))) if mirrored else vector

    def _forward(self, crop: Pixels) -> Vector:
        session, name = _session(self.path, self.sha256, self.name)
        size, mean = (self.side, self.side), (self.mean, self.mean, self.mean)
        blob = cv2.dnn.blobFromImage(crop, self.scale, size, mean, self.rgb)
        return unit(np.asarray(session.run(None, {name: blob})[0], dtype=np.float32).ravel())


@lru_cache(maxsize=2)
def _session(path: Path, sha256: str, name: str) -> tuple[Any, str]:
    import onnxruntime

    models.check_file(path, sha256, name)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # parallel work is the process pool's
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises classes of its own C++ module for every kind of bad file
        raise models.ModelUnavailable("model_unreadable", f"{name} is not a network that can be run.") from error
    return session, session.get_inputs()[0].name
