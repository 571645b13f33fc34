"""A comparison as the command line tells it: one JSON object, or a few lines of text."""

from __future__ import annotations

from typing import Any, Final

from verification.contract import CheckResult, Comparison

_REASONS: Final = {
    "same_person": "the two faces match",
    "different_person": "the two faces do not match",
    "score_in_between": "the faces are neither clearly alike nor clearly different: a person has to decide",
    "engines_disagree": "the two engines disagree: a person has to decide",
    "no_face_in_portrait": "no face was found on the portrait",
    "several_faces_in_portrait": "several faces were found on the portrait",
    "no_face_in_probe": "no face was found in the live pictures",
    "several_faces_in_probe": "several people are in the live pictures",
    "probes_differ": "the live pictures do not all show one person",
    "probe_quality_low": "the live pictures are too poor to compare",
    "second_opinion_not_run": "the second engine was not asked",
}

SCALE: Final = "standard deviations of strangers' scores"
SECOND_SCALE: Final = "euclidean distance"


def as_json(comparison: Comparison) -> dict[str, Any]:
    """The object whose keys others rely on; ``second`` and ``best`` are extra.

    ``scale`` says what a score and its threshold are measured in, ``better`` which way the same person lies.
    """
    result, second = comparison.result, comparison.second
    return {
        "outcome": result.outcome.value,
        "score": result.score,
        "scale": SCALE,
        "better": "higher",
        "threshold": result.threshold,
        "fmr": result.fmr,
        "model": result.model,
        "version": result.version,
        "milliseconds": result.milliseconds,
        "reasons": list(result.reasons),
        "probes": [
            {"quality": probe.quality, "score": probe.score, "problems": list(probe.problems)}
            for probe in comparison.probes
        ],
        "best": comparison.best,
        "second": {
            "outcome": second.outcome.value,
            "score": second.score,
            "scale": SECOND_SCALE,
            "better": "lower",
            "threshold": second.threshold,
            "fmr": second.fmr,
            "model": second.model,
            "version": second.version,
            "reasons": list(second.reasons),
        },
        "calibration": result.details.get("calibration"),
        "refer_from": result.details.get("refer_from"),
    }


def as_text(comparison: Comparison) -> str:
    """For people at a terminal."""
    result, second = comparison.result, comparison.second
    reasons = "; ".join(_REASONS.get(code, code) for code in result.reasons)
    lines = [f"{result.outcome.value}: {reasons}"]
    lines += [_figures("score", result), _figures("second opinion (distance)", second)]
    lines += [
        f"picture {probe.index + 1}: quality {probe.quality:.2f}, "
        + ("not compared" if probe.score is None else f"score {probe.score:.3f}")
        + (f" ({', '.join(probe.problems)})" if probe.problems else "")
        for probe in comparison.probes
    ]
    return "\n".join(line for line in lines if line)


def _figures(name: str, check: CheckResult) -> str:
    if check.score is None or check.threshold is None or check.fmr is None:
        return ""
    return (
        f"{name} {check.score:.3f}, threshold {check.threshold:.3f} (false match rate {check.fmr:g}), "
        f"{check.model}, {check.milliseconds:.0f} ms"
    )
