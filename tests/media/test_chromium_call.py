"""Two real Chromiums hold a call through the embedded engine."""

from __future__ import annotations

import asyncio

import pytest

from server.media.embedded import EmbeddedMedia
from server.ports import Leg
from tests.media.chromium import application, browser, first_picture, open_call, served


@pytest.fixture
async def media():
    engine = EmbeddedMedia(addresses=["127.0.0.1"])
    yield engine
    await engine.aclose()


@pytest.mark.timeout(90)
async def test_two_browsers_see_and_hear_each_other(media):
    app = application(lambda call, leg, sdp: media.answer(call, Leg(leg), sdp))
    async with served(app) as origin, browser() as chromium:
        pages = {leg: await open_call(chromium, origin, "c1", leg) for leg in ("applicant", "operator")}
        for page in pages.values():
            await first_picture(page)
        before = {leg: await page.evaluate("statistics()") for leg, page in pages.items()}
        frames = await media.frames("c1", Leg.APPLICANT, 3, 9.0)
        await asyncio.sleep(3)  # some seconds of media to count
        for leg, page in pages.items():
            after = await page.evaluate("statistics()")
            assert after["frames"] - before[leg]["frames"] > 30
            assert {"video/VP8", "audio/opus"} <= set(after["codecs"])
            assert after["in_audio"]["totalSamplesReceived"] > before[leg]["in_audio"]["totalSamplesReceived"]
            assert after["in_audio"]["packetsReceived"] - before[leg]["in_audio"]["packetsReceived"] > 50
            ages = sorted(age for at, age in await page.evaluate("state.latencies") if at > before[leg]["at"])
            assert ages[len(ages) // 2] < 3000  # ms; two encoders on a busy machine: the bench has the figure
            assert await page.evaluate("state.streams") == 1
        assert len(frames) == 3
        assert all(frame.pixels.std() > 20 for frame in frames)
        figures = media.statistics("c1", Leg.OPERATOR)
        assert figures is not None
        assert figures.frames_per_second > 3
