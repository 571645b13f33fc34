"""A proofing session as a JSON document and back, field by field, so that a change of the record is seen here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from server.proofing import Decision, DecisionOutcome, Session, State, StepRecord

FORMAT = 1
"""Of the document; a later one reads the earlier ones too."""


def to_text(session: Session) -> str:
    """The document as JSON text. ASCII only, so that any text at all (a lone surrogate, NUL) can be stored."""
    return json.dumps(to_document(session), separators=(",", ":"), allow_nan=False)


def from_text(text: str) -> Session:
    """Raises ValueError for a document of another format, KeyError for one that lacks a field."""
    return from_document(json.loads(text))


def to_document(session: Session) -> dict[str, Any]:
    """All fields of the session, in values that JSON has; times as ISO 8601."""
    return {
        "format": FORMAT,
        "id": session.id,
        "token_sha256": session.token_sha256,
        "language": session.language,
        "purpose": session.purpose,
        "consent_version": session.consent_version,
        "created_at": session.created_at.isoformat(),
        "state": session.state.value,
        "version": session.version,
        "joined_at": _from_time(session.joined_at),
        "priority": session.priority,
        "operator_id": session.operator_id,
        "excluded_operators": list(session.excluded_operators),
        "call_id": session.call_id,
        "calls": session.calls,
        "attributes": dict(session.attributes),
        "corrections": dict(session.corrections),
        "readings": {side: dict(reading) for side, reading in session.readings.items()},
        "images": dict(session.images),
        "steps": [_from_step(step) for step in session.steps],
        "decision": None if session.decision is None else _from_decision(session.decision),
        "earlier_decisions": [_from_decision(decision) for decision in session.earlier_decisions],
        "stills": [dict(still) for still in session.stills],
        "wrap_up_note": session.wrap_up_note,
        "call_started_at": _from_time(session.call_started_at),
        "ended_at": _from_time(session.ended_at),
        "saved": session.saved,
        "person": session.person,
    }


def from_document(document: Mapping[str, Any]) -> Session:
    """The session that ``to_document`` wrote. Raises ValueError, KeyError."""
    if document.get("format") != FORMAT:
        raise ValueError(f"session document of an unknown format: {document.get('format')!r}")
    decision = document["decision"]
    return Session(
        id=document["id"],
        token_sha256=document["token_sha256"],
        language=document["language"],
        purpose=document["purpose"],
        consent_version=document["consent_version"],
        created_at=datetime.fromisoformat(document["created_at"]),
        state=State(document["state"]),
        version=document["version"],
        joined_at=_to_time(document["joined_at"]),
        priority=document["priority"],
        operator_id=document["operator_id"],
        excluded_operators=tuple(document["excluded_operators"]),
        call_id=document["call_id"],
        calls=document["calls"],
        attributes=document["attributes"],
        corrections=document["corrections"],
        readings=document["readings"],
        images=document["images"],
        steps=tuple(_to_step(step) for step in document["steps"]),
        decision=None if decision is None else _to_decision(decision),
        earlier_decisions=tuple(_to_decision(earlier) for earlier in document["earlier_decisions"]),
        stills=tuple(document["stills"]),
        wrap_up_note=document["wrap_up_note"],
        call_started_at=_to_time(document["call_started_at"]),
        ended_at=_to_time(document["ended_at"]),
        saved=document["saved"],
        person=document["person"],
    )


def _from_time(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _to_time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _from_step(step: StepRecord) -> dict[str, Any]:
    return {
        "step": step.step,
        "outcome": step.outcome,
        "at": step.at.isoformat(),
        "operator_id": step.operator_id,
        "note": step.note,
    }


def _to_step(document: Mapping[str, Any]) -> StepRecord:
    return StepRecord(
        step=document["step"],
        outcome=document["outcome"],
        at=datetime.fromisoformat(document["at"]),
        operator_id=document["operator_id"],
        note=document["note"],
    )


def _from_decision(decision: Decision) -> dict[str, Any]:
    return {
        "outcome": decision.outcome.value,
        "reason_code": decision.reason_code,
        "note": decision.note,
        "operator_id": decision.operator_id,
        "made_at": decision.made_at.isoformat(),
        "override_reason": decision.override_reason,
        "sealed": decision.sealed,
    }


def _to_decision(document: Mapping[str, Any]) -> Decision:
    return Decision(
        outcome=DecisionOutcome(document["outcome"]),
        reason_code=document["reason_code"],
        note=document["note"],
        operator_id=document["operator_id"],
        made_at=datetime.fromisoformat(document["made_at"]),
        override_reason=document["override_reason"],
        sealed=document["sealed"],
    )
