"""Operators, their one-time links and their sign-ins."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from server.audit import Event
from server.proofing import Availability, Operator, Role
from server.store.tables import operator as table
from server.store.tables import operator_link, operator_sign_in
from server.store.trail import write_events
from server.store.transactions import Transactions


def _columns(operator: Operator) -> dict[str, Any]:
    """All but ``session_id`` and ``wrapping``, which are written by take_in_hand and write_hand only."""
    return {
        "name": operator.name,
        "role": operator.role.value,
        "availability": operator.availability.value,
        "pause_reason": operator.pause_reason,
        "since": operator.since,
    }


def _operator(row: Row[Any]) -> Operator:
    return Operator(
        id=row.id,
        name=row.name,
        role=Role(row.role),
        availability=Availability(row.availability),
        pause_reason=row.pause_reason,
        since=row.since,
        session_id=row.session_id,
        wrapping=row.wrapping,
    )


async def read_operator(connection: AsyncConnection, operator_id: str, *, lock: bool = False) -> Operator | None:
    """The operator; with ``lock``, no other transaction changes the row until this one ends."""
    query = select(table).where(table.c.id == operator_id)
    row = (await connection.execute(query.with_for_update() if lock else query)).first()
    return None if row is None else _operator(row)


async def take_in_hand(connection: AsyncConnection, operator_id: str, session_id: str) -> None:
    """The operator, free until now, has this session."""
    free = (table.c.id == operator_id) & table.c.session_id.is_(None)
    await connection.execute(update(table).where(free).values(session_id=session_id, wrapping=False))


async def write_hand(connection: AsyncConnection, operator: Operator, session_id: str) -> None:
    """What becomes of this session in the operator's hand; nothing when it is in her hand no more.

    Only that: whether she is ready or paused may have changed since the operator was read.
    """
    hers = (table.c.id == operator.id) & (table.c.session_id == session_id)
    hand = {"session_id": operator.session_id, "wrapping": operator.wrapping}
    await connection.execute(update(table).where(hers).values(**hand))


class OperatorRows(Transactions):
    """The Store protocol's part that concerns operators."""

    async def add_operator(self, operator: Operator, link_sha256: str, link_expires: datetime, *events: Event) -> None:
        """Create the operator, or (same id) set name and role and give a new one-time link; older links end."""
        async with self.writing() as connection:
            known = await read_operator(connection, operator.id, lock=True)
            if known is None:
                await connection.execute(
                    insert(table).values(id=operator.id, session_id=None, wrapping=False, **_columns(operator))
                )
            else:
                named = {"name": operator.name, "role": operator.role.value}
                await connection.execute(update(table).where(table.c.id == operator.id).values(**named))
            unused = (operator_link.c.operator_id == operator.id) & operator_link.c.used_at.is_(None)
            await connection.execute(delete(operator_link).where(unused))
            await connection.execute(
                insert(operator_link).values(
                    link_sha256=link_sha256, operator_id=operator.id, expires_at=link_expires, used_at=None
                )
            )
            await write_events(connection, events)

    async def redeem_link(
        self, link_sha256: str, session_sha256: str, expires: datetime, now: datetime
    ) -> Operator | None:
        """Use a one-time link up and open a sign-in, in one transaction; None if used, expired, unknown."""
        links = operator_link.c
        usable = (links.link_sha256 == link_sha256) & links.used_at.is_(None) & (links.expires_at > now)
        async with self.writing() as connection:
            used = await connection.execute(
                update(operator_link).where(usable).values(used_at=now).returning(links.operator_id)
            )
            operator_id = used.scalar_one_or_none()
            if operator_id is None:
                return None
            await connection.execute(
                insert(operator_sign_in).values(
                    session_sha256=session_sha256, operator_id=operator_id, opened_at=now, expires_at=expires
                )
            )
            return await read_operator(connection, operator_id)

    async def operator_by_token(self, session_sha256: str, now: datetime) -> Operator | None:
        """Whose sign-in this is; None if ended, expired, unknown."""
        signed_in = operator_sign_in.c
        query = (
            select(table)
            .join(operator_sign_in, signed_in.operator_id == table.c.id)
            .where(signed_in.session_sha256 == session_sha256, signed_in.expires_at > now)
        )
        async with self.reading() as connection:
            row = (await connection.execute(query)).first()
        return None if row is None else _operator(row)

    async def operator(self, operator_id: str) -> Operator | None:
        async with self.reading() as connection:
            return await read_operator(connection, operator_id)

    async def operators(self) -> list[Operator]:
        """All, by id."""
        async with self.reading() as connection:
            rows = (await connection.execute(select(table).order_by(table.c.id))).all()
        return [_operator(row) for row in rows]

    async def end_sign_in(self, session_sha256: str) -> None:
        ended = operator_sign_in.c.session_sha256 == session_sha256
        async with self.writing() as connection:
            await connection.execute(delete(operator_sign_in).where(ended))

    async def save_operator(self, operator: Operator, *events: Event) -> None:
        """Name, role, availability, pause reason and since. Not the session in hand: that changes with the session.

        Otherwise a pause, read before and saved after a match, would undo the match. Raises KeyError if unknown.
        """
        async with self.writing() as connection:
            result = await connection.execute(
                update(table).where(table.c.id == operator.id).values(**_columns(operator))
            )
            if result.rowcount != 1:
                raise KeyError(operator.id)
            await write_events(connection, events)
