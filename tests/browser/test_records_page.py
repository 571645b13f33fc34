"""The page of records in a real Chromium: a recording is played, both pictures on one clock, marks lead to moments."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Page, async_playwright, expect

from server.consultation import operating
from server.media.playback import SealedRecordings
from server.ports import PAIR, Leg
from server.proofing import Role
from tests.api.conftest import House, house_on
from tests.browser.chromium import launch
from tests.fakes import fresh_database
from tests.recordings import RATE, SESSION_SECONDS, SegmentWriter, recorded_session

VIDEOS = "() => [...document.querySelectorAll('video')]"
SOUGHT = "questions"


@pytest_asyncio.fixture
async def opened(tmp_path: Path) -> AsyncIterator[tuple[House, str, Page]]:
    """The service with one recorded session, and an auditor's page."""
    async with house_on(await fresh_database(tmp_path)) as house:
        _, session = await recorded_session(house, tmp_path)
        now, life = house.clock.now(), house.desk.limits.link
        _, token = await operating.new_link(house.desk.store, "Auditor", Role.AUDITOR, None, now, life)
        async with async_playwright() as playwright, launch(playwright) as browser:
            page = await browser.new_page(viewport={"width": 1440, "height": 900})
            page.set_default_timeout(20_000)
            complaints: list[str] = []
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
            await page.goto(f"{house.base}/records.html#token={token}")
            yield house, session, page
            assert complaints == []


@asynccontextmanager
async def being_recorded(house: House, folder: Path) -> AsyncIterator[str]:
    """A call whose segments grow in real time; its session."""
    house.record(folder)
    assert house.desk.recording_rule is not None
    key = house.desk.recording_rule.key
    house.desk.recordings = SealedRecordings(folder, key)
    _, operator, call = await house.in_call()
    await house.segments_begin(call)
    while call not in house.desk.recorded:
        await operator.receive("state")
    session = str((await operator.ask("GET", "/api/operator"))["case"]["id"])
    writers = [SegmentWriter(folder, session, leg, key=key) for leg in PAIR]

    async def write() -> None:
        while True:
            for writer in writers:
                writer.write(1)
            await asyncio.sleep(1 / RATE)

    writing = asyncio.create_task(write())
    try:
        yield session
    finally:
        writing.cancel()
        await asyncio.wait([writing])
        for writer in writers:
            writer.close()


async def test_a_supervisor_watches_and_is_seen_to(tmp_path: Path) -> None:
    async with house_on(await fresh_database(tmp_path)) as house, being_recorded(house, tmp_path) as session:
        now, life = house.clock.now(), house.desk.limits.link
        _, token = await operating.new_link(house.desk.store, "Supervisor", Role.SUPERVISOR, None, now, life)
        async with async_playwright() as playwright, launch(playwright) as browser:
            page = await browser.new_page(viewport={"width": 1440, "height": 900})
            page.set_default_timeout(20_000)
            await page.goto(f"{house.base}/records.html#token={token}")
            await page.get_by_test_id("watch").click()
            moving = f"{VIDEOS}.filter(v => v.videoWidth === 160 && v.currentTime > 1).length === {len(PAIR)}"
            await page.wait_for_function(moving)
            assert house.desk.presence.others(session) == ["supervisor"]
            await page.get_by_test_id("records-back").click()
            await expect(page.get_by_test_id("records")).to_be_visible()
            async with asyncio.timeout(10):
                while house.desk.presence.others(session):
                    await house.pass_time(1)
                    await asyncio.sleep(0.1)


async def test_a_recording_is_played_and_sought_by_its_marks(opened: tuple[House, str, Page]) -> None:
    house, session, page = opened
    assert house.desk.recording_rule is not None
    damaged = house.desk.recording_rule.folder / f"{session}.{Leg.OPERATOR}.0001.rec"
    content = bytearray(damaged.read_bytes())
    content[-400] ^= 1
    damaged.write_bytes(content)
    await page.locator("[data-testid=record-row] a").click()
    assert "token" not in page.url
    mark = page.locator(f'[data-testid=mark][data-step="{SOUGHT}"]')
    await mark.click()
    await expect(mark).to_have_attribute("aria-current", "true")
    # Both stand at the moment of the mark, with a decoded picture.
    await page.wait_for_function(f"{VIDEOS}.every(v => v.readyState >= 2 && !v.seeking && v.currentTime > 4.9)")
    shown = await page.evaluate(f"{VIDEOS}.map(v => [v.currentTime, v.videoWidth, v.duration])")
    assert len(shown) == len(PAIR)
    for at, width, duration in shown:
        assert at == pytest.approx(5.0, abs=0.15)
        assert width == 160
        assert duration == pytest.approx(SESSION_SECONDS, abs=0.5)
    await page.keyboard.press("Space")
    await page.wait_for_function(f"{VIDEOS}.every(v => v.currentTime > 6.2)")
    one, other = await page.evaluate(f"{VIDEOS}.map(v => v.currentTime)")
    assert abs(one - other) < 0.3
    await page.keyboard.press("Space")
    # Near the end the consultant's side is damaged, and says so there.
    record = await (await page.request.get(f"{house.base}/api/operator/records/{session}")).json()
    ((first, last),) = next(one["damaged"] for one in record["segments"] if one["leg"] == Leg.OPERATOR)
    assert 0 < first < last
    await page.get_by_test_id("player-range").fill(str(round((first + min(last, SESSION_SECONDS)) / 2, 1)))
    await expect(page.get_by_test_id("damaged-operator")).to_be_visible()
    await expect(page.get_by_test_id("damaged-applicant")).to_have_count(0)
    await expect(page.get_by_test_id("recording-doubt")).to_be_visible()
    kinds = [event.kind for event in await house.desk.store.audit_events(session)]
    assert kinds.count("recording_played") == len(PAIR)
