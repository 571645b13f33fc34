"""The proofing session: its states, the moves between them, its records, and the errors of the domain. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Any


class State(StrEnum):
    CONSENTED = "consented"
    WAITING = "waiting"
    MATCHED = "matched"
    IN_CALL = "in_call"
    SUSPENDED = "suspended"
    DECIDING = "deciding"
    APPROVED = "approved"
    REJECTED = "rejected"
    REFERRED = "referred"
    ISSUING = "issuing"
    ISSUED = "issued"
    ABANDONED = "abandoned"
    EXPIRED = "expired"


class Move(StrEnum):
    QUEUE = "queue"
    MATCH = "match"
    CONNECT = "connect"
    SUSPEND = "suspend"
    RESUME = "resume"
    RELEASE = "release"
    DECIDE = "decide"
    UNDO = "undo"
    APPROVE = "approve"
    REJECT = "reject"
    REFER = "refer"
    REQUEST_CERTIFICATES = "request_certificates"
    ISSUE = "issue"
    LEAVE = "leave"
    EXPIRE = "expire"


TRANSITIONS: Mapping[State, Mapping[Move, State]] = {
    State.CONSENTED: {Move.QUEUE: State.WAITING, Move.LEAVE: State.ABANDONED, Move.EXPIRE: State.EXPIRED},
    State.WAITING: {Move.MATCH: State.MATCHED, Move.LEAVE: State.ABANDONED, Move.EXPIRE: State.EXPIRED},
    State.MATCHED: {
        Move.CONNECT: State.IN_CALL,
        Move.RELEASE: State.WAITING,
        Move.LEAVE: State.ABANDONED,
    },
    State.IN_CALL: {Move.SUSPEND: State.SUSPENDED, Move.DECIDE: State.DECIDING, Move.LEAVE: State.ABANDONED},
    State.SUSPENDED: {
        Move.RESUME: State.IN_CALL,
        Move.RELEASE: State.WAITING,
        Move.DECIDE: State.DECIDING,
        Move.LEAVE: State.ABANDONED,
    },
    State.DECIDING: {
        Move.UNDO: State.IN_CALL,
        Move.APPROVE: State.APPROVED,
        Move.REJECT: State.REJECTED,
        Move.REFER: State.REFERRED,
    },
    State.REFERRED: {Move.MATCH: State.MATCHED, Move.LEAVE: State.ABANDONED, Move.EXPIRE: State.EXPIRED},
    State.APPROVED: {Move.REQUEST_CERTIFICATES: State.ISSUING, Move.EXPIRE: State.EXPIRED},
    State.ISSUING: {Move.ISSUE: State.ISSUED},
    State.REJECTED: {},
    State.ISSUED: {},
    State.ABANDONED: {},
    State.EXPIRED: {},
}
"""State -> the moves it allows -> the state they lead to. What is not here cannot happen."""

FINAL = frozenset(state for state, moves in TRANSITIONS.items() if not moves)
QUEUED = frozenset({State.WAITING, State.REFERRED})
HELD = frozenset({State.MATCHED, State.IN_CALL, State.SUSPENDED, State.DECIDING})
"""States in which an operator holds the session."""


class DomainError(Exception):
    """A rule of the domain says no. ``code`` is stable; the message is for people, in English; ``details`` is JSON."""

    def __init__(self, code: str, message: str, **details: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(type(self), **self.details), (self.code, self.message)  # whole across a process boundary


class Role(StrEnum):
    OPERATOR = "operator"
    SUPERVISOR = "supervisor"
    AUDITOR = "auditor"


CALL_ROLES = frozenset({Role.OPERATOR, Role.SUPERVISOR})
"""Who takes calls. An auditor reads only."""


class Availability(StrEnum):
    READY = "ready"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class Operator:
    id: str
    name: str
    role: Role = Role.OPERATOR
    availability: Availability = Availability.PAUSED
    pause_reason: str = ""
    since: datetime | None = None
    session_id: str | None = None
    """The session in hand, during the call and until the wrap-up is done."""
    wrapping: bool = False
    """The call is over; the operator finishes the record."""


INTERPRETED_LANGUAGES = ("kazakh_sign", "russian_sign", "english", "turkish", "chinese", "uzbek", "uyghur", "other")
"""Between which and the operator's language an interpreter can be asked for."""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A third person in one call: asked for by its operator, agreed to by the applicant. ``version`` counts changes."""

    id: str
    session_id: str
    call_id: str
    name: str
    language: str
    invited_by: str
    invited_at: datetime
    version: int = 1
    agreed: bool | None = None
    """The applicant's answer; None: she has not answered yet."""
    duty_version: str = ""
    """The text on confidentiality that the interpreter agreed to."""
    ended_at: datetime | None = None
    ended_by: str = ""
    """operator, applicant, interpreter, call"""

    @property
    def admitted(self) -> bool:
        """She may see, hear and speak."""
        return self.ended_at is None and self.agreed is True and self.duty_version != ""


class DecisionOutcome(StrEnum):
    APPROVE = "approve"
    REJECT = "reject"
    REFER = "refer"


@dataclass(frozen=True, slots=True)
class Decision:
    outcome: DecisionOutcome
    reason_code: str
    note: str
    operator_id: str
    made_at: datetime
    override_reason: str = ""
    sealed: bool = False


REJECT_REASONS = (
    "different_person",
    "document_not_genuine",
    "document_expired",
    "data_do_not_agree",
    "under_influence_of_others",
    "not_voluntary",
    "picture_or_sound_too_poor",
    "applicant_stopped",
    "other",
)
"""Reason codes of a rejection, in the order of the keys 1-9. ``other`` needs a note."""

REFER_REASONS = (
    "comparison_failed",
    "comparison_inconclusive",
    "document_doubt",
    "video_doubt",
    "applicant_behaviour",
    "other",
)

STEPS = ("greet", "purpose", "show_card", "tilt_card", "questions", "face_in_frame", "compare")
"""The script of a call. ``compare`` is recorded by the comparison itself."""

STEP_OUTCOMES = ("done", "skipped", "problem")


class RevocationReason(StrEnum):
    """Why certificates are revoked. Kept in the audit trail; the revocation list gives none (RFC 5280, 5.3.1)."""

    KEYS_LOST = "keys_lost"
    NO_LONGER_WANTED = "no_longer_wanted"
    KEYS_EXPOSED = "keys_exposed"
    ISSUED_WRONGLY = "issued_wrongly"


SERVICE_PAUSE_REASONS = ("technical", "recording_failed")
"""Reasons for which the service itself pauses an operator."""
PAUSE_REASONS = ("break", "lunch", "training", "technical", "end_of_shift")


@dataclass(frozen=True, slots=True)
class StepRecord:
    step: str
    outcome: str
    at: datetime
    operator_id: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Session:
    """The whole case of one applicant. ``version`` counts its moves; pictures are named by hash, never held."""

    id: str
    token_sha256: str
    language: str
    purpose: str
    consent_version: str
    created_at: datetime
    state: State = State.CONSENTED
    version: int = 1
    joined_at: datetime | None = None
    priority: int = 0
    """Higher goes first: 1 when a call was lost to the service's side, 2 for a second person's look."""
    operator_id: str | None = None
    excluded_operators: tuple[str, ...] = ()
    call_id: str | None = None
    calls: int = 0
    attributes: Mapping[str, str] = field(default_factory=dict)
    corrections: Mapping[str, str] = field(default_factory=dict)
    readings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Side -> {usable, problems, attributes, image: sha256, original: sha256} as the applicant saw it."""
    images: Mapping[str, str] = field(default_factory=dict)
    """front, back, portrait -> SHA-256 of the blob in the vault."""
    steps: tuple[StepRecord, ...] = ()
    decision: Decision | None = None
    """Pending while deciding, sealed after."""
    earlier_decisions: tuple[Decision, ...] = ()
    """Decisions of earlier calls (referrals)."""
    stills: tuple[Mapping[str, Any], ...] = ()
    """Stills of the card from the live video: {image, found, at, frame, rtp_timestamp}."""
    wrap_up_note: str = ""
    call_started_at: datetime | None = None
    ended_at: datetime | None = None
    saved: bool = False
    person: str = ""
    """HMAC of the IIN: finds a person's earlier sessions without keeping the number in a column."""

    def move(self, move: Move, **changes: Any) -> Session:
        """The session after ``move``. Raises DomainError move_not_allowed."""
        target = TRANSITIONS[self.state].get(move)
        if target is None:
            raise DomainError(
                "move_not_allowed", f"A session that is {self.state} does not allow: {move}.", state=str(self.state)
            )
        return replace(self, state=target, **changes)

    def require(self, *states: State) -> None:
        """Raises DomainError wrong_state unless the session is in one of the states."""
        if self.state not in states:
            raise DomainError("wrong_state", f"The session is {self.state} now.", state=str(self.state))
