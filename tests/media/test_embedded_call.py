"""Two real WebRTC peers hold a call through the embedded engine."""

from __future__ import annotations

import asyncio
import itertools
import re

import pytest

from server.media.embedded import EmbeddedMedia
from server.ports import Leg, MediaError
from tests.media.peers import Browser, read_number

CALL = "call-1"


@pytest.fixture
async def media():
    engine = EmbeddedMedia(addresses=["127.0.0.1"])
    before = asyncio.all_tasks()
    yield engine
    await engine.aclose()
    await asyncio.sleep(0)
    assert asyncio.all_tasks() <= before | {asyncio.current_task()}


@pytest.fixture
async def browsers():
    opened: list[Browser] = []

    def make(**options) -> Browser:
        opened.append(Browser(**options))
        return opened[-1]

    yield make
    for browser in opened:
        await browser.close()


async def join(media, browser: Browser, leg: Leg, call: str = CALL) -> None:
    await browser.accept(await media.answer(call, leg, await browser.offer()))


async def next_event(events, kind: str, leg: Leg, timeout: float = 10.0) -> None:
    async with asyncio.timeout(timeout):
        async for event in events:
            if event.kind == kind and event.leg == leg:
                return


async def test_picture_and_sound_go_both_ways(media, browsers):
    applicant, operator = browsers(first_number=1000), browsers(first_number=3000)
    await join(media, applicant, Leg.APPLICANT)
    await join(media, operator, Leg.OPERATOR)
    assert 3000 <= await applicant.seen_number() < 4000
    assert 1000 <= await operator.seen_number() < 2000
    assert await applicant.heard_frequency() == pytest.approx(operator.frequency, rel=0.05)
    assert await operator.heard_frequency() == pytest.approx(applicant.frequency, rel=0.05)


async def test_the_first_one_may_wait_alone(media, browsers):
    events = media.events()
    operator = browsers(first_number=3000)
    await join(media, operator, Leg.OPERATOR)
    await next_event(events, "connected", Leg.OPERATOR)
    applicant = browsers(first_number=1000)
    await join(media, applicant, Leg.APPLICANT)
    assert 1000 <= await operator.seen_number() < 2000
    assert 3000 <= await applicant.seen_number() < 4000


async def test_frames_are_the_newest_of_the_sender(media, browsers):
    applicant = browsers(first_number=1000)
    events = media.events()
    await join(media, applicant, Leg.APPLICANT)
    await next_event(events, "connected", Leg.APPLICANT)
    frames = await media.frames(CALL, Leg.APPLICANT, 3, 3.0)
    numbers = [read_number(frame.pixels) for frame in frames]
    assert len(frames) == 3
    assert numbers == sorted(set(numbers))
    assert 0 <= applicant.number - numbers[-1] < 30
    assert frames[0].pixels.shape == (240, 320, 3)
    stamps = [frame.rtp_timestamp for frame in frames]
    assert [(b - a) & 0xFFFFFFFF > 0 for a, b in itertools.pairwise(stamps)] == [True, True]


async def test_frames_without_a_leg(media):
    with pytest.raises(MediaError) as refused:
        await media.frames(CALL, Leg.APPLICANT, 1, 0.1)
    assert refused.value.code == "media_not_connected"


async def test_a_leg_that_comes_back_takes_its_place(media, browsers):
    applicant, operator = browsers(first_number=1000), browsers(first_number=3000)
    await join(media, applicant, Leg.APPLICANT)
    await join(media, operator, Leg.OPERATOR)
    assert 1000 <= await operator.seen_number() < 2000
    again = browsers(first_number=5000)
    await join(media, again, Leg.APPLICANT)
    assert await operator.seen_number(at_least=5000) < 6000
    assert 3000 <= await again.seen_number() < 4000
    assert operator.state == "connected"


async def test_silence_and_closing_are_told(media, browsers):
    events = media.events()
    applicant, operator = browsers(first_number=1000), browsers(first_number=3000)
    await join(media, applicant, Leg.APPLICANT)
    await join(media, operator, Leg.OPERATOR)
    await next_event(events, "connected", Leg.APPLICANT)
    applicant.go_dark()
    await next_event(events, "silent", Leg.APPLICANT, timeout=5.0)
    applicant.come_back()
    await next_event(events, "connected", Leg.APPLICANT, timeout=5.0)
    await applicant.close()
    await next_event(events, "closed", Leg.APPLICANT)
    assert media.statistics(CALL, Leg.APPLICANT) is None
    assert media.statistics(CALL, Leg.OPERATOR) is not None


async def test_statistics_say_what_arrives(media, browsers):
    applicant = browsers(first_number=1000)
    events = media.events()
    await join(media, applicant, Leg.APPLICANT)
    await next_event(events, "connected", Leg.APPLICANT)
    await applicant.sent_seconds(2.5)
    figures = media.statistics(CALL, Leg.APPLICANT)
    assert figures.connected
    assert (figures.width, figures.height) == (320, 240)
    assert 10 < figures.frames_per_second < 35
    assert figures.packets_lost == 0
    assert figures.bits_per_second > 10_000


async def test_close_is_idempotent_and_frees_the_ports(browsers):
    media = EmbeddedMedia(addresses=["127.0.0.1"], ports=(41000, 41001))
    for _ in range(3):
        applicant, operator = browsers(), browsers()
        await join(media, applicant, Leg.APPLICANT)
        await join(media, operator, Leg.OPERATOR)
        with pytest.raises(MediaError) as refused:
            await join(media, browsers(), Leg.APPLICANT, call="another")
        assert refused.value.code == "media_full"
        await media.close(CALL)
        await media.close(CALL)
    await media.aclose()


async def test_more_calls_than_allowed(browsers):
    media = EmbeddedMedia(addresses=["127.0.0.1"], max_calls=1)
    await join(media, browsers(), Leg.APPLICANT)
    with pytest.raises(MediaError) as refused:
        await join(media, browsers(), Leg.APPLICANT, call="another")
    assert refused.value.code == "media_full"
    await media.aclose()


async def test_announced_address_and_port_range_are_in_the_answer(browsers):
    media = EmbeddedMedia(addresses=["127.0.0.1"], ports=(41010, 41012), announced="203.0.113.9")
    answer = await media.answer(CALL, Leg.APPLICANT, await browsers().offer())
    ports = {int(port) for port in re.findall(r"^a=candidate:.* 127\.0\.0\.1 (\d+) typ host", answer, re.MULTILINE)}
    assert ports
    assert ports <= set(range(41010, 41013))
    await media.aclose()
