"""Another process that opens and closes the database (the command line beside the server) takes nothing from it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from server.store import SqlStore, migrate

LOOK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("select count(*) from sqlite_master").fetchall()
connection.close()
"""


def _there(path: Path) -> bool:
    return path.exists()


async def test_the_write_ahead_log_survives_another_process(tmp_path: Path) -> None:
    path = tmp_path / "betpe.sqlite3"
    url = f"sqlite+aiosqlite:///{path}"
    await migrate(url)
    store = SqlStore(url)
    try:
        await store.operators()
        log = Path(f"{path}-wal")
        assert _there(log)
        again = SqlStore(url)  # as a second engine is made in one process at start
        await again.aclose()
        other = await asyncio.create_subprocess_exec(sys.executable, "-c", LOOK, str(path))
        assert await asyncio.wait_for(other.wait(), 30) == 0
        assert _there(log)
    finally:
        await store.aclose()
