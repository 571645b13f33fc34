"""Bring a database to the newest revision, at start-up and by ``python -m server migrate``."""

from __future__ import annotations

import asyncio
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from server.store.transactions import Transactions, in_turn, open_engine, use_write_ahead_log

SCRIPTS = Path(__file__).parent / "migrations"


async def migrate(url: str) -> None:
    """Run the revisions that are missing, all in one transaction; another process that starts meanwhile waits."""
    rows = Transactions(open_engine(url))
    try:
        await asyncio.to_thread(use_write_ahead_log, url)
        async with rows.writing() as connection:
            await in_turn(connection, "migration")
            await connection.run_sync(_upgrade)
    finally:
        await rows.aclose()


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
