"""Keeping: pictures in the vault, sessions and their events in the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Protocol

from server.audit import Event, StoredEvent
from server.ports.issuing import CertificateOrder, CertificateProfile, IssuedCertificate
from server.ports.media import Leg
from server.proofing import Interpreter, Operator, Session


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
