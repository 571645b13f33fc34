"""The end of retention: pictures, recordings, attributes and words of a session are deleted; its audit trail stays."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import structlog

from server.audit import Event
from server.ports import Clock, Conflict, Store, Vault
from server.proofing import Decision, Session

log = structlog.get_logger(__name__)

AT_ONCE = 100


def emptied(session: Session) -> Session:
    """The session without anything that says who somebody was, or that opens it."""
    return replace(
        session,
        token_sha256=f"purged-{session.id}",
        person="",
        attributes={},
        corrections={},
        readings={},
        images={},
        stills=(),
        steps=tuple(replace(step, note="") for step in session.steps),
        decision=None if session.decision is None else _silent(session.decision),
        earlier_decisions=tuple(_silent(decision) for decision in session.earlier_decisions),
        wrap_up_note="",
    )


def _silent(decision: Decision) -> Decision:
    return replace(decision, note="", override_reason="")


async def forget_due(store: Store, vault: Vault, clock: Clock, retention: timedelta, recordings: Path | None) -> int:
    """Purge every session whose retention is over; how many. The blobs go first: a crash leaves work, not traces."""
    count = 0
    while due := await store.due_for_purge(clock.now() - retention, AT_ONCE):
        before = count
        for session in due:
            blobs = await vault.delete_session(session.id)
            files = await asyncio.to_thread(_delete_recordings, recordings, session.id)
            event = Event(session.id, "purged", "system", clock.now(), {"blobs": blobs, "recordings": files})
            try:
                await store.purge(emptied(session), [event])
            except Conflict:
                log.warning("purge_lost_a_race", session=session.id)  # the next round takes it
                continue
            count += 1
        if count == before:
            break
    return count


def _delete_recordings(folder: Path | None, session_id: str) -> int:
    files = [] if folder is None else list(folder.glob(f"{session_id}.*.rec"))
    for file in files:
        file.unlink()
    return len(files)
