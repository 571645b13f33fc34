"""The portrait on the evidence against live frames, and guidance for a better live picture.

``compare`` never takes the best score of many frames (that inflates the false match rate): it chooses frames by
quality, before any score is known, and averages them. Two independent engines that disagree make the comparison
inconclusive (ETSI TS 119 461). No template outlives the call.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from verification import calibration, images, matcher_sface, quality, quality_landmarks, scoring, still_face, templates
from verification.calibration import Calibration, SecondZones
from verification.contract import CheckResult, Comparison, Frame, Guidance, Outcome, Pixels, Probe
from verification.detector import Face, live_faces

SAME_FACE: Final = 0.348
"""Cosine of two live frames under which they do not show one person: SFace's threshold at a false match rate of 1e-3.
Frames of one clip score far higher (0.9 and more)."""
Descriptor = NDArray[np.float32]
"""The second engine's vector."""
_MARGIN: Final = 0.35  # around the face's box in the picture for the panel, in box sizes


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """The portrait's side of a comparison; lives as long as that."""

    reason: str | None
    """Why this portrait cannot be compared."""
    card: templates.Portrait | None
    second: Descriptor | None
    """The second engine's; None where its opinion is not asked."""
    calibration_file: Path | None
    milliseconds: float


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """One live frame's side of a comparison; lives as long as that."""

    live: templates.Live
    milliseconds: float


@dataclass(frozen=True, slots=True)
class _Verdict:
    outcome: Outcome
    reasons: tuple[str, ...]
    score: float | None = None


def compare(
    portrait: bytes,
    probes: Sequence[bytes | Frame],
    *,
    second_opinion: bool = True,
    calibration_file: Path | None = None,
) -> Comparison:
    """Compare the face on a portrait (or on a whole photographed card) with the face in the probes.

    ``portrait`` and byte probes are picture files; raises UnusableInput (verification.images) when one cannot be
    read, ModelUnavailable when a model file is missing or altered, CalibrationInvalid for a ``calibration_file`` that
    cannot be used (None is the product's own). With ``second_opinion`` dlib judges the best probe too.
    """
    prepared = prepare(portrait, second_opinion=second_opinion, calibration_file=calibration_file)
    return conclude(prepared, [see(probe, calibration_file=calibration_file) for probe in probes])


def prepare(portrait: bytes, *, second_opinion: bool = True, calibration_file: Path | None = None) -> Prepared:
    """What can be done before there is a live frame. Raises as ``compare`` does."""
    started = time.perf_counter()
    rule = calibration.load(calibration_file)
    pixels, faces = still_face.find(images.decode(portrait))
    reason = _unusable_portrait(faces)
    card = None if reason else templates.of_portrait(pixels, faces[0], rule.embedder)
    return Prepared(
        reason,
        card,
        _embed_second(card.pixels, card.face) if card and second_opinion else None,
        calibration_file,
        _milliseconds(started),
    )


def see(probe: bytes | Frame, *, calibration_file: Path | None = None) -> Seen:
    """One live frame detected, judged and embedded, as it comes. Raises as ``compare`` does."""
    started = time.perf_counter()
    pixels = probe.pixels if isinstance(probe, Frame) else images.decode(probe)
    live = templates.of_frame(pixels, calibration.load(calibration_file).embedder)
    return Seen(live, _milliseconds(started))


def conclude(prepared: Prepared, seen: Sequence[Seen]) -> Comparison:
    """The comparison of a prepared portrait with all frames seen; its milliseconds are the sum of all three steps."""
    started = time.perf_counter()
    rule = calibration.load(prepared.calibration_file)
    live = [one.live for one in seen]
    order = templates.best(live)
    details: dict[str, object] = {}
    scores: list[float | None] = [None] * len(live)
    second = _second(Outcome.NOT_RUN, ("second_opinion_not_run",))
    card = prepared.card
    reason = prepared.reason or (None if order else _unusable_probes(live))
    if reason is not None or card is None:
        verdict = _Verdict(Outcome.INCONCLUSIVE, (reason,) if reason else ())
    else:
        chosen = order[: templates.AVERAGED]
        scores = [None if item.vector is None else _score(card, item.vector, rule) for item in live]
        together = templates.average([vector for i in chosen if (vector := live[i].vector) is not None])
        if prepared.second is not None:
            second = _ask_second(prepared.second, live[chosen[0]], rule.second)
        verdict = _decide(_score(card, together, rule), second, rule)
        if not _one_person(live, chosen):
            verdict = _Verdict(Outcome.INCONCLUSIVE, ("probes_differ",), verdict.score)
        details = _details(live, chosen, rule)
    spent = prepared.milliseconds + sum(one.milliseconds for one in seen) + _milliseconds(started)
    return Comparison(
        _result(spent, verdict, rule, details),
        second,
        tuple(
            Probe(index, item.quality.unified, None if value is None else round(value, 3), item.quality.problems)
            for index, (item, value) in enumerate(zip(live, scores, strict=True))
        ),
        order[0] if order else None,
        images.encode_jpeg(_cut(live[order[0]].pixels, live[order[0]].faces[0])) if order else None,
    )


def guide(frame: Frame) -> Guidance:
    """What would make this live picture better; about as cheap as finding the face (docs/models.md)."""
    started = time.perf_counter()
    faces = live_faces(frame.pixels)
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


def _score(card: templates.Portrait, live: matcher_sface.Vector, rule: Calibration) -> float:
    return scoring.score(card.vector, live, rule.cohort)


def _unusable_portrait(faces: Sequence[Face]) -> str | None:
    if not faces:
        return "no_face_in_portrait"
    return "several_faces_in_portrait" if quality.several(faces) else None


def _unusable_probes(live: Sequence[templates.Live]) -> str:
    """Why no probe can be compared: what the best of them got wrong."""
    if any(item.faces and not quality.several(item.faces) for item in live):
        return "probe_quality_low"
    if any(item.faces for item in live):
        return "several_faces_in_probe"
    return "no_face_in_probe"


def _one_person(live: Sequence[templates.Live], chosen: Sequence[int]) -> bool:
    """Do the averaged frames match the best one? Two faces taking turns before the camera must not average out."""
    first, *others = [vector for i in chosen if (vector := live[i].vector) is not None]
    return all(matcher_sface.cosine(first, other) >= SAME_FACE for other in others)


def _decide(score: float, second: CheckResult, rule: Calibration) -> _Verdict:
    """Three zones, and the second engine's objection. The engine that has no clear opinion objects to nothing."""
    if score >= rule.accept.threshold:
        outcome, reason, against = Outcome.PASSED, "same_person", Outcome.FAILED
    elif score >= rule.refer.threshold:
        return _Verdict(Outcome.INCONCLUSIVE, ("score_in_between",), score)
    else:
        outcome, reason, against = Outcome.FAILED, "different_person", Outcome.PASSED
    if second.outcome is against:
        return _Verdict(Outcome.INCONCLUSIVE, ("engines_disagree",), score)
    alone = ("second_opinion_not_run",) if second.outcome is Outcome.NOT_RUN else ()
    return _Verdict(outcome, (reason, *alone), score)


def _embed_second(pixels: Pixels, face: Face) -> Descriptor:
    from verification import matcher_dlib  # heavy, and takes the interpreter's lock: only when asked for

    return matcher_dlib.embed(pixels, face)


def _ask_second(card: Descriptor, probe: templates.Live, zones: SecondZones) -> CheckResult:
    from verification import matcher_dlib

    started = time.perf_counter()
    distance = matcher_dlib.distance(card, _embed_second(probe.pixels, probe.faces[0]))
    if distance <= zones.same:
        outcome, reason = Outcome.PASSED, "same_person"
    elif distance >= zones.different:
        outcome, reason = Outcome.FAILED, "different_person"
    else:
        outcome, reason = Outcome.INCONCLUSIVE, "score_in_between"
    return CheckResult(
        "face_second_opinion",
        outcome,
        (reason,),
        round(distance, 4),
        zones.same,
        zones.same_fmr,
        matcher_dlib.NAME,
        matcher_dlib.model_version(),
        _milliseconds(started),
        {"different_from": zones.different, "different_fnmr": zones.different_fnmr},
    )


def _second(outcome: Outcome, reasons: tuple[str, ...]) -> CheckResult:
    return CheckResult("face_second_opinion", outcome, reasons)


def _details(live: Sequence[templates.Live], chosen: Sequence[int], rule: Calibration) -> dict[str, object]:
    return {
        "averaged": list(chosen),
        "quality": dict(live[chosen[0]].quality.components),
        "fnmr": rule.accept.fnmr,
        "refer_from": rule.refer.threshold,
        "refer_fmr": rule.refer.fmr,
        "calibration": rule.sha256,
        "condition": rule.condition,
        "licence": rule.embedder.licence,
    }


def _result(milliseconds: float, verdict: _Verdict, rule: Calibration, details: Mapping[str, object]) -> CheckResult:
    return CheckResult(
        "face_match",
        verdict.outcome,
        verdict.reasons,
        None if verdict.score is None else round(verdict.score, 3),
        round(rule.accept.threshold, 3),
        rule.accept.fmr,
        f"yunet+{rule.embedder.name}",
        rule.version,
        round(milliseconds, 1),
        details,
    )


def _cut(pixels: Pixels, face: Face) -> Pixels:
    height, width = pixels.shape[:2]
    left, top = int(face.x - _MARGIN * face.width), int(face.y - _MARGIN * face.height)
    right, bottom = int(face.x + (1 + _MARGIN) * face.width), int(face.y + (1 + _MARGIN) * face.height)
    return np.ascontiguousarray(pixels[max(0, top) : min(height, bottom), max(0, left) : min(width, right)])


def _milliseconds(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 1)
