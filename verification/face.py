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

from verification import calibration, images, matcher_sface, quality, quality_landmarks, scoring, still_face, templates
from verification.calibration import Calibration, SecondZones
from verification.contract import CheckResult, Comparison, Frame, Guidance, Outcome, Pixels, Probe
from verification.detector import Face, detect, subject_first

SAME_FACE: Final = 0.348
"""Cosine of two live frames under which they do not show one person: SFace's threshold at a false match rate of 1e-3.
Frames of one clip score far higher (0.9 and more)."""
_MARGIN: Final = 0.35  # around the face's box in the picture for the panel, in box sizes


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
    started = time.perf_counter()
    rule = calibration.load(calibration_file)
    pixels, faces = still_face.find(images.decode(portrait))
    live = [_see(probe, rule) for probe in probes]
    order = templates.best(live)
    details: dict[str, object] = {}
    scores: list[float | None] = [None] * len(live)
    second = _second(Outcome.NOT_RUN, ("second_opinion_not_run",))
    reason = _unusable_portrait(faces) or (None if order else _unusable_probes(live))
    if reason is not None:
        verdict = _Verdict(Outcome.INCONCLUSIVE, (reason,))
    else:
        card = templates.of_portrait(pixels, faces[0], rule.embedder)
        chosen = order[: templates.AVERAGED]
        scores = [None if item.vector is None else _score(card, item.vector, rule) for item in live]
        together = templates.average([vector for i in chosen if (vector := live[i].vector) is not None])
        if second_opinion:
            second = _ask_second(card, live[chosen[0]], rule.second)
        verdict = _decide(_score(card, together, rule), second, rule)
        if not _one_person(live, chosen):
            verdict = _Verdict(Outcome.INCONCLUSIVE, ("probes_differ",), verdict.score)
        details = _details(live, chosen, rule)
    return Comparison(
        _result(started, verdict, rule, details),
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
    faces = subject_first(detect(frame.pixels), frame.pixels)
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


def _see(probe: bytes | Frame, rule: Calibration) -> templates.Live:
    pixels = probe.pixels if isinstance(probe, Frame) else images.decode(probe)
    return templates.of_frame(pixels, rule.embedder)


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


def _ask_second(card: templates.Portrait, probe: templates.Live, zones: SecondZones) -> CheckResult:
    from verification import matcher_dlib  # heavy, and takes the interpreter's lock: only when asked for

    started = time.perf_counter()
    one = matcher_dlib.embed(card.pixels, card.face)
    distance = matcher_dlib.distance(one, matcher_dlib.embed(probe.pixels, probe.faces[0]))
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
    }


def _result(started: float, verdict: _Verdict, rule: Calibration, details: Mapping[str, object]) -> CheckResult:
    return CheckResult(
        "face_match",
        verdict.outcome,
        verdict.reasons,
        None if verdict.score is None else round(verdict.score, 3),
        round(rule.accept.threshold, 3),
        rule.accept.fmr,
        f"yunet+{rule.embedder.name}",
        rule.version,
        _milliseconds(started),
        details,
    )


def _cut(pixels: Pixels, face: Face) -> Pixels:
    height, width = pixels.shape[:2]
    left, top = int(face.x - _MARGIN * face.width), int(face.y - _MARGIN * face.height)
    right, bottom = int(face.x + (1 + _MARGIN) * face.width), int(face.y + (1 + _MARGIN) * face.height)
    return np.ascontiguousarray(pixels[max(0, top) : min(height, bottom), max(0, left) : min(width, right)])


def _milliseconds(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 1)
