"""Lines that carry little, up and down, with two real Chromiums."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest
from aiohttp import web
from playwright.async_api import Page

from server.media.processes import MediaProcesses
from server.ports import Leg, RecordingPlan
from tests.media import lab
from tests.media.chromium import application, browser, first_picture, open_call, served
from tests.media.janus_server import running_janus

WEB = Path(__file__).resolve().parents[2] / "web"
CITIZEN = Path(__file__).with_name("narrow.html")


async def heard(page: Page, seconds: float) -> dict[str, float]:
    """What the operator gets meanwhile: frames per second, and the share of the sound that had to be made up."""
    before = await page.evaluate("statistics()")
    await asyncio.sleep(seconds)
    after = await page.evaluate("statistics()")

    def grown(stream: str, counter: str) -> float:
        return float(after[stream].get(counter, 0) - before[stream].get(counter, 0))

    return {
        "fps": (after["frames"] - before["frames"]) / ((after["at"] - before["at"]) / 1000),
        "made_up": grown("in_audio", "concealedSamples") / max(1.0, grown("in_audio", "totalSamplesReceived")),
    }


async def encoded(page: Page) -> int:
    """Pictures that the citizen's browser has made to be sent over its connection."""
    stats = "(async () => [...(await call.peer.getStats()).values()])()"
    items = await page.evaluate(stats)
    return int(next(one["framesEncoded"] for one in items if one["type"] == "outbound-rtp" and one["kind"] == "video"))


async def until(page: Page, code: str, seconds: float) -> None:
    """Wait until the citizen's page says so of its line. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while (await page.evaluate("state.codes.at(-1)")) != code:
            await asyncio.sleep(0.2)


async def flowing(page: Page, seconds: float) -> None:
    """Wait until the operator sees more than five pictures a second: a browser's estimate follows the line, but slowly.
    Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while (await heard(page, 2))["fps"] <= 5:
            pass


@pytest.mark.timeout(240)
async def test_the_picture_goes_and_the_voice_stays_on_a_line_too_narrow_for_both() -> None:
    if (reason := lab.reason_not_to_run()) is not None:
        pytest.skip(reason)

    async def answer(call: str, leg: str, sdp: str) -> str:
        return await media.answer(call, Leg(leg), sdp)

    async def citizen_page(_: web.Request) -> web.Response:
        return web.Response(text=CITIZEN.read_text(encoding="utf-8"), content_type="text/html")

    app = application(answer)
    app.router.add_get("/citizen", citizen_page)
    app.router.add_static("/web", WEB)
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(lab.cables())
        narrow_to = await stack.enter_async_context(lab.slow_line("applicant"))
        media = MediaProcesses(1, addresses=[lab.SLOW["near"], lab.SERVER["operator"]])
        stack.push_async_callback(media.aclose)
        await media.start()
        port = (await stack.enter_async_context(served(app, "0.0.0.0"))).rsplit(":", 1)[1]
        pages: dict[str, Page] = {}
        for leg, host in (("operator", lab.SERVER["operator"]), ("applicant", lab.SLOW["near"])):
            origin = f"http://{host}:{port}"
            opened = await stack.enter_async_context(browser(stack.enter_context(lab.launcher(leg)), secure=origin))
            if leg == "operator":
                pages[leg] = await open_call(opened, origin, "c", leg)
            else:
                pages[leg] = await (await opened.new_context()).new_page()
                await pages[leg].goto(f"{origin}/citizen?call=c")
        citizen, operator = pages["applicant"], pages["operator"]
        await first_picture(operator)

        narrow_to(300, 0.15)
        await asyncio.sleep(6)  # until the browser's estimate, which falls too far at first, has found the line's width
        await flowing(operator, 20)
        found = await heard(operator, 4)
        assert found["fps"] > 5
        assert found["made_up"] < 0.05
        assert "sound_only_up" not in await citizen.evaluate("state.codes")

        narrow_to(62, 0.05)
        found, _ = await asyncio.gather(heard(operator, 5), until(citizen, "sound_only_up", 60))
        assert found["made_up"] < 0.2
        await asyncio.sleep(1)  # what was on its way
        before = await encoded(citizen)
        found = await heard(operator, 3)
        assert await encoded(citizen) == before
        assert found["fps"] < 1  # one that was repaired late may still come
        assert found["made_up"] < 0.05

        narrow_to(2000, 0.05)
        await until(citizen, "good", 30)
        await flowing(operator, 20)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("engine", ["embedded", "janus"])
async def test_a_slow_consultants_picture_does_not_freeze(engine: str, tmp_path: Path) -> None:
    """What comes down to the operator is held to 400 kbit/s, and the applicant's browser would send 1500."""
    if (reason := lab.reason_not_to_run()) is not None:
        pytest.skip(reason)
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(lab.cables())
        if engine == "janus":
            running = await stack.enter_async_context(running_janus(",".join(lab.SERVER.values())))
            media = running.media(least_free=0)
        else:
            media = MediaProcesses(1, addresses=list(lab.SERVER.values()))
        await media.start()
        stack.push_async_callback(media.aclose)
        await media.record("c", RecordingPlan(tmp_path, "s1", bytes(32)))
        pages = await stack.enter_async_context(lab.call_between_namespaces(media, bitrate=1_500_000))
        applicant, operator = pages["applicant"], pages["operator"]
        async with asyncio.timeout(40):
            while (await lab.look(applicant, 2))["kbps"] < 800:
                pass
        await lab.narrow("operator", 400, down=True)
        async with asyncio.timeout(30):
            while (await lab.look(applicant, 2))["kbps"] >= 400:
                pass
        await asyncio.sleep(4)  # what the line's queue held until then
        sound, seen, sent = await asyncio.gather(heard(operator, 6), lab.look(operator, 6), lab.look(applicant, 6))
        assert sent["kbps"] < 400
        assert seen["fps"] > 10
        assert seen["freeze"] < 2
        assert sound["made_up"] < 0.1
