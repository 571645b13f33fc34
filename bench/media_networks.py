"""Two Chromiums in namespaces of their own, straight to each other and through the server, on good and bad networks."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from contextlib import asynccontextmanager
from typing import Any

from server.media.processes import MediaProcesses
from tests.media import lab
from tests.media.chromium import first_picture

reason_not_to_run = lab.reason_not_to_run
LOOK = 8.0  # seconds
SETTLE = 4.0  # seconds until the encoders have their rate


@asynccontextmanager
async def _processes() -> Any:
    media = MediaProcesses(2, addresses=list(lab.SERVER.values()))
    await media.start()
    try:
        yield media
    finally:
        await media.aclose()


async def _both(pages: dict[str, Any]) -> dict[str, float]:
    """Mean of the two directions."""
    one, other = await asyncio.gather(*(lab.look(page, LOOK) for page in pages.values()))
    return {name: (one[name] + other[name]) / 2 for name in one}


async def _good_and_lossy(media: MediaProcesses | None) -> tuple[dict[str, float], dict[str, float], float, float]:
    """(without loss, with 5% on each hop, s to the first picture, share of the full rate in the first second)."""
    async with lab.call_between_namespaces(media) as pages:
        first = max([await first_picture(page) for page in pages.values()]) / 1000
        early = await lab.look(pages["operator"], 1.0)
        await asyncio.sleep(SETTLE)
        good = await _both(pages)
        await lab.lose(5)
        await asyncio.sleep(1)
        lossy = await _both(pages)
        await lab.lose(0)
    return good, lossy, first, early["kbps"] / good["kbps"]


async def _back_after(media: MediaProcesses, what: str) -> float:
    """Seconds until the operator sees a new picture after something happened to the applicant's side."""
    async with lab.call_between_namespaces(media, call=what, resume=1000) as pages:
        operator = pages["operator"]
        await asyncio.sleep(1)
        pid = media._calls[what].pid
        since = await lab.clock(operator)
        began = time.monotonic()
        if what == "killed":
            os.kill(pid, signal.SIGKILL)
        elif what == "hung":
            os.kill(pid, signal.SIGSTOP)
        elif what == "moved":
            await lab.move("applicant")
        else:
            await lab.unplug("applicant", plugged=False)
            await asyncio.sleep(5)
            await lab.unplug("applicant", plugged=True)
        acted = 1000 * (time.monotonic() - began)
        back = await lab.picture_after(operator, since + acted + 100)
        await media.close(what)
    return back + 0.1


async def measure() -> dict[str, Any]:
    """All figures, by name."""
    found: dict[str, Any] = {}
    async with lab.cables():
        found["straight"], found["straight_5"], found["first_picture_straight"], _ = await _good_and_lossy(None)
        async with _processes() as media:
            good, lossy, first, rate = await _good_and_lossy(media)
            found |= {"through": good, "through_5": lossy, "first_picture": first, "first_rate": round(rate, 2)}
            for what in ("killed", "hung", "blackout", "moved"):
                found[what] = await _back_after(media, what)
    return found
