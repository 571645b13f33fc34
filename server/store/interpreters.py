"""Interpreters asked into calls, their one-time links and sign-ins."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row, insert, select, update

from server.audit import Event
from server.ports import Conflict
from server.proofing import Interpreter
from server.store.tables import interpreter as table
from server.store.trail import write_events
from server.store.transactions import Transactions, in_turn


def _interpreter(row: Row[Any]) -> Interpreter:
    return Interpreter(
        id=row.id,
        session_id=row.session_id,
        call_id=row.call_id,
        name=row.name,
        language=row.language,
        invited_by=row.invited_by,
        invited_at=row.invited_at,
        version=row.version,
        agreed=row.agreed,
        duty_version=row.duty_version,
        ended_at=row.ended_at,
        ended_by=row.ended_by,
    )


class InterpreterRows(Transactions):
    """The Store protocol's part that concerns interpreters."""

    async def add_interpreter(
        self, interpreter: Interpreter, link_sha256: str, link_expires: datetime, *events: Event
    ) -> None:
        """Raises Conflict when the session has one who has not ended."""
        living = (table.c.session_id == interpreter.session_id) & table.c.ended_at.is_(None)
        async with self.writing() as connection:
            await in_turn(connection, f"interpreter {interpreter.session_id}")
            if (await connection.execute(select(table.c.id).where(living))).first() is not None:
                raise Conflict(interpreter.session_id)
            await connection.execute(
                insert(table).values(
                    id=interpreter.id,
                    session_id=interpreter.session_id,
                    call_id=interpreter.call_id,
                    name=interpreter.name,
                    language=interpreter.language,
                    invited_by=interpreter.invited_by,
                    invited_at=interpreter.invited_at,
                    version=interpreter.version,
                    agreed=interpreter.agreed,
                    duty_version=interpreter.duty_version,
                    ended_at=interpreter.ended_at,
                    ended_by=interpreter.ended_by,
                    link_sha256=link_sha256,
                    link_expires=link_expires,
                    token_sha256=None,
                )
            )
            await write_events(connection, events)

    async def redeem_interpreter(self, link_sha256: str, token_sha256: str, now: datetime) -> Interpreter | None:
        """Use a one-time link up and open her sign-in, in one transaction; None if used, expired, unknown, ended."""
        unused = (table.c.link_sha256 == link_sha256) & table.c.token_sha256.is_(None)
        usable = unused & (table.c.link_expires > now) & table.c.ended_at.is_(None)
        async with self.writing() as connection:
            used = await connection.execute(update(table).where(usable).values(token_sha256=token_sha256))
            if used.rowcount != 1:
                return None
            row = (await connection.execute(select(table).where(table.c.token_sha256 == token_sha256))).one()
            return _interpreter(row)

    async def interpreter_by_token(self, token_sha256: str) -> Interpreter | None:
        async with self.reading() as connection:
            row = (await connection.execute(select(table).where(table.c.token_sha256 == token_sha256))).first()
        return None if row is None else _interpreter(row)

    async def interpreters(self, session_id: str) -> list[Interpreter]:
        """All who were ever asked into a call of this session, oldest first."""
        query = select(table).where(table.c.session_id == session_id).order_by(table.c.invited_at)
        async with self.reading() as connection:
            rows = (await connection.execute(query)).all()
        return [_interpreter(row) for row in rows]

    async def save_interpreter(self, interpreter: Interpreter, *events: Event) -> Interpreter:
        """Her answers and her end, if the stored version is hers still; returned with version + 1. Raises Conflict."""
        same = (table.c.id == interpreter.id) & (table.c.version == interpreter.version)
        saved = replace(interpreter, version=interpreter.version + 1)
        async with self.writing() as connection:
            written = await connection.execute(
                update(table)
                .where(same)
                .values(
                    version=saved.version,
                    agreed=saved.agreed,
                    duty_version=saved.duty_version,
                    ended_at=saved.ended_at,
                    ended_by=saved.ended_by,
                )
            )
            if written.rowcount != 1:
                raise Conflict(interpreter.id)
            await write_events(connection, events)
        return saved
