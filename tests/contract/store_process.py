"""A process of its own on a database that others use too; test_store_survival.py starts it, and may kill it.

``take URL PREFIX COUNT``: COUNT operators take sessions at once and finish them, until none is left;
prints a line "operator session call" for each.
``save URL SESSION``: moves the session on for ever; prints the version after each commit.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from datetime import timedelta

from server.audit import Event
from server.ports import Store, Timer
from server.proofing import Move
from server.store import SqlStore
from tests.fakes import NOON


async def take(store: Store, operator_id: str) -> None:
    while matched := await store.assign_next(operator_id, NOON, Event("", "matched", "system", NOON)):
        print(operator_id, matched.id, matched.call_id, flush=True)
        operator = await store.operator(operator_id)
        assert operator is not None
        left = Event(matched.id, "left", "applicant", NOON)
        await store.save(matched.move(Move.LEAVE), left, operator=replace(operator, session_id=None))


async def save(store: Store, session_id: str) -> None:
    session = await store.session(session_id)
    assert session is not None
    while True:
        number = session.version + 1
        told = Event(session_id, "evidence_received", "applicant", NOON, {"version": number})
        due = {Timer.PRESENCE: NOON + timedelta(seconds=number)}
        session = await store.save(replace(session, calls=number), told, timers=due)
        print(session.version, flush=True)


async def main(what: str, url: str, *details: str) -> None:
    store = SqlStore(url)
    try:
        if what == "take":
            prefix, count = details
            await asyncio.gather(*(take(store, f"{prefix}{n}") for n in range(int(count))))
        else:
            await save(store, *details)
    finally:
        await store.aclose()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
