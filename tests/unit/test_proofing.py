"""A session moves as TRANSITIONS say, and in no other way."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.proofing import FINAL, HELD, QUEUED, TRANSITIONS, DomainError, Move, Session, State

bounded = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # the machine may be busy

NEW = Session("s", "t", "kk", "first_eds", "1", datetime(2026, 1, 1, tzinfo=UTC))


def after(*moves: Move) -> Session:
    session = NEW
    for move in moves:
        session = session.move(move)
    return session


@bounded
@given(st.lists(st.sampled_from(Move), max_size=40))
def test_any_sequence_of_moves_follows_the_table(moves: list[Move]) -> None:
    session = NEW
    for move in moves:
        allowed = TRANSITIONS[session.state]
        if move in allowed:
            moved = session.move(move)
            assert moved.state is allowed[move]
            assert moved == replace(session, state=moved.state)  # and nothing else changed
            session = moved
        else:
            with pytest.raises(DomainError) as refusal:
                session.move(move)
            assert refusal.value.code == "move_not_allowed"
            assert refusal.value.details == {"state": str(session.state)}


@bounded
@given(st.data())
def test_allowed_moves_end_in_a_final_state_or_go_on(data: st.DataObject) -> None:
    """Walk along allowed moves only, so that deep states are reached: certificates need a sealed approval."""
    session, walked = NEW, [NEW.state]
    for _ in range(30):
        moves = TRANSITIONS[session.state]
        if not moves:
            assert session.state in FINAL
            break
        session = session.move(data.draw(st.sampled_from(sorted(moves))))
        walked.append(session.state)
    if State.ISSUING in walked:
        assert walked[walked.index(State.ISSUING) - 1] is State.APPROVED
    if State.APPROVED in walked:
        assert walked[walked.index(State.APPROVED) - 1] is State.DECIDING
    if State.DECIDING in walked:
        assert State.IN_CALL in walked[: walked.index(State.DECIDING)]


@pytest.mark.parametrize("state", sorted(FINAL))
@pytest.mark.parametrize("move", sorted(Move))
def test_a_final_state_has_no_exit(state: State, move: Move) -> None:
    with pytest.raises(DomainError):
        replace(NEW, state=state).move(move)


def test_every_state_is_in_the_table_and_every_move_is_used() -> None:
    assert set(TRANSITIONS) == set(State)
    assert {move for moves in TRANSITIONS.values() for move in moves} == set(Move)


def test_every_state_is_reached_from_the_first_and_reaches_a_final_one() -> None:
    reached, frontier = {State.CONSENTED}, [State.CONSENTED]
    while frontier:
        for target in TRANSITIONS[frontier.pop()].values():
            if target not in reached:
                reached.add(target)
                frontier.append(target)
    assert reached == set(State)
    ends = set(FINAL)
    while grown := {state for state in State if state not in ends and set(TRANSITIONS[state].values()) & ends}:
        ends |= grown
    assert ends == set(State)


def test_the_named_groups_of_states() -> None:
    assert {State.ISSUED, State.REJECTED, State.ABANDONED, State.EXPIRED} == FINAL
    assert {state for state, moves in TRANSITIONS.items() if Move.MATCH in moves} == QUEUED
    assert not HELD & (QUEUED | FINAL)
    for state in QUEUED:
        assert TRANSITIONS[state][Move.MATCH] in HELD


def test_a_rejected_or_referred_session_gets_no_certificates() -> None:
    in_call = after(Move.QUEUE, Move.MATCH, Move.CONNECT)
    for verdict in (Move.REJECT, Move.REFER):
        decided = in_call.move(Move.DECIDE).move(verdict)
        for move in (Move.REQUEST_CERTIFICATES, Move.ISSUE, Move.APPROVE):
            with pytest.raises(DomainError):
                decided.move(move)


def test_changes_come_with_the_move() -> None:
    joined = datetime(2026, 1, 2, tzinfo=UTC)
    assert NEW.move(Move.QUEUE, joined_at=joined) == replace(NEW, state=State.WAITING, joined_at=joined)


def test_require_says_where_the_session_is() -> None:
    NEW.require(State.WAITING, State.CONSENTED)
    with pytest.raises(DomainError) as refusal:
        NEW.require(State.IN_CALL)
    assert refusal.value.code == "wrong_state"
    assert refusal.value.details == {"state": "consented"}
