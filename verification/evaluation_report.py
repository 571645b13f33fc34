"""What an evaluation leaves: a page with plots, the figures as JSON, and a calibration that can be installed.

``calibration.json`` is the model card too: which files computed the scores, under which licence, on which data, how
often wrong. Results and dossiers name it by its SHA-256.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any, Final

import numpy as np

from verification import __version__, calibration, models, plots
from verification.calibration import Calibration
from verification.evaluate import Evaluation
from verification.matcher_onnx import OnnxEmbedder
from verification.rates import Crossed
from verification.scoring import sha256_of

CALIBRATION: Final = "calibration.json"
COHORT: Final = "face_cohort.npz"
_STYLE: Final = (
    "body{font:16px/1.5 sans-serif;max-width:760px;margin:2rem auto;padding:0 1rem;color:#1b1b1b}"
    "table{border-collapse:collapse;margin:1rem 0}td,th{border:1px solid #bbb;padding:.3rem .6rem;text-align:right}"
    "th:first-child,td:first-child{text-align:left}svg{max-width:100%;height:auto;border:1px solid #ddd}"
)


def write(evaluation: Evaluation, folder: Path, installed: Calibration, own: OnnxEmbedder | None = None) -> list[str]:
    """Write report.html, evaluation.json, calibration.json and the cohort; answers their names.

    The calibration takes the second engine's zones from the installed one where they were not measured.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = ["report.html", "evaluation.json", CALIBRATION]
    cohort = None
    if evaluation.cohort is not None:
        data = evaluation.cohort.to_bytes()
        (folder / COHORT).write_bytes(data)
        cohort = {"file": COHORT, "sha256": sha256_of(data)}
        names.append(COHORT)
    if own is not None and own.path.parent.resolve() != folder.resolve():
        shutil.copy2(own.path, folder / own.path.name)
        names.append(own.path.name)
    card = json.dumps(_card(evaluation, installed, own, cohort), indent=1, ensure_ascii=False)
    (folder / CALIBRATION).write_text(card + "\n", encoding="utf-8")
    (folder / "evaluation.json").write_text(json.dumps(evaluation.figures, indent=1) + "\n", encoding="utf-8")
    page = _page(evaluation.figures, evaluation.scores, sha256_of((card + "\n").encode()))
    (folder / "report.html").write_text(page, encoding="utf-8")
    return names


def as_text(figures: Mapping[str, Any]) -> str:
    """A few lines for people at a terminal."""
    lines = [
        f"{figures['pairs']} pairs, condition {figures['condition']}, "
        f"{figures['impostor_comparisons']} comparisons of strangers ({figures['impostors']})",
        f"equal error rate {_percent(figures['eer'])}",
    ]
    for fmr, fnmr in figures["fnmr_at_fmr"].items():
        low, high = figures["fnmr_bounds"][fmr]
        threshold = figures["threshold_at_fmr"][fmr]
        known = "" if float(fmr) >= figures["fmr_supported"] else "  (too few strangers to show this rate)"
        lines.append(
            f"at a false match rate of {fmr}: {_percent(fnmr)} not matched "
            f"({_percent(low)} to {_percent(high)}), threshold {threshold:.3f}{known}"
        )
    lines.append(f"no usable face: {_percent(figures['failure_to_acquire'])}")
    lines.append(
        f"CPU time: {figures['ms_per_frame']:.1f} ms a live frame, {figures['ms_per_portrait']:.0f} ms a portrait"
    )
    return "\n".join(lines)


def _card(
    evaluation: Evaluation, installed: Calibration, own: OnnxEmbedder | None, cohort: Mapping[str, str] | None
) -> dict[str, Any]:
    figures = evaluation.figures
    measured = figures["second"] or {
        "same": installed.second.same,
        "same_fmr": installed.second.same_fmr,
        "different": installed.second.different,
        "different_fnmr": installed.second.different_fnmr,
    }
    files = [models.YUNET, *([] if own else [models.SFACE])]
    return {
        "format": calibration.FORMAT,
        "product": f"betpe-bet verification {__version__}",
        "made": datetime.now(UTC).date().isoformat(),
        "condition": figures["condition"],
        "frames": figures["frames_per_live_side"],
        "matcher": {
            "version": figures["embedder"],
            "files": [
                {"name": file.name, "sha256": file.sha256, "licence": file.licence, "source": file.source}
                for file in files
            ],
            "own": None if own is None else _own(own),
        },
        "cohort": cohort,
        "thresholds": figures["threshold_at_fmr"],
        "fnmr_at_fmr": figures["fnmr_at_fmr"],
        "fnmr_bounds": figures["fnmr_bounds"],
        "eer": figures["eer"],
        "failure_to_acquire": figures["failure_to_acquire"],
        "accept_fmr": calibration.ACCEPT_FMR,
        "refer_fmr": calibration.REFER_FMR,
        "second": {
            **{key: measured[key] for key in ("same", "same_fmr", "different", "different_fnmr")},
            "measured_here": figures["second"] is not None,
        },
        "data": {
            **figures["data"],
            "pairs": figures["pairs"],
            "genuine_pairs": figures["genuine_pairs"],
            "impostor_comparisons": figures["impostor_comparisons"],
            "impostors": figures["impostors"],
            "persons": figures["persons"],
        },
        "groups": figures["groups"],
    }


def _own(own: OnnxEmbedder) -> dict[str, Any]:
    return {
        "file": own.path.name,
        "sha256": own.sha256,
        "name": own.name,
        "licence": own.licence,
        "side": own.side,
        "mean": own.mean,
        "scale": own.scale,
        "rgb": own.rgb,
    }


def _page(figures: Mapping[str, Any], scores: Crossed, card: str) -> str:
    rows = [
        (fmr, f"{figures['threshold_at_fmr'][fmr]:.3f}", _percent(fnmr), _between(figures["fnmr_bounds"][fmr]))
        for fmr, fnmr in figures["fnmr_at_fmr"].items()
    ]
    parts = [
        f"<h1>Face comparison: {escape(figures['condition'])}</h1>",
        f"<p>{figures['pairs']} pairs; {figures['genuine_pairs']} of one person, "
        f"{figures['impostor_comparisons']} comparisons of strangers ({escape(figures['impostors'])}). "
        f"Equal error rate {_percent(figures['eer'])}. No usable face in {_percent(figures['failure_to_acquire'])} "
        f"of the pictures. {figures['ms_per_frame']:.1f} ms of one core a live frame. "
        f"Lowest false match rate that this many comparisons can show: {figures['fmr_supported']:.1e}.</p>",
        _table(("false match rate", "threshold", "not matched", "95% bounds"), rows),
        plots.det({"this data": [(x, y) for x, y in figures["det"]]}),
        _histogram(scores, figures["threshold_at_fmr"]),
        _zones(figures["installed"]),
        _folds(figures["folds"]),
        _groups(figures["groups"]),
        _second(figures["second"]),
        _variants(figures["variants"]),
        f"<h2>Model card</h2><p>calibration.json beside this page, SHA-256 <code>{card}</code>; "
        f"scores by <code>{escape(figures['embedder'])}</code>, cohort: {escape(figures['cohort'])}; "
        f"list of pairs SHA-256 <code>{figures['data']['pairs_sha256']}</code>.</p>",
    ]
    body = "\n".join(part for part in parts if part)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Face comparison</title><style>{_STYLE}</style></head><body>{body}</body></html>\n"
    )


def _histogram(scores: Crossed, thresholds: Mapping[str, float]) -> str:
    genuine = scores.genuine[np.isfinite(scores.genuine)]
    low = float(min(genuine.min(initial=0), scores.impostor.min(initial=0)))
    high = float(max(genuine.max(initial=1), scores.impostor.max(initial=1)))
    edges = np.linspace(low, high, 61)
    shares = {
        name: (np.histogram(side, edges)[0] / max(1, side.size)).tolist()
        for name, side in (("strangers", scores.impostor), ("one person", genuine))
    }
    marks = {f"FMR {fmr}": value for fmr, value in thresholds.items()}
    return plots.histogram(shares, edges.tolist(), marks)


def _zones(installed: Mapping[str, Any] | None) -> str:
    if installed is None:
        return ""
    rows = [
        (side, *(_percent(share[zone], 3) for zone in ("accept", "refer", "reject")))
        for side, share in installed["zones"].items()
    ]
    return "<h2>At the installed thresholds</h2>" + _table(("pairs", "accepted", "referred", "rejected"), rows)


def _folds(folds: Mapping[str, Any]) -> str:
    if len(folds) < 2:
        return ""
    rows = [
        (name, _percent(row["eer"]), *(_percent(value) for value in row["fnmr_at_fmr"].values()))
        for name, row in folds.items()
    ]
    keys = next(iter(folds.values()))["fnmr_at_fmr"]
    return "<h2>Per fold</h2>" + _table(("fold", "EER", *(f"at FMR {key}" for key in keys)), rows)


def _groups(groups: Mapping[str, Any] | None) -> str:
    if groups is None:
        return "<h2>Per group</h2><p>The list has no column <code>group</code>: not measured.</p>"
    rows = [
        (name, str(row["pairs"]), _errors(row["fnmr"]), _errors(row["fmr"])) for name, row in groups["table"].items()
    ]
    ratio = groups["largest_fnmr_ratio"]
    said = "not defined (a group without an error)" if ratio is None else f"{ratio:.2f}"
    return (
        f"<h2>Per group</h2><p>At one threshold, {groups['at_threshold']:.3f}. Largest ratio of not matched between "
        f"groups: {said} (NIST SP 800-63A-4: at most 1.25).</p>"
        + _table(("group", "pairs", "not matched", "falsely matched"), rows)
    )


def _second(second: Mapping[str, Any] | None) -> str:
    if second is None:
        return ""
    both = second["accepted_by_both"]
    matched = f", false match rate {both['fmr']:.2e}" if "fmr" in both else ""
    return (
        "<h2>Second engine</h2>"
        f"<p>Same person up to a distance of {second['same']:.3f} (FMR {second['same_fmr']:g}), another person from "
        f"{second['different']:.3f} on ({_percent(second['different_fnmr'])} of genuine pairs). Accepted by the first "
        f"and not objected to by the second: {_percent(both['fnmr'])} of genuine pairs lost{matched}.</p>"
    )


def _variants(variants: list[Mapping[str, Any]] | None) -> str:
    if not variants:
        return ""
    rows = [
        (row["name"], _percent(row["eer"]), *(_percent(value) for value in row["fnmr_at_fmr"].values()))
        for row in variants
    ]
    keys = variants[0]["fnmr_at_fmr"]
    return "<h2>What each step is worth</h2>" + _table(("way", "EER", *(f"at FMR {key}" for key in keys)), rows)


def _errors(share: Mapping[str, Any]) -> str:
    if not share["of"]:
        return "no pairs"
    return f"{_percent(share['rate'])} ({_between([share['low'], share['high']])})"


def _between(bounds: list[float]) -> str:
    return f"{_percent(bounds[0])} to {_percent(bounds[1])}"


def _percent(value: float, digits: int = 2) -> str:
    return f"{100 * value:.{digits}f}%"


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"
