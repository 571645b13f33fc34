"""What every use case is handed: the ports, the rules, and who is connected right now."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import SystemRandom
from typing import Any

import structlog

from server.adjudication import DEFAULT_POLICY, Policy
from server.audit import SYSTEM, Event
from server.ports import (
    ENDS,
    PAIR,
    Bus,
    Checker,
    Clock,
    Conflict,
    Issuer,
    Leg,
    LegEvent,
    Matcher,
    Media,
    Recordings,
    Registry,
    Store,
    Timer,
    Vault,
)
from server.proofing import DomainError, Operator, Session
from verification.contract import CheckResult

log = structlog.get_logger(__name__)

SAVE_ATTEMPTS = 8
"""A row that changed under a use case is read and changed again this often; contention is two pages and a timer."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The deployment's time limits and counts (settings)."""

    undo: timedelta = timedelta(seconds=5)
    leg_resume: timedelta = timedelta(minutes=2)
    presence: timedelta = timedelta(hours=1)
    issuance: timedelta = timedelta(hours=24)
    retry: timedelta = timedelta(minutes=15)
    sign_in: timedelta = timedelta(hours=12)
    link: timedelta = timedelta(hours=24)
    review: timedelta = timedelta(hours=1)
    """How long an operator may look at the record of her own call after it."""
    uploads: int = 40
    """Pictures of a card that one session may send: each costs a second of a worker."""
    messages: int = 500
    """Chat messages of one session."""
    probes: int = 8
    """Frames of one comparison."""
    probe_seconds: float = 0.8
    """Time over which they are taken: about a second in all is what the operator waits."""


@dataclass(frozen=True, slots=True)
class RecordingRule:
    """Where recordings are kept, and the 32 bytes whose derived keys encrypt them."""

    folder: Path
    key: bytes


def offer_topic(leg: Leg, who: str) -> str:
    """The topic on which a page hears that its media connection is gone; ``who``: session or operator id."""
    return f"offer:{leg}:{who}"


def receive_topic(page: str, leg: Leg) -> str:
    """The topic on which a page (by its ``offer_topic``) hears of offers to receive over one of its connections."""
    return f"receive:{leg}:{page}"


@dataclass(slots=True)
class Presence:
    """Which pages and media legs are connected to this process. Rebuilt from nothing after a restart."""

    applicants: dict[str, object] = field(default_factory=dict)
    operators: dict[str, object] = field(default_factory=dict)
    legs: dict[str, set[Leg]] = field(default_factory=dict)
    calls: dict[str, str] = field(default_factory=dict)
    """Call -> its session, of calls that had an offer here."""
    watching: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Session -> supervisor -> how she watches it (consultation.supervising.Watching)."""

    def others(self, session_id: str) -> list[str]:
        """Roles of those who watch a session's call and send nothing."""
        return ["supervisor"] if self.watching.get(session_id) else []

    interpreters: dict[str, object] = field(default_factory=dict)
    """Interpreter -> her page."""

    offered: dict[tuple[str, Leg], str] = field(default_factory=dict)
    """End of a call -> the topic on which its page, which offered here, hears that it shall do so again."""
    lost: dict[str, str] = field(default_factory=dict)
    """That topic -> the call to offer again for."""
    receive: dict[str, LegEvent] = field(default_factory=dict)
    """``receive_topic`` -> the newest offer of the media engine to receive over that connection."""

    def both(self, call: str | None) -> bool:
        return call is not None and self.legs.get(call, set()) >= set(PAIR)


@dataclass(slots=True)
class Desk:
    store: Store
    bus: Bus
    media: Media
    checker: Checker
    issuer: Issuer
    vault: Vault
    clock: Clock
    person_key: bytes
    """Key of the HMAC by which a person's earlier sessions are found without keeping the IIN in the clear."""
    limits: Limits = Limits()
    policy: Policy = DEFAULT_POLICY
    registry: Registry | None = None
    """The register of documents; None: it is not asked."""
    matcher: Matcher | None = None
    """What compares faces; None where the checker is not the real one."""
    specimens: bool = False
    recording_rule: RecordingRule | None = None
    """None: calls are not recorded."""
    recordings: Recordings | None = None
    """The archive of earlier calls; there even where calls are not recorded any more."""
    viewings: dict[tuple[str, str, str, int], datetime] = field(default_factory=dict)
    """(operator, session, leg, segment) -> when its last viewing began."""
    recorded: set[str] = field(default_factory=set)
    """Calls of which a segment is being written."""
    presence: Presence = field(default_factory=Presence)
    random: SystemRandom = field(default_factory=SystemRandom)
    matching: asyncio.Lock = field(default_factory=asyncio.Lock)
    challenges: dict[str, Any] = field(default_factory=dict)
    """Session -> the liveness challenge under way (consultation.challenging.Running)."""
    watches: dict[str, Any] = field(default_factory=dict)
    """Session -> what is known of the sender of its call (consultation.watching.Watch)."""
    guidance: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Session -> what would make its live picture better now (codes, most important first)."""
    draining: bool = False
    """The service is about to end: nobody is matched any more."""
    busy: set[str] = field(default_factory=set)
    """Sessions for which a long check is under way: one at a time."""

    def event(self, session: Session | str, kind: str, actor: str, **data: Any) -> Event:
        stream = session if isinstance(session, str) else session.id
        return Event(stream, kind, actor, self.clock.now(), data)

    def system_event(self, kind: str, actor: str, **data: Any) -> Event:
        return self.event(SYSTEM, kind, actor, **data)

    async def ask_offer(self, call: str, leg: Leg) -> None:
        """Let the page of this end of a call make a new connection at once."""
        topic = self.presence.offered.get((call, leg))
        if topic is not None:
            self.presence.lost[topic] = call
            await self.bus.publish(topic)

    async def offer_to_receive(self, event: LegEvent) -> None:
        """Hand an offer of the media engine to the page of that connection; nothing where none offered here."""
        page = self.presence.offered.get((event.call, event.leg))
        if page is not None:
            topic = receive_topic(page, event.leg)
            self.presence.receive[topic] = event
            await self.bus.publish(topic)

    def forget_offers(self, call: str, leg: Leg) -> None:
        """A connection is over: nothing more is told of it, and its page may not say anything of it unasked."""
        page = self.presence.offered.pop((call, leg), "")
        if leg in ENDS:
            self.presence.lost.pop(page, None)
        self.presence.receive.pop(receive_topic(page, leg), None)

    async def tell(self, session: Session, *, queue: bool = False) -> None:
        """Let the pages that show this session read it again."""
        await self.bus.publish(f"session:{session.id}")
        if session.operator_id:
            await self.bus.publish(f"operator:{session.operator_id}")
        if queue:
            await self.bus.publish("queue")


@dataclass(frozen=True, slots=True)
class Change:
    """What a use case wants to write: the session after, its events, timers, the operator's row."""

    session: Session
    events: tuple[Event, ...] = ()
    timers: Mapping[Timer, datetime | None] = field(default_factory=dict)
    operator: Operator | None = None


async def change(desk: Desk, session_id: str, make: Callable[[Session], Change | None]) -> Session:
    """Read, change, save; again if somebody else saved in between. ``make`` returns None for nothing to do.

    Raises DomainError (from ``make``, or session_unknown) and Conflict when it does not get through.
    """
    for attempt in range(SAVE_ATTEMPTS):
        session = await desk.store.session(session_id)
        if session is None:
            raise DomainError("session_unknown", "There is no such session.")
        wanted = make(session)
        if wanted is None:
            return session
        try:
            return await desk.store.save(wanted.session, *wanted.events, timers=wanted.timers, operator=wanted.operator)
        except Conflict:
            await asyncio.sleep(0.005 * attempt)
    raise Conflict(session_id)


def new_token() -> str:
    """An opaque secret for a cookie or a link: 256 bits."""
    return secrets.token_urlsafe(32)


def token_digest(token: str) -> str:
    """What the database knows a cookie or link by."""
    return hashlib.sha256(token.encode()).hexdigest()


async def session_of(desk: Desk, session_id: str) -> Session:
    """Raises DomainError session_unknown."""
    session = await desk.store.session(session_id)
    if session is None:
        raise DomainError("session_unknown", "There is no such session.")
    return session


@asynccontextmanager
async def one_at_a_time(desk: Desk, session_id: str) -> AsyncIterator[None]:
    """One long check of a session at a time. Raises DomainError check_under_way."""
    if session_id in desk.busy:
        raise DomainError("check_under_way", "The last check is still under way; one moment.")
    desk.busy.add(session_id)
    try:
        yield
    finally:
        desk.busy.discard(session_id)


async def record(
    desk: Desk,
    session_id: str,
    result: CheckResult,
    actor: str,
    images: Mapping[str, str] | None = None,
    **context: Any,
) -> None:
    """Keep one check result as a row and as an audit event (without personal data)."""
    row = {**asdict(result), "outcome": str(result.outcome), "images": dict(images or {}), **context}
    row["reasons"] = list(result.reasons)
    row["details"] = dict(result.details)
    row["at"] = iso(desk.clock.now())
    event = desk.event(
        session_id,
        "check_recorded",
        actor,
        check=result.check,
        outcome=str(result.outcome),
        reasons=list(result.reasons),
        score=None if result.score is None else round(result.score, 6),
        threshold=result.threshold,
        model=result.model,
        version=result.version,
        images=dict(images or {}),
        **context,
    )
    await desk.store.record_check(session_id, row, event)


def iso(moment: datetime) -> str:
    """ISO 8601 in UTC, to the millisecond, with Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
