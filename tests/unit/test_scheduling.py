"""The expected wait is honest: it grows with the queue, falls with operators, and is absent where nobody works."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.scheduling import (
    DEFAULT_HANDLING_SECONDS,
    MEASURED_CALLS,
    expected_wait,
    mean_handling,
)

bounded = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # the machine may be busy

POSITIONS = st.integers(1, 500)
OPERATORS = st.integers(1, 200)
SECONDS = st.floats(1, 3600)


@bounded
@given(POSITIONS, st.integers(-5, 0), SECONDS)
def test_without_an_operator_there_is_no_number(position: int, operators: int, seconds: float) -> None:
    assert expected_wait(position, operators, 0, seconds) is None


@bounded
@given(POSITIONS, OPERATORS, st.data())
def test_the_wait_is_an_interval_of_times_to_come(position: int, operators: int, data: st.DataObject) -> None:
    free = data.draw(st.integers(0, operators))
    wait = expected_wait(position, operators, free, data.draw(SECONDS))
    assert wait is not None
    assert 0 <= wait.low <= wait.high


@bounded
@given(POSITIONS, OPERATORS, SECONDS)
def test_who_stands_further_back_waits_longer(position: int, operators: int, seconds: float) -> None:
    nearer = expected_wait(position, operators, 0, seconds)
    farther = expected_wait(position + 1, operators, 0, seconds)
    assert nearer is not None
    assert farther is not None
    assert farther.high > nearer.high
    assert farther.low + farther.high > nearer.low + nearer.high


@bounded
@given(POSITIONS, OPERATORS, SECONDS)
def test_another_operator_shortens_the_wait(position: int, operators: int, seconds: float) -> None:
    fewer = expected_wait(position, operators, 0, seconds)
    more = expected_wait(position, operators + 1, 0, seconds)
    assert fewer is not None
    assert more is not None
    assert more.high < fewer.high


def test_somebody_is_free_now() -> None:
    wait = expected_wait(2, 3, 2, 300)
    assert wait is not None
    assert (wait.low, wait.high) == (0, 30)
    third = expected_wait(3, 3, 2, 300)
    assert third is not None
    assert third.high > 30


@pytest.mark.parametrize(("ahead", "operators"), [(1, 1), (4, 2), (20, 5)])
def test_about_eight_in_ten_turns_come_within_the_interval(ahead: int, operators: int) -> None:
    """Against drawn waits: the time until the k-th of a Poisson stream's departures is a sum of k exponentials."""
    drawn = random.Random(7)
    wait = expected_wait(ahead, operators, 0, 300)
    assert wait is not None
    turns = [sum(drawn.expovariate(operators / 300) for _ in range(ahead)) for _ in range(4000)]
    within = sum(wait.low <= turn <= wait.high for turn in turns) / len(turns)
    assert 0.75 <= within <= 0.92  # for one ahead the normal approximation is wide: 0.90


def test_no_measured_call_means_the_default() -> None:
    assert mean_handling([]) == DEFAULT_HANDLING_SECONDS


@bounded
@given(st.lists(SECONDS, min_size=MEASURED_CALLS, max_size=3 * MEASURED_CALLS))
def test_enough_measured_calls_make_the_mean_of_the_latest(seconds: list[float]) -> None:
    latest = seconds[-MEASURED_CALLS:]
    assert mean_handling(seconds) == pytest.approx(sum(latest) / MEASURED_CALLS)


@bounded
@given(st.lists(SECONDS, max_size=MEASURED_CALLS - 1))
def test_few_measured_calls_move_the_default_a_little(seconds: list[float]) -> None:
    blended = mean_handling(seconds)
    ends = [*seconds, DEFAULT_HANDLING_SECONDS]
    assert min(ends) - 1e-6 <= blended <= max(ends) + 1e-6
