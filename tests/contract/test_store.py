"""What every Store does: sessions, the queue, and what hangs on a session."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from server.audit import Event, first_fault
from server.ports import Conflict, Leg, QueueEntry, Store, Timer
from server.proofing import Availability, Decision, DecisionOutcome, Move, Operator, Role, Session, State
from tests.fakes import NOON, fresh_store
from tests.records import MATCHED, a_session, event, in_call, ready, waiting


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with fresh_store(tmp_path) as fresh:
        yield fresh


def minutes(count: float) -> datetime:
    return NOON + timedelta(minutes=count)


# --- moves ------------------------------------------------------------------------------------------


async def test_a_session_is_found_by_id_and_by_token(store: Store) -> None:
    session = await store.create_session(a_session("a"), event("a", "session_opened"))
    assert await store.session("a") == session
    assert await store.session_by_token("token-a") == session
    assert await store.session("token-a") is None
    assert await store.session_by_token("a") is None


@pytest.mark.parametrize("second", [a_session("a", token_sha256="other"), a_session("b", token_sha256="token-a")])
async def test_neither_id_nor_token_is_taken_twice(store: Store, second: Session) -> None:
    first = await store.create_session(a_session("a"))
    with pytest.raises(Conflict):
        await store.create_session(second, event(second.id, "session_opened"))
    assert await store.session("a") == first
    assert await store.audit_events() == []


async def test_a_move_is_a_version_and_its_events(store: Store) -> None:
    first = await store.create_session(a_session("a"), event("a", "session_opened", language="kk"))
    second = await store.save(first.move(Move.QUEUE, joined_at=NOON), event("a", "queued"), event("a", "left"))
    assert (second.version, second.state) == (first.version + 1, State.WAITING)
    assert await store.session("a") == second
    events = await store.audit_events("a")
    assert [(stored.number, stored.kind) for stored in events] == [(1, "session_opened"), (2, "queued"), (3, "left")]
    assert events[0].data == {"language": "kk"}
    assert first_fault(events) is None


async def test_a_stale_version_is_refused_and_nothing_of_it_is_written(store: Store) -> None:
    await ready(store, "o")
    await waiting(store, "a")
    held = await in_call(store, "a", "o")
    kept = await store.save(replace(held, language="ru"))
    before = await store.audit_events()
    operator = await store.operator("o")
    assert operator is not None
    with pytest.raises(Conflict):
        await store.save(
            held.move(Move.LEAVE, excluded_operators=("x",)),
            event("a", "left"),
            timers={Timer.PRESENCE: NOON},
            operator=replace(operator, session_id=None),
        )
    assert await store.session("a") == kept
    assert await store.audit_events() == before
    assert await store.due_timers(minutes(1)) == []
    assert await store.operator("o") == operator


async def test_a_session_that_was_never_created_cannot_be_saved(store: Store) -> None:
    with pytest.raises(Conflict):
        await store.save(a_session("a"), event("a"))
    assert await store.audit_events() == []


async def test_of_many_that_save_the_same_version_one_gets_through(store: Store) -> None:
    session = await store.create_session(a_session("a"))
    tries = [store.save(replace(session, language=str(n)), event("a", number=n)) for n in range(20)]
    results = await asyncio.gather(*tries, return_exceptions=True)
    (saved,) = (result for result in results if isinstance(result, Session))
    assert sum(isinstance(result, Conflict) for result in results) == 19
    assert await store.session("a") == saved
    (stored,) = await store.audit_events("a")
    assert stored.data == {"number": int(saved.language)}


async def test_an_event_that_cannot_be_written_takes_the_move_with_it(store: Store) -> None:
    session = await store.create_session(a_session("a"))
    with pytest.raises((ValueError, TypeError)):
        await store.save(session.move(Move.QUEUE, joined_at=NOON), event("a", score=float("nan")))
    assert await store.session("a") == session


async def test_a_whole_session_comes_back(store: Store) -> None:
    decision = Decision(DecisionOutcome.REFER, "document_doubt", "Әлия?", "o", NOON, "why", sealed=True)
    session = a_session(
        "a",
        attributes={"surname": "ӘЛИЕВА"},
        readings={"front": {"usable": True, "problems": ["blur"], "uploads": 2}},
        earlier_decisions=(decision,),
        excluded_operators=("o", "p"),
        stills=({"image": "0" * 64, "found": True},),
        created_at=datetime(2026, 11, 22, 17, 0, tzinfo=timezone(timedelta(hours=5))),
    )
    await store.create_session(session)
    assert await store.session("a") == session


# --- the audit trail --------------------------------------------------------------------------------


async def test_each_stream_is_a_chain_of_its_own(store: Store) -> None:
    await store.append(event("system", "server_started"), event("a"), event("system", "authority_made"), event("a"))
    await store.append(event("b"), event("a", "left"))
    assert [stored.kind for stored in await store.audit_events("system")] == ["server_started", "authority_made"]
    for stream, length in (("system", 2), ("a", 3), ("b", 1)):
        events = await store.audit_events(stream)
        assert [stored.number for stored in events] == list(range(1, length + 1))
        assert first_fault(events) is None
    assert [stored.stream for stored in await store.audit_events()] == ["a", "a", "a", "b", "system", "system"]


async def test_appending_at_once_breaks_no_chain(store: Store) -> None:
    await asyncio.gather(*(store.append(event("system", "server_started", n=n)) for n in range(40)))
    events = await store.audit_events("system")
    assert first_fault(events) is None
    assert sorted(stored.data["n"] for stored in events) == list(range(40))


async def test_event_data_comes_back_as_it_was_hashed(store: Store) -> None:
    at = datetime(2026, 11, 22, 17, 0, 0, 123456, tzinfo=timezone(timedelta(hours=5)))
    data = {
        "score": 0.1 + 0.2,
        "one": 1,
        "real": 1.0,
        "yes": True,
        "word": "ҮЛГІ \u2028\x00",
        "list": [None, {"b": []}],
    }
    await store.append(Event("a", "check_recorded", "operator:o", at, data))
    (stored,) = await store.audit_events("a")
    assert (stored.data, stored.at, stored.actor) == (data, at, "operator:o")
    assert first_fault([stored]) is None


# --- the queue --------------------------------------------------------------------------------------


async def test_the_queue_is_in_the_order_in_which_it_is_taken(store: Store) -> None:
    await waiting(store, "late", 5)
    await waiting(store, "early", 1)
    await waiting(store, "away", 0, present=False)
    await waiting(store, "again", 9, priority=1)
    await store.create_session(a_session("not-yet"))
    assert await store.queue() == [
        QueueEntry("again", minutes(9), 1, True),
        QueueEntry("away", minutes(0), 0, False),
        QueueEntry("early", minutes(1), 0, True),
        QueueEntry("late", minutes(5), 0, True),
    ]
    for name in "opqr":
        await ready(store, name)
    taken = [await store.assign_next(name, NOON, MATCHED) for name in "opqr"]
    assert [session and session.id for session in taken] == ["again", "early", "late", None]


async def test_a_match_moves_the_session_and_fills_the_operators_hand(store: Store) -> None:
    before = await waiting(store, "a", 3)
    await ready(store, "o")
    due = minutes(6)
    told = Event("", "matched", "system", minutes(4), {"why": "oldest"})
    matched = await store.assign_next("o", minutes(4), told, timers={Timer.LEG_RESUME: due})
    assert matched is not None
    assert (matched.state, matched.operator_id, matched.calls) == (State.MATCHED, "o", 1)
    assert matched.version == before.version + 1
    assert matched.call_id
    assert await store.session("a") == matched
    operator = await store.operator("o")
    assert operator is not None
    assert (operator.session_id, operator.wrapping) == ("a", False)
    last = (await store.audit_events("a"))[-1]
    assert (last.kind, last.data) == ("matched", {"why": "oldest", "operator": "o", "call": matched.call_id})
    assert await store.due_timers(due) == [("a", Timer.LEG_RESUME)]
    assert await store.queue() == []
    assert await store.sessions_of("o") == [matched]


async def test_each_match_is_a_call_of_its_own(store: Store) -> None:
    await waiting(store, "a")
    await ready(store, "o")
    await ready(store, "p")
    first = await in_call(store, "a", "o")
    released = first.move(Move.SUSPEND).move(Move.RELEASE, operator_id=None, call_id=None)
    await store.save(released, event("a", "released"))
    second = await store.assign_next("p", NOON, MATCHED)
    assert second is not None
    assert (second.calls, second.call_started_at) == (2, None)
    assert second.call_id not in (None, first.call_id)


@pytest.mark.parametrize(
    "changes",
    [
        {"availability": Availability.PAUSED},
        {"role": Role.AUDITOR},
    ],
)
async def test_who_does_not_take_calls_gets_none(store: Store, changes: dict[str, Availability | Role]) -> None:
    await waiting(store, "a")
    await ready(store, "o", **changes)
    assert await store.assign_next("o", NOON, MATCHED) is None
    assert await store.assign_next("unknown", NOON, MATCHED) is None
    assert len(await store.queue()) == 1
    assert len(await store.audit_events("a")) == 2


async def test_who_has_a_session_in_hand_gets_no_other(store: Store) -> None:
    await waiting(store, "a")
    await waiting(store, "b", 1)
    await ready(store, "o")
    held = await in_call(store, "a", "o")
    assert await store.assign_next("o", NOON, MATCHED) is None
    operator = await store.operator("o")
    assert operator is not None
    await store.save(held.move(Move.LEAVE), event("a", "left"), operator=replace(operator, wrapping=True))
    assert await store.assign_next("o", NOON, MATCHED) is None  # still wraps up
    left = await store.session("a")
    assert left is not None
    await store.save(left, event("a", "wrapped_up"), operator=replace(operator, session_id=None, wrapping=False))
    taken = await store.assign_next("o", NOON, MATCHED)
    assert taken is not None
    assert taken.id == "b"


async def test_a_session_that_excludes_the_operator_goes_to_another(store: Store) -> None:
    await waiting(store, "a", excluded_operators=("o", "x"))
    await waiting(store, "b", 1)
    for name in "op":
        await ready(store, name)
    taken = [await store.assign_next(name, NOON, MATCHED) for name in "op"]
    assert [session and session.id for session in taken] == ["b", "a"]


async def test_an_exclusion_can_be_added_and_taken_back(store: Store) -> None:
    session = await waiting(store, "a", excluded_operators=("o",))
    session = await store.save(replace(session, excluded_operators=("p", "q")))
    for name in "op":
        await ready(store, name)
    assert await store.assign_next("p", NOON, MATCHED) is None
    assert await store.assign_next("o", NOON, MATCHED) is not None


async def test_an_applicant_who_is_away_is_passed_over_and_keeps_the_place(store: Store) -> None:
    await waiting(store, "a", 0)
    await waiting(store, "b", 1)
    await ready(store, "o")
    version = (await store.session("a") or a_session("a")).version
    await store.set_presence("a", False, minutes(2))
    taken = await store.assign_next("o", NOON, MATCHED)
    assert taken is not None
    assert taken.id == "b"
    await store.set_presence("a", True, minutes(3))
    (entry,) = await store.queue()
    assert entry == QueueEntry("a", minutes(0), 0, True)
    assert (await store.session("a") or a_session("a")).version == version


async def test_after_a_start_nobody_is_present(store: Store) -> None:
    await waiting(store, "a")
    await waiting(store, "b", present=False)
    await store.clear_presence()
    assert [entry.present for entry in await store.queue()] == [False, False]


async def test_a_save_leaves_presence_alone(store: Store) -> None:
    session = await waiting(store, "a")
    await store.save(replace(session, language="en"))
    assert (await store.queue())[0].present


async def test_many_operators_at_once_never_get_the_same_session(store: Store) -> None:
    for n in range(15):
        await waiting(store, f"s{n:02}", n)
    for n in range(20):
        await ready(store, f"o{n:02}")
    taken = await asyncio.gather(*(store.assign_next(f"o{n:02}", NOON, MATCHED) for n in range(20)))
    names = [session.id for session in taken if session]
    assert sorted(names) == [f"s{n:02}" for n in range(15)]
    assert len({session.operator_id for session in taken if session}) == 15


async def test_one_operator_who_asks_twice_at_once_gets_one(store: Store) -> None:
    await waiting(store, "a")
    await waiting(store, "b", 1)
    await ready(store, "o")
    taken = await asyncio.gather(*(store.assign_next("o", NOON, MATCHED) for _ in range(5)))
    assert [session.id for session in taken if session] == ["a"]


# --- what a person did before -----------------------------------------------------------------------


async def test_the_latest_rejection_of_a_person(store: Store) -> None:
    await ready(store, "o")
    for n, name in enumerate(("a", "b")):
        await waiting(store, name, person="hmac")
        held = await in_call(store, name, "o")
        decision = Decision(DecisionOutcome.REJECT, "other", "", "o", minutes(n))
        deciding = await store.save(held.move(Move.DECIDE, decision=decision), event(name, "decision_made"))
        if n == 1:
            assert await store.last_rejection("hmac") == minutes(0)  # the second is not sealed yet
        operator = await store.operator("o")
        assert operator is not None
        rejected = deciding.move(Move.REJECT, ended_at=minutes(n), decision=replace(decision, sealed=True))
        await store.save(rejected, event(name, "rejected"), operator=replace(operator, session_id=None))
    assert await store.last_rejection("hmac") == minutes(1)
    assert await store.last_rejection("somebody else") is None
    assert await store.last_rejection("") is None


@pytest.mark.parametrize(
    ("moves", "outcome"),
    [
        ((Move.DECIDE, Move.APPROVE), "approved"),
        ((Move.DECIDE, Move.REJECT), "rejected"),
        ((Move.DECIDE, Move.REFER), "referred"),
        ((Move.LEAVE,), "abandoned"),
        ((Move.SUSPEND, Move.RELEASE), "released"),
    ],
)
async def test_a_call_is_counted_with_what_it_led_to(store: Store, moves: tuple[Move, ...], outcome: str) -> None:
    await waiting(store, "a")
    await ready(store, "o")
    session = await in_call(store, "a", "o", minutes(1))
    assert await store.handled("o", NOON) == []
    for n, move in enumerate(moves, start=2):
        changes = {"operator_id": None, "call_id": None} if move in (Move.RELEASE, Move.REFER) else {}
        session = await store.save(session.move(move, **changes), event("a", "queued", minutes(n)))
    seconds = 60.0 * len(moves)
    assert await store.handled("o", NOON) == [(outcome, seconds)]
    assert await store.handled("o", minutes(60)) == []
    assert await store.handled("p", NOON) == []
    assert await store.latest_handling(20) == [seconds]
    await store.save(replace(session, language="en"), event("a", "evidence_confirmed", minutes(50)))
    assert await store.handled("o", NOON) == [(outcome, seconds)]


async def test_a_call_that_never_connected_is_not_counted(store: Store) -> None:
    await waiting(store, "a")
    await ready(store, "o")
    matched = await store.assign_next("o", NOON, MATCHED)
    assert matched is not None
    await store.save(matched.move(Move.RELEASE, operator_id=None), event("a", "released", minutes(1)))
    assert await store.handled("o", NOON) == []
    assert await store.latest_handling(20) == []


async def test_the_latest_calls_come_newest_last(store: Store) -> None:
    await ready(store, "o")
    for n in range(1, 5):
        name = f"s{n}"
        await waiting(store, name)
        held = await in_call(store, name, "o", minutes(10 * n))
        operator = await store.operator("o")
        assert operator is not None
        ended = event(name, "left", minutes(11 * n))
        await store.save(held.move(Move.LEAVE), ended, operator=replace(operator, session_id=None))
    assert await store.latest_handling(3) == [120.0, 180.0, 240.0]
    assert await store.handled("o", minutes(30)) == [("abandoned", 180.0), ("abandoned", 240.0)]
    assert await store.handled_sessions("o", minutes(30)) == ["s3", "s4"]
    assert await store.handled_sessions("p", NOON) == []


# --- timers, checks, messages -----------------------------------------------------------------------


async def test_timers_are_due_when_their_time_has_come(store: Store) -> None:
    session = await store.create_session(a_session("a"), timers={Timer.PRESENCE: minutes(2)})
    await store.create_session(a_session("b"), timers={Timer.PRESENCE: minutes(1)})
    session = await store.save(session, timers={Timer.ISSUANCE: minutes(3)})
    assert await store.due_timers(NOON) == []
    assert await store.due_timers(minutes(1)) == [("b", Timer.PRESENCE)]
    due = [("b", Timer.PRESENCE), ("a", Timer.PRESENCE), ("a", Timer.ISSUANCE)]
    assert await store.due_timers(minutes(3)) == due
    assert await store.due_timers(minutes(3), limit=2) == due[:2]
    session = await store.save(session, timers={Timer.PRESENCE: None, Timer.ISSUANCE: minutes(9)})
    assert await store.due_timers(minutes(3)) == [("b", Timer.PRESENCE)]
    await store.save(session)  # a save that says nothing of timers leaves them
    assert await store.due_timers(minutes(9)) == [("b", Timer.PRESENCE), ("a", Timer.ISSUANCE)]


async def test_a_timer_is_cleared(store: Store) -> None:
    session = await store.create_session(a_session("a"), timers=dict.fromkeys(Timer, NOON))
    await store.clear_timer("a", Timer.PRESENCE)
    await store.clear_timer("a", Timer.PRESENCE)
    assert len(await store.due_timers(NOON)) == len(Timer) - 1
    await store.save(session, timers={Timer.ISSUANCE: minutes(5)})
    await store.clear_timer("a", Timer.ISSUANCE, due_by=NOON)  # it was set anew meanwhile
    assert ("a", Timer.ISSUANCE) in await store.due_timers(minutes(5))
    await store.clear_timer("a", Timer.ISSUANCE, due_by=minutes(5))
    assert ("a", Timer.ISSUANCE) not in await store.due_timers(minutes(5))


async def test_checks_come_back_in_the_order_recorded(store: Store) -> None:
    for name in "ab":
        await store.create_session(a_session(name))
    checks = [{"check": "mrz", "outcome": "passed", "score": None, "images": {"probe": "0"}, "n": n} for n in range(5)]
    for check in checks:
        await store.record_check("a", check, event("a", "check_recorded"))
    await store.record_check("b", {"check": "iin"})
    assert await store.checks("a") == checks
    assert await store.checks("b") == [{"check": "iin"}]
    assert len(await store.audit_events("a")) == 5


async def test_a_message_repeated_counts_once(store: Store) -> None:
    await store.create_session(a_session("a"))
    first = await store.add_message("a", Leg.APPLICANT, "Сәлем", "1", NOON)
    again = await store.add_message("a", Leg.APPLICANT, "Сәлем!", "1", minutes(1))
    other = await store.add_message("a", Leg.OPERATOR, "Hello", "1", minutes(2))
    assert again == first
    assert [first.number, other.number] == [1, 2]
    assert await store.messages("a") == [first, other]
    assert await store.messages("b") == []


async def test_messages_at_once_are_all_kept_in_one_order(store: Store) -> None:
    for name in "ab":
        await store.create_session(a_session(name))
    sent = [store.add_message("a", Leg.APPLICANT, str(n), str(n % 10), NOON) for n in range(20)]
    await asyncio.gather(*sent, store.add_message("b", Leg.OPERATOR, "x", "0", NOON))
    kept = await store.messages("a")
    assert [message.number for message in kept] == list(range(1, 11))
    assert sorted(message.client_id for message in kept) == sorted(str(n) for n in range(10))
    assert [message.number for message in await store.messages("b")] == [1]


# --- operators' sessions ----------------------------------------------------------------------------


async def test_one_operator_wraps_up_what_a_second_person_has_already(store: Store) -> None:
    await waiting(store, "a")
    await ready(store, "o")
    await ready(store, "p")
    deciding = await store.save((await in_call(store, "a", "o")).move(Move.DECIDE), event("a", "decision_made"))
    wrapping = Operator("o", "", session_id="a", wrapping=True)
    referred = deciding.move(Move.REFER, operator_id=None, call_id=None, excluded_operators=("o",))
    await store.save(referred, event("a", "referred"), operator=wrapping)
    second = await store.assign_next("p", NOON, MATCHED)
    assert second is not None
    assert await store.sessions_of("o") == await store.sessions_of("p") == [second]
    session = await store.save(second, event("a", "wrapped_up"), operator=replace(wrapping, session_id=None))
    assert await store.sessions_of("o") == []
    assert await store.sessions_of("p") == [session]


async def test_the_sessions_of_an_operator_are_those_in_hand(store: Store) -> None:
    await waiting(store, "a")
    await ready(store, "o")
    held = await in_call(store, "a", "o")
    assert await store.sessions_of("o") == [held]
    deciding = await store.save(held.move(Move.DECIDE), event("a", "decision_made"))
    operator = Operator("o", "", session_id="a", wrapping=True)
    sealed = await store.save(deciding.move(Move.REFER, operator_id=None), event("a", "referred"), operator=operator)
    assert await store.sessions_of("o") == [sealed]  # in wrap-up
    await store.save(sealed, event("a", "wrapped_up"), operator=replace(operator, session_id=None, wrapping=False))
    assert await store.sessions_of("o") == []


async def test_the_latest_sessions_come_newest_first(store: Store) -> None:
    for number in range(3):
        await store.create_session(a_session(f"s{number}", created_at=minutes(number)))
    assert [one.id for one in await store.recent(2)] == ["s2", "s1"]
