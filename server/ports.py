"""What the use cases need of the world, as small Protocols. Adapters implement them; app.py chooses which."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol, runtime_checkable

from server.audit import Event, StoredEvent
from server.proofing import Interpreter, Operator, Session
from verification.contract import (
    CheckResult,
    Comparison,
    DocumentReading,
    Frame,
    Guidance,
    RegistryQuery,
    RegistryRecord,
    Sender,
    Side,
    SideReading,
)


class Leg(StrEnum):
    """The connections of a call: of the two that it is between, of an interpreter, and three that only receive."""

    APPLICANT = "applicant"
    OPERATOR = "operator"
    INTERPRETER = "interpreter"
    APPLICANT_SIDE = "applicant_side"
    """A second connection of the applicant's page."""
    OPERATOR_SIDE = "operator_side"
    INTERPRETER_SIDE = "interpreter_side"


PAIR = (Leg.APPLICANT, Leg.OPERATOR)
"""Between whom the call is."""
ENDS = (*PAIR, Leg.INTERPRETER)
"""Who sends, and so is recorded."""
RECEIVES: Mapping[Leg, Leg] = MappingProxyType(
    {
        Leg.APPLICANT: Leg.OPERATOR,
        Leg.OPERATOR: Leg.APPLICANT,
        Leg.INTERPRETER: Leg.APPLICANT,
        Leg.APPLICANT_SIDE: Leg.INTERPRETER,
        Leg.OPERATOR_SIDE: Leg.INTERPRETER,
        Leg.INTERPRETER_SIDE: Leg.OPERATOR,
    }
)
"""Connection -> whose picture and sound it gets: one of each, as every connection carries one of each."""
SIDE: Mapping[Leg, Leg] = MappingProxyType(
    {
        Leg.APPLICANT: Leg.APPLICANT_SIDE,
        Leg.OPERATOR: Leg.OPERATOR_SIDE,
        Leg.INTERPRETER: Leg.INTERPRETER_SIDE,
    }
)
"""An end -> the second connection of its page. What that sends goes nowhere."""
INTERPRETED = (Leg.INTERPRETER, *SIDE.values())
"""What is there because of an interpreter."""


# --- media -----------------------------------------------------------------------------------------


class MediaError(Exception):
    """The offer cannot be answered, or the call has no such leg. ``code`` is stable."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class LegEvent:
    """A change that the media engine reports: connected, silent (no packet for 3 s), closed, lost (its media process
    died: offer anew), offer_again (the call needs another codec: offer anew, the connection stands until then),
    recording, recording_failed."""

    call: str
    leg: Leg
    kind: str


@dataclass(frozen=True, slots=True)
class LegStatistics:
    """Figures of one leg as the server sees it, since it connected."""

    connected: bool
    frames_per_second: float
    width: int
    height: int
    packets_lost: int
    bits_per_second: float


@dataclass(frozen=True, slots=True)
class RecordingPlan:
    """How a call is to be recorded."""

    folder: Path
    """Where the files go; it must exist."""
    session: str
    key: bytes
    """32 bytes; the files are encrypted with keys derived from it."""
    previous: str = ""
    """What the chain of the first segments begins with: the session's newest audit hash (hex)."""


@dataclass(frozen=True, slots=True)
class RecordedSegment:
    """One leg's recording from a connection to its end."""

    leg: Leg
    number: int
    path: Path
    chain: str
    """The last chain value (hex)."""
    size: int


@dataclass(frozen=True, slots=True)
class KeptSegment:
    """A segment of a recording as it lies in the archive, and what its own seals say."""

    leg: Leg
    number: int
    file: str
    """Name of its file."""
    began: datetime | None
    """None where the file does not say it any more; nothing of it can be played then."""
    seconds: float
    """Length, from ``began`` to the last picture or sound."""
    first: float
    """Seconds from ``began`` to the first picture or sound: a player begins there."""
    size: int
    """Bytes of the seekable WebM; 0 where nothing can be played."""
    verified: bool
    """Every seal fits, and nothing in it is damaged."""
    complete: bool
    """It was closed in order."""
    chain: str
    """The last chain value that fits (hex)."""
    previous: str
    """The chain value that it says it follows (hex)."""
    damaged: tuple[tuple[float, float], ...]
    """From and to, in seconds since ``began``: what is not as it was written."""
    media_type: str = "video/webm"
    """video/x-matroska where the call ran on H.264, which WebM does not permit."""


class Recordings(Protocol):
    """The archive of recorded calls, to be looked at."""

    async def segments(self, session: str) -> list[KeptSegment]:
        """All segments of a session: leg after leg, each in the order of recording. Raises OSError."""

    async def read(self, session: str, leg: Leg, number: int, offset: int, length: int) -> bytes:
        """A part of the segment as a seekable WebM, decrypted in memory. Raises KeyError where there is none,
        ValueError where it does not decrypt any more, OSError."""

    def follow(self, session: str, leg: Leg, ready: Callable[[], Awaitable[None]]) -> AsyncGenerator[bytes, None]:
        """The leg's newest segment while it is written, as a live WebM of what comes from now on.

        ``ready`` is called once: the next key frame begins the stream. It ends with the segment, or when nothing has
        come for 5 s. Raises KeyError where nothing is recorded, OSError.
        """


class Media(Protocol):
    """Carries a call between browsers and lets the server look at what it received.

    A room is a call's id. A new offer on a leg that is already there replaces that leg (reconnect). What an end
    sends goes to every connection that RECEIVES it.
    """

    async def answer(self, call: str, leg: Leg, sdp: str) -> str:
        """Take an SDP offer (one audio and one video section, sendrecv) and return the SDP answer.

        Raises MediaError: media_offer_invalid, media_codec_unsupported, media_full, media_superseded.
        """

    async def add_candidate(self, call: str, leg: Leg, candidate: Mapping[str, Any]) -> None:
        """Add a trickled candidate ({candidate, sdpMid, sdpMLineIndex}). Raises MediaError: media_candidate_invalid."""

    async def request_keyframe(self, call: str, leg: Leg) -> None:
        """Ask that leg's browser for a key frame (RFC 5104 PLI); silently nothing if it is not connected."""

    async def frames(self, call: str, leg: Leg, count: int, within: float) -> list[Frame]:
        """The next ``count`` frames of the leg, spread over at most ``within`` seconds, newest wins.

        Returns fewer (perhaps none) when the video has stopped. Raises MediaError: media_not_connected.
        """

    def statistics(self, call: str, leg: Leg) -> LegStatistics | None: ...

    def events(self) -> AsyncIterator[LegEvent]:
        """Changes of all legs, in order, for the one task that listens. Bounded: oldest are dropped."""

    async def record(self, call: str, plan: RecordingPlan) -> None:
        """Keep every end's sound and picture from now on, each connection as the next segment of its leg's chain.

        LegEvents tell ``recording`` for each segment that begins, and ``recording_failed`` when one cannot be
        written (the call must not go on then). Segments of an earlier process are continued. Repeating it is harmless.
        Raises MediaError: media_recording_failed (no room, folder not writable).
        """

    async def stop_recording(self, call: str) -> list[RecordedSegment]:
        """Seal and close the segments; all that were written since ``record``, by leg and in order. Empty if none."""

    async def hang_up(self, call: str, leg: Leg) -> None:
        """End one connection, and the segment that is recorded of it; no event tells it. Idempotent."""

    async def close(self, call: str) -> None:
        """End every connection and free everything. Idempotent."""

    async def aclose(self) -> None: ...


@runtime_checkable
class Renewable(Protocol):
    """A media engine whose processes can be replaced under running calls."""

    async def renew(self) -> None:
        """Put a new process beside each old one, which ends with its last call. Raises TimeoutError, OSError."""


@runtime_checkable
class Carrying(Protocol):
    """A media engine of processes that come back by themselves, and may not be there meanwhile."""

    def can_carry(self) -> bool:
        """Whether a call that begins now finds it there."""


# --- checks ----------------------------------------------------------------------------------------


class CheckUnavailable(Exception):
    """The worker died, hung or is overloaded. That one check did not run; nothing else is lost."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code  # check_crashed | check_timed_out | check_busy | matcher_unusable
        self.message = message

    def __reduce__(self) -> tuple[type[CheckUnavailable], tuple[str, str]]:
        return type(self), (self.code, self.message)


@dataclass(frozen=True, slots=True)
class Matcher:
    """What compares faces, and the calibration that makes its scores decisions."""

    model: str
    version: str
    licence: str
    calibration: str
    """SHA-256 of the calibration file."""
    condition: str
    """The conditions that it was measured under: clean, id-webcam."""
    threshold: float
    fmr: float
    """False match rate that the threshold stands for, 0..1."""
    fnmr: float


@dataclass(frozen=True, slots=True)
class ChallengeStep:
    """One thing that the applicant is asked to do (verification.challenge has the kinds)."""

    number: int
    """From 1."""
    of: int
    kind: str
    window: float
    """Seconds in which it has to be done."""
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ChallengeProgress:
    """Where a liveness challenge stands after some frames."""

    state: bytes
    """The judge, for the next call; opaque, and never from anywhere but the checker."""
    due: ChallengeStep | None
    """Show this step now, and say with the next frames when it was shown."""
    progress: float
    """0..1 of the step under way."""
    face: bool
    steps: tuple[Mapping[str, Any], ...]
    """Steps that ended: {kind, outcome, reason}."""
    evidence: tuple[tuple[str, bytes], ...]
    """(name of the step, JPEG) of frames that show an act better than any before."""
    result: CheckResult | None
    """check = "liveness" or "tilt", once all is over."""
    sources: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Name of a piece of evidence -> {rtp_timestamp, sha256} of the frame it is."""


@dataclass(frozen=True, slots=True)
class AskedFeature:
    """A security feature that the operator is to confirm or deny (verification.security_features)."""

    id: str
    kind: str
    side: Side
    variable: bool
    """Whether it changes with the angle."""
    region: tuple[float, float, float, float] | None
    """left, top, right, bottom as fractions of the card; None where the place is not known."""
    ask: str
    """What the applicant is asked to do with the card: tilt, side_light, closer."""
    look_for: Mapping[str, str]
    """Language -> sentence for the operator."""


@dataclass(frozen=True, slots=True)
class FeatureStill:
    """An enlarged still of one feature."""

    jpeg: bytes
    found: bool
    """Whether the feature's side of the card was seen; otherwise the whole frame is shown."""
    index: int
    """Which of the frames it is."""


class RegistryUnavailable(Exception):
    """The registry gave no answer that can be judged. ``code``: registry_not_asked (it is not for this document),
    registry_unreachable, registry_timed_out, registry_refused, registry_answer_invalid."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Registry(Protocol):
    """The authority's register of identity documents."""

    name: str
    """Which one, for the record: the model of its results."""

    async def look_up(self, query: RegistryQuery) -> RegistryRecord | None:
        """What it says of a document; None where it knows none. Raises RegistryUnavailable, within a bounded time."""

    async def aclose(self) -> None: ...


class Checker(Protocol):
    """verification/ behind a process boundary. Each call raises UnusableInput or CheckUnavailable."""

    async def assess_side(self, image: bytes, side: Side) -> SideReading: ...

    async def read_document(self, front: bytes, back: bytes, today: datetime) -> DocumentReading: ...

    async def judge_registry(self, attributes: Mapping[str, str], record: RegistryRecord | None) -> CheckResult:
        """check = "registry": the registry's answer (None: it knows no such document) against what was read."""

    async def judge_typed(self, read: Mapping[str, str], typed: Mapping[str, str]) -> CheckResult:
        """check = "typed_text": what the applicant typed in place of what was read."""

    async def compare(self, portrait: bytes, probes: AsyncIterable[Frame]) -> Comparison:
        """Each frame is looked at as it comes, while the next is on its way; what ``probes`` raises comes out here."""
        ...

    async def signs(self, frames: Sequence[Frame], sender: Sender) -> CheckResult:
        """check = "injection": passive signs that the video is not a live person's before a camera. Frames of one
        size, in order. details: each sign with value, suspicion, model and the error that docs/attacks.md has."""

    async def guide(self, frame: Frame) -> Guidance: ...

    async def new_challenge(self, needs: Sequence[str]) -> ChallengeProgress:
        """Draw a script at random, without what the person cannot do. Raises DomainError need_unknown,
        challenge_too_weak."""

    async def follow_challenge(
        self, state: bytes, frames: Sequence[Frame], shown_at: float | None, *, last: bool
    ) -> ChallengeProgress:
        """Judge further frames. ``shown_at``: when the due step was shown (clock of Frame.received_at).
        ``last``: no more frames come, so the result is made of what there is. Also of ``new_tilt``."""

    async def new_tilt(self, issuing_state: str) -> ChallengeProgress:
        """Draw at random how the card of that state (ICAO's letters) is to be tilted and covered by a finger.
        It goes on with ``follow_challenge``."""

    async def pick_features(self, issuing_state: str) -> tuple[str, tuple[AskedFeature, ...]]:
        """(name of the catalogue, at least three security features of different kinds picked at random)."""

    async def feature_stills(
        self, frames: Sequence[Frame], features: Sequence[AskedFeature]
    ) -> tuple[FeatureStill, ...]:
        """An enlarged still of each feature from the sharpest of the frames."""

    async def card_still(self, frame: Frame) -> tuple[bytes, bool]:
        """(JPEG of the card in the frame, straightened where found; whether a card was found)."""

    async def specimen(self, selfie: bytes, seed: int, today: datetime) -> tuple[bytes, bytes]:
        """Front and back (JPEG) of a SPECIMEN card drawn with the face in the picture. Demo only."""

    async def aclose(self) -> None: ...


# --- issuing ---------------------------------------------------------------------------------------


class CertificateProfile(StrEnum):
    SIGN = "sign"
    AUTH = "auth"


class IssuanceRefused(Exception):
    """The certificate request cannot be honoured. ``code`` is stable: csr_malformed, csr_signature_invalid,
    csr_subject_mismatch, csr_key_weak, csr_key_unsupported, csr_key_reused, csr_keys_identical, subject_invalid."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class CertificateOrder:
    """All that determines one certificate, recorded before signing, so that a repeat yields the same one."""

    session: str
    profile: CertificateProfile
    csr_der: bytes
    subject_der: bytes
    serial_number: int
    not_before: datetime
    not_after: datetime


@dataclass(frozen=True, slots=True)
class IssuedCertificate:
    session: str
    profile: CertificateProfile
    serial_number: int
    spki_sha256: str
    der: bytes
    not_after: datetime
    revoked_at: datetime | None = None


class Issuer(Protocol):
    """RA checks and CA enrolment. The caller enrols only on a recorded approval."""

    demonstration: bool

    def subject(self, attributes: Mapping[str, str]) -> bytes:
        """DER of the subject Name built from verified attributes (FIELD: CN, SURNAME, GIVENNAME, serialNumber, C)."""

    def examine(self, csr_der: bytes, subject_der: bytes) -> str:
        """Check proof of possession, subject, key type and strength; return the key's SPKI SHA-256 (hex).

        Raises IssuanceRefused.
        """

    def order(
        self, session: str, profile: CertificateProfile, csr_der: bytes, subject_der: bytes, now: datetime
    ) -> CertificateOrder: ...

    async def enrol(self, order: CertificateOrder) -> bytes:
        """DER of the certificate. The same order gives the same certificate, byte for byte."""

    def chain(self) -> list[bytes]:
        """DER of the issuing certificate and of the root, in this order."""

    async def crl(self, revoked: Sequence[IssuedCertificate], now: datetime) -> bytes:
        """DER of the current certificate revocation list."""

    def root_crl(self) -> bytes:
        """DER of the root's revocation list: whether the issuing certificate stands."""


# --- keeping ---------------------------------------------------------------------------------------


class Vault(Protocol):
    """Encrypted blobs, named by the SHA-256 of their content (plain bytes); the session is bound as AAD."""

    async def put(self, session: str, content: bytes) -> str: ...

    async def get(self, session: str, sha256: str) -> bytes:
        """Raises KeyError where there is none, ValueError where it does not decrypt."""

    async def delete_session(self, session: str) -> int: ...


class Conflict(Exception):
    """The row changed since it was read; read it again."""


class Timer(StrEnum):
    DECISION_SEAL = "decision_seal"
    LEG_RESUME = "leg_resume"
    PRESENCE = "presence"
    ISSUANCE = "issuance"


@dataclass(frozen=True, slots=True)
class QueueEntry:
    session: str
    joined_at: datetime
    priority: int
    present: bool


@dataclass(frozen=True, slots=True)
class ChatMessage:
    number: int
    sender: Leg
    text: str
    sent_at: datetime
    client_id: str


class Store(Protocol):
    """Rows that survive. Every write is one transaction; ``save`` is a move: row version + audit events."""

    async def create_session(
        self, session: Session, *events: Event, timers: Mapping[Timer, datetime | None] = MappingProxyType({})
    ) -> Session:
        """Raises Conflict when the id or the token is known already."""

    async def session(self, session_id: str) -> Session | None: ...

    async def recent(self, limit: int) -> list[Session]:
        """The latest sessions, newest first."""

    async def session_by_token(self, token_sha256: str) -> Session | None: ...

    async def save(
        self,
        session: Session,
        *events: Event,
        timers: Mapping[Timer, datetime | None] = MappingProxyType({}),
        operator: Operator | None = None,
    ) -> Session:
        """Write the session if its stored version is still ``session.version``; returns it with version + 1.

        ``timers``: kind -> due time, or None to cancel. ``operator``: what becomes of this session in her hand
        (``session_id`` and ``wrapping``, nothing else), in the same transaction. Raises Conflict.
        """

    async def append(self, *events: Event) -> None:
        """Audit events that move no session."""

    async def assign_next(
        self,
        operator_id: str,
        now: datetime,
        event: Event,
        *,
        timers: Mapping[Timer, datetime | None] = MappingProxyType({}),
    ) -> Session | None:
        """Give the operator the next session: highest priority, then oldest; moved to matched, with a new call.

        Only a ready operator without a session gets one; only a session whose applicant is present, and never one
        that excludes this operator. ``event``'s stream, ``operator`` and ``call`` are filled in by the store.
        """

    async def queue(self) -> list[QueueEntry]:
        """Waiting sessions in the order in which they are taken."""

    async def set_presence(self, session_id: str, present: bool, now: datetime) -> None:
        """Whether the applicant's page is connected. No version change: presence is not a move."""

    async def clear_presence(self) -> None:
        """At start-up nobody is connected yet."""

    async def due_timers(self, now: datetime, limit: int = 100) -> list[tuple[str, Timer]]: ...

    async def clear_timer(self, session_id: str, timer: Timer, due_by: datetime | None = None) -> None:
        """Cancel the timer; with ``due_by`` only if it is due by then, so that one set anew meanwhile stays."""

    async def record_check(self, session_id: str, check: Mapping[str, Any], *events: Event) -> None:
        """Append one check result (JSON-able: CheckResult's fields + "images": {name: blob sha256}, "at": ISO)."""

    async def checks(self, session_id: str) -> list[dict[str, Any]]:
        """All check results in the order recorded."""

    async def add_message(self, session_id: str, sender: Leg, text: str, client_id: str, now: datetime) -> ChatMessage:
        """Append a chat message; the same client_id from the same sender again returns the first one."""

    async def messages(self, session_id: str) -> list[ChatMessage]: ...

    async def add_operator(self, operator: Operator, link_sha256: str, link_expires: datetime, *events: Event) -> None:
        """Create the operator, or (same id) set name and role and give a new one-time link; unused ones end."""

    async def redeem_link(
        self, link_sha256: str, session_sha256: str, expires: datetime, now: datetime
    ) -> Operator | None:
        """Use a one-time link up and open an operator's sign-in, in one transaction; None if used, expired, unknown."""

    async def operator_by_token(self, session_sha256: str, now: datetime) -> Operator | None: ...

    async def operator(self, operator_id: str) -> Operator | None: ...

    async def operators(self) -> list[Operator]: ...

    async def end_sign_in(self, session_sha256: str) -> None: ...

    async def save_operator(self, operator: Operator, *events: Event) -> None:
        """Name, role, availability, pause reason and since; the session in hand changes with the session only.

        Raises KeyError if unknown.
        """

    async def sessions_of(self, operator_id: str) -> list[Session]:
        """Sessions now held by this operator (matched, in_call, suspended, deciding, or in wrap-up)."""

    async def add_interpreter(
        self, interpreter: Interpreter, link_sha256: str, link_expires: datetime, *events: Event
    ) -> None:
        """Raises Conflict when the session has one who has not ended."""

    async def redeem_interpreter(self, link_sha256: str, token_sha256: str, now: datetime) -> Interpreter | None:
        """Use a one-time link up and open her sign-in, in one transaction; None if used, expired, unknown, ended."""

    async def interpreter_by_token(self, token_sha256: str) -> Interpreter | None: ...

    async def interpreters(self, session_id: str) -> list[Interpreter]:
        """All who were ever asked into a call of this session, oldest first."""

    async def save_interpreter(self, interpreter: Interpreter, *events: Event) -> Interpreter:
        """Her answers and her end, if the stored version is hers still; returned with version + 1. Raises Conflict."""

    async def last_rejection(self, person: str) -> datetime | None:
        """When the latest sealed rejection of this person (Session.person) was made."""

    async def handled(self, operator_id: str, since: datetime) -> list[tuple[str, float]]:
        """(what it led to, seconds of the call) of each connected call that ended since then, oldest first.

        It leads to approved, rejected, referred, released, abandoned or expired.
        """

    async def handled_sessions(self, operator_id: str, since: datetime) -> list[str]:
        """Sessions that left this operator's hand since then, oldest first, each once."""

    async def latest_handling(self, limit: int) -> list[float]:
        """Seconds of the latest finished calls of everybody, newest last."""

    async def place_orders(
        self,
        session: Session,
        orders: Sequence[CertificateOrder],
        keys: Mapping[CertificateProfile, str],
        *events: Event,
        timers: Mapping[Timer, datetime | None] = MappingProxyType({}),
    ) -> Session:
        """Like ``save``, with the orders and the SPKI SHA-256 of their keys in the same transaction.

        Raises Conflict; IssuanceRefused csr_key_reused when a key's SPKI is already known.
        """

    async def orders(self, session_id: str) -> list[CertificateOrder]: ...

    async def record_certificates(
        self,
        session: Session,
        certificates: Sequence[IssuedCertificate],
        *events: Event,
        timers: Mapping[Timer, datetime | None] = MappingProxyType({}),
    ) -> Session:
        """Like ``save``, with the certificates. Of one recorded before only ``revoked_at`` is written."""

    async def certificates(self, session_id: str) -> list[IssuedCertificate]: ...

    async def revoke(self, session_id: str, at: datetime, *events: Event) -> int:
        """Revoke the session's certificates that stand; how many. The events are written only if there was one."""

    async def revoked(self) -> list[IssuedCertificate]: ...

    async def due_for_purge(self, before: datetime, limit: int) -> list[Session]:
        """Ended sessions not purged yet, whose end and whose certificates' end lie before the moment."""

    async def purge(self, emptied: Session, events: Sequence[Event]) -> None:
        """Write the emptied session; delete its checks, messages, orders and certificates. Raises Conflict."""

    async def audit_events(self, stream: str | None = None) -> list[StoredEvent]:
        """Events of one stream (a session's id, or "system") in order, or all."""

    async def aclose(self) -> None: ...


# --- telling ---------------------------------------------------------------------------------------


class Bus(Protocol):
    """Tells the process's pages that something changed. Carries names, never data: readers read the store."""

    async def publish(self, topic: str) -> None: ...

    def subscribe(self, *topics: str) -> AbstractAsyncContextManager[AsyncIterator[str]]:
        """Topics as they change. Coalesced: a topic published many times while the reader is busy comes once."""


class Clock(Protocol):
    def now(self) -> datetime:
        """Aware, UTC."""
