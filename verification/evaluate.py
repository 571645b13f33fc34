"""How often the comparison is wrong, on pairs that anyone can bring: rates, bounds, thresholds, cost.

Genuine scores come from the list's genuine pairs. Impostor scores come from everybody against everybody else of the
fold where it is known who is who, else from the list's impostor pairs. A genuine pair in which no face could be used
counts as not matched. The cohort of strangers that scores are set against is never the people who are being tested:
it is the installed one, or, for each fold, the people of the other folds.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from verification import calibration, enrolment, pairs, rates
from verification.calibration import Calibration
from verification.contract import UnusableInput
from verification.enrolment import Enrolled, Task
from verification.matcher_sface import Embedder
from verification.models import file_sha256
from verification.rates import FMRS, Crossed, Scores
from verification.scoring import Array, Cohort, Moments, scores

COHORTS: Final = ("auto", "installed", "folds", "none")
_CROSSED_SIDE: Final = 4000
"""Pictures of one side of a fold that are crossed at most: 16 million comparisons."""
_SECOND_SAME_FMR: Final = 0.001
_SECOND_DIFFERENT_FNMR: Final = 0.01
"""The second engine may object to at most 1 genuine pair in 100."""

Match = Callable[[Sequence[Enrolled], Sequence[Enrolled], str], NDArray[np.float64]]
"""Scores of portraits (rows) against live faces (columns), of the fold named."""


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """What ``run`` found: the figures, and the cohort that a calibration made of them would use."""

    figures: dict[str, Any]
    cohort: Cohort | None
    scores: Crossed


@dataclass(frozen=True, slots=True, eq=False)
class _Material:
    listed: tuple[pairs.Pair, ...]
    persons: Mapping[str, str] | None
    portraits: Mapping[str, Enrolled]
    live: Mapping[str, Enrolled]


def run(
    pairs_file: Path,
    root: Path,
    condition: str,
    *,
    cohort: str = "auto",
    embedder: Embedder | None = None,
    second: bool = False,
    variants: bool = False,
    jobs: int = 1,
    rule: Calibration | None = None,
) -> Evaluation:
    """Measure. Raises UnusableInput (verification.pairs, ``condition_unknown``, ``cohort_impossible``)."""
    if condition not in enrolment.CONDITIONS or cohort not in COHORTS:
        raise UnusableInput("condition_unknown", f"Known are {', '.join(enrolment.CONDITIONS)}; {', '.join(COHORTS)}.")
    installed = rule or calibration.load()
    listed = pairs.read(pairs_file, root)
    task = Task(root, condition, embedder or installed.embedder, second, variants)
    material = _Material(
        listed,
        pairs.persons(listed),
        {item.picture: item for item in enrolment.portraits(task, sorted({pair.a for pair in listed}), jobs)},
        {item.picture: item for item in enrolment.live(task, sorted({pair.b for pair in listed}), jobs)},
    )
    data_sha256 = file_sha256(pairs_file)
    kind = _cohort_kind(cohort, installed, data_sha256, material, embedder is not None)
    match = _matcher("product", "product", kind, material, installed)
    crossed = _crossed(material, match)
    figures = {
        "condition": condition,
        "pairs": len(listed),
        **_head(crossed),
        "failure_to_acquire": _rate([*material.portraits.values(), *material.live.values()])[0],
        "ms_per_frame": round(_frame_cost(material.live.values()), 2),
        "failures": {"portrait": _rate(material.portraits.values()), "live": _rate(material.live.values())},
        "ms_per_portrait": round(_frame_cost(material.portraits.values()), 2),
        "genuine_pairs": int(crossed.genuine.size),
        "impostor_comparisons": int(crossed.impostor.size),
        "impostors": "listed" if material.persons is None else "everybody against everybody else of the fold",
        "persons": crossed.persons if material.persons is not None else None,
        "frames_per_live_side": max((len(item.milliseconds) for item in material.live.values()), default=0),
        "several_faces": sum(item.several for item in material.live.values()),
        "cohort": kind,
        "embedder": task.embedder.version,
        "det": rates.curve(crossed.genuine, crossed.impostor),
        "installed": _at_installed(crossed, installed) if embedder is None else None,
        "groups": _groups(material, match, crossed),
        "folds": _folds(material, match),
        "second": _second(material, match, crossed) if second else None,
        "variants": _variants(material, kind, installed, second) if variants else None,
        "data": {"pairs_sha256": data_sha256, "pairs_file": pairs_file.name},
    }
    return Evaluation(figures, _final_cohort(kind, material, installed), crossed)


def _head(crossed: Crossed, decimals: int = 5) -> dict[str, Any]:
    """The figures by which results are compared; keys of the rates are the false match rates."""
    thresholds = {fmr: rates.threshold_at(crossed.impostor, fmr) for fmr in FMRS}
    misses = {fmr: rates.false_non_match_rate(crossed.genuine, thresholds[fmr]) for fmr in FMRS}
    return {
        "eer": round(rates.equal_error(crossed.genuine, crossed.impostor), decimals),
        "fnmr_at_fmr": {calibration.fmr_key(fmr): round(misses[fmr], decimals) for fmr in FMRS},
        "threshold_at_fmr": {calibration.fmr_key(fmr): round(thresholds[fmr], 4) for fmr in FMRS},
        "fnmr_bounds": {calibration.fmr_key(fmr): _bounds(crossed, fmr) for fmr in FMRS},
        "fmr_supported": 3 / crossed.impostor.size,
    }


def _bounds(crossed: Crossed, fmr: float) -> list[float]:
    missed = int((crossed.genuine < rates.threshold_at(crossed.impostor, fmr)).sum())
    exact = rates.interval(missed, int(crossed.genuine.size))
    if crossed.blocks and missed:  # a bootstrap of no error shows no uncertainty: there the rule of three stands
        drawn = rates.resampled(crossed, (fmr,))[fmr]
        exact = rates.Interval(exact.rate, min(exact.low, drawn.low), max(exact.high, drawn.high))
    return [round(exact.low, 5), round(exact.high, 5)]


def _cohort_kind(wanted: str, installed: Calibration, data: str, material: _Material, own: bool) -> str:
    """auto: the installed cohort, but never on the very data that it was made from; the folds for another network."""
    folds = len({pair.fold for pair in material.listed})
    if wanted == "auto":
        made_here = installed.data_sha256 == data
        wanted = ("folds" if folds > 1 else "none") if own or made_here else "installed"
    if wanted == "folds" and folds < 2:
        raise UnusableInput("cohort_impossible", "A cohort of other folds needs at least two folds.")
    if wanted == "installed" and (own or installed.cohort is None):
        raise UnusableInput("cohort_impossible", "The installed cohort belongs to another network.")
    return wanted


def _matcher(portrait: str, live: str, kind: str, material: _Material, installed: Calibration) -> Match:
    """Scores from the named vectors."""
    by_fold: dict[str, Cohort] = {}

    def match(rows: Sequence[Enrolled], columns: Sequence[Enrolled], fold: str) -> NDArray[np.float64]:
        cohort = installed.cohort if kind == "installed" else None
        if kind == "folds":
            if fold not in by_fold:
                by_fold[fold] = _cohort_of(material, portrait, live, without=fold)
            cohort = by_fold[fold]
        result = np.full((len(rows), len(columns)), -np.inf)
        ready_rows = [i for i, item in enumerate(rows) if portrait in item.vectors]
        ready_columns = [i for i, item in enumerate(columns) if live in item.vectors]
        if ready_rows and ready_columns:
            one, other = _stack(rows, ready_rows, portrait), _stack(columns, ready_columns, live)
            result[np.ix_(ready_rows, ready_columns)] = scores(one, other, cohort)
        return result

    return match


def _cohort_of(material: _Material, portrait: str, live: str, without: str | None) -> Cohort:
    rows = {pair.a for pair in material.listed if pair.fold != without}
    columns = {pair.b for pair in material.listed if pair.fold != without}
    one = [item for name, item in material.portraits.items() if name in rows and portrait in item.vectors]
    other = [item for name, item in material.live.items() if name in columns and live in item.vectors]
    if min(len(one), len(other)) < 2:
        raise UnusableInput("cohort_impossible", "Too few faces were found for a cohort.")
    return Cohort(
        Moments.of(_stack(one, range(len(one)), portrait)), Moments.of(_stack(other, range(len(other)), live))
    )


def _final_cohort(kind: str, material: _Material, installed: Calibration) -> Cohort | None:
    if kind == "folds":
        return _cohort_of(material, "product", "product", without=None)
    return installed.cohort if kind == "installed" else None


def _stack(items: Sequence[Enrolled], which: Sequence[int], name: str) -> Array:
    return np.array([items[i].vectors[name] for i in which], dtype=np.float64)


def _crossed(material: _Material, match: Match, only: str | None = None) -> Crossed:
    """Genuine scores of the listed pairs, impostor scores of all (or of the listed impostor pairs)."""
    names = material.persons or {}
    number = {person: i for i, person in enumerate(sorted(set(names.values())))}
    genuine: list[float] = []
    genuine_person: list[int] = []
    impostor: list[Scores] = []
    who: list[NDArray[np.int64]] = []
    blocks = []
    for fold in sorted({pair.fold for pair in material.listed}):
        if only is not None and fold != only:
            continue
        inside = [pair for pair in material.listed if pair.fold == fold]
        rows = [material.portraits[name] for name in sorted({pair.a for pair in inside})]
        columns = [material.live[name] for name in sorted({pair.b for pair in inside})]
        table = match(rows, columns, fold)
        row = {item.picture: i for i, item in enumerate(rows)}
        column = {item.picture: i for i, item in enumerate(columns)}
        genuine += [float(table[row[pair.a], column[pair.b]]) for pair in inside if pair.same]
        if names:
            genuine_person += [number[names[pair.a]] for pair in inside if pair.same]
            one = np.array([number[names[item.picture]] for item in rows[:_CROSSED_SIDE]])
            other = np.array([number[names[item.picture]] for item in columns[:_CROSSED_SIDE]])
            table = table[:_CROSSED_SIDE, :_CROSSED_SIDE]
            usable = (one[:, None] != other[None]) & np.isfinite(table)
            impostor.append(table[usable])
            who.append(np.array([one[usable.nonzero()[0]], other[usable.nonzero()[1]]]))
            found = np.isfinite(table)
            counted = (one[found.any(axis=1)], other[found.any(axis=0)])
            blocks.append(tuple(np.bincount(side, minlength=len(number)) for side in counted))
        else:
            strangers = [table[row[pair.a], column[pair.b]] for pair in inside if not pair.same]
            impostor.append(np.array([value for value in strangers if np.isfinite(value)]))
    return Crossed(
        np.array(genuine),
        np.array(genuine_person, dtype=np.int64),
        np.concatenate(impostor),
        np.concatenate(who, axis=1) if who else np.zeros((2, 0), np.int64),
        tuple((one, other) for one, other in blocks),
    )


def _rate(items: Any) -> list[float]:
    """Share without a usable face, and its 95% bounds."""
    listed = list(items)
    found = rates.interval(sum(not item.vectors for item in listed), len(listed))
    return [round(value, 6) for value in (found.rate, found.low, found.high)]


def _frame_cost(items: Any) -> float:
    spent = [value for item in items for value in item.milliseconds]
    return statistics.median(spent) if spent else 0.0


def _at_installed(crossed: Crossed, installed: Calibration) -> dict[str, Any]:
    """What the thresholds in use do on this data."""
    answer: dict[str, Any] = {"calibration": installed.sha256}
    for name, zone in (("accept", installed.accept), ("refer", installed.refer)):
        missed = int((crossed.genuine < zone.threshold).sum())
        matched = int((crossed.impostor >= zone.threshold).sum())
        fnmr, fmr = rates.interval(missed, crossed.genuine.size), rates.interval(matched, crossed.impostor.size)
        answer[name] = {
            "threshold": zone.threshold,
            "fmr_claimed": zone.fmr,
            "fmr": fmr.rate,
            "fmr_bounds": [fmr.low, fmr.high],
            "fnmr": round(fnmr.rate, 5),
            "fnmr_bounds": [round(fnmr.low, 5), round(fnmr.high, 5)],
        }
    between = [float((side >= installed.refer.threshold).mean()) for side in (crossed.genuine, crossed.impostor)]
    above = [float((side >= installed.accept.threshold).mean()) for side in (crossed.genuine, crossed.impostor)]
    answer["zones"] = {
        side: {"accept": above[i], "refer": between[i] - above[i], "reject": 1 - between[i]}
        for i, side in enumerate(("genuine", "impostor"))
    }
    return answer


def _groups(material: _Material, match: Match, crossed: Crossed) -> dict[str, Any] | None:
    """Rates per group at the threshold of all, over the listed pairs, and the largest ratio between groups."""
    names = sorted({pair.group for pair in material.listed if pair.group})
    if not names:
        return None
    threshold = rates.threshold_at(crossed.impostor, calibration.ACCEPT_FMR)
    table: dict[str, dict[str, Any]] = {}
    for name in names:
        inside = [pair for pair in material.listed if pair.group == name]
        found = {
            same: _listed(material, match, [pair for pair in inside if pair.same is same]) for same in (True, False)
        }
        table[name] = {
            "pairs": len(inside),
            "fnmr": _share(int((found[True] < threshold).sum()), found[True].size),
            "fmr": _share(int((found[False] >= threshold).sum()), found[False].size),
        }
    misses = [row["fnmr"]["rate"] for row in table.values() if row["fnmr"]["of"]]
    return {"at_threshold": threshold, "table": table, "largest_fnmr_ratio": _ratio(misses)}


def _listed(material: _Material, match: Match, chosen: Sequence[pairs.Pair]) -> Scores:
    values = [match([material.portraits[p.a]], [material.live[p.b]], p.fold)[0, 0] for p in chosen]
    return np.array(values, dtype=np.float64)


def _share(errors: int, trials: int) -> dict[str, Any]:
    found = rates.interval(errors, trials)
    return {"rate": found.rate, "low": found.low, "high": found.high, "errors": errors, "of": trials}


def _ratio(values: Sequence[float]) -> float | None:
    if len(values) < 2 or not min(values):
        return None  # a group without an error has no ratio; its bounds say what is known
    return max(values) / min(values)


def _folds(material: _Material, match: Match) -> dict[str, Any]:
    answer = {}
    for fold in sorted({pair.fold for pair in material.listed}):
        crossed = _crossed(material, match, fold)
        if crossed.genuine.size and crossed.impostor.size:
            head = _head(crossed)
            answer[fold] = {key: head[key] for key in ("eer", "fnmr_at_fmr")}
    return answer


def _distances(material: _Material) -> Crossed:
    def match(rows: Sequence[Enrolled], columns: Sequence[Enrolled], fold: str) -> NDArray[np.float64]:
        result = np.full((len(rows), len(columns)), -np.inf)
        ready_rows = [i for i, item in enumerate(rows) if "second" in item.vectors]
        ready_columns = [i for i, item in enumerate(columns) if "second" in item.vectors]
        one, other = _stack(rows, ready_rows, "second"), _stack(columns, ready_columns, "second")
        squares = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1)[None] - 2 * one @ other.T
        result[np.ix_(ready_rows, ready_columns)] = -np.sqrt(np.maximum(squares, 0))
        return result

    return _crossed(material, match)


def _second(material: _Material, match: Match, crossed: Crossed) -> dict[str, Any]:
    """The second engine's zones, and what both together do at the product's threshold on the same comparisons."""
    other = _distances(material)
    same = -rates.threshold_at(other.impostor, _SECOND_SAME_FMR)
    found = np.sort(-other.genuine[np.isfinite(other.genuine)])
    different = float(found[min(found.size - 1, int(np.ceil(found.size * (1 - _SECOND_DIFFERENT_FNMR))))])
    different = max(different, same)
    accept = rates.threshold_at(crossed.impostor, calibration.ACCEPT_FMR)
    together = (crossed.genuine >= accept) & (-other.genuine < different)
    answer: dict[str, Any] = {
        "same": same,
        "same_fmr": _SECOND_SAME_FMR,
        "different": different,
        "different_fnmr": float((-other.genuine >= different).mean()),
        "alone": _head(other),
        "accepted_by_both": {"fnmr": float(1 - together.mean())},
    }
    if crossed.impostor.size == other.impostor.size:
        matched = int(((crossed.impostor >= accept) & (-other.impostor < different)).sum())
        answer["accepted_by_both"]["fmr"] = matched / crossed.impostor.size
    return answer


def _variants(material: _Material, kind: str, installed: Calibration, second: bool) -> list[dict[str, Any]]:
    """What each step is worth: simpler ways and other ways, on the same pairs."""
    ways = [
        ("one look, one frame, cosine", "plain", "last", "none"),
        ("one look, frames averaged, cosine", "plain", "product", "none"),
        ("ten looks and mirrored portrait, one frame, cosine", "product", "last", "none"),
        ("ten looks and mirrored portrait, frames averaged, cosine", "product", "product", "none"),
        ("as the product: that, set against the cohort", "product", "product", kind),
        ("that, frames mirrored too", "product", "mirrored", kind),
    ]
    rows = []
    for name, portrait, live, cohort in ways:
        crossed = _crossed(material, _matcher(portrait, live, cohort, material, installed))
        rows.append({"name": name, **_head(crossed)})
    if second:
        rows.append({"name": "dlib alone", **_head(_distances(material))})
        rows.append(
            {"name": "the product's score with dlib's fused at a quarter", **_head(_fused(material, kind, installed))}
        )
    return rows


def _fused(material: _Material, kind: str, installed: Calibration, weight: float = 0.25) -> Crossed:
    """Product score and dlib's (centred cosine against a cohort of the other folds), weighted."""
    first = _matcher("product", "product", kind, material, installed)
    centred = {"portraits": _centred(material.portraits), "live": _centred(material.live)}
    other = _Material(material.listed, material.persons, centred["portraits"], centred["live"])
    folds = len({pair.fold for pair in material.listed})
    second = _matcher("second", "second", "folds" if folds > 1 else "none", other, installed)

    def match(rows: Sequence[Enrolled], columns: Sequence[Enrolled], fold: str) -> NDArray[np.float64]:
        one = [other.portraits[item.picture] for item in rows]
        two = [other.live[item.picture] for item in columns]
        table = (1 - weight) * first(rows, columns, fold) + weight * second(one, two, fold)
        return np.asarray(np.where(np.isfinite(table), table, -np.inf))

    return _crossed(material, match)


def _centred(items: Mapping[str, Enrolled]) -> dict[str, Enrolled]:
    found = [item.vectors["second"] for item in items.values() if "second" in item.vectors]
    middle = np.mean(found, axis=0)
    answer = {}
    for name, item in items.items():
        vectors = {}
        if "second" in item.vectors:
            moved = item.vectors["second"] - middle
            vectors["second"] = moved / np.linalg.norm(moved)
        answer[name] = Enrolled(name, vectors, item.milliseconds, item.several, item.quality)
    return answer
