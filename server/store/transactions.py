"""The engine and its two kinds of transaction. SQLite durable and with one writer; PostgreSQL as it is."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from typing import Any

from sqlalchemy import Connection, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

BUSY_SECONDS = 10
"""How long a writer waits for another process's transaction; ours take milliseconds, so more means a fault."""

CONNECTIONS = 4
"""Kept open. Each aiosqlite connection is a thread; writers take turns anyway."""

_MODE_RETRY_SECONDS = 0.02

_WRITES = "betpe_writes"


class _SqliteConnection(sqlite3.Connection):
    """Ends its transaction when it is closed.

    SQLite keeps a closed connection, its transaction and its locks until the last statement is gone (sqlite3_close_v2),
    and the traceback of a cancelled request may hold one until Python's collector comes by: nobody could write.
    """

    def close(self) -> None:
        with suppress(sqlite3.Error):  # closed before
            self.rollback()
        super().close()


def open_engine(url: str) -> AsyncEngine:
    """An engine for ``url``. Dispose of it, or aiosqlite's threads keep the process from ending.

    Raises ValueError for an in-memory database: what the service knows has to survive it.
    """
    parts = make_url(url)
    if parts.get_backend_name() != "sqlite":
        return create_async_engine(url)
    path = parts.database
    if not path or ":memory:" in path:
        raise ValueError("the store needs a database file, not memory")
    _create_for_owner_only(path)
    options = {"factory": _SqliteConnection}
    engine = create_async_engine(url, pool_size=CONNECTIONS, max_overflow=CONNECTIONS, connect_args=options)
    event.listen(engine.sync_engine, "connect", _configure_sqlite)
    event.listen(engine.sync_engine, "begin", _begin_sqlite)
    return engine


def _create_for_owner_only(path: str) -> None:
    """Make the file before SQLite does, for it holds personal data; its -wal and -shm take the mode over.

    A file that is there is left alone: closing any descriptor of it drops every POSIX lock that this process's
    connections have on it, and the next process to close the database would then delete the log they write to.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        return


def use_write_ahead_log(url: str) -> None:
    """Set a SQLite file's journal mode, once for all its connections to come; nothing for another database.

    Blocks. Two connections that change the mode of a new file refuse each other at once, without the busy timeout
    (each would wait for the other's shared lock), so whoever is refused tries again.
    """
    parts = make_url(url)
    if parts.get_backend_name() != "sqlite" or not parts.database:
        return
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            with closing(sqlite3.connect(parts.database, timeout=BUSY_SECONDS)) as connection:
                connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(_MODE_RETRY_SECONDS)


def _configure_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # BEGIN is ours: the driver's own would come late and deferred
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout={BUSY_SECONDS * 1000}",
        "synchronous=FULL",  # WAL with NORMAL may lose the last commits on power loss (sqlite.org/wal.html)
        "foreign_keys=ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # A deferred transaction that reads and then writes fails at once when another has written in between.
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


async def in_turn(connection: AsyncConnection, *names: str) -> None:
    """From here until this transaction ends, no other one passes here with one of the names.

    For what is read and then continued: a chain's head, the last number. SQLite has one writer at a time anyway.
    """
    if connection.dialect.name == "postgresql":
        for name in sorted(names):  # in one order, or two could wait for each other
            await connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": name})


class Transactions:
    """What all parts of the store share: ``reading()`` and ``writing()``."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._writer = engine.execution_options(**{_WRITES: True})
        self._turn = asyncio.Lock() if engine.dialect.name == "sqlite" else None

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """One consistent view of the database."""
        async with self._engine.connect() as connection:
            yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """One transaction: all of it on leaving, nothing of it on an exception.

        Writers of one process queue here, in order and without polling; SQLite's own lock is for other processes.
        """
        if self._turn is None:
            async with self._writer.begin() as connection:
                yield connection
        else:
            async with self._turn, self._writer.begin() as connection:
                yield connection

    async def aclose(self) -> None:
        """Close all connections."""
        await self._engine.dispose()
