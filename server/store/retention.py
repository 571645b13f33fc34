"""The end of retention: what says who somebody was goes, the audit trail (which never said it) stays."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, exists, func, select

from server.audit import Event
from server.proofing import Session, State
from server.store import documents
from server.store.sessions import write_move
from server.store.tables import certificate, certificate_order, check_result, interpreter, message
from server.store.tables import session as table
from server.store.transactions import Transactions

PURGED = "purged-"
"""What a purged session's token digest begins with: no cookie has such a digest."""

_LIVING = (State.APPROVED, State.ISSUING)
"""Beside sessions that go on, these have a claim outstanding."""


class RetentionRows(Transactions):
    """The Store protocol's part that concerns the end of retention."""

    async def due_for_purge(self, before: datetime, limit: int) -> list[Session]:
        """Ended sessions not purged yet, whose end and whose certificates' end lie before the moment."""
        alive = exists().where(certificate.c.session_id == table.c.id, certificate.c.not_after >= before)
        query = (
            select(table.c.document)
            .where(table.c.ended_at.is_not(None), table.c.ended_at < before)
            .where(~table.c.token_sha256.startswith(PURGED), ~alive)
            .where(table.c.state.not_in([state.value for state in _LIVING]))
            .order_by(func.coalesce(table.c.ended_at, table.c.created_at))
            .limit(limit)
        )
        async with self.reading() as connection:
            return [documents.from_text(text) for text in await connection.scalars(query)]

    async def purge(self, emptied: Session, events: Sequence[Event]) -> None:
        """Write the emptied session; delete its checks, messages, interpreters, orders, certificates: or Conflict."""
        async with self.writing() as connection:
            await write_move(connection, emptied, events)
            for rows in (check_result, message, interpreter, certificate_order, certificate):
                await connection.execute(delete(rows).where(rows.c.session_id == emptied.id))
