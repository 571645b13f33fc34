"""Three real pages in one call: the citizen is asked, agrees, sees and hears the interpreter, and ends it again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import Page, async_playwright, expect

from server.consultation import operating
from server.media.embedded import EmbeddedMedia
from server.media.sealed import verify
from server.ports import ENDS, Media
from server.proofing import Role
from tests.api.conftest import PICTURE, House, house_on
from tests.browser.chromium import launch
from tests.fakes import fresh_database

PATIENCE = 20_000
PHONE = {"width": 360, "height": 640}
DESKTOP = {"width": 1440, "height": 900}


@dataclass
class Three:
    house: House
    citizen: Page
    consultant: Page
    interpreter: Page
    folder: Path

    async def call(self, language: str = "kk") -> None:
        """The citizen's card is read and the two are in a call."""
        desk, base = self.house.desk, self.house.base
        request = self.citizen.request
        consent = {"language": language, "purpose": "first_eds", "consent_version": "2026-11"}
        await request.post(f"{base}/api/session", data=consent)
        for side in ("front", "back"):
            await request.put(f"{base}/api/session/evidence/{side}", data=b"picture", headers=PICTURE)
        await request.post(f"{base}/api/session/evidence/confirm", data={})
        now, limits = self.house.clock.now(), desk.limits
        _, token = await operating.new_link(desk.store, "Айгүл", Role.OPERATOR, None, now, limits.link)
        await self.consultant.goto(f"{base}/operator.html#token={token}")
        await self.consultant.get_by_test_id("ready").click(timeout=PATIENCE)
        await self.citizen.goto(base)
        for page in (self.citizen, self.consultant):
            await plays(page, "[data-testid=call-remote]")

    async def invite(self, name: str = "Сәуле Ахметова") -> str:
        """The link, as the consultant's page shows it."""
        page = self.consultant
        await page.get_by_test_id("third-open").click()
        await page.get_by_test_id("third-name").fill(name)
        await page.get_by_test_id("third-language").select_option("kazakh_sign")
        await page.get_by_test_id("third-invite").click()
        return await page.get_by_test_id("third-link").input_value(timeout=PATIENCE)

    async def accept(self, link: str) -> None:
        """The interpreter opens it, binds herself and looks at her picture."""
        page = self.interpreter
        await page.goto(link)
        await page.get_by_test_id("duty-agree").check(timeout=PATIENCE)
        await page.get_by_test_id("duty-next").click()
        await page.get_by_test_id("join").click(timeout=PATIENCE)


async def plays(page: Page, selector: str) -> None:
    """Wait until the video shows new pictures."""
    moving = "([s, n]) => { const v = document.querySelector(s); return v && v.videoWidth && v.currentTime > n; }"
    await page.wait_for_function(moving, arg=[selector, 0], timeout=PATIENCE)
    now = await page.eval_on_selector(selector, "v => v.currentTime")
    await page.wait_for_function(moving, arg=[selector, now + 0.2], timeout=PATIENCE)


@asynccontextmanager
async def three(folder: Path, media: Media) -> AsyncIterator[Three]:
    """The service on this media, and three pages in one browser."""
    async with AsyncExitStack() as stack:
        house = await stack.enter_async_context(house_on(await fresh_database(folder), carrier=media))
        recordings = folder / "recordings"
        recordings.mkdir()
        house.record(recordings)
        playwright = await stack.enter_async_context(async_playwright())
        browser = await stack.enter_async_context(launch(playwright))
        pages = [await browser.new_page(viewport=size) for size in (PHONE, DESKTOP, DESKTOP)]
        yield Three(house, *pages, folder=recordings)


@pytest.mark.timeout(120)
async def test_an_interpreter_in_a_real_call(tmp_path: Path) -> None:
    async with three(tmp_path, EmbeddedMedia(addresses=["127.0.0.1"], loopback=True)) as people:
        citizen, consultant, interpreter = people.citizen, people.consultant, people.interpreter
        await people.call()
        await people.accept(await people.invite())
        await expect(interpreter.locator("body")).to_have_attribute("data-screen", "wait", timeout=PATIENCE)
        assert "token" not in interpreter.url
        await citizen.get_by_test_id("third-yes").click(timeout=PATIENCE)
        for page in (citizen, consultant):
            await plays(page, "[data-testid=third-video]")
        for end in ("applicant", "operator"):
            await plays(interpreter, f"[data-end={end}]")

        await interpreter.reload()  # she comes back by herself
        await expect(citizen.get_by_test_id("third")).to_have_attribute("data-connected", "false", timeout=PATIENCE)
        for page in (citizen, consultant):
            await expect(page.get_by_test_id("third")).to_have_attribute("data-connected", "true", timeout=PATIENCE)
            await plays(page, "[data-testid=third-video]")
        await plays(interpreter, "[data-end=applicant]")

        await citizen.get_by_test_id("third-end").click()
        await expect(interpreter.get_by_test_id("end")).to_have_attribute("data-by", "applicant", timeout=PATIENCE)
        for page in (citizen, consultant):
            await expect(page.get_by_test_id("third")).to_have_count(0, timeout=PATIENCE)
        await expect(consultant.get_by_test_id("third-ended")).to_be_visible()
        await expect(citizen.get_by_test_id("third-left")).to_be_visible()
        await plays(citizen, "[data-testid=call-remote]")

        session = (await (await citizen.request.post(f"{people.house.base}/api/session/leave")).json())["session"]["id"]
        async with asyncio.timeout(PATIENCE / 1000):
            while (stopped := await people.house.desk.store.audit_events(session))[-1].kind != "recording_stopped":
                await asyncio.sleep(0.05)
        named = stopped[-1].data["segments"]
        assert {one["leg"] for one in named} == set(map(str, ENDS))
        assert len([one for one in named if one["leg"] == "interpreter"]) == 2, "before the reload, and after it"
        assert all(verify(people.folder / one["file"]).ok for one in named)
