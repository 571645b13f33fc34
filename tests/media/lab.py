"""Networks to break: each browser in a namespace of its own, cabled (veth) to the server here and to the other one.

    applicant 10.78.1.2 --- 10.78.1.1 server 10.78.2.1 --- 10.78.2.2 operator        10.78.3.1 --- 10.78.3.2 directly

Needs root, ip and nft. Loss is nft's random drop on every hop's arriving side; a narrow line is tc's tbf.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import psutil
from aiohttp import web
from playwright.async_api import Page

from server.ports import Leg, LegEvent, Media, MediaError
from tests.media.chromium import application, browser, executable, first_picture, open_call, served

LEGS = ("applicant", "operator")
SERVER = {"applicant": "10.78.1.1", "operator": "10.78.2.1"}
_PREFIX = f"bet{os.getpid()}"


def reason_not_to_run() -> str | None:
    """Why this machine cannot have such networks, or None."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    missing = [name for name in ("ip", "nft", "tc") if shutil.which(name) is None]
    if missing:
        return f"not installed: {', '.join(missing)} (Debian, Ubuntu: apt-get install iproute2 nftables)"
    allowed = subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False).returncode == 0
    return None if allowed else "this container may not make network namespaces"


async def run(*command: str, check: bool = True) -> None:
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    _, error = await process.communicate()
    if check and process.returncode:
        raise RuntimeError(f"{' '.join(command)}: {error.decode()}")


def _namespace(leg: str) -> str:
    return f"{_PREFIX}{leg[0]}"


async def within(leg: str, *command: str, check: bool = True) -> None:
    """Run a command in a leg's namespace."""
    await run("ip", "netns", "exec", _namespace(leg), *command, check=check)


async def _clear_away() -> None:
    """End the networks of a run that was killed: they have the same addresses."""
    for name in await asyncio.to_thread(lambda: [path.name for path in Path("/run/netns").glob("bet*")]):
        found = re.fullmatch(r"bet(\d+)[ao]", name)
        if found and not psutil.pid_exists(int(found[1])):
            await run("ip", "link", "del", f"{name}v", check=False)  # a browser of the run may still hold the namespace
            await run("ip", "netns", "del", name, check=False)
            await run("nft", "delete", "table", "inet", f"bet{found[1]}", check=False)


@asynccontextmanager
async def cables() -> AsyncIterator[None]:
    """Both namespaces with their cables."""
    await _clear_away()
    try:
        for number, leg in enumerate(LEGS, 1):
            name, near = _namespace(leg), f"{_PREFIX}{leg[0]}v"
            await run("ip", "netns", "add", name)
            await run("ip", "link", "add", near, "type", "veth", "peer", "name", "cable", "netns", name)
            await run("ip", "addr", "add", f"10.78.{number}.1/24", "dev", near)
            await run("ip", "link", "set", near, "up")
            await within(leg, "ip", "addr", "add", f"10.78.{number}.2/24", "dev", "cable")
            await within(leg, "ip", "link", "set", "cable", "up")
            await within(leg, "ip", "link", "set", "lo", "up")
        first, second = (_namespace(leg) for leg in LEGS)
        await run("ip", "-n", first, "link", "add", "across", "type", "veth", "peer", "name", "across", "netns", second)
        for number, leg in enumerate(LEGS, 1):
            await within(leg, "ip", "addr", "add", f"10.78.3.{number}/24", "dev", "across")
            await within(leg, "ip", "link", "set", "across", "up")
        yield
    finally:
        for leg in LEGS:
            await run("ip", "netns", "del", _namespace(leg), check=False)
        await run("nft", "delete", "table", "inet", _PREFIX, check=False)


async def lose(percent: float) -> None:
    """Random loss of UDP on every hop; 0 takes it away."""
    rule = (
        f"add table inet {_PREFIX}; add chain inet {_PREFIX} in {{ type filter hook input priority 0; }}; "
        f"add rule inet {_PREFIX} in ip daddr 10.78.0.0/16 meta l4proto udp "
        f"numgen random mod 1000 < {round(percent * 10)} counter drop"
    )
    for prefix in ((), *(("ip", "netns", "exec", _namespace(leg)) for leg in LEGS)):
        await run(*prefix, "nft", "delete", "table", "inet", _PREFIX, check=False)
        if percent:
            await run(*prefix, "nft", rule)


async def narrow(leg: str, kilobits: int | None, *, down: bool = False) -> None:
    """Limit what a leg's cable carries up, or ``down``; None takes it away."""
    device = f"{_PREFIX}{leg[0]}v" if down else "cable"
    end = () if down else ("ip", "netns", "exec", _namespace(leg))
    await run(*end, "tc", "qdisc", "del", "dev", device, "root", check=False)
    if kilobits is not None:
        held = ("tbf", "rate", f"{kilobits}kbit", "burst", "5kb", "latency", "300ms")
        await run(*end, "tc", "qdisc", "add", "dev", device, "root", *held)


SLOW = {"near": "10.78.4.1", "far": "10.78.4.2"}
"""Addresses at the ends of a slow line, which is beside the cables."""


@asynccontextmanager
async def slow_line(leg: str) -> AsyncIterator[Callable[[float, float], None]]:
    """A line from a leg to the server at SLOW["near"]; gives what sets its kbit/s and its seconds on the way up."""
    script = Path(__file__).with_name("slow_line.py")
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(script), _namespace(leg), f"{_PREFIX}s", SLOW["far"], SLOW["near"],
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None and process.stdout is not None
    held = process.stdin

    def narrow_to(kilobits: float, seconds: float) -> None:
        held.write(f"{kilobits} {seconds}\n".encode())

    try:
        if await process.stdout.readline() != b"there\n":
            raise RuntimeError("the slow line did not come up")
        yield narrow_to
    finally:
        held.close()
        await process.wait()


async def unplug(leg: str, plugged: bool) -> None:
    """Take a leg's cable out or put it in again."""
    await within(leg, "ip", "link", "set", "cable", "up" if plugged else "down")


async def move(leg: str, last: int = 77) -> None:
    """Give a leg another address, as a change from Wi-Fi to cellular does."""
    number = LEGS.index(leg) + 1
    await within(leg, "ip", "addr", "flush", "dev", "cable")
    await within(leg, "ip", "addr", "add", f"10.78.{number}.{last}/24", "dev", "cable")


@contextmanager
def launcher(leg: str) -> Iterator[str]:
    """The path of a Chromium that lives in a leg's namespace."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "chromium"
        script.write_text(f'#!/bin/sh\nexec ip netns exec {_namespace(leg)} {executable()} "$@"\n')
        script.chmod(0o700)
        yield str(script)


class Again:
    """Tells pages to offer anew when the media engine says that their leg was lost, and what it offers to them."""

    def __init__(self, media: Media) -> None:
        self._media = media
        self._told: dict[str, asyncio.Queue[LegEvent]] = {leg: asyncio.Queue() for leg in LEGS}
        self.kinds: list[tuple[str, str]] = []
        """(leg, kind) of every event, in order."""
        self._task = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        async for event in self._media.events():
            self.kinds.append((str(event.leg), event.kind))
            if event.kind in ("lost", "receive"):
                self._told[str(event.leg)].put_nowait(event)

    async def handle(self, request: web.Request) -> web.Response:
        try:
            event = await asyncio.wait_for(self._told[request.query["leg"]].get(), 20)
        except TimeoutError:
            return web.Response(status=204)
        return web.json_response({"sdp": event.sdp, "number": event.number})

    async def accept(self, request: web.Request) -> web.Response:
        asked = request.query
        with contextlib.suppress(MediaError):  # a newer offer took its place
            await self._media.accept(asked["call"], Leg(asked["leg"]), int(asked["number"]), await request.text())
        return web.Response()

    def close(self) -> None:
        self._task.cancel()


@asynccontextmanager
async def call_between_namespaces(
    media: Media | None, call: str = "c", **options: Any
) -> AsyncIterator[dict[str, Page]]:
    """Two Chromiums in a call, both with a picture; without ``media`` they talk straight to each other."""

    async def answer(call: str, leg: str, sdp: str) -> str:
        assert media is not None
        return await media.answer(call, Leg(leg), sdp)

    app = application(answer)
    again = Again(media) if media is not None else None
    if again is not None:
        app.router.add_get("/again", again.handle)
        app.router.add_post("/accept", again.accept)
    else:
        options["peer"] = 1
    async with contextlib.AsyncExitStack() as stack:
        if again is not None:
            stack.callback(again.close)
        origin = await stack.enter_async_context(served(app, "0.0.0.0"))
        port = origin.rsplit(":", 1)[1]
        pages: dict[str, Page] = {}
        for leg in LEGS:
            own = f"http://{SERVER[leg]}:{port}"
            path = stack.enter_context(launcher(leg))
            opened = await stack.enter_async_context(browser(path, secure=own))
            pages[leg] = await open_call(opened, own, call, leg, **options)
        for page in pages.values():
            await first_picture(page, within=40)
        yield pages


async def look(page: Page, seconds: float) -> dict[str, float]:
    """Figures of what a page shows for some time: latency (ms), frames per second, freezes.

    Raises RuntimeError where nothing is shown."""
    before = await page.evaluate("statistics()")
    await asyncio.sleep(seconds)
    after = await page.evaluate("statistics()")
    ages = sorted(age for at, age in await page.evaluate("state.latencies") if at > before["at"])
    if not ages:
        raise RuntimeError("no picture was shown at all")
    elapsed = (after["at"] - before["at"]) / 1000
    return {
        "p50": ages[len(ages) // 2],
        "p95": ages[int(len(ages) * 0.95)],
        "fps": (after["frames"] - before["frames"]) / elapsed,
        "freeze": _grown(before, after, "in_video", "totalFreezesDuration"),
        "kbps": 8 * _grown(before, after, "out_video", "bytesSent") / elapsed / 1000,
    }


def _grown(before: dict[str, Any], after: dict[str, Any], stream: str, counter: str) -> float:
    return float(after.get(stream, {}).get(counter, 0) - before.get(stream, {}).get(counter, 0))


async def picture_after(page: Page, since: float, timeout: float = 30.0) -> float:
    """Seconds from ``since`` (page's clock, ms) until a picture was shown that was taken after it."""
    async with asyncio.timeout(timeout):
        while True:
            shown = await page.evaluate(
                "since => (state.latencies.find(([at, age]) => at - age > since + 1) || [null])[0]", since
            )
            if shown is not None:
                return float(shown - since) / 1000
            await asyncio.sleep(0.05)


async def clock(page: Page) -> float:
    """The page's clock, ms."""
    return float(await page.evaluate("now()"))
