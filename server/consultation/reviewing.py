"""Looking at what was kept: an auditor at every session, an operator for a short time at her own. Each look is told.

Nothing here changes a case, and nobody looks at a session while it is in somebody's hands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from server.audit import StoredEvent, first_fault
from server.consultation import timeline
from server.consultation.desk import Desk, iso
from server.ports import KeptSegment, Leg
from server.proofing import HELD, Decision, DomainError, Interpreter, Operator, Role, Session

LISTED = 200
"""Sessions in an auditor's list, newest first; older ones are opened by their number."""
ONE_VIEWING = timedelta(minutes=10)
"""A player asks for a recording in many parts: within this time they are one viewing, and one audit event."""
MOST_VIEWINGS = 1000


def _unknown() -> DomainError:
    return DomainError("record_unknown", "There is no such session, or it is not yours to look at.")


async def listing(desk: Desk, viewer: Operator) -> list[dict[str, Any]]:
    """The sessions that this person may look at, newest first. No names, no numbers of people."""
    names = {operator.id: operator.name for operator in await desk.store.operators()}
    if viewer.role is Role.AUDITOR:
        sessions = await desk.store.recent(LISTED)
    else:
        found = [await desk.store.session(one) for one in reversed(await _own(desk, viewer))]
        sessions = [session for session in found if session is not None]
    return [_row(session, names) for session in sessions]


async def _own(desk: Desk, viewer: Operator) -> list[str]:
    return await desk.store.handled_sessions(viewer.id, desk.clock.now() - desk.limits.review)


def _row(session: Session, names: Mapping[str, str]) -> dict[str, Any]:
    decision = session.decision or (session.earlier_decisions[-1] if session.earlier_decisions else None)
    decided_by = decision.operator_id if decision else session.operator_id or ""
    return {
        "id": session.id,
        "state": str(session.state),
        "under_way": session.state in HELD,
        "created_at": iso(session.created_at),
        "ended_at": iso(session.ended_at) if session.ended_at else None,
        "calls": session.calls,
        "operator_name": names.get(decided_by, ""),
        "outcome": str(decision.outcome) if decision else None,
    }


async def _reviewable(desk: Desk, viewer: Operator, session_id: str) -> Session:
    """Raises DomainError record_unknown (the same whether there is none or it is another's), record_under_way."""
    session = await desk.store.session(session_id)
    if session is None or (viewer.role is not Role.AUDITOR and session_id not in await _own(desk, viewer)):
        raise _unknown()
    if session.state in HELD:
        raise DomainError("record_under_way", "The talk is still going on; look at it when it is over.")
    return session


async def open_record(desk: Desk, viewer: Operator, session_id: str) -> dict[str, Any]:
    """What is kept of a session, and where on its recording everything happened. Raises as _reviewable does."""
    session = await _reviewable(desk, viewer, session_id)
    events = await desk.store.audit_events(session_id)
    await desk.store.append(
        desk.event(session_id, "dossier_read", f"operator:{viewer.id}", role=str(viewer.role), recordings=True)
    )
    segments = await _segments(desk, session_id)
    line = timeline.stretches(segments)
    names = {operator.id: operator.name for operator in await desk.store.operators()}
    decisions = [*session.earlier_decisions, *([session.decision] if session.decision else [])]
    fault = first_fault(events)
    return {
        "session": {
            **_row(session, names),
            "language": session.language,
            "purpose": session.purpose,
            "attributes": dict(session.attributes),
            "corrections": dict(session.corrections),
        },
        "images": dict(session.images),
        "checks": await desk.store.checks(session_id),
        "steps": [{**asdict(step), "at": iso(step.at)} for step in session.steps],
        "decisions": [_decision(one, names) for one in decisions],
        "interpreters": [_interpreter(one, names) for one in await desk.store.interpreters(session_id)],
        "certificates": [
            {
                "profile": str(one.profile),
                "serial_number": f"{one.serial_number:x}",
                "not_after": iso(one.not_after),
                "revoked_at": iso(one.revoked_at) if one.revoked_at else None,
            }
            for one in await desk.store.certificates(session_id)
        ],
        "chain": {"events": len(events), "verified": fault is None, "first_fault": fault},
        "seconds": line[-1].starts + line[-1].seconds if line else 0.0,
        "stretches": [{"starts": one.starts, "seconds": one.seconds, "began": iso(one.began)} for one in line],
        "segments": [*_judged(segments, line, events), *_missing(segments, events)],
        "marks": [_mark(event, line) for event in timeline.marked(events)],
    }


def _decision(decision: Decision, names: Mapping[str, str]) -> dict[str, Any]:
    return {
        "outcome": str(decision.outcome),
        "reason_code": decision.reason_code,
        "note": decision.note,
        "override_reason": decision.override_reason,
        "operator_name": names.get(decision.operator_id, ""),
        "made_at": iso(decision.made_at),
        "sealed": decision.sealed,
    }


def _interpreter(one: Interpreter, names: Mapping[str, str]) -> dict[str, Any]:
    return {
        "id": one.id,
        "name": one.name,
        "language": one.language,
        "invited_by": names.get(one.invited_by, ""),
        "invited_at": iso(one.invited_at),
        "agreed": one.agreed,
        "duty_version": one.duty_version,
        "ended": one.ended_by,
    }


def _mark(event: StoredEvent, line: Sequence[timeline.Stretch]) -> dict[str, Any]:
    return {
        "kind": event.kind,
        "at": iso(event.at),
        "seconds": timeline.place(line, event.at),
        "actor": event.actor.partition(":")[0],
        "data": {name: event.data[name] for name in timeline.MARK_DATA if event.data.get(name) is not None},
    }


async def _segments(desk: Desk, session_id: str) -> list[KeptSegment]:
    return [] if desk.recordings is None else await desk.recordings.segments(session_id)


def _named(events: Sequence[StoredEvent]) -> dict[tuple[str, int], str]:
    """(leg, number) -> the chain value that the audit trail names as a segment's last."""
    return {
        (str(one["leg"]), int(one["number"])): str(one["chain"])
        for event in events
        if event.kind == "recording_stopped"
        for one in event.data.get("segments", ())
    }


def _judged(
    segments: Sequence[KeptSegment], line: Sequence[timeline.Stretch], events: Sequence[StoredEvent]
) -> list[dict[str, Any]]:
    """The segments that are there, each with the verdict of its seals and of the audit trail."""
    named = _named(events)
    roots = {"", *(event.sha256 for event in events)}
    ends: dict[Leg, str] = {}
    views = []
    for segment in segments:
        follows = segment.previous in roots or segment.previous == ends.get(segment.leg)
        view = _segment(segment, line)
        view["verdict"] = _verdict(segment, named.get((str(segment.leg), segment.number)), follows)
        views.append(view)
        ends[segment.leg] = segment.chain
    return views


def _verdict(segment: KeptSegment, named: str | None, follows: bool) -> str:
    """intact; cut_off (sealed up to where a process ended); damaged; foreign (whole, but not what was recorded)."""
    if not segment.verified or segment.began is None:
        return "damaged"
    if not follows or named not in (None, segment.chain):
        return "foreign"
    return "intact" if segment.complete and named is not None else "cut_off"


def _segment(segment: KeptSegment, line: Sequence[timeline.Stretch]) -> dict[str, Any]:
    starts = timeline.place(line, segment.began) if segment.began is not None else None
    return {
        "leg": str(segment.leg),
        "number": segment.number,
        "began": _when(segment.began),
        "starts": starts,
        "seconds": segment.seconds,
        "first": segment.first,
        "playable": segment.size > 0 and starts is not None,
        "damaged": [[first, last] for first, last in segment.damaged],
    }


def _missing(segments: Sequence[KeptSegment], events: Sequence[StoredEvent]) -> list[dict[str, Any]]:
    """Segments that the audit trail names and the archive has not."""
    there = {(str(segment.leg), segment.number) for segment in segments}
    purged = any(event.kind == "purged" for event in events)
    return [
        {
            "leg": leg, "number": number, "began": None, "starts": None, "seconds": 0.0, "first": 0.0,
            "playable": False, "damaged": [], "verdict": "deleted" if purged else "missing",
        }
        for leg, number in sorted(_named(events).keys() - there)
    ]  # fmt: skip


def _when(moment: datetime | None) -> str | None:
    return None if moment is None else iso(moment)


async def open_segment(desk: Desk, viewer: Operator, session_id: str, leg: Leg, number: int) -> KeptSegment:
    """A segment that is to be played; the first part asked for, and one each ten minutes, is an audit event.

    Raises DomainError record_unknown, record_under_way, recording_not_playable.
    """
    await _reviewable(desk, viewer, session_id)
    found = next(
        (one for one in await _segments(desk, session_id) if (one.leg, one.number) == (leg, number)),
        None,
    )
    if found is None or found.size == 0:
        raise DomainError("recording_not_playable", "There is nothing to play of this part of the recording.")
    await _note_viewing(desk, viewer, session_id, leg, number)
    return found


async def _note_viewing(desk: Desk, viewer: Operator, session_id: str, leg: Leg, number: int) -> None:
    now = desk.clock.now()
    viewing = (viewer.id, session_id, str(leg), number)
    since = desk.viewings.get(viewing)
    if since is not None and now - since < ONE_VIEWING:
        return
    if len(desk.viewings) >= MOST_VIEWINGS:
        for old in [one for one, began in desk.viewings.items() if now - began >= ONE_VIEWING]:
            del desk.viewings[old]
    desk.viewings[viewing] = now
    await desk.store.append(
        desk.event(
            session_id,
            "recording_played",
            f"operator:{viewer.id}",
            role=str(viewer.role),
            leg=str(leg),
            number=number,
        )
    )


async def require_image(desk: Desk, viewer: Operator, session_id: str, sha256: str) -> None:
    """Raises as _reviewable does, and DomainError picture_unknown unless the picture is of this session."""
    session = await _reviewable(desk, viewer, session_id)
    named = {*session.images.values(), *(str(still["image"]) for still in session.stills)}
    for row in await desk.store.checks(session_id):
        named.update(row["images"].values())
    if sha256 not in named:
        raise DomainError("picture_unknown", "There is no such picture.")
