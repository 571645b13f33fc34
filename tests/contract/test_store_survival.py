"""What the SQL store survives: several processes, kill -9, cancelled requests, hands in the database."""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
import stat
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy import create_engine, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from server.audit import first_fault
from server.ports import Timer
from server.store import SqlStore, migrate
from server.store.tables import metadata
from tests.fakes import NOON, fresh_database, fresh_store
from tests.records import a_session, event, ready, waiting

ROOT = Path(__file__).parents[2]
PATIENCE = 60
"""Seconds for a process to start and work on a machine that is busy with other things."""


@pytest.fixture
async def url(tmp_path: Path) -> str:
    return await fresh_database(tmp_path)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlStore]:
    async with fresh_store(tmp_path) as fresh:
        yield fresh


def database(folder: Path) -> closing[sqlite3.Connection]:
    """The file as somebody else would open it."""
    return closing(sqlite3.connect(folder / "betpe.db", isolation_level=None))


def modes_in(folder: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}


async def another_process(*arguments: str) -> Process:
    command = [sys.executable, "-W", "error", "-m", "tests.contract.store_process", *arguments]
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    environment = {**os.environ, "PYTHONPATH": paths}
    return await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=PIPE, stderr=PIPE, env=environment)


# --- several at once --------------------------------------------------------------------------------


async def test_operators_in_two_processes_never_get_the_same_session(url: str) -> None:
    store = SqlStore(url)
    try:
        for n in range(40):
            await waiting(store, f"s{n:02}", n)
        for prefix in "xy":
            for n in range(4):
                await ready(store, f"{prefix}{n}")
        processes = [await another_process("take", url, prefix, "4") for prefix in "xy"]
        outputs = await asyncio.wait_for(asyncio.gather(*(one.communicate() for one in processes)), PATIENCE)
        assert [(one.returncode, errors) for one, (_, errors) in zip(processes, outputs, strict=True)] == [(0, b"")] * 2
        taken = [line.split() for output, _ in outputs for line in output.decode().splitlines()]
        assert sorted(session for _, session, _ in taken) == [f"s{n:02}" for n in range(40)]
        assert len({call for _, _, call in taken}) == 40
        for operator_id, session_id, call in taken:
            session = await store.session(session_id)
            assert session is not None
            assert (session.operator_id, session.call_id, session.calls) == (operator_id, call, 1)
            events = await store.audit_events(session_id)
            assert first_fault(events) is None
            assert [stored.kind for stored in events] == ["session_opened", "queued", "matched", "left"]
    finally:
        await store.aclose()


async def test_two_engines_on_one_file_keep_one_chain(url: str) -> None:
    stores = [SqlStore(url), SqlStore(url)]
    try:
        writes = [store.append(event("system", "server_started", n=n)) for n in range(15) for store in stores]
        await asyncio.gather(*writes)
        events = await stores[0].audit_events("system")
        assert len(events) == 30
        assert first_fault(events) is None
    finally:
        for store in stores:
            await store.aclose()


# --- kill -9 ----------------------------------------------------------------------------------------


async def test_after_kill_9_row_events_and_timers_agree(url: str) -> None:
    store = SqlStore(url)
    await store.create_session(a_session("a"), event("a", "session_opened"))
    await store.aclose()
    drawn = random.Random(9)
    for _ in range(3):
        process = await another_process("save", url, "a")
        assert process.stdout is not None
        told = 0
        for _ in range(drawn.randrange(5, 40)):
            line = await asyncio.wait_for(process.stdout.readline(), PATIENCE)
            assert line, (await process.communicate())[1].decode()
            told = int(line)
        process.kill()
        rest, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
        told = max([told, *map(int, rest.split(b"\n")[:-1])])

        store = SqlStore(url)
        session = await store.session("a")
        events = await store.audit_events("a")
        due = await store.due_timers(NOON + timedelta(days=1))
        early = await store.due_timers(NOON + timedelta(seconds=(session.version if session else 0) - 1))
        await store.aclose()
        assert session is not None
        assert session.version in (told, told + 1)  # what was said to be saved is saved
        assert session.calls == session.version
        assert first_fault(events) is None
        assert [stored.data.get("version") for stored in events] == [None, *range(2, session.version + 1)]
        assert (due, early) == ([("a", Timer.PRESENCE)], [])


async def test_a_cancelled_request_holds_the_database_no_longer_whatever_still_refers_to_it(store: SqlStore) -> None:
    """As the traceback of a cancelled request may until Python's collector comes by."""
    numbers = "WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number) SELECT n FROM number"
    kept: list[object] = []

    async def request() -> None:
        async with store.writing() as connection:
            driver = (await connection.get_raw_connection()).driver_connection
            assert driver is not None
            kept.append(await driver.execute(numbers))
            await connection.execute(text(f"SELECT count(*) FROM ({numbers} LIMIT 1000000)"))

    task = asyncio.ensure_future(request())
    while not kept:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.01)  # into the work of SQLite's own thread
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(store.append(event("a")), 5)
    assert kept


async def test_cancelled_requests_leave_the_store_whole_and_usable(store: SqlStore) -> None:
    await store.create_session(a_session("a"), event("a", "session_opened"))
    drawn = random.Random(3)

    async def once(number: int) -> None:
        session = await store.session("a")
        assert session is not None
        await store.save(replace(session, calls=number), event("a", "queued"), timers={Timer.PRESENCE: NOON})

    for number in range(60):
        request = asyncio.ensure_future(once(number))
        for _ in range(drawn.randrange(40)):
            await asyncio.sleep(0)
        if drawn.random() < 0.5:
            await asyncio.sleep(drawn.random() * 0.008)  # into the work of SQLite's own thread
        request.cancel()
        await asyncio.wait([request], timeout=5)
        assert request.done(), "a connection that was let go still holds the database"
    await asyncio.wait_for(once(1000), 5)
    session = await store.session("a")
    assert session is not None
    assert session.calls == 1000
    events = await store.audit_events("a")
    assert first_fault(events) is None
    assert len(events) == session.version  # one event a version, the cancelled ones whole or not at all


# --- hands in the database --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_event SET actor = 'operator:x' WHERE number = 1",
        "DELETE FROM audit_event WHERE number = 2",
        "INSERT OR REPLACE INTO audit_event SELECT stream, number, kind, 'x', at, data, previous_sha256, sha256"
        " FROM audit_event WHERE number = 2",
        "INSERT INTO audit_event SELECT stream, 7, kind, actor, at, data, previous_sha256, sha256"
        " FROM audit_event WHERE number = 2",
        "INSERT INTO audit_event SELECT 'new', 2, kind, actor, at, data, previous_sha256, sha256"
        " FROM audit_event WHERE number = 2",
    ],
)
async def test_the_database_itself_refuses_to_change_events(store: SqlStore, tmp_path: Path, statement: str) -> None:
    await store.append(event("a"), event("a"), event("a"))
    before = await store.audit_events()
    with database(tmp_path) as connection, pytest.raises(sqlite3.DatabaseError, match="audit events are"):
        connection.execute(statement)
    assert await store.audit_events() == before


async def test_what_is_changed_behind_the_triggers_is_found(store: SqlStore, tmp_path: Path) -> None:
    await store.append(*(event("a", "check_recorded", outcome="failed") for _ in range(5)))
    with database(tmp_path) as connection:
        connection.execute("DROP TRIGGER audit_event_no_update")
        connection.execute("""UPDATE audit_event SET data = '{"outcome":"passed"}' WHERE number = 3""")
    assert first_fault(await store.audit_events("a")) == 3


async def test_what_is_committed_is_on_the_disk(store: SqlStore) -> None:
    async with store.writing() as connection:
        told = {
            name: (await connection.exec_driver_sql(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert told == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 10_000}


async def test_a_new_database_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'new.db'}"
    await migrate(url)
    store = SqlStore(url)
    await store.append(event("a"))
    modes = modes_in(tmp_path)
    await store.aclose()
    assert modes == {"new.db": 0o600, "new.db-wal": 0o600, "new.db-shm": 0o600}


async def test_nothing_is_kept_in_memory_only() -> None:
    for url in ("sqlite+aiosqlite://", "sqlite+aiosqlite:///:memory:"):
        with pytest.raises(ValueError, match="file"):
            SqlStore(url)


# --- migrations -------------------------------------------------------------------------------------

VERSIONS = Path(__file__).resolve().parents[2] / "server" / "store" / "migrations" / "versions"
NEWEST = max(file.name[1:5] for file in VERSIONS.glob("r*.py"))


async def test_the_migrations_make_the_tables_that_the_store_uses(url: str, tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'betpe.db'}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert context.get_current_revision() == NEWEST
        assert compare_metadata(context, metadata) == []
    engine.dispose()


async def test_migrating_again_changes_nothing(url: str) -> None:
    store = SqlStore(url)
    kept = await store.create_session(a_session("a"))
    await migrate(url)
    assert await store.session("a") == kept
    await store.aclose()


async def test_two_that_start_at_once_migrate_once(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'new.db'}"
    await asyncio.gather(*(migrate(url) for _ in range(3)))
    store = SqlStore(url)
    assert await store.queue() == []
    await store.aclose()


async def test_a_migration_that_breaks_off_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "new.db"
    url = f"sqlite+aiosqlite:///{file}"
    with monkeypatch.context() as patch:
        patch.setattr("alembic.op.create_index", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            await migrate(url)
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == []
    await migrate(url)


async def test_a_database_of_a_later_version_is_refused(url: str, tmp_path: Path) -> None:
    with database(tmp_path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(CommandError, match="9999"):
        await migrate(url)


def test_the_tables_are_ones_that_postgresql_takes() -> None:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    for table in metadata.sorted_tables:
        sql = str(CreateTable(table).compile(dialect=dialect))
        assert "DATETIME" not in sql
        for index in table.indexes:
            assert "CREATE INDEX" in str(CreateIndex(index).compile(dialect=dialect))
