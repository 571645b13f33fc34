"""Error rates: against scores whose rates are known by counting."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from verification import rates

_SCORES = st.lists(st.integers(0, 40).map(float), min_size=1, max_size=80).map(np.array)


@given(_SCORES, st.floats(0, 1))
def test_a_threshold_keeps_its_promise_and_is_the_lowest_that_does(impostor: rates.Scores, fmr: float) -> None:
    threshold = rates.threshold_at(impostor, fmr)
    assert rates.false_match_rate(impostor, threshold) <= fmr + 1e-9
    lower = impostor[impostor < threshold]
    if lower.size and threshold > impostor.min():
        assert rates.false_match_rate(impostor, float(lower.max())) > fmr - 1e-9


@given(_SCORES, _SCORES)
def test_a_stricter_rate_never_accepts_more(genuine: rates.Scores, impostor: rates.Scores) -> None:
    misses = [rates.false_non_match_rate(genuine, rates.threshold_at(impostor, fmr)) for fmr in (0.1, 0.01, 0.001)]
    assert misses == sorted(misses)


def test_what_could_not_be_compared_is_a_miss() -> None:
    assert rates.false_non_match_rate(np.array([0.9, -np.inf]), 0.1) == 0.5


def test_equal_error_rate() -> None:
    assert rates.equal_error(np.array([3.0, 4.0, 5.0]), np.array([0.0, 1.0, 2.0])) == 0
    overlap = np.arange(100.0)
    assert rates.equal_error(overlap + 80, overlap) == pytest.approx(0.1, abs=0.01)


def test_no_error_is_the_rule_of_three() -> None:
    assert rates.interval(0, 30_000) == rates.Interval(0.0, 0.0, 1e-4)


@pytest.mark.parametrize(
    ("errors", "trials", "low", "high"),
    [(1, 10, 0.00252858, 0.44501612), (5, 100, 0.01643188, 0.11283491), (30, 300_000, 6.747057e-05, 1.4275317e-04)],
)
def test_exact_intervals_are_the_published_ones(errors: int, trials: int, low: float, high: float) -> None:
    found = rates.interval(errors, trials)
    assert found.low == pytest.approx(low, rel=1e-5)
    assert found.high == pytest.approx(high, rel=1e-5)


@given(st.integers(1, 400), st.data())
def test_an_interval_holds_its_rate(trials: int, data: st.DataObject) -> None:
    found = rates.interval(data.draw(st.integers(0, trials)), trials)
    assert 0 <= found.low <= found.rate <= found.high <= 1


def test_resampling_persons_gives_an_interval_round_the_rate() -> None:
    random = np.random.default_rng(3)
    persons = 60
    one, other = (~np.eye(persons, dtype=bool)).nonzero()
    each = np.ones(persons, np.int64)
    data = rates.Crossed(
        random.normal(4, 1, persons),
        np.arange(persons),
        random.normal(0, 1, one.size),
        np.array([one, other]),
        ((each, each),),
    )
    found = rates.resampled(data, (0.01,), 100)[0.01]
    assert found.low < found.rate < found.high
    assert found.rate == pytest.approx(0.05, abs=0.08)


def test_the_curve_falls() -> None:
    random = np.random.default_rng(4)
    points = rates.curve(random.normal(2, 1, 500), random.normal(0, 1, 5000))
    misses = [miss for _, miss in points]
    assert points[0][0] < points[-1][0]
    assert misses == sorted(misses, reverse=True)
