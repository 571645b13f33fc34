"""LocalBus: tells the pages of this process that something changed. One process, one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class _Subscription:
    """The topics that changed and were not read yet, each once, the longest waiting first.

    Bounded by the number of topics subscribed to: a reader that never reads costs no more than that.
    """

    def __init__(self) -> None:
        self._changed: dict[str, None] = {}
        self._something = asyncio.Event()

    def tell(self, topic: str) -> None:
        self._changed.setdefault(topic)
        self._something.set()

    def __aiter__(self) -> AsyncIterator[str]:
        return self

    async def __anext__(self) -> str:
        while not self._changed:
            self._something.clear()
            await self._something.wait()
        topic = next(iter(self._changed))
        del self._changed[topic]
        return topic


class LocalBus:
    """The Bus protocol for a service of one process."""

    def __init__(self) -> None:
        self._readers: dict[str, set[_Subscription]] = {}

    async def publish(self, topic: str) -> None:
        """Never waits for a reader."""
        for reader in self._readers.get(topic, ()):
            reader.tell(topic)

    @asynccontextmanager
    async def subscribe(self, *topics: str) -> AsyncIterator[AsyncIterator[str]]:
        """Topics as they change, from the moment of entering on; coalesced. The iteration has no end of its own."""
        reader = _Subscription()
        for topic in topics:
            self._readers.setdefault(topic, set()).add(reader)
        try:
            yield reader
        finally:
            for topic in set(topics):
                readers = self._readers[topic]
                readers.discard(reader)
                if not readers:
                    del self._readers[topic]
