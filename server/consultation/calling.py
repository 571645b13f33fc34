"""The call: who is matched with whom, when both ends are connected, what happens when one is lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from server.consultation import interpreting, watching
from server.consultation.desk import Change, Desk, change, offer_topic, session_of
from server.ports import ENDS, INTERPRETED, PAIR, Leg, LegEvent, MediaError, Timer
from server.proofing import CALL_ROLES, HELD, Availability, DomainError, Move, Operator, Session, State

MATCH_PRIORITY_LOST = 1
"""A session that was lost in a call goes before those that wait for their first one."""


async def match_all(desk: Desk) -> None:
    """Give waiting sessions, oldest first, to ready operators, drawn at random. One at a time in this process;
    between processes the store's single UPDATE decides."""
    if desk.draining:
        return
    async with desk.matching:
        operators = [
            operator
            for operator in await desk.store.operators()
            if operator.availability is Availability.READY
            and operator.role in CALL_ROLES
            and operator.session_id is None
            and operator.id in desk.presence.operators
        ]
        desk.random.shuffle(operators)
        for operator in operators:
            matched = desk.event("", "matched", "system", operator=operator.id)
            now = desk.clock.now()
            timers = {Timer.LEG_RESUME: now + desk.limits.leg_resume}
            session = await desk.store.assign_next(operator.id, now, matched, timers=timers)
            if session is None:
                continue  # perhaps all that wait exclude this operator: another may take them
            await desk.tell(session, queue=True)


async def held_count(desk: Desk) -> int:
    """How many sessions are in an operator's hands: matched, in a call, suspended, being decided."""
    held = [await desk.store.sessions_of(operator.id) for operator in await desk.store.operators()]
    return sum(1 for sessions in held for session in sessions if session.state in HELD)


def _await_legs(desk: Desk, session: Session) -> Change | None:
    if session.state not in (State.MATCHED, State.SUSPENDED):
        return None
    return Change(session, timers={Timer.LEG_RESUME: desk.clock.now() + desk.limits.leg_resume})


async def answer(desk: Desk, session: Session, leg: Leg, call: str, sdp: str) -> str:
    """Answer the offer of one end. Raises DomainError call_unknown, MediaError."""
    require_call(session, call)
    desk.presence.calls[call] = session.id
    who = session.id if leg is Leg.APPLICANT else session.operator_id
    desk.presence.offered[call, leg] = offer_topic(leg, who or "")
    return await desk.media.answer(call, leg, sdp)


def offered(desk: Desk, call: str, leg: Leg, topic: str) -> bool:
    """Whether the page that hears this topic offered for this end of a call that goes on (``end_call`` forgets it)."""
    return desk.presence.offered.get((call, leg)) == topic


async def add_candidate(desk: Desk, leg: Leg, call: str, candidate: Mapping[str, Any], receiving: int = 0) -> None:
    """Of a page that may: ``offered``, or ``require_part``. Raises MediaError."""
    await desk.media.add_candidate(call, leg, candidate, receiving)


async def accept(desk: Desk, leg: Leg, call: str, number: int, sdp: str) -> None:
    """Take the answer to an offer to receive, of a page that may (``require_part``). Raises MediaError."""
    try:
        await desk.media.accept(call, leg, number, sdp)
    except MediaError as error:
        if error.code != "media_superseded":  # a newer offer is on its way to the page, or was its own: nobody's fault
            raise


async def require_part(desk: Desk, session: Session, leg: Leg, call: str) -> None:
    """That the page of this connection may have it now. Raises DomainError call_unknown, interpreter_not_admitted."""
    if leg in INTERPRETED:
        await interpreting.require_admitted(desk, session, call)
    else:
        require_call(session, call)


def require_call(session: Session, call: str) -> None:
    """Raises DomainError call_unknown."""
    if session.state not in HELD or session.call_id != call:
        raise DomainError("call_unknown", "That call is not, or no longer, going on.")


async def tell_page_first(desk: Desk, event: LegEvent) -> None:
    """What cannot wait for a row to be written: the page of a lost end is asked for a new offer, and so is that of one
    that has to speak another codec; a page that is to receive over another connection gets the engine's offer.

    A page that offers again makes all its connections anew, so it is asked for those alone that are an end's first.
    """
    if event.kind == "receive":
        await desk.offer_to_receive(event)
    elif event.kind in ("lost", "offer_again") and event.leg in ENDS:
        await desk.ask_offer(event.call, event.leg)


async def leg_changed(desk: Desk, event: LegEvent) -> Session | None:
    """The media engine says that an end was connected or lost. The session, unless its call is over, or nothing
    changed.

    ``lost`` is no fault of that end: its media process is gone, and its page is asked for a new offer by
    ``tell_page_first``.
    """
    session_id = desk.presence.calls.get(event.call)
    if session_id is None or event.kind in ("offer_again", "receive"):
        return None
    if event.leg not in PAIR:
        await interpreting.leg_changed(desk, session_id, event)
        return None
    if event.kind == "lost":
        desk.recorded.discard(event.call)  # until the next segment begins
    legs = desk.presence.legs.setdefault(event.call, set())
    if event.kind == "connected":
        legs.add(event.leg)
    else:
        legs.discard(event.leg)
    if not legs:
        desk.presence.legs.pop(event.call, None)
    session = await change(desk, session_id, lambda s: _follow_legs(desk, s, event))
    await desk.tell(session)
    return session


def _follow_legs(desk: Desk, session: Session, event: LegEvent) -> Change | None:
    if session.call_id != event.call:
        return None
    both = desk.presence.both(event.call)
    now = desk.clock.now()
    if event.kind == "connected":
        seen = desk.event(session, "leg_connected", "system", leg=str(event.leg))
        if both and session.state is State.MATCHED:
            started = desk.event(session, "call_started", "system", call=event.call)
            moved = session.move(Move.CONNECT, call_started_at=now)
            return Change(moved, (seen, started), {Timer.LEG_RESUME: None})
        if both and session.state is State.SUSPENDED:
            resumed = desk.event(session, "call_resumed", "system", call=event.call)
            return Change(session.move(Move.RESUME), (seen, resumed), {Timer.LEG_RESUME: None})
        return Change(session, (seen,))
    if session.state is State.IN_CALL:
        return suspend(desk, session, event.leg, event.kind)
    return None


def suspend(desk: Desk, session: Session, leg: Leg | None, reason: str) -> Change:
    """An end of a running call was lost: both wait for it a while."""
    event = desk.event(session, "call_suspended", "system", leg=None if leg is None else str(leg), reason=reason)
    due = desk.clock.now() + desk.limits.leg_resume
    return Change(session.move(Move.SUSPEND), (event,), {Timer.LEG_RESUME: due})


async def release(desk: Desk, session_id: str, actor: str, reason: str) -> Session:
    """Give the session back to the queue, to the front of it; its operator is free again.

    Raises DomainError move_not_allowed unless matched or suspended.
    """
    before = await session_of(desk, session_id)
    holder = before.operator_id
    operator = await desk.store.operator(holder) if holder else None

    def go(session: Session) -> Change:
        moved = session.move(
            Move.RELEASE,
            operator_id=None,
            call_id=None,
            call_started_at=None,
            priority=max(session.priority, MATCH_PRIORITY_LOST),
        )
        event = desk.event(session, "released", actor, reason=reason)
        timers: dict[Timer, datetime | None] = {Timer.LEG_RESUME: None}
        if session.id not in desk.presence.applicants:
            timers[Timer.PRESENCE] = desk.clock.now() + desk.limits.presence
        return Change(moved, (event,), timers, _free(operator))

    session = await change(desk, session_id, go)
    await end_call(desk, before)
    await desk.tell(before, queue=True)
    await match_all(desk)
    return session


def _free(operator: Operator | None) -> Operator | None:
    return None if operator is None else replace(operator, session_id=None, wrapping=False)


async def leg_timer_due(desk: Desk, session_id: str) -> None:
    """An end did not come back in time: the citizen keeps a place at the front, the operator is free."""
    await desk.store.clear_timer(session_id, Timer.LEG_RESUME, desk.clock.now())
    session = await session_of(desk, session_id)
    if session.state not in (State.MATCHED, State.SUSPENDED) or desk.presence.both(session.call_id):
        return
    legs = desk.presence.legs.get(session.call_id or "", set())
    operator = await desk.store.operator(session.operator_id) if session.operator_id else None
    if operator is not None and Leg.OPERATOR not in legs:
        # The operator's side is missing: without this pause the next citizen would be sent into the same hole.
        paused = replace(operator, availability=Availability.PAUSED, pause_reason="technical", since=desk.clock.now())
        event = desk.system_event(
            "availability_set", "system", operator=operator.id, availability="paused", reason="technical"
        )
        await desk.store.save_operator(paused, event)
    try:
        await release(desk, session_id, "system", "leg_not_resumed")
    except DomainError as error:
        if error.code != "move_not_allowed":  # it went on at the last moment
            raise


async def end_call(desk: Desk, session: Session) -> None:
    """Close the media of the session's call, if it has one."""
    if session.call_id:
        desk.presence.legs.pop(session.call_id, None)
        desk.presence.calls.pop(session.call_id, None)
        await watching.forget(desk, session.id)
        await interpreting.call_over(desk, session)
        for leg in Leg:
            desk.forget_offers(session.call_id, leg)
        await _seal_recording(desk, session, session.call_id)
        await desk.media.close(session.call_id)


async def _seal_recording(desk: Desk, session: Session, call: str) -> None:
    """Close the recording of a call that is over, and name its segments in the audit trail."""
    desk.recorded.discard(call)
    segments = await desk.media.stop_recording(call) if desk.recording_rule is not None else []
    if segments:
        named = [
            {"leg": str(one.leg), "number": one.number, "file": one.path.name, "chain": one.chain, "size": one.size}
            for one in segments
        ]
        await desk.store.append(desk.event(session, "recording_stopped", "system", call=call, segments=named))


async def recover(desk: Desk) -> None:
    """After a start: nobody is connected yet, so running calls wait for both ends to come back."""
    await desk.store.clear_presence()
    for operator in await desk.store.operators():
        for held in await desk.store.sessions_of(operator.id):
            if held.state is State.IN_CALL:
                await change(
                    desk,
                    held.id,
                    lambda s: suspend(desk, s, None, "server_restarted") if s.state is State.IN_CALL else None,
                )
            elif held.state in (State.MATCHED, State.SUSPENDED):
                await change(desk, held.id, lambda s: _await_legs(desk, s))
