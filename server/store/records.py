"""What hangs on a session beside its moves: check results, chat messages, timers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from server.audit import Event
from server.ports import ChatMessage, Leg, Timer
from server.store.tables import check_result, message
from server.store.tables import timer as timer_table
from server.store.trail import write_events
from server.store.transactions import Transactions, in_turn


async def write_timers(connection: AsyncConnection, session_id: str, timers: Mapping[Timer, datetime | None]) -> None:
    """Set each timer anew, or cancel it where its time is None."""
    if not timers:
        return
    kinds = [kind.value for kind in timers]
    await connection.execute(
        delete(timer_table).where(timer_table.c.session_id == session_id, timer_table.c.kind.in_(kinds))
    )
    rows = [
        {"session_id": session_id, "kind": kind.value, "due_at": due_at}
        for kind, due_at in timers.items()
        if due_at is not None
    ]
    if rows:
        await connection.execute(insert(timer_table), rows)


class RecordRows(Transactions):
    """The Store protocol's part that concerns checks, messages and timers."""

    async def record_check(self, session_id: str, check: Mapping[str, Any], *events: Event) -> None:
        """Append one check result (JSON-able)."""
        document = json.dumps(dict(check), separators=(",", ":"), allow_nan=False)
        async with self.writing() as connection:
            await connection.execute(insert(check_result).values(session_id=session_id, document=document))
            await write_events(connection, events)

    async def checks(self, session_id: str) -> list[dict[str, Any]]:
        """All check results in the order recorded."""
        columns = check_result.c
        query = select(columns.document).where(columns.session_id == session_id).order_by(columns.number)
        async with self.reading() as connection:
            return [json.loads(document) for document in await connection.scalars(query)]

    async def add_message(self, session_id: str, sender: Leg, text: str, client_id: str, now: datetime) -> ChatMessage:
        """Append a chat message; the same client_id from the same sender again returns the first one."""
        columns = message.c
        own = columns.session_id == session_id
        async with self.writing() as connection:
            await in_turn(connection, f"message {session_id}")
            first = await connection.execute(
                select(message).where(own, columns.sender == sender.value, columns.client_id == client_id)
            )
            known = first.first()
            if known is not None:
                return ChatMessage(known.number, Leg(known.sender), known.text, known.sent_at, known.client_id)
            newest = await connection.scalar(select(func.max(columns.number)).where(own))
            added = ChatMessage((newest or 0) + 1, sender, text, now, client_id)
            await connection.execute(
                insert(message).values(
                    session_id=session_id,
                    number=added.number,
                    sender=sender.value,
                    client_id=client_id,
                    text=text,
                    sent_at=now,
                )
            )
        return added

    async def messages(self, session_id: str) -> list[ChatMessage]:
        """All messages, in order."""
        query = select(message).where(message.c.session_id == session_id).order_by(message.c.number)
        async with self.reading() as connection:
            rows = (await connection.execute(query)).all()
        return [ChatMessage(row.number, Leg(row.sender), row.text, row.sent_at, row.client_id) for row in rows]

    async def due_timers(self, now: datetime, limit: int = 100) -> list[tuple[str, Timer]]:
        """(session id, kind) of the timers that are due, the longest overdue first."""
        query = (
            select(timer_table.c.session_id, timer_table.c.kind)
            .where(timer_table.c.due_at <= now)
            .order_by(timer_table.c.due_at)
        )
        async with self.reading() as connection:
            rows = (await connection.execute(query.limit(limit))).all()
        return [(row.session_id, Timer(row.kind)) for row in rows]

    async def clear_timer(self, session_id: str, timer: Timer, due_by: datetime | None = None) -> None:
        """Cancel the timer; with ``due_by`` only if it is due by then, so that one set anew meanwhile stays."""
        gone = (timer_table.c.session_id == session_id) & (timer_table.c.kind == timer.value)
        if due_by is not None:
            gone &= timer_table.c.due_at <= due_by
        async with self.writing() as connection:
            await connection.execute(delete(timer_table).where(gone))
