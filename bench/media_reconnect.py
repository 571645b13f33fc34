"""Seconds without a picture when a media process is killed or hangs, or the citizen's network changes.

The real service, the real pages in two real browsers, in a call that is recorded.
"""

from __future__ import annotations

import asyncio
import signal
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path

from playwright.async_api import async_playwright

from bench.rows import Row, result_row
from tests.browser.chromium import camera_file, launch
from tests.browser.journey import DESKTOP, PATIENCE, PHONE, Journey, Opened, consultants_camera, draw_card
from tests.browser.losses import back_after, lose_process, watch
from tests.browser.served import Served
from tests.media import lab

DATA = Path(__file__).parents[1] / "tests" / "data"
PORTRAIT, CLIP = DATA / "obama.jpg", DATA / "obama2.jpg"
HOW = "make bench ONLY=media_reconnect"
TIMES = 3
BETWEEN_SECONDS = 4.0
"""Until a new media process is up, and both encoders have their rate."""
LOSSES = (("killed", signal.SIGKILL), ("hung", signal.SIGSTOP))
LIMITS = {"killed": 1.0, "hung": 2.5, "moved": 3.0}
"""Seconds within which both pages shall show the other end again."""


async def _lost(folder: Path) -> dict[str, list[float]]:
    """For each loss of a process the seconds at the page that was later, of each try."""
    async with Opened() as stack:
        journey, front, back = await stack.open(folder, PORTRAIT, CLIP)
        await journey.sign_in()
        await journey.apply(front, back)
        await journey.meet()
        found: dict[str, list[float]] = {name: [] for name, _ in LOSSES}
        for _ in range(TIMES):
            for name, how in LOSSES:
                await asyncio.sleep(BETWEEN_SECONDS)
                both, _ = await lose_process(journey, how)
                found[name].append(max(both))
    return found


async def _moved(folder: Path) -> list[float]:
    """The same when the citizen's device gets another address, as from Wi-Fi to a mobile network."""
    address = lab.SERVER["applicant"]
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(lab.cables())
        settings = {"BETPE_HOST": "0.0.0.0", "BETPE_MEDIA_ADDRESSES": f"{address},127.0.0.1"}
        served = Served(folder / "data", host=address, settings=settings)
        stack.push_async_callback(served.stop)
        await served.start()
        playwright = await stack.enter_async_context(async_playwright())
        own = await asyncio.to_thread(consultants_camera, folder)
        desk = await stack.enter_async_context(launch(playwright, own))
        clip = await asyncio.to_thread(camera_file, CLIP, folder / "camera.mjpeg")
        path = stack.enter_context(lab.launcher("applicant"))
        phone = await stack.enter_async_context(launch(playwright, clip, path, served.url))
        consultant = await (await desk.new_context(viewport=DESKTOP)).new_page()
        citizen = await (await phone.new_context(viewport=PHONE, has_touch=True, is_mobile=True)).new_page()
        for page in (citizen, consultant):
            page.set_default_timeout(PATIENCE)
        journey = Journey(served, citizen, consultant, folder)
        front, back = await draw_card(PORTRAIT, folder / "card")
        await journey.sign_in()
        await journey.apply(front, back)
        await journey.meet()
        found = []
        for last in range(77, 77 + TIMES):
            await asyncio.sleep(BETWEEN_SECONDS)
            for page in (citizen, consultant):
                await watch(page)
            since = time.time()
            await lab.move("applicant", last)
            found.append(max(await back_after((citizen, consultant), since)))
    return found


def _row(name: str, seconds: list[float]) -> Row:
    ordered = sorted(seconds)
    middle = round(ordered[len(ordered) // 2], 2)
    unit = f"s, median of {len(ordered)} (longest {ordered[-1]:.2f})"
    goal = f"under {LIMITS[name]} s"
    return result_row(HOW, f"call_back_after_{name}", middle, unit, None, goal, middle < LIMITS[name])


def measure() -> list[Row]:
    """The rows of this bench: the median of some tries each."""
    with tempfile.TemporaryDirectory(prefix="betpe-bench-") as folder:
        rows = [_row(name, seconds) for name, seconds in asyncio.run(_lost(Path(folder))).items()]
    if (reason := lab.reason_not_to_run()) is not None:
        return [*rows, result_row(HOW, "call_back_after_moved", None, f"not measured: {reason}", None, "", None)]
    with tempfile.TemporaryDirectory(prefix="betpe-bench-") as folder:
        return [*rows, _row("moved", asyncio.run(_moved(Path(folder))))]
