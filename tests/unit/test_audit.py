"""Any change of a stored event is found."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from server.audit import CATALOGUE, GENESIS, Event, StoredEvent, canonical, first_fault, link

NAMES = st.text('aZ0 "\\\x00\u04d9\u2028\U0001f600', max_size=4)  # a few of each trouble: quotes, NUL, beyond the BMP
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | NAMES
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=2), max_leaves=3
)
DATA = st.dictionaries(NAMES, VALUES, max_size=2)
TIMES = st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 hypothesis adds it
KINDS = st.sampled_from(sorted(CATALOGUE))
EVENTS = st.builds(Event, stream=st.just("s"), kind=KINDS, actor=NAMES, at=TIMES, data=DATA)
Chain = list[StoredEvent]

bounded = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""Many tests here, on a machine that may be busy with others."""


def chain_of(events: list[Event]) -> Chain:
    chain: Chain = []
    for number, event in enumerate(events, start=1):
        chain.append(link(event, number, chain[-1].sha256 if chain else GENESIS))
    return chain


CHAINS = st.lists(EVENTS, min_size=1, max_size=5).map(chain_of)


@bounded
@given(st.lists(EVENTS, max_size=5))
def test_what_was_written_verifies(events: list[Event]) -> None:
    assert first_fault(chain_of(events)) is None


@bounded
@given(CHAINS)
def test_it_verifies_after_a_way_through_json(chain: Chain) -> None:
    assert first_fault([replace(event, data=json.loads(json.dumps(event.data))) for event in chain]) is None


def _other_digest(digest: str) -> str:
    return ("1" if digest[0] == "0" else "0") + digest[1:]


TAMPERINGS: Mapping[str, Callable[[StoredEvent, st.DataObject], Any]] = {
    "stream": lambda event, data: data.draw(NAMES),
    "number": lambda event, data: data.draw(st.integers()),
    "kind": lambda event, data: data.draw(KINDS | NAMES),
    "actor": lambda event, data: data.draw(NAMES),
    "at": lambda event, data: data.draw(TIMES),
    "data": lambda event, data: data.draw(DATA),
    "previous_sha256": lambda event, data: _other_digest(event.previous_sha256),
    "sha256": lambda event, data: _other_digest(event.sha256),
}


@pytest.mark.parametrize("field", TAMPERINGS)
@bounded
@given(chain=CHAINS, data=st.data())
def test_a_changed_field_is_found_at_its_event(field: str, chain: Chain, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(chain) - 1))
    value = TAMPERINGS[field](chain[place], data)
    assume(json.dumps(getattr(chain[place], field), default=str) != json.dumps(value, default=str))
    if field == "data":  # the order of keys carries nothing
        assume(json.dumps(chain[place].data, sort_keys=True) != json.dumps(value, sort_keys=True))
    chain[place] = replace(chain[place], **{field: value})
    assert first_fault(chain) == place + 1


@bounded
@given(chain=CHAINS, data=st.data())
def test_a_changed_value_deep_in_the_data_is_found(chain: Chain, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(chain) - 1))
    chain[place] = replace(chain[place], data={**chain[place].data, data.draw(NAMES): "changed"})
    assert first_fault(chain) == place + 1


@bounded
@given(chain=CHAINS, data=st.data())
def test_a_removed_event_is_found(chain: Chain, data: st.DataObject) -> None:
    assume(len(chain) > 1)
    place = data.draw(st.integers(0, len(chain) - 2))  # without the last ones a chain is whole: the store guards those
    del chain[place]
    assert first_fault(chain) == place + 1


@bounded
@given(chain=CHAINS, data=st.data())
def test_swapped_events_are_found(chain: Chain, data: st.DataObject) -> None:
    assume(len(chain) > 1)
    one = data.draw(st.integers(0, len(chain) - 2))
    other = data.draw(st.integers(one + 1, len(chain) - 1))
    chain[one], chain[other] = chain[other], chain[one]
    assert first_fault(chain) == one + 1


@bounded
@given(chain=CHAINS, forged=EVENTS, data=st.data())
def test_an_inserted_event_is_found(chain: Chain, forged: Event, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(chain) - 1))
    before = chain[place - 1].sha256 if place else GENESIS
    inserted = link(forged, place + 1, before)
    assume(inserted.sha256 != chain[place].sha256)
    # the forger links his own event well, but what follows was linked to another
    assert first_fault([*chain[:place], inserted, *chain[place:]]) == place + 2


@bounded
@given(chain=CHAINS)
def test_a_repeated_event_is_found(chain: Chain) -> None:
    assert first_fault([*chain, chain[-1]]) == len(chain) + 1


@bounded
@given(events=st.lists(EVENTS, min_size=1, max_size=4))
def test_a_chain_of_another_stream_does_not_verify_under_this_name(events: list[Event]) -> None:
    moved = [replace(stored, stream="other") for stored in chain_of(events)]
    assert first_fault(moved) == 1


@bounded
@given(event=EVENTS, hours=st.integers(-12, 14))
def test_the_same_moment_in_another_time_zone_is_the_same_event(event: Event, hours: int) -> None:
    elsewhere = replace(event, at=event.at.astimezone(timezone(timedelta(hours=hours))))
    assert canonical(elsewhere, 1, GENESIS) == canonical(event, 1, GENESIS)


@bounded
@given(event=EVENTS)
def test_the_order_of_keys_carries_nothing(event: Event) -> None:
    turned = replace(event, data=dict(reversed(list(event.data.items()))))
    assert canonical(turned, 1, GENESIS) == canonical(event, 1, GENESIS)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="not in the catalogue"):
        Event("s", "something_else", "system", datetime(2026, 1, 1, tzinfo=UTC))


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        Event("s", "queued", "system", datetime(2026, 1, 1))  # noqa: DTZ001 is what is refused


def test_an_event_of_a_kind_that_is_no_longer_written_still_verifies() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    former = StoredEvent("s", 1, "written_by_an_earlier_version", "system", now, {}, GENESIS, "")
    stored = replace(former, sha256=hashlib.sha256(canonical(former, 1, GENESIS)).hexdigest())
    assert first_fault([stored]) is None


@pytest.mark.parametrize("value", [float("nan"), b"bytes"])
def test_stored_data_that_nobody_could_have_written_is_a_fault(value: Any) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    good = link(Event("s", "queued", "system", now), 1, GENESIS)
    assert first_fault([replace(good, data={"x": value})]) == 1


def test_two_streams_are_not_one_chain() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    first = link(Event("s", "queued", "system", now), 1, GENESIS)
    second = link(Event("other", "queued", "system", now), 2, first.sha256)
    assert first_fault([first, second]) == 2


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, b"bytes"])
def test_what_json_has_not_is_refused_before_it_is_written(value: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        link(Event("s", "queued", "system", datetime(2026, 1, 1, tzinfo=UTC), {"x": value}), 1, GENESIS)
