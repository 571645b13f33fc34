"""What makes a score a decision: thresholds, what they stand for, and the data that they were measured on.

``python -m verification evaluate`` writes a calibration: ``calibration.json`` and beside it the cohort's statistics.
The one in ``weights/`` comes with the product. A calibration belongs to the model files that it was made with.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np

from verification import models
from verification.matcher_onnx import MAX_SIDE, OnnxEmbedder
from verification.matcher_sface import CROP, Embedder, SFace
from verification.scoring import Cohort, score, sha256_of

FORMAT: Final = "betpe-bet/face-calibration/1"
BUILT_IN: Final = Path(__file__).parent / "weights" / "face_calibration.json"
MAX_BYTES: Final = 16 * 1024 * 1024
ACCEPT_FMR: Final = 0.001
"""A score that at most 1 stranger in 1000 reaches is accepted; the second engine may still object."""
REFER_FMR: Final = 0.01
"""A score that at most 1 stranger in 100 reaches is referred to a person; below it is rejected."""


class CalibrationInvalid(ValueError):
    """The file cannot be used. ``code``: calibration_unreadable, calibration_malformed, calibration_other_model,
    calibration_insufficient, calibration_altered."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    def __reduce__(self) -> tuple[type[CalibrationInvalid], tuple[str, str]]:
        return type(self), (self.code, self.message)


@dataclass(frozen=True, slots=True)
class Zone:
    """A threshold with the two error rates measured at it."""

    threshold: float
    fmr: float
    fnmr: float


@dataclass(frozen=True, slots=True)
class SecondZones:
    """The second engine's distances: up to ``same`` it says the same person, from ``different`` on another."""

    same: float
    same_fmr: float
    different: float
    different_fnmr: float


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """At or over ``accept`` the score is accepted, under ``refer`` rejected, between them a person decides."""

    sha256: str
    """Of the calibration file: what results and dossiers name it by."""
    condition: str
    accept: Zone
    refer: Zone
    second: SecondZones
    embedder: Embedder
    cohort: Cohort | None
    thresholds: Mapping[float, Zone]
    """By false match rate, all that were measured."""
    data_sha256: str
    """Of the list of pairs that it was measured on."""

    @property
    def version(self) -> str:
        """What computed a score: model files and calibration."""
        return f"{self.embedder.version}+calibration-{self.sha256[:12]}"


@lru_cache(maxsize=4)
def load(path: Path | None = None) -> Calibration:
    """Read and check a calibration; None is the one that comes with the product. Once per process and path.

    Raises CalibrationInvalid, or models.ModelUnavailable when a model file that it names is missing or altered.
    """
    source = BUILT_IN if path is None else path
    data = _bytes(source)
    try:
        content = json.loads(data)
        if content["format"] != FORMAT:
            raise ValueError(f"the format is not {FORMAT}")
        calibration = Calibration(
            sha256_of(data),
            str(content["condition"]),
            _zone(content, content["accept_fmr"]),
            _zone(content, content["refer_fmr"]),
            _second(content["second"]),
            _embedder(content["matcher"], source.parent),
            _cohort(content["cohort"], source.parent),
            {float(fmr): _zone(content, fmr) for fmr in content["thresholds"]},
            str(content["data"]["pairs_sha256"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, CalibrationInvalid):
            raise
        raise CalibrationInvalid("calibration_malformed", f"{source.name} is no calibration: {error}.") from error
    _check(calibration, content, source.name)
    return calibration


def examine(path: Path | None = None) -> Calibration:
    """For the start of a service: load the calibration and every model file, and let embedder and cohort work once.

    Raises CalibrationInvalid or models.ModelUnavailable.
    """
    models.check_all()
    calibration = load(path)
    noise = np.random.default_rng(0).integers(0, 256, (CROP, CROP, 3), np.uint8)  # no face: only whether it runs
    vector = calibration.embedder.embed(noise)
    try:
        score(vector, vector, calibration.cohort)
    except ValueError as error:
        raise CalibrationInvalid(
            "calibration_other_model",
            f"The cohort of the calibration is of another network: {calibration.embedder.name} gives {vector.size} "
            "numbers a face.",
        ) from error
    return calibration


def unaltered(path: Path | None, sha256: str) -> Calibration:
    """The calibration, when it is still the one with this SHA-256 (empty: whichever it is).

    Raises what ``load`` raises, and CalibrationInvalid calibration_altered.
    """
    calibration = load(path)
    if sha256 and calibration.sha256 != sha256:
        raise CalibrationInvalid("calibration_altered", "The calibration is not the one that the service started with.")
    return calibration


def read_embedder(path: Path) -> OnnxEmbedder:
    """An organisation's own network: JSON with file (beside it), sha256, name, licence and optionally side, mean,
    scale, rgb. Raises CalibrationInvalid, or models.ModelUnavailable when the file is not what it says."""
    try:
        embedder = _own_embedder(json.loads(_bytes(path)), path.parent)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, CalibrationInvalid):
            raise
        raise CalibrationInvalid("calibration_malformed", f"{path.name} describes no network: {error}.") from error
    models.check_file(embedder.path, embedder.sha256, embedder.name)
    return embedder


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise CalibrationInvalid("calibration_unreadable", f"{path.name} cannot be read: {error.strerror}.") from error
    if len(data) > MAX_BYTES:
        raise CalibrationInvalid("calibration_malformed", f"{path.name} is larger than {MAX_BYTES} bytes.")
    return data


def fmr_key(fmr: float) -> str:
    """A false match rate as the key of a JSON object: 0.01, 0.001, 0.0001."""
    return f"{fmr:.9f}".rstrip("0")


def _zone(content: Mapping[str, Any], fmr: float | str) -> Zone:
    key = fmr_key(float(fmr))
    return Zone(float(content["thresholds"][key]), float(fmr), float(content["fnmr_at_fmr"][key]))


def _second(content: Mapping[str, Any]) -> SecondZones:
    return SecondZones(*(float(content[key]) for key in ("same", "same_fmr", "different", "different_fnmr")))


def _embedder(content: Mapping[str, Any], folder: Path) -> Embedder:
    own = content.get("own")
    return SFace() if own is None else _own_embedder(own, folder)


def _own_embedder(own: Mapping[str, Any], folder: Path) -> OnnxEmbedder:
    side = int(own.get("side", 112))
    if not 16 <= side <= MAX_SIDE:
        raise ValueError(f"the input side {side} is not within 16 and {MAX_SIDE}")
    return OnnxEmbedder(
        folder / Path(str(own["file"])).name,
        str(own["sha256"]),
        str(own["name"]),
        str(own["licence"]),
        side,
        float(own.get("mean", 127.5)),
        float(own.get("scale", 1 / 127.5)),
        bool(own.get("rgb", True)),
    )


def _cohort(content: Mapping[str, Any] | None, folder: Path) -> Cohort | None:
    if content is None:
        return None
    data = _bytes(folder / Path(str(content["file"])).name)
    if sha256_of(data) != content["sha256"]:
        raise CalibrationInvalid("calibration_malformed", "The cohort's statistics are not those of the calibration.")
    return Cohort.from_bytes(data)


def _check(calibration: Calibration, content: Mapping[str, Any], name: str) -> None:
    if calibration.accept.threshold < calibration.refer.threshold:
        raise CalibrationInvalid("calibration_malformed", f"{name} accepts below the score at which it refers.")
    if calibration.second.same > calibration.second.different:
        raise CalibrationInvalid("calibration_malformed", f"{name}: the second engine's zones overlap.")
    made_with = {file["name"]: file["sha256"] for file in content["matcher"]["files"]}
    own = isinstance(calibration.embedder, OnnxEmbedder)
    for model in (models.YUNET,) if own else (models.YUNET, models.SFACE):
        if made_with.pop(model.name, "") != model.sha256:
            raise CalibrationInvalid(
                "calibration_other_model", f"{name} was made with another {model.name} than the one installed."
            )
    if made_with:
        raise CalibrationInvalid(
            "calibration_other_model", f"{name} was made with {min(made_with)}, which is not the matcher in use."
        )
    impostors = int(content["data"]["impostor_comparisons"])
    if impostors * calibration.accept.fmr < 3:  # the rule of three: fewer comparisons cannot show such a rate
        raise CalibrationInvalid(
            "calibration_insufficient",
            f"{name} rests on {impostors} comparisons of strangers, too few for a rate of {calibration.accept.fmr:g}.",
        )
    if isinstance(calibration.embedder, OnnxEmbedder):
        models.check_file(calibration.embedder.path, calibration.embedder.sha256, calibration.embedder.name)
