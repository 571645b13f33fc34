"""Audit events as rows: chained per stream inside the caller's transaction."""

from __future__ import annotations

import json
from collections.abc import Sequence

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from server.audit import GENESIS, Event, StoredEvent, link
from server.store.tables import audit_event
from server.store.transactions import Transactions, in_turn


async def write_events(connection: AsyncConnection, events: Sequence[Event]) -> None:
    """Append the events, each to its stream, in the order given."""
    await in_turn(connection, *{f"audit_event {event.stream}" for event in events})
    heads: dict[str, tuple[int, str]] = {}
    rows = []
    for event in events:
        if event.stream not in heads:
            heads[event.stream] = await _head(connection, event.stream)
        number, previous = heads[event.stream]
        stored = link(event, number + 1, previous)
        heads[event.stream] = stored.number, stored.sha256
        rows.append(
            {
                "stream": stored.stream,
                "number": stored.number,
                "kind": stored.kind,
                "actor": stored.actor,
                "at": stored.at,
                "data": json.dumps(stored.data, sort_keys=True, separators=(",", ":"), allow_nan=False),
                "previous_sha256": stored.previous_sha256,
                "sha256": stored.sha256,
            }
        )
    if rows:
        await connection.execute(insert(audit_event), rows)


async def _head(connection: AsyncConnection, stream: str) -> tuple[int, str]:
    columns = audit_event.c
    newest = select(columns.number, columns.sha256).where(columns.stream == stream).order_by(columns.number.desc())
    row = (await connection.execute(newest.limit(1))).first()
    return (0, GENESIS) if row is None else (row.number, row.sha256)


class TrailRows(Transactions):
    """The Store protocol's part that concerns the audit trail."""

    async def append(self, *events: Event) -> None:
        """Audit events that move no session."""
        async with self.writing() as connection:
            await write_events(connection, events)

    async def audit_events(self, stream: str | None = None) -> list[StoredEvent]:
        """Events of one stream in order; or of all streams, one stream after another."""
        query = select(audit_event).order_by(audit_event.c.stream, audit_event.c.number)
        if stream is not None:
            query = query.where(audit_event.c.stream == stream)
        async with self.reading() as connection:
            rows = (await connection.execute(query)).all()
        return [
            StoredEvent(
                stream=row.stream,
                number=row.number,
                kind=row.kind,
                actor=row.actor,
                at=row.at,
                data=json.loads(row.data),
                previous_sha256=row.previous_sha256,
                sha256=row.sha256,
            )
            for row in rows
        ]
