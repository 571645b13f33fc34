"""Telling: what changed, and what time it is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol


class Bus(Protocol):
    """Tells the process's pages that something changed. Carries names, never data: readers read the store."""

    async def publish(self, topic: str) -> None: ...

    def subscribe(self, *topics: str) -> AbstractAsyncContextManager[AsyncIterator[str]]:
        """Topics as they change. Coalesced: a topic published many times while the reader is busy comes once."""


class Clock(Protocol):
    def now(self) -> datetime:
        """Aware, UTC."""
