"""Counting a stream: losses, repairs, reports."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from server.media.reception import REPAIRABLE_GAP, TRIES, Arrival, Reception


def received(numbers: list[int], repair: bool = True) -> Reception:
    reception = Reception(90000, repair)
    for index, number in enumerate(numbers):
        reception.take(number & 0xFFFF, index * 3000, index / 30)
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
    assert reception.take(1, 0, 1.0) is Arrival.NEW
    assert reception.take(1, 0, 1.1) is Arrival.DUPLICATE
    assert reception.lost == 0


def test_an_outage_is_not_repaired():
    reception = Reception(90000, repair=True)
    reception.take(0, 0, 0.0)
    assert reception.take(REPAIRABLE_GAP + 1, 0, 1.0) is Arrival.AFTER_OUTAGE
    assert reception.to_ask(2.0) == []


@given(numbers=st.lists(st.integers(0, 0xFFFF), max_size=300))
def test_memory_is_bounded_whatever_comes(numbers: list[int]):
    reception = received(numbers)
    assert len(reception.missing) <= 2 * REPAIRABLE_GAP
    report = reception.report(1, 0, 0)
    assert report is None or 0 <= report.fraction_lost <= 255
