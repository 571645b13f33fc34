"""The portrait on the evidence against live frames, and guidance for a better live picture.

``compare`` never takes the best score of many frames (that inflates the false match rate): it chooses frames by
quality, before any score is known, and averages over them. Two independent engines that disagree make the comparison
inconclusive (ETSI TS 119 461). No template outlives the call.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from verification import images, matcher_sface, quality, quality_landmarks
from verification.contract import CheckResult, Comparison, Frame, Guidance, Outcome, Pixels, Probe
from verification.detector import WORKING_SIDE, Face, detect

THRESHOLD: Final = 0.348
"""Cosine at a false match rate of FMR, measured on printed portraits x VP8 webcam frames (docs/models.md)."""
FMR: Final = 0.001
SECOND_THRESHOLD: Final = 0.533
"""Distance at a false match rate of 1e-3 on the same data; the usual 0.6 lets one impostor in 93 through."""
AVERAGED: Final = 5
"""Frames averaged, the best by quality."""
_PORTRAIT_SIDES: Final = (WORKING_SIDE, 640, 1024)
"""Longest sides at which a portrait is searched, one after another: a cut portrait, then a whole photographed card."""
_SMALL_PORTRAIT: Final = 400  # longest side; enlarged twice, as the thresholds were measured
_MARGIN: Final = 0.35  # around the face's box in the picture for the panel, in box sizes


@dataclass(frozen=True, slots=True)
class _Seen:
    """One probe after detection."""

    pixels: Pixels
    faces: tuple[Face, ...]
    quality: quality.Quality
    vector: matcher_sface.Vector | None


def compare(portrait: bytes, probes: Sequence[bytes | Frame], *, second_opinion: bool = True) -> Comparison:
    """Compare the face on a portrait (or on a whole photographed card) with the face in the probes.

    ``portrait`` and byte probes are picture files; raises UnusableInput (verification.images) when one cannot be
    read, ModelUnavailable when a model file is missing or altered. With ``second_opinion`` dlib judges the best probe.
    """
    started = time.perf_counter()
    card, faces, reason = _portrait(images.decode(portrait))
    seen = [_see(probe.pixels if isinstance(probe, Frame) else images.decode(probe)) for probe in probes]
    order = sorted(
        (i for i, item in enumerate(seen) if item.vector is not None), key=lambda i: -seen[i].quality.unified
    )
    reason = reason or (None if order else _why_none(seen))
    if reason is not None:
        scores: list[float | None] = [None] * len(seen)
        result = _result(started, Outcome.INCONCLUSIVE, (reason,))
        second = _second(Outcome.NOT_RUN, ("second_opinion_not_run",))
    else:
        template = _vector(card, faces[0])
        scores = [None if item.vector is None else matcher_sface.cosine(template, item.vector) for item in seen]
        averaged = order[:AVERAGED]
        score = float(np.mean([scores[i] for i in averaged]))
        first = Outcome.PASSED if score >= THRESHOLD else Outcome.FAILED
        best = seen[averaged[0]]
        second = (
            _ask_second(card, faces[0], best.pixels, best.faces[0])
            if second_opinion
            else _second(Outcome.NOT_RUN, ("second_opinion_not_run",))
        )
        details = {"averaged": averaged, "quality": dict(best.quality.components)}
        if not _one_person([seen[i].vector for i in averaged]):
            result = _result(started, Outcome.INCONCLUSIVE, ("probes_differ",), score, details)
        elif second.outcome not in (first, Outcome.NOT_RUN):
            result = _result(started, Outcome.INCONCLUSIVE, ("engines_disagree",), score, details)
        else:
            said = "same_person" if first is Outcome.PASSED else "different_person"
            alone = ("second_opinion_not_run",) if second.outcome is Outcome.NOT_RUN else ()
            result = _result(started, first, (said, *alone), score, details)
    return Comparison(
        result,
        second,
        tuple(
            Probe(i, item.quality.unified, None if score is None else round(score, 4), item.quality.problems)
            for i, (item, score) in enumerate(zip(seen, scores, strict=True))
        ),
        order[0] if order else None,
        images.encode_jpeg(_cut(seen[order[0]].pixels, seen[order[0]].faces[0])) if order else None,
    )


def guide(frame: Frame) -> Guidance:
    """What would make this live picture better; about as cheap as finding the face (docs/models.md)."""
    started = time.perf_counter()
    faces = detect(frame.pixels)
    judged = quality.assess(frame.pixels, faces)
    height, width = frame.pixels.shape[:2]
    box = None
    problems, components = judged.problems, judged.components
    if faces:
        face = faces[0]
        box = (face.x / width, face.y / height, face.width / width, face.height / height)
        more, also = quality_landmarks.components(frame, face)
        problems, components = (*problems, *also), {**components, **more}
    return Guidance(problems, components, box, _milliseconds(started))


def _portrait(pixels: Pixels) -> tuple[Pixels, tuple[Face, ...], str | None]:
    """The portrait as it is embedded, the faces on it, and why it cannot be used."""
    if max(pixels.shape[:2]) < _SMALL_PORTRAIT:
        pixels = np.asarray(cv2.resize(pixels, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC), dtype=np.uint8)
    for side in _PORTRAIT_SIDES:
        faces = detect(pixels, side)
        if faces:
            return pixels, faces, "several_faces_in_portrait" if quality.several(faces) else None
    framed = _with_border(pixels)  # a face that fills the picture is found when there is something around it
    faces = detect(framed)
    return framed, faces, None if faces else "no_face_in_portrait"


def _with_border(pixels: Pixels) -> Pixels:
    edge = max(pixels.shape[:2]) // 4
    return np.asarray(cv2.copyMakeBorder(pixels, edge, edge, edge, edge, cv2.BORDER_REPLICATE), dtype=np.uint8)


def _see(pixels: Pixels) -> _Seen:
    faces = detect(pixels)
    if not faces:
        return _Seen(pixels, faces, quality.NOTHING, None)
    crop = matcher_sface.align(pixels, faces[0])
    judged = quality.assess(pixels, faces, crop)
    usable = judged.unified >= quality.USABLE and not quality.several(faces)
    return _Seen(pixels, faces, judged, matcher_sface.embed(crop) if usable else None)


def _vector(pixels: Pixels, face: Face) -> matcher_sface.Vector:
    return matcher_sface.embed(matcher_sface.align(pixels, face))


def _one_person(vectors: Sequence[matcher_sface.Vector | None]) -> bool:
    """Do the averaged frames match the best one? Two faces taking turns before the camera must not average out."""
    best, *others = [vector for vector in vectors if vector is not None]
    return all(matcher_sface.cosine(best, other) >= THRESHOLD for other in others)


def _why_none(seen: Sequence[_Seen]) -> str:
    """Why no probe can be compared: what the most of them got wrong least."""
    if any(item.faces and not quality.several(item.faces) for item in seen):
        return "probe_quality_low"
    if any(item.faces for item in seen):
        return "several_faces_in_probe"
    return "no_face_in_probe"


def _ask_second(card: Pixels, card_face: Face, probe: Pixels, probe_face: Face) -> CheckResult:
    from verification import matcher_dlib  # heavy, and takes the interpreter's lock: only when asked for

    started = time.perf_counter()
    distance = matcher_dlib.distance(matcher_dlib.embed(card, card_face), matcher_dlib.embed(probe, probe_face))
    same = distance <= SECOND_THRESHOLD
    return CheckResult(
        "face_second_opinion",
        Outcome.PASSED if same else Outcome.FAILED,
        ("same_person" if same else "different_person",),
        round(distance, 4),
        SECOND_THRESHOLD,
        FMR,
        matcher_dlib.NAME,
        matcher_dlib.model_version(),
        _milliseconds(started),
    )


def _second(outcome: Outcome, reasons: tuple[str, ...]) -> CheckResult:
    return CheckResult("face_second_opinion", outcome, reasons)


def _result(
    started: float,
    outcome: Outcome,
    reasons: tuple[str, ...],
    score: float | None = None,
    details: Mapping[str, object] | None = None,
) -> CheckResult:
    return CheckResult(
        "face_match",
        outcome,
        reasons,
        None if score is None else round(score, 4),
        THRESHOLD,
        FMR,
        matcher_sface.NAME,
        matcher_sface.VERSION,
        _milliseconds(started),
        details or {},
    )


def _cut(pixels: Pixels, face: Face) -> Pixels:
    height, width = pixels.shape[:2]
    left, top = int(face.x - _MARGIN * face.width), int(face.y - _MARGIN * face.height)
    right, bottom = int(face.x + (1 + _MARGIN) * face.width), int(face.y + (1 + _MARGIN) * face.height)
    return np.ascontiguousarray(pixels[max(0, top) : min(height, bottom), max(0, left) : min(width, right)])


def _milliseconds(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 1)
