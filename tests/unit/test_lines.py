"""How a receiver's losses bind what is sent to it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.media.lines import GROWTH, LEAST, LEAST_FOR_A_THIRD, LITTLE_SENT, MOST, Line, least_for
from server.ports import Leg


def test_much_loss_takes_half_its_share_from_what_was_sent():
    line = Line()
    assert line.lost(40, 100, 1_000_000)
    assert line.allowed == pytest.approx(800_000)
    assert line.lost(20, 100, 900_000)  # the sender had not followed yet
    assert line.allowed == pytest.approx(720_000)


@pytest.mark.parametrize(("packets", "grows"), [(1, True), (5, False), (10, False)])
def test_little_loss_lets_the_rate_grow_and_some_holds_it(packets: int, grows: bool):
    line = Line()
    line.lost(50, 100, 1_000_000)
    line.second()
    before = line.allowed
    assert not line.lost(packets, 100, 700_000)
    assert line.second() is grows
    assert line.allowed == pytest.approx(before * (GROWTH if grows else 1))


def test_a_line_that_loses_nothing_any_more_binds_nobody_in_the_end():
    line = Line()
    while line.allowed != LEAST:
        assert line.lost(100, 100, 1_000_000)
    line.second()
    seconds = 0
    while line.allowed is not None:
        assert line.second()
        seconds += 1
    assert 60 < seconds < 90
    assert not line.second()


@pytest.mark.parametrize(("packets", "sent"), [(201, 100), (4294911420, 100), (3, 0), (0, 0), (-4, 100)])
def test_what_is_no_count_is_not_believed(packets: int, sent: float):
    line = Line()
    assert not line.lost(packets, sent, 1_000_000)
    assert line.allowed is None


@given(st.lists(st.tuples(st.integers(0, 300), st.floats(0, 300), st.floats(0, 3e6))))
def test_what_is_allowed_stays_within_its_bounds(told: list[tuple[int, float, float]]):
    line = Line()
    for packets, sent, bits in told:
        line.lost(packets, sent, bits)
        line.second()
        assert line.allowed is None or LEAST <= line.allowed <= MOST


def test_a_bad_second_of_a_sender_that_sends_little_binds_it_little():
    line = Line()
    assert line.lost(4, 30, 70_000)
    assert line.allowed == pytest.approx(LITTLE_SENT * (1 - 4 / 60))


def test_a_third_partys_line_leaves_the_pair_what_checks_need():
    assert least_for(Leg.OPERATOR, Leg.INTERPRETER) == least_for(Leg.APPLICANT, Leg.INTERPRETER) == LEAST_FOR_A_THIRD
    assert least_for(Leg.APPLICANT, Leg.OPERATOR) == least_for(Leg.INTERPRETER, Leg.APPLICANT) == 0
    assert LEAST_FOR_A_THIRD < MOST
