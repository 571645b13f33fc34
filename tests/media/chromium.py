"""Real Chromiums that hold a call, driven by Playwright; their page reads how old the picture is that it shows."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web
from playwright.async_api import Browser, Page, async_playwright
from playwright.async_api import TimeoutError as PlaywrightTimeout

PAGE = Path(__file__).with_name("page.html")

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    "--allow-loopback-in-peer-connection",
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
    "--disable-backgrounding-occluded-windows",
)


def executable() -> str:
    """Where Chromium is. Raises RuntimeError with the way to get one."""
    found = os.environ.get("BETPE_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if not found:
        raise RuntimeError("Chromium is not installed: `apt-get install chromium`, or set BETPE_CHROMIUM to its path.")
    return found


@asynccontextmanager
async def browser(path: str | None = None, secure: str = "") -> AsyncIterator[Browser]:
    """One Chromium. ``secure``: an http origin that it treats as secure (getUserMedia asks for that)."""
    flags = [*FLAGS, *([f"--unsafely-treat-insecure-origin-as-secure={secure}"] if secure else [])]
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(
            executable_path=path or executable(),
            args=flags,
            ignore_default_args=["--headless", "--mute-audio"],
        )
        try:
            yield started
        finally:
            await started.close()


Answer = Callable[[str, str, str], Awaitable[str]]
"""(call, leg, offer) -> answer."""


def application(answer: Answer) -> web.Application:
    """Serves the page and takes its offers; /box passes notes between pages whose media meets no server."""
    boxes: dict[str, str] = {}

    async def page(_: web.Request) -> web.Response:
        return web.Response(text=PAGE.read_text(), content_type="text/html")

    async def offer(request: web.Request) -> web.Response:
        return web.Response(text=await answer(request.query["call"], request.query["leg"], await request.text()))

    async def box(request: web.Request) -> web.Response:
        name = request.query["name"]
        if request.method == "POST":
            boxes[name] = await request.text()
        return web.Response(text=boxes[name]) if name in boxes else web.Response(status=204)

    app = web.Application()
    app.router.add_get("/", page)
    app.router.add_post("/offer", offer)
    app.router.add_route("*", "/box", box)
    return app


@asynccontextmanager
async def served(app: web.Application, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Run an application; gives its origin."""
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, host, port)
    await site.start()
    try:
        yield f"http://{host}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def open_call(opened: Browser, origin: str, call: str, leg: str, **options: Any) -> Page:
    """A page of its own context that joins the call."""
    page = await (await opened.new_context()).new_page()
    query = "&".join([f"call={call}", f"leg={leg}", *(f"{name}={value}" for name, value in options.items())])
    for attempt in range(3):  # a cable that was just laid may not carry the first packets
        try:
            await page.goto(f"{origin}/?{query}", wait_until="commit", timeout=15_000)
        except PlaywrightTimeout:
            if attempt == 2:
                raise
        else:
            break
    return page


async def first_picture(page: Page, within: float = 20.0) -> float:
    """Milliseconds from the page's start to the first picture of the other end."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        found = await page.evaluate("({first: state.first, error: state.error})")
        if found["error"]:
            raise RuntimeError(found["error"])
        if found["first"] is not None:
            return float(found["first"])
        await asyncio.sleep(0.05)
    raise TimeoutError(f"no picture: {await page.evaluate('state.states')}")
