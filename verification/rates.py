"""Error rates of a comparison: false match and false non-match (ISO/IEC 19795-1), with their uncertainty. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]
"""One dimension; larger is more alike. A comparison that could not be made is -inf."""

FMRS: Final = (0.01, 0.001, 0.0001)
CONFIDENCE: Final = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """A rate and where it lies with 95% confidence."""

    rate: float
    low: float
    high: float


def false_match_rate(impostor: Scores, threshold: float) -> float:
    """Share of impostor scores at or over the threshold."""
    return float((impostor >= threshold).mean())


def false_non_match_rate(genuine: Scores, threshold: float) -> float:
    """Share of genuine scores under the threshold; what could not be compared counts as not matched."""
    return float((genuine < threshold).mean())


def threshold_at(impostor: Scores, fmr: float) -> float:
    """The lowest threshold whose false match rate on these scores is at most ``fmr``."""
    allowed = math.floor(fmr * impostor.size + 1e-9)
    if allowed >= impostor.size:
        return float(impostor.min())
    strongest = np.partition(impostor, impostor.size - allowed - 1)[impostor.size - allowed - 1]
    return float(np.nextafter(strongest, np.inf))


def equal_error(genuine: Scores, impostor: Scores) -> float:
    """The rate at which false matches and false non-matches are equally frequent."""
    genuine, impostor = np.sort(genuine), np.sort(impostor)
    thresholds = np.unique(np.concatenate([genuine, impostor]))
    misses = np.searchsorted(genuine, thresholds, side="left") / genuine.size
    matches = 1 - np.searchsorted(impostor, thresholds, side="left") / impostor.size
    nearest = int(np.argmin(np.abs(misses - matches)))
    return float((misses[nearest] + matches[nearest]) / 2)


def curve(genuine: Scores, impostor: Scores, points: int = 60) -> list[tuple[float, float]]:
    """(FMR, FNMR) pairs for a DET plot, from the smallest FMR that the data can show to 0.5."""
    if not impostor.size:
        return []
    fmrs = np.geomspace(max(1 / impostor.size, 1e-6), 0.5, points)
    return [(float(fmr), false_non_match_rate(genuine, threshold_at(impostor, float(fmr)))) for fmr in fmrs]


def interval(errors: int, trials: int) -> Interval:
    """Clopper and Pearson's exact interval; with no error its upper end is the rule of three (3 / trials).

    For independent trials. The one-sided 95% bound is used at either end where there is no error or nothing else.
    """
    if trials == 0:
        return Interval(math.nan, 0.0, 1.0)
    if errors == 0:
        return Interval(0.0, 0.0, min(1.0, 3.0 / trials))
    if errors == trials:
        return Interval(1.0, max(0.0, 1 - 3.0 / trials), 1.0)
    tail = (1 - CONFIDENCE) / 2
    low = _solve(lambda rate: _beta_share(errors, trials - errors + 1, rate), tail)
    high = _solve(lambda rate: _beta_share(errors + 1, trials - errors, rate), 1 - tail)
    return Interval(errors / trials, low, high)


@dataclass(frozen=True, slots=True, eq=False)
class Crossed:
    """Scores of everybody against everybody else within blocks (folds), with who is in each score."""

    genuine: Scores
    genuine_person: NDArray[np.int64]
    impostor: Scores
    impostor_persons: NDArray[np.int64]
    """Shape (2, number of impostor scores)."""
    blocks: tuple[tuple[NDArray[np.int64], NDArray[np.int64]], ...]
    """For each block, how many portraits and how many live faces each person has in it; arrays of all persons."""

    @property
    def persons(self) -> int:
        """How many different people."""
        return int(self.blocks[0][0].size)


def resampled(data: Crossed, fmrs: tuple[float, ...] = FMRS, rounds: int = 200) -> dict[float, Interval]:
    """FNMR at each FMR, with the interval of a bootstrap over *persons* (not comparisons: those are dependent).

    Each round draws the persons anew, sets the threshold on their impostor scores and counts their genuine ones.
    """
    random = np.random.default_rng(0)
    kept = np.flatnonzero(data.impostor >= threshold_at(data.impostor, min(1.0, 3 * max(fmrs))))
    order = kept[np.argsort(-data.impostor[kept])]
    top, one, other = data.impostor[order], *data.impostor_persons[:, order]
    found: dict[float, list[float]] = {fmr: [] for fmr in fmrs}
    for _ in range(rounds):
        weight = np.bincount(random.integers(0, data.persons, data.persons), minlength=data.persons)
        if not top.size or not weight[data.genuine_person].any():
            continue
        total = _comparisons(data.blocks, weight)
        passed = np.cumsum(weight[one] * weight[other])
        for fmr in fmrs:
            place = int(np.searchsorted(passed, fmr * total, side="right"))
            threshold = np.nextafter(top[min(place, top.size - 1)], np.inf)
            missed = np.average(data.genuine < threshold, weights=weight[data.genuine_person])
            found[fmr].append(float(missed))
    tail = 100 * (1 - CONFIDENCE) / 2
    intervals = {}
    for fmr, values in found.items():
        rate = false_non_match_rate(data.genuine, threshold_at(data.impostor, fmr))
        low, high = np.percentile(values, [tail, 100 - tail]) if values else (0.0, 1.0)
        intervals[fmr] = Interval(rate, float(low), float(high))
    return intervals


def _comparisons(blocks: tuple[tuple[NDArray[np.int64], NDArray[np.int64]], ...], weight: NDArray[np.int64]) -> float:
    """Weighted number of comparisons of different persons: all of a block, less those of one person."""
    total = 0.0
    for portraits, live in blocks:
        total += float(portraits @ weight) * float(live @ weight) - float((portraits * live) @ (weight * weight))
    return total


def _solve(share: Callable[[float], float], wanted: float) -> float:
    """The rate at which a rising share is ``wanted``, by bisection."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if share(middle) < wanted:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _beta_share(a: float, b: float, x: float) -> float:
    """Regularised incomplete beta function by Lentz's continued fraction (Abramowitz and Stegun 26.5.8)."""
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):
        return 1 - _beta_share(b, a, 1 - x)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)) / a
    tiny = 1e-300
    upper, lower = 1.0, 1 / _apart(1 - (a + b) * x / (a + 1), tiny)
    fraction = lower
    for step in range(1, 400):
        even = step * (b - step) * x / ((a + 2 * step - 1) * (a + 2 * step))
        lower, upper = 1 / _apart(1 + even * lower, tiny), _apart(1 + even / upper, tiny)
        fraction *= lower * upper
        odd = -(a + step) * (a + b + step) * x / ((a + 2 * step) * (a + 2 * step + 1))
        lower, upper = 1 / _apart(1 + odd * lower, tiny), _apart(1 + odd / upper, tiny)
        fraction *= lower * upper
        if abs(lower * upper - 1) < 1e-12:
            break
    return front * fraction


def _apart(value: float, tiny: float) -> float:
    return value if abs(value) > tiny else tiny
