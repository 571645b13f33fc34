"""The audit trail: the catalogue of events, their canonical form, and the hash chain. Pure.

Each session is a stream of its own (``stream`` = the session's id); what belongs to no session is in ``system``.
An event carries codes, numbers and hashes, never names, numbers of people or pictures.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

GENESIS = "0" * 64
"""What the first event of a stream names as the previous hash."""

SYSTEM = "system"

CATALOGUE: Mapping[str, str] = {
    "session_opened": "The applicant consented and a session began: language, purpose, consent_version.",
    "evidence_received": "A side of the card was photographed: side, image hashes, usable, problems.",
    "evidence_confirmed": "The applicant confirmed what was read: names of corrected attributes.",
    "queued": "The session waits for an operator.",
    "matched": "An operator was assigned: operator, call.",
    "leg_connected": "Media of one end of the call is connected: leg.",
    "call_started": "Both ends are connected.",
    "call_suspended": "An end of the call was lost: leg, reason.",
    "call_resumed": "Both ends are connected again.",
    "released": "The operator gave the session back to the queue: reason.",
    "step_recorded": "The operator recorded a step of the script: step, outcome.",
    "still_captured": "A still of the card was taken from the live video: image hash, RTP timestamp, whether found.",
    "check_recorded": "A check gave a result: check, outcome, score, threshold, model, version, image hashes.",
    "check_unavailable": "A check could not run: check, code.",
    "challenge_started": "Tasks for the face (liveness) or for the card (tilt) began: check, needs.",
    "features_picked": "Security features to look at were picked at random: call, catalogue, features.",
    "feature_still_captured": "A still of a security feature was taken: feature, image hash, RTP timestamp, found.",
    "feature_answered": "The operator confirmed or denied a security feature: feature, answer.",
    "decision_made": "An operator decided; it is sealed after the time to undo: outcome, reason_code, override.",
    "decision_undone": "The operator took the decision back in time.",
    "approved": "The decision to approve was sealed.",
    "rejected": "The decision to reject was sealed: reason_code.",
    "referred": "The session goes to a second person: reason_code.",
    "certificates_requested": "The RA accepted the requests: profiles, serial numbers, SPKI hashes.",
    "certificates_issued": "The CA issued: profiles, serial numbers, certificate hashes.",
    "certificates_saved": "The applicant's page reported the key file saved.",
    "certificates_revoked": "Certificates were revoked: serial numbers, reason.",
    "left": "The applicant left.",
    "expired": "A time limit ended the session: timer.",
    "wrapped_up": "The operator finished the wrap-up.",
    "purged": "Retention is over: pictures, recordings and attributes were deleted: numbers of blobs and recordings.",
    "dossier_read": "Somebody printed or opened the dossier: actor, role.",
    "recording_played": "Somebody played a recording: actor, role, leg, number of the segment.",
    "recording_started": "A recording began: recording, legs.",
    "recording_stopped": "A recording ended: recording, seconds, head hash of its chain.",
    "recording_failed": "A recording could not be written: code.",
    "supervisor_joined": "A supervisor began to watch the call: actor, call.",
    "supervisor_left": "A supervisor watches the call no more: actor.",
    "interpreter_invited": "The operator asked an interpreter into the call: interpreter, call, language.",
    "interpreter_signed_in": "An interpreter's link was used: interpreter.",
    "interpreter_agreed": "The applicant agreed to the interpreter: interpreter.",
    "interpreter_bound": "The interpreter agreed to her duties: interpreter, duty_version.",
    "interpreter_joined": "The interpreter's picture and sound are connected: interpreter, call.",
    "interpreter_left": "The interpreter's connection was lost: interpreter, reason.",
    "interpreter_ended": "The interpreter's part is over: interpreter, by (operator, applicant, interpreter, call).",
    "operator_added": "An operator was created or given a new sign-in link: operator, role.",
    "signed_in": "An operator signed in: operator.",
    "sign_in_failed": "A sign-in link was refused: code.",
    "signed_out": "An operator signed out: operator.",
    "availability_set": "An operator became ready or paused: operator, availability, reason.",
    "server_started": "The server started: version, profile, face matcher and its calibration.",
    "authority_made": "The embedded CA made its keys: certificate hashes.",
}
"""Every kind of event that may be written, with what its data holds. An event of another kind is refused."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, before it is stored. ``actor``: applicant, operator:<id>, interpreter:<id>, system."""

    stream: str
    kind: str
    actor: str
    at: datetime
    data: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind not in CATALOGUE:
            raise ValueError(f"audit event kind not in the catalogue: {self.kind}")
        if self.at.tzinfo is None:
            raise ValueError("audit event without a time zone")


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event as stored, linked to the one before it in its stream. ``number`` starts at 1."""

    stream: str
    number: int
    kind: str
    actor: str
    at: datetime
    data: Mapping[str, Any]
    previous_sha256: str
    sha256: str


def canonical(event: Event | StoredEvent, number: int, previous_sha256: str) -> bytes:
    """The bytes that are hashed: JSON with sorted keys, no blanks, UTF-8, UTC time to the microsecond (cf. RFC 8785).

    Raises ValueError or TypeError for data that JSON does not have.
    """
    return json.dumps(
        {
            "stream": event.stream,
            "number": number,
            "kind": event.kind,
            "actor": event.actor,
            "at": event.at.astimezone(UTC).isoformat(timespec="microseconds"),
            "data": dict(event.data),
            "previous": previous_sha256,
        },
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
        allow_nan=False,
    ).encode()


def link(event: Event, number: int, previous_sha256: str) -> StoredEvent:
    """Chain an event to the one before it."""
    digest = hashlib.sha256(canonical(event, number, previous_sha256)).hexdigest()
    return StoredEvent(
        event.stream, number, event.kind, event.actor, event.at, dict(event.data), previous_sha256, digest
    )


def first_fault(events: Iterable[StoredEvent]) -> int | None:
    """Number of the first event of ONE stream that does not verify; None when the whole chain holds.

    Says nothing of the catalogue: an event stays true when a later version no longer writes its kind.
    """
    previous, expected, stream = GENESIS, 1, None
    for stored in events:
        if stored.number != expected or stored.previous_sha256 != previous or stream not in (None, stored.stream):
            return expected
        try:
            digest = hashlib.sha256(canonical(stored, expected, previous)).hexdigest()
        except (ValueError, TypeError):  # nothing that could be written: somebody else put it there
            return expected
        if digest != stored.sha256:
            return expected
        previous, expected, stream = stored.sha256, expected + 1, stored.stream
    return None
