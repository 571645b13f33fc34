"""What would make the applicant's live picture better, looked at now and then in every running call."""

from __future__ import annotations

import asyncio

import structlog

from server.consultation.desk import Desk
from server.ports import CheckUnavailable, Leg, MediaError
from verification.contract import UnusableInput

log = structlog.get_logger(__name__)

ROUND_SECONDS = 1.0
"""A round looks once at every call, one after the other: with many calls each is looked at less often, and the
workers are never asked for more than one guidance at a time."""
FRAME_SECONDS = 0.3


async def guide_for_ever(desk: Desk) -> None:
    """Look at every running call in turn, for ever."""
    while True:
        await asyncio.sleep(ROUND_SECONDS)
        for call, session_id in tuple(desk.presence.calls.items()):
            if desk.presence.both(call) and session_id not in desk.busy and session_id not in desk.challenges:
                try:
                    await guide_once(desk, call, session_id)
                except Exception as error:
                    log.error("guidance_failed", error=type(error).__name__, exc_info=True)
        for gone in desk.guidance.keys() - set(desk.presence.calls.values()):
            desk.guidance.pop(gone, None)


async def guide_once(desk: Desk, call: str, session_id: str) -> None:
    """Look at one call. A worker that is busy, or a picture that stopped, leaves the last word standing."""
    try:
        frames = await desk.media.frames(call, Leg.APPLICANT, 1, FRAME_SECONDS)
        if not frames:
            return
        problems = (await desk.checker.guide(frames[-1])).problems
    except (CheckUnavailable, MediaError, UnusableInput):
        return
    if problems != desk.guidance.get(session_id, ()):
        desk.guidance[session_id] = problems
        session = await desk.store.session(session_id)
        if session is not None:
            await desk.tell(session)
