"""What an operator's time went to: one row for each time that a session was handled."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from server.proofing import Session, State
from server.store.tables import handling as table
from server.store.transactions import Transactions


async def open_handling(connection: AsyncConnection, session: Session, now: datetime) -> None:
    """The session was matched."""
    await connection.execute(
        insert(table).values(
            call_id=session.call_id,
            session_id=session.id,
            operator_id=session.operator_id,
            joined_at=session.joined_at,
            matched_at=now,
        )
    )


async def start_handling(connection: AsyncConnection, session: Session) -> None:
    """Both ends are connected, for the first time in this call."""
    if session.call_started_at is not None:
        unstarted = (table.c.call_id == session.call_id) & table.c.started_at.is_(None)
        await connection.execute(update(table).where(unstarted).values(started_at=session.call_started_at))


async def close_handling(connection: AsyncConnection, session: Session, at: datetime) -> None:
    """No operator holds the session any more: it was decided, given back, or ended."""
    outcome = "released" if session.state is State.WAITING else session.state.value
    running = (table.c.session_id == session.id) & table.c.ended_at.is_(None)
    await connection.execute(update(table).where(running).values(ended_at=at, outcome=outcome))


class HandlingRows(Transactions):
    """The Store protocol's part that concerns figures of handling."""

    async def handled(self, operator_id: str, since: datetime) -> list[tuple[str, float]]:
        """This operator's calls that ended since then, oldest first: (outcome, seconds from connected to ended).

        Outcomes: approved, rejected, referred, released, abandoned, expired. A call that never connected is none.
        """
        ended = (table.c.operator_id == operator_id) & (table.c.ended_at >= since) & table.c.started_at.is_not(None)
        query = select(table.c.outcome, table.c.started_at, table.c.ended_at).where(ended).order_by(table.c.ended_at)
        async with self.reading() as connection:
            rows = (await connection.execute(query)).all()
        return [(row.outcome, (row.ended_at - row.started_at).total_seconds()) for row in rows]

    async def handled_sessions(self, operator_id: str, since: datetime) -> list[str]:
        """Sessions that left this operator's hand since then, oldest first, each once."""
        latest = func.max(table.c.ended_at)
        hers = (table.c.operator_id == operator_id) & (table.c.ended_at >= since)
        query = select(table.c.session_id).where(hers).group_by(table.c.session_id).order_by(latest)
        async with self.reading() as connection:
            return list(await connection.scalars(query))

    async def latest_handling(self, limit: int) -> list[float]:
        """Seconds of the latest calls of all operators, oldest first, as scheduling.mean_handling takes them."""
        ended = table.c.ended_at.is_not(None) & table.c.started_at.is_not(None)
        query = select(table.c.started_at, table.c.ended_at).where(ended).order_by(table.c.ended_at.desc())
        async with self.reading() as connection:
            rows = (await connection.execute(query.limit(limit))).all()
        return [(row.ended_at - row.started_at).total_seconds() for row in reversed(rows)]
