"""Short ways to the rows that tests of the store begin with."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from server.audit import Event
from server.ports import Store
from server.proofing import Availability, Move, Operator, Session
from tests.fakes import NOON


def a_session(name: str, **changes: Any) -> Session:
    """A session that was just opened; its token's digest is ``token-<name>``."""
    return replace(Session(name, f"token-{name}", "kk", "first_eds", "2026-11", NOON), **changes)


def event(stream: str, kind: str = "queued", at: datetime = NOON, **data: Any) -> Event:
    return Event(stream, kind, "system", at, data)


MATCHED = Event("", "matched", "system", NOON)


async def waiting(
    store: Store, name: str, minutes: float = 0, *, priority: int = 0, present: bool = True, **changes: Any
) -> Session:
    """A stored session that joined the queue ``minutes`` after noon."""
    session = await store.create_session(a_session(name), event(name, "session_opened"))
    joined = NOON + timedelta(minutes=minutes)
    moved = session.move(Move.QUEUE, joined_at=joined, priority=priority, **changes)
    session = await store.save(moved, event(name, "queued", joined))
    await store.set_presence(name, present, joined)
    return session


async def ready(store: Store, name: str, **changes: Any) -> Operator:
    """A stored operator who takes calls; the link's digest is ``link-<name>``."""
    operator = replace(Operator(name, f"Operator {name}", availability=Availability.READY, since=NOON), **changes)
    await store.add_operator(operator, f"link-{name}", NOON + timedelta(days=1))
    return operator


async def in_call(store: Store, name: str, operator_id: str, started: datetime = NOON) -> Session:
    """The session ``name``, alone in the queue, in a call with the operator."""
    matched = await store.assign_next(operator_id, started, MATCHED)
    assert matched is not None
    assert matched.id == name
    return await store.save(matched.move(Move.CONNECT, call_started_at=started), event(name, "call_started", started))
