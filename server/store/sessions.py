"""Sessions: reading them, moving them, and giving the next one to an operator."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import Any

from sqlalchemy import ColumnElement, delete, exists, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from server.audit import Event
from server.ports import Conflict, QueueEntry, Timer
from server.proofing import HELD, QUEUED, Availability, Move, Operator, Role, Session, State
from server.store import documents
from server.store.handlings import close_handling, open_handling, start_handling
from server.store.operators import read_operator, take_in_hand, write_hand
from server.store.records import write_timers
from server.store.tables import excluded_operator
from server.store.tables import operator as operator_table
from server.store.tables import session as table
from server.store.trail import write_events
from server.store.transactions import Transactions


def _columns(session: Session) -> dict[str, Any]:
    return {
        "token_sha256": session.token_sha256,
        "state": session.state.value,
        "version": session.version,
        "joined_at": session.joined_at,
        "priority": session.priority,
        "person": session.person or None,
        "operator_id": session.operator_id,
        "created_at": session.created_at,
        "decided_at": None if session.decision is None else session.decision.made_at,
        "ended_at": session.ended_at,
        "document": documents.to_text(session),
    }


def _in(states: frozenset[State]) -> ColumnElement[bool]:
    return table.c.state.in_(sorted(state.value for state in states))


NO_TIMERS: Mapping[Timer, datetime | None] = MappingProxyType({})


async def write_move(
    connection: AsyncConnection,
    session: Session,
    events: Sequence[Event],
    timers: Mapping[Timer, datetime | None] = NO_TIMERS,
    operator: Operator | None = None,
) -> Session:
    """The session, all that goes with it and its events, if its version is still the stored one. Raises Conflict."""
    after = replace(session, version=session.version + 1)
    unchanged = (table.c.id == session.id) & (table.c.version == session.version)
    result = await connection.execute(update(table).where(unchanged).values(**_columns(after)))
    if result.rowcount != 1:
        raise Conflict(f"session {session.id} is no longer at version {session.version}")
    await _write_exclusions(connection, after)
    if after.state in HELD:
        await start_handling(connection, after)
    elif events:
        await close_handling(connection, after, events[-1].at)
    await write_timers(connection, after.id, timers)
    if operator is not None:
        await write_hand(connection, operator, after.id)
    await write_events(connection, events)
    return after


async def _write_exclusions(connection: AsyncConnection, session: Session) -> None:
    columns = excluded_operator.c
    stored = set(await connection.scalars(select(columns.operator_id).where(columns.session_id == session.id)))
    wanted = set(session.excluded_operators)
    if stored - wanted:
        gone = (columns.session_id == session.id) & columns.operator_id.in_(sorted(stored - wanted))
        await connection.execute(delete(excluded_operator).where(gone))
    if wanted - stored:
        rows = [{"session_id": session.id, "operator_id": excluded} for excluded in sorted(wanted - stored)]
        await connection.execute(insert(excluded_operator), rows)


class SessionRows(Transactions):
    """The Store protocol's part that concerns sessions and the queue."""

    async def create_session(
        self, session: Session, *events: Event, timers: Mapping[Timer, datetime | None] = NO_TIMERS
    ) -> Session:
        """Raises Conflict when the id or the token is known already."""
        try:
            async with self.writing() as connection:
                await connection.execute(insert(table).values(id=session.id, present=False, **_columns(session)))
                await _write_exclusions(connection, session)
                await write_timers(connection, session.id, timers)
                await write_events(connection, events)
        except IntegrityError as error:
            raise Conflict(f"session {session.id} exists already, or its token does") from error
        return session

    async def session(self, session_id: str) -> Session | None:
        return await self._one(table.c.id == session_id)

    async def recent(self, limit: int) -> list[Session]:
        """The latest sessions, newest first."""
        query = select(table.c.document).order_by(table.c.created_at.desc(), table.c.id).limit(limit)
        async with self.reading() as connection:
            return [documents.from_text(text) for text in await connection.scalars(query)]

    async def session_by_token(self, token_sha256: str) -> Session | None:
        return await self._one(table.c.token_sha256 == token_sha256)

    async def _one(self, condition: ColumnElement[bool]) -> Session | None:
        async with self.reading() as connection:
            text = await connection.scalar(select(table.c.document).where(condition))
        return None if text is None else documents.from_text(text)

    async def save(
        self,
        session: Session,
        *events: Event,
        timers: Mapping[Timer, datetime | None] = NO_TIMERS,
        operator: Operator | None = None,
    ) -> Session:
        """Write the session if its stored version is still ``session.version``; returns it with version + 1.

        ``timers``: kind -> due time, or None to cancel. ``operator``: what becomes of this session in her hand
        (``session_id``, ``wrapping``), in the same transaction. Raises Conflict, and then nothing is written.
        """
        async with self.writing() as connection:
            return await write_move(connection, session, events, timers, operator)

    async def assign_next(
        self,
        operator_id: str,
        now: datetime,
        event: Event,
        *,
        timers: Mapping[Timer, datetime | None] = NO_TIMERS,
    ) -> Session | None:
        """Give the operator the next session: highest priority, then oldest; moved to matched, with a new call.

        None when there is none to give, or when the operator is not ready or has a session. Only sessions whose
        applicant is present and which do not exclude this operator. ``event``'s stream, ``operator`` and ``call``
        are filled in here.
        """
        async with self.writing() as connection:
            operator = await read_operator(connection, operator_id, lock=True)
            if operator is None or operator.availability is not Availability.READY:
                return None
            if operator.session_id is not None or operator.wrapping or operator.role is Role.AUDITOR:
                return None
            text = await connection.scalar(_next_for(operator_id))
            if text is None:
                return None
            waiting = documents.from_text(text)
            call_id = secrets.token_hex(16)
            matched = waiting.move(
                Move.MATCH,
                operator_id=operator_id,
                call_id=call_id,
                calls=waiting.calls + 1,
                call_started_at=None,
            )
            await open_handling(connection, matched, now)
            told = replace(event, stream=matched.id, data={**event.data, "operator": operator_id, "call": call_id})
            await take_in_hand(connection, operator_id, matched.id)
            return await write_move(connection, matched, (told,), timers)

    async def queue(self) -> list[QueueEntry]:
        """Waiting sessions in the order in which they are taken; also those whose applicant is away."""
        columns = (table.c.id, table.c.joined_at, table.c.priority, table.c.present)
        async with self.reading() as connection:
            rows = (await connection.execute(select(*columns).where(_in(QUEUED)).order_by(*_ORDER))).all()
        return [QueueEntry(row.id, row.joined_at, row.priority, row.present) for row in rows]

    async def set_presence(self, session_id: str, present: bool, now: datetime) -> None:
        """Whether the applicant's page is connected. No version change: presence is not a move."""
        async with self.writing() as connection:
            await connection.execute(
                update(table)
                .where(table.c.id == session_id)
                .values(present=present, present_since=now if present else None)
            )

    async def clear_presence(self) -> None:
        """At start-up nobody is connected yet."""
        async with self.writing() as connection:
            await connection.execute(
                update(table).where(table.c.present.is_(True)).values(present=False, present_since=None)
            )

    async def sessions_of(self, operator_id: str) -> list[Session]:
        """Sessions now held by this operator (matched, in_call, suspended, deciding, or in wrap-up)."""
        in_hand = select(operator_table.c.session_id).where(operator_table.c.id == operator_id).scalar_subquery()
        held = (table.c.operator_id == operator_id) & _in(HELD)
        query = select(table.c.document).where(or_(held, table.c.id == in_hand)).order_by(table.c.created_at)
        async with self.reading() as connection:
            return [documents.from_text(text) for text in await connection.scalars(query)]

    async def last_rejection(self, person: str) -> datetime | None:
        """When this person (HMAC of the IIN) was last rejected, sealed; None if never."""
        rejected = (table.c.person == person) & (table.c.state == State.REJECTED.value)
        at = func.max(func.coalesce(table.c.ended_at, table.c.decided_at), type_=table.c.ended_at.type)
        async with self.reading() as connection:
            latest: datetime | None = await connection.scalar(select(at).where(rejected))
        return latest


_ORDER = (table.c.priority.desc(), table.c.joined_at, table.c.id)


def _next_for(operator_id: str) -> Any:
    excluded = exists().where(
        excluded_operator.c.session_id == table.c.id, excluded_operator.c.operator_id == operator_id
    )
    return (
        select(table.c.document)
        .where(_in(QUEUED), table.c.present.is_(True), ~excluded)
        .order_by(*_ORDER)
        .limit(1)
        .with_for_update(skip_locked=True)  # two operators at once; SQLite has one writer and leaves it out
    )
