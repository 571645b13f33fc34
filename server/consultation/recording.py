"""Every identification is recorded, or it stops: beginning and state of a call's recording (calling ends it)."""

from __future__ import annotations

from dataclasses import replace

from server.consultation.calling import release, suspend
from server.consultation.desk import Change, Desk, change, session_of
from server.ports import LegEvent, MediaError, RecordingPlan
from server.proofing import Availability, DomainError, Session, State


async def begin(desk: Desk, session: Session) -> None:
    """Record the running call; harmless when it is recorded already. When that cannot be, the call is given up."""
    if desk.recording_rule is None or session.call_id is None:
        return
    events = await desk.store.audit_events(session.id)
    plan = RecordingPlan(
        desk.recording_rule.folder, session.id, desk.recording_rule.key, events[-1].sha256 if events else ""
    )
    try:
        await desk.media.record(session.call_id, plan)
    except MediaError as error:
        await failed(desk, session.id, error.code)


async def follow(desk: Desk, event: LegEvent) -> None:
    """The media engine says that a segment began, or that one could not be written."""
    session_id = desk.presence.calls.get(event.call)
    if session_id is None:
        return
    if event.kind == "recording_failed":
        await failed(desk, session_id, "media_recording_failed")
        return
    session = await session_of(desk, session_id)
    await desk.store.append(desk.event(session, "recording_started", "system", call=event.call, leg=str(event.leg)))
    desk.recorded.add(event.call)
    await desk.tell(session)


async def failed(desk: Desk, session_id: str, code: str) -> None:
    """No unrecorded identification: the citizen goes back to the front of the queue, the operator pauses."""
    session = await session_of(desk, session_id)
    await desk.store.append(desk.event(session, "recording_failed", "system", code=code))
    operator = await desk.store.operator(session.operator_id) if session.operator_id else None
    if operator is not None:
        paused = replace(
            operator, availability=Availability.PAUSED, pause_reason="recording_failed", since=desk.clock.now()
        )
        event = desk.system_event(
            "availability_set", "system", operator=operator.id, availability="paused", reason="recording_failed"
        )
        await desk.store.save_operator(paused, event)

    def give_up(session: Session) -> Change | None:
        return suspend(desk, session, None, code) if session.state is State.IN_CALL else None

    await change(desk, session_id, give_up)
    try:
        await release(desk, session_id, "system", code)
    except DomainError as error:
        if error.code != "move_not_allowed":  # decided or left at the same moment
            raise
