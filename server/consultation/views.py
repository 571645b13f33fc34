"""What each page is shown: whole snapshots, built from rows (docs/protocol.md has their shape)."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from server.adjudication import Recommendation
from server.consultation import deciding, examining, interpreting
from server.consultation.applying import can_confirm
from server.consultation.desk import Desk, iso
from server.consultation.operating import is_over_for
from server.ports import CertificateProfile, Leg
from server.proofing import (
    HELD,
    QUEUED,
    STEPS,
    Availability,
    Decision,
    DecisionOutcome,
    Operator,
    Session,
    State,
)
from server.scheduling import MEASURED_CALLS, expected_wait, mean_handling

FACE_STEPS = ("face_in_frame", "compare")
READING_KEYS = ("side", "usable", "problems", "attributes", "mrz_lines")


async def applicant_snapshot(desk: Desk, session: Session) -> dict[str, Any]:
    """What the applicant's page shows of her session."""
    return {
        "type": "state",
        "session": {
            "id": session.id,
            "version": session.version,
            "state": str(session.state),
            "language": session.language,
            "purpose": session.purpose,
            "readings": {side: _reading(session.readings.get(side)) for side in ("front", "back")},
            "attributes": dict(session.attributes),
            "corrections": dict(session.corrections),
            "can_confirm": can_confirm(session),
            "queue": await _place_in_queue(desk, session) if session.state in QUEUED else None,
            "call": await _applicant_call(desk, session) if session.state in HELD else None,
            "decision": _applicant_decision(desk, session),
            "issuance": _issuance_status(session),
            "saved": session.saved,
            "revoked_at": await _revoked_at(desk, session),
            "ended": str(session.state) if session.state in (State.ABANDONED, State.EXPIRED) else None,
            "messages": await _messages(desk, session),
        },
    }


def _reading(kept: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if kept is None else {key: kept[key] for key in READING_KEYS}


async def _place_in_queue(desk: Desk, session: Session) -> dict[str, Any]:
    queue = await desk.store.queue()
    place = next((n for n, entry in enumerate(queue) if entry.session == session.id), len(queue))
    # Those whose page is closed are passed over while it is closed, so they are not ahead of anybody now.
    position = 1 + sum(1 for entry in queue[:place] if entry.present)
    working, free = _on_duty(
        [op for op in await desk.store.operators() if op.id not in session.excluded_operators], desk
    )
    wait = expected_wait(position, working, free, mean_handling(await desk.store.latest_handling(MEASURED_CALLS)))
    return {
        "position": position,
        "wait": None if wait is None else {"low": round(wait.low), "high": round(wait.high)},
        "operators": working,
        "second_person": session.state is State.REFERRED,
    }


def _on_duty(operators: list[Operator], desk: Desk) -> tuple[int, int]:
    """(operators who take calls now, of those idle now)."""
    here = [op for op in operators if op.id in desk.presence.operators and op.availability is Availability.READY]
    return len(here), sum(1 for op in here if op.session_id is None)


async def _applicant_call(desk: Desk, session: Session) -> dict[str, Any]:
    operator = await desk.store.operator(session.operator_id or "")
    running = desk.challenges.get(session.id)
    watch = desk.watches.get(session.id)
    return {
        "id": session.call_id,
        "operator_name": operator.name if operator else "",
        "step": _next_step(session),
        "prompt": running.prompt() if running else None,
        "camera": watch.request if watch else None,
        # While she holds the card up, "come closer" would be the wrong thing to say.
        "guidance": list(desk.guidance.get(session.id, ())) if _next_step(session) in FACE_STEPS else [],
        "peer_connected": Leg.OPERATOR in desk.presence.legs.get(session.call_id or "", ()),
        "recording": session.call_id in desk.recorded,
        "others": desk.presence.others(session.id),
        "interpreter": await interpreting.view(desk, session),
    }


def _next_step(session: Session) -> str | None:
    recorded = {record.step for record in session.steps}
    return next((step for step in STEPS if step not in recorded), None)


def _applicant_decision(desk: Desk, session: Session) -> dict[str, Any] | None:
    if session.state is State.REFERRED and session.earlier_decisions:
        last = session.earlier_decisions[-1]
        return {"outcome": "referred", "reason_code": "", "at": iso(last.made_at), "retry_at": None}
    decision = session.decision
    if decision is None or not decision.sealed:
        return None
    rejected = decision.outcome is DecisionOutcome.REJECT
    return {
        "outcome": "rejected" if rejected else "approved",
        "reason_code": decision.reason_code if rejected else "",
        "at": iso(decision.made_at),
        "retry_at": iso((session.ended_at or decision.made_at) + desk.limits.retry) if rejected else None,
    }


def _issuance_status(session: Session) -> str:
    return {State.APPROVED: "ready", State.ISSUING: "requested", State.ISSUED: "issued"}.get(
        session.state, "not_approved"
    )


async def _revoked_at(desk: Desk, session: Session) -> str | None:
    """When the session's certificates were revoked: all of them are, or none."""
    if session.state is not State.ISSUED:
        return None
    moments = [one.revoked_at for one in await desk.store.certificates(session.id) if one.revoked_at]
    return iso(min(moments)) if moments else None


async def _messages(desk: Desk, session: Session) -> list[dict[str, Any]]:
    return [
        {
            "number": message.number,
            "sender": str(message.sender),
            "text": message.text,
            "sent_at": iso(message.sent_at),
            "client_id": message.client_id,
        }
        for message in await desk.store.messages(session.id)
    ]


async def issuance_view(desk: Desk, session: Session) -> dict[str, Any]:
    """What the page needs to make keys and requests, and later the certificates and their chain."""
    view: dict[str, Any] = {
        "status": _issuance_status(session),
        "saved": session.saved,
        "demonstration": desk.issuer.demonstration,
    }
    if view["status"] == "not_approved":
        return view
    names = ("surname", "given_names", "patronymic", "iin")
    view["subject"] = _base64(desk.issuer.subject(session.attributes))
    view["subject_text"] = {name: session.attributes.get(name, "") for name in names}
    if session.state is State.ISSUED:
        certificates = await desk.store.certificates(session.id)
        view["certificates"] = {str(one.profile): _base64(one.der) for one in certificates}
        view["chain"] = [_base64(der) for der in desk.issuer.chain()]
        view["not_after"] = iso(min(one.not_after for one in certificates))
        view["serial_numbers"] = {str(one.profile): f"{one.serial_number:x}" for one in certificates}
        view["profiles"] = [str(profile) for profile in CertificateProfile]
        view["revoked_at"] = await _revoked_at(desk, session)
    return view


def _base64(der: bytes) -> str:
    return base64.b64encode(der).decode("ascii")


async def operator_snapshot(desk: Desk, operator: Operator) -> dict[str, Any]:
    """What the operator's panel shows: herself, the queue, the case in hand."""
    now = desk.clock.now()
    queue = [entry for entry in await desk.store.queue() if entry.present]
    working, _ = _on_duty(await desk.store.operators(), desk)
    session = await desk.store.session(operator.session_id) if operator.session_id else None
    return {
        "type": "state",
        "operator": {
            "id": operator.id,
            "name": operator.name,
            "role": str(operator.role),
            "availability": str(operator.availability),
            "pause_reason": operator.pause_reason,
            "since": iso(operator.since) if operator.since else None,
        },
        "queue": {
            "waiting": len(queue),
            "longest_seconds": round(max(((now - entry.joined_at).total_seconds() for entry in queue), default=0)),
            "operators": working,
        },
        "today": await _today(desk, operator, now),
        "case": await _case(desk, operator, session) if session else None,
    }


async def _today(desk: Desk, operator: Operator, now: datetime) -> dict[str, Any]:
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    handled = await desk.store.handled(operator.id, midnight)
    seconds = [length for _, length in handled]
    return {
        "calls": len(handled),
        **{name: sum(1 for state, _ in handled if state == name) for name in ("approved", "rejected", "referred")},
        "mean_seconds": round(sum(seconds) / len(seconds)) if seconds else None,
    }


async def _case(desk: Desk, operator: Operator, session: Session) -> dict[str, Any]:
    checks = await desk.store.checks(session.id)
    legs = desk.presence.legs.get(session.call_id or "", set())
    statistics = desk.media.statistics(session.call_id, Leg.APPLICANT) if session.call_id else None
    order = {name: n for n, name in enumerate(desk.policy.rules)}
    newest = sorted(deciding.latest(session, checks).values(), key=lambda row: order.get(str(row["check"]), 99))
    decision = session.decision or next(
        (one for one in reversed(session.earlier_decisions) if one.operator_id == operator.id), None
    )
    over = is_over_for(session, operator)
    lines = session.readings.get("back", {}).get("mrz_lines") or session.readings.get("front", {}).get("mrz_lines")
    return {
        "id": session.id,
        "state": str(session.state),
        "language": session.language,
        "purpose": session.purpose,
        "attempt": session.calls,
        "call_id": None if over else session.call_id,
        "call_started_at": iso(session.call_started_at) if session.call_started_at else None,
        "second_person": bool(session.earlier_decisions),
        "wrapping": over,
        "applicant_connected": Leg.APPLICANT in legs,
        "operator_connected": Leg.OPERATOR in legs,
        "recording": session.call_id in desk.recorded,
        "others": desk.presence.others(session.id),
        "interpreter": await interpreting.view(desk, session),
        "applicant_present": session.id in desk.presence.applicants,
        "attributes": dict(session.attributes),
        "corrections": dict(session.corrections),
        "mrz_lines": list(lines or ()),
        "images": dict(session.images),
        "checks": [dict(row) for row in newest],
        "history": [dict(row) for row in checks],
        "steps": [{**asdict(step), "at": iso(step.at)} for step in session.steps],
        "next_step": _next_step(session),
        "stills": [dict(still) for still in session.stills],
        "recommendation": recommendation_view(await deciding.recommend(desk, session)),
        "decision": _decision(desk, decision),
        "earlier_decisions": [_decision(desk, one) for one in session.earlier_decisions],
        "statistics": None if statistics is None else asdict(statistics),
        "guidance": list(desk.guidance[session.id]) if session.id in desk.guidance else None,
        "challenge": desk.challenges[session.id].view() if session.id in desk.challenges else None,
        "features": examining.view(checks, session.call_id),
        "messages": await _messages(desk, session),
    }


def recommendation_view(recommendation: Recommendation) -> dict[str, Any]:
    return {
        "approval": str(recommendation.approval),
        "parts": [
            {
                "check": part.check,
                "outcome": str(part.outcome),
                "effect": str(part.effect),
                "reasons": list(part.reasons),
                "remedy": part.remedy,
            }
            for part in recommendation.parts
        ],
    }


def _decision(desk: Desk, decision: Decision | None) -> dict[str, Any] | None:
    if decision is None:
        return None
    return {
        "outcome": str(decision.outcome),
        "reason_code": decision.reason_code,
        "note": decision.note,
        "override_reason": decision.override_reason,
        "made_at": iso(decision.made_at),
        "seals_at": iso(decision.made_at + desk.limits.undo),
        "sealed": decision.sealed,
    }
