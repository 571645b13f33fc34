"""What is of the embedded engine alone: ports, addresses, limits. The rest is in tests/contract/test_media.py."""

from __future__ import annotations

import asyncio
import gc
import re
import threading

import psutil
import pytest

from server.media.aiortc_internals import Peer
from server.media.embedded import EmbeddedMedia
from server.media.tap import Tap
from server.media.translator import Terminal
from server.ports import Leg, MediaError
from tests.media.peers import Browser, join

CALL = "call-1"


@pytest.fixture
async def browsers():
    opened: list[Browser] = []

    def make(**options) -> Browser:
        opened.append(Browser(**options))
        return opened[-1]

    yield make
    for browser in opened:
        await browser.close()


async def test_close_is_idempotent_and_frees_the_ports(browsers):
    media = EmbeddedMedia(addresses=["127.0.0.1"], ports=(41000, 41001))
    for _ in range(3):
        applicant, operator = browsers(), browsers()
        await join(media, applicant, Leg.APPLICANT, CALL)
        await join(media, operator, Leg.OPERATOR, CALL)
        with pytest.raises(MediaError) as refused:
            await join(media, browsers(), Leg.APPLICANT, call="another")
        assert refused.value.code == "media_full"
        await media.close(CALL)
        await media.close(CALL)
    await media.aclose()


async def test_more_calls_than_allowed(browsers):
    media = EmbeddedMedia(addresses=["127.0.0.1"], max_calls=1)
    await join(media, browsers(), Leg.APPLICANT, CALL)
    with pytest.raises(MediaError) as refused:
        await join(media, browsers(), Leg.APPLICANT, call="another")
    assert refused.value.code == "media_full"
    await media.aclose()


async def test_an_address_that_is_gone_since_the_start_costs_no_call(browsers):
    media = EmbeddedMedia(addresses=["203.0.113.77", "127.0.0.1"])  # TEST-NET-3: no host has it
    await join(media, browsers(), Leg.APPLICANT, CALL)
    await media.aclose()
    nowhere = EmbeddedMedia(addresses=["203.0.113.77"])
    with pytest.raises(OSError, match="none of the host's addresses"):
        await join(nowhere, browsers(), Leg.APPLICANT, CALL)
    await nowhere.aclose()


async def test_announced_address_and_port_range_are_in_the_answer(browsers):
    media = EmbeddedMedia(addresses=["127.0.0.1"], ports=(41010, 41012), announced="203.0.113.9")
    answer = await media.answer(CALL, Leg.APPLICANT, await browsers().offer())
    ports = {int(port) for port in re.findall(r"^a=candidate:.* 127\.0\.0\.1 (\d+) typ host", answer, re.MULTILINE)}
    assert ports
    assert ports <= set(range(41010, 41013))
    await media.aclose()


def own_threads() -> int:
    """Without those of the loop's executor, which are bounded and come one by one as they are first needed."""
    return sum(not thread.name.startswith("asyncio_") for thread in threading.enumerate())


async def test_joins_and_leaves_leave_nothing_behind():
    media = EmbeddedMedia(addresses=["127.0.0.1"])
    process = psutil.Process()

    async def once(call: str) -> None:
        applicant, operator = Browser(), Browser(first_number=3000)
        await join(media, applicant, Leg.APPLICANT, call)
        await join(media, operator, Leg.OPERATOR, call)
        await operator.seen_number()
        await media.frames(call, Leg.APPLICANT, 1, 1.0)
        await media.close(call)
        await applicant.close()
        await operator.close()

    await once("first")  # starts the decoding worker
    before = (process.num_fds(), own_threads(), len(asyncio.all_tasks()))
    for number in range(8):
        await once(f"call-{number}")
    gc.collect()
    after = (process.num_fds(), own_threads(), len(asyncio.all_tasks()))
    assert all(now <= then for now, then in zip(after, before, strict=True)), (before, after)
    kept = [type(one).__name__ for one in gc.get_objects() if isinstance(one, Peer | Terminal | Tap)]
    assert len(kept) <= 6  # of 18 legs at most the last two: the loop still names them in timers that were cancelled
    await media.aclose()
