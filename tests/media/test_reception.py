"""Counting a stream: losses, repairs, reports."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from server.media.reception import FIRST_RETRY, LONGEST_TAIL_RETRY, REPAIRABLE_GAP, TRIES, Arrival, Reception


def received(numbers: list[int], repair: bool = True) -> Reception:
    reception = Reception(90000, repair)
    for index, number in enumerate(numbers):
        reception.take(number & 0xFFFF, index * 3000, index / 30, True)
    return reception


def test_nothing_lost_over_the_wrap():
    reception = received(list(range(65000, 66000)))
    report = reception.report(1, 0, 0)
    assert (reception.lost, report.fraction_lost, report.highest_sequence) == (0, 0, 65999)


@given(start=st.integers(0, 0xFFFF), dropped=st.sets(st.integers(1, 98), max_size=30))
def test_losses_are_counted_and_asked_for(start: int, dropped: set[int]):
    numbers = [start + index for index in range(100) if index not in dropped]
    reception = received(numbers)
    assert reception.lost == len(dropped)
    assert sorted(reception.to_ask(10.0)) == sorted((start + index) & 0xFFFF for index in dropped)


def test_a_packet_is_asked_for_a_few_times_and_then_given_up():
    reception = received([0, 2])
    asked = [now for now in (index / 100 for index in range(3, 400)) if reception.to_ask(now) == [1]]
    assert len(asked) == TRIES
    assert reception.missing == {}


def test_a_repair_is_wanted_once():
    reception = received([0, 2])
    assert reception.take(1, 0, 1.0, True) is Arrival.NEW
    assert reception.take(1, 0, 1.1, True) is Arrival.DUPLICATE
    assert reception.lost == 0


def test_an_outage_is_not_repaired():
    reception = Reception(90000, repair=True)
    reception.take(0, 0, 0.0, True)
    assert reception.take(REPAIRABLE_GAP + 1, 0, 1.0, True) is Arrival.AFTER_OUTAGE
    assert reception.to_ask(2.0) == []


def test_the_rest_of_a_frame_that_does_not_come_is_missed_on_a_lossy_line():
    reception = Reception(90000, repair=True)
    frames = [(number, number % 3 == 2) for number in range(30) if number != 4]
    for number, last in frames:
        reception.take(number, number // 3 * 3000, number // 3 / 30 + number % 3 * 0.005, last)
    assert not reception.open
    reception.to_ask(0.3)
    reception.take(4, 3000, 0.31, False)
    reception.take(30, 30000, 1.0, False)
    reception.retry = LONGEST_TAIL_RETRY
    reception.look_for_tail(1.02)
    assert reception.to_ask(1.02) == []
    reception.retry = FIRST_RETRY
    reception.look_for_tail(1.009)  # less than two spaces
    assert reception.to_ask(1.009) == []
    reception.look_for_tail(1.02)
    reception.look_for_tail(1.03)  # once a frame
    assert reception.to_ask(1.03) == [31]
    assert reception.lost == 0  # nobody knows yet
    assert reception.take(31, 30000, 1.04, True) is Arrival.NEW
    assert (reception.missing, reception.lost) == ({}, 0)


def test_a_line_without_loss_is_asked_for_no_tail():
    reception = received([0, 2])
    for second in range(3):
        reception.report(1, 0, 0)
        reception.take(3 + second, 9000, 1.0 + second, False)
        reception.look_for_tail(1.9 + second)
    assert 4 not in reception.to_ask(9.0)


@given(numbers=st.lists(st.integers(0, 0xFFFF), max_size=300))
def test_memory_is_bounded_whatever_comes(numbers: list[int]):
    reception = received(numbers)
    assert len(reception.missing) <= 2 * REPAIRABLE_GAP
    report = reception.report(1, 0, 0)
    assert report is None or 0 <= report.fraction_lost <= 255
