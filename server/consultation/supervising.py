"""A supervisor watches a call that goes on: she sees and hears both, sends nothing, and both are told of her."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from server.consultation.desk import Desk, iso, session_of
from server.ports import Leg
from server.proofing import DomainError, Operator, Role, Session, State

WATCHABLE = frozenset({State.IN_CALL, State.SUSPENDED, State.DECIDING})
GRACE = timedelta(seconds=5)
"""A picture that is asked for anew within this time (a reconnect, a reload) is no leaving."""


@dataclass(slots=True)
class Watching:
    """One supervisor at one session."""

    streams: int = 0
    last_seen: datetime | None = None
    """When the last of her pictures ended; None while there is one."""


async def calls(desk: Desk, viewer: Operator) -> list[dict[str, Any]]:
    """Calls that this person may watch, oldest first. Nobody but a supervisor may watch any, nor her own."""
    if viewer.role is not Role.SUPERVISOR:
        return []
    names = {operator.id: operator.name for operator in await desk.store.operators()}
    found = [await desk.store.session(one) for one in dict.fromkeys(desk.presence.calls.values())]
    rows = [
        {
            "id": session.id,
            "state": str(session.state),
            "language": session.language,
            "operator_name": names.get(session.operator_id or "", ""),
            "interpreted": Leg.INTERPRETER in desk.presence.legs.get(session.call_id or "", ()),
            "call_started_at": iso(session.call_started_at) if session.call_started_at else None,
        }
        for session in found
        if session is not None and _watchable(desk, session, viewer)
    ]
    return sorted(rows, key=lambda row: str(row["call_started_at"]))


def _watchable(desk: Desk, session: Session, viewer: Operator) -> bool:
    mine = session.operator_id == viewer.id
    return session.state in WATCHABLE and not mine and session.call_id in desk.recorded


@asynccontextmanager
async def watched(desk: Desk, viewer: Operator, session_id: str, leg: Leg) -> AsyncIterator[AsyncIterator[bytes]]:
    """One end's picture and sound as a live WebM. Being there is told from the first to the last of them.

    Raises DomainError call_not_watchable: not a supervisor, not a call that goes on, her own, or not recorded.
    """
    session = await desk.store.session(session_id)
    refused = DomainError("call_not_watchable", "There is no such call, or it is not yours to watch.")
    if viewer.role is not Role.SUPERVISOR or session is None or not _watchable(desk, session, viewer):
        raise refused
    if desk.recordings is None:
        raise refused
    call = session.call_id or ""

    async def key_frame() -> None:
        await desk.media.request_keyframe(call, leg)

    stream = desk.recordings.follow(session_id, leg, key_frame)
    await _join(desk, session, viewer)
    try:
        async with aclosing(stream):
            yield stream
    finally:
        _step_back(desk, session_id, viewer)


async def _join(desk: Desk, session: Session, viewer: Operator) -> None:
    here = desk.presence.watching.setdefault(session.id, {})
    known = here.get(viewer.id)
    if known is not None:
        known.streams += 1
        known.last_seen = None
        return
    here[viewer.id] = Watching(streams=1)
    await desk.store.append(desk.event(session, "supervisor_joined", f"operator:{viewer.id}", call=session.call_id))
    await desk.tell(session)


def _step_back(desk: Desk, session_id: str, viewer: Operator) -> None:
    known = desk.presence.watching.get(session_id, {}).get(viewer.id)
    if known is not None:
        known.streams -= 1
        if known.streams == 0:
            known.last_seen = desk.clock.now()


async def sweep(desk: Desk) -> None:
    """Who has not come back is gone: told in the audit trail and to both."""
    now = desk.clock.now()
    for session_id, here in tuple(desk.presence.watching.items()):
        for operator_id, one in tuple(here.items()):
            if one.last_seen is None or now - one.last_seen < GRACE:
                continue
            del here[operator_id]
            if not here:
                del desk.presence.watching[session_id]
            session = await session_of(desk, session_id)
            await desk.store.append(desk.event(session, "supervisor_left", f"operator:{operator_id}"))
            await desk.tell(session)
