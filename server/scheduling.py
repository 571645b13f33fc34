"""Queue order and the honest expected wait. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

DEFAULT_HANDLING_SECONDS = 300.0
"""A video identification takes about five minutes (FIELD, section 1); used until enough calls were measured."""

MEASURED_CALLS = 20
"""How many of the latest calls make the measured mean."""

Z_80 = 1.2816
"""Standard normal quantile for an 80% interval (10% on each side)."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Expected wait in seconds: with about 80% the turn comes between ``low`` and ``high``."""

    low: float
    high: float


def mean_handling(latest_seconds: Sequence[float]) -> float:
    """Mean handling time of the latest calls; blends in the default while there are few."""
    known = list(latest_seconds)[-MEASURED_CALLS:]
    missing = MEASURED_CALLS - len(known)
    return (sum(known) + missing * DEFAULT_HANDLING_SECONDS) / MEASURED_CALLS


def expected_wait(position: int, operators: int, free: int, handling_seconds: float) -> Wait | None:
    """Wait of the ``position``-th in the queue (1 = next).

    ``operators``: who take calls now (ready or in a call), ``free``: of those, idle now. Departures of c busy
    operators come about as a Poisson stream of rate c / handling, so the k-th free place comes after a gamma(k)
    time (Erlang); its 80% interval is approximated as normal. None when no operator is there: no number is honest.
    """
    if operators <= 0:
        return None
    ahead = position - free
    if ahead <= 0:
        return Wait(0.0, 30.0)  # somebody is free: the time to be assigned and to connect
    mean = ahead * handling_seconds / operators
    spread = Z_80 * math.sqrt(ahead) * handling_seconds / operators
    return Wait(max(0.0, mean - spread), mean + spread)
