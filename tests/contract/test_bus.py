"""What every Bus does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from server.bus import LocalBus
from server.ports import Bus


@pytest.fixture
def bus() -> Bus:
    return LocalBus()


async def _next(changes: AsyncIterator[str]) -> str:
    return await asyncio.wait_for(anext(changes), 5)


async def _nothing_more(bus: Bus, changes: AsyncIterator[str], topic: str) -> bool:
    """Whether nothing is waiting: a mark published now is the very next thing read."""
    await bus.publish(topic)
    return await _next(changes) == topic


async def test_a_reader_is_told_of_its_topics_only(bus: Bus) -> None:
    async with bus.subscribe("queue", "session:a") as changes:
        await bus.publish("session:b")
        await bus.publish("session:a")
        assert await _next(changes) == "session:a"
        assert await _nothing_more(bus, changes, "queue")


async def test_a_reader_that_waits_is_woken(bus: Bus) -> None:
    async with bus.subscribe("queue") as changes:
        reading = asyncio.ensure_future(anext(changes))
        await asyncio.sleep(0)  # it waits now
        assert not reading.done()
        await bus.publish("queue")
        assert await asyncio.wait_for(reading, 5) == "queue"


async def test_what_changes_between_subscribing_and_reading_is_not_missed(bus: Bus) -> None:
    async with bus.subscribe("queue") as changes:
        await bus.publish("queue")
        assert await _next(changes) == "queue"


async def test_a_topic_published_often_comes_once(bus: Bus) -> None:
    async with bus.subscribe("a", "b") as changes:
        for _ in range(10_000):
            await bus.publish("b")
            await bus.publish("a")
        assert [await _next(changes), await _next(changes)] == ["b", "a"]
        assert await _nothing_more(bus, changes, "a")


async def test_a_change_while_the_reader_handles_the_last_one_comes_again(bus: Bus) -> None:
    async with bus.subscribe("a") as changes:
        await bus.publish("a")
        assert await _next(changes) == "a"
        await bus.publish("a")
        assert await _next(changes) == "a"


async def test_every_reader_is_told_and_a_slow_one_holds_up_nobody(bus: Bus) -> None:
    async with bus.subscribe("a") as first, bus.subscribe("a") as slow:
        for _ in range(100):
            await bus.publish("a")
            assert await _next(first) == "a"
        assert await _next(slow) == "a"
        assert await _nothing_more(bus, slow, "a")


async def test_a_reader_that_left_leaves_nothing_behind() -> None:
    bus = LocalBus()
    for topics in (("a",), ("a", "a"), ("a", "b")):
        async with bus.subscribe(*topics), bus.subscribe("a"):
            await bus.publish("a")
    with pytest.raises(RuntimeError, match="page gone"):
        async with bus.subscribe("a", "b"):
            raise RuntimeError("page gone")
    assert bus._readers == {}
    await bus.publish("a")


async def test_a_reader_may_be_cancelled_while_it_waits(bus: Bus) -> None:
    async with bus.subscribe("a") as changes:
        reading = asyncio.ensure_future(anext(changes))
        await asyncio.sleep(0)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        await bus.publish("a")
        assert await _next(changes) == "a"


async def test_leaving_and_coming_while_something_is_published(bus: Bus) -> None:
    async with bus.subscribe("a") as stays:

        async def passer_by() -> None:
            async with bus.subscribe("a") as changes:
                await _next(changes)

        passing = [asyncio.ensure_future(passer_by()) for _ in range(50)]
        await asyncio.sleep(0)
        await bus.publish("a")
        await asyncio.wait_for(asyncio.gather(*passing), 5)
        assert await _next(stays) == "a"
