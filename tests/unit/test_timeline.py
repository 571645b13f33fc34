"""Where on the recordings of a session everything stands."""

from __future__ import annotations

import itertools
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from server.audit import CATALOGUE
from server.consultation.timeline import MARKS, NEAR, SAME_CALL, place, stretches
from server.ports import KeptSegment, Leg
from tests.fakes import NOON


def segment(begins: float, seconds: float, leg: Leg = Leg.APPLICANT) -> KeptSegment:
    return KeptSegment(leg, 1, "f", NOON + timedelta(seconds=begins), seconds, 0.0, 1, True, True, "", "", ())


def at(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


def test_both_legs_and_a_reconnect_are_one_stretch_and_another_call_follows_at_once() -> None:
    line = stretches([segment(0, 10), segment(1, 14, Leg.OPERATOR), segment(12, 8), segment(500, 5)])
    assert [(one.starts, one.seconds) for one in line] == [(0, 20), (20, 5)]
    assert place(line, NOON + at(11)) == 11
    assert place(line, NOON + at(502)) == 22
    assert place(line, NOON + at(21)) == 20  # just after the end: marked at the end
    assert place(line, NOON - at(1)) == 0
    assert place(line, NOON + at(100)) is None


def test_nothing_recorded() -> None:
    assert stretches([segment(0, 0)]) == []
    assert place([], NOON) is None


@given(
    spans=st.lists(st.tuples(st.integers(0, 2000), st.integers(1, 100)), min_size=1, max_size=6),
    moment=st.integers(-10, 2200),
)
def test_later_is_never_earlier_on_the_line(spans: list[tuple[int, int]], moment: int) -> None:
    line = stretches([segment(begin, length) for begin, length in spans])
    total = line[-1].starts + line[-1].seconds
    for one, next_one in itertools.pairwise(line):
        assert one.starts + one.seconds == next_one.starts
        assert next_one.began - one.ended > SAME_CALL
    here, later = place(line, NOON + at(moment)), place(line, NOON + at(moment + 7))
    if here is not None:
        assert 0 <= here <= total
        if later is not None:
            assert here <= later
    covered = any(begin - NEAR.total_seconds() <= moment <= begin + length for begin, length in spans)
    assert here is not None or not covered


def test_what_is_marked_can_happen() -> None:
    assert set(MARKS) <= CATALOGUE.keys()
