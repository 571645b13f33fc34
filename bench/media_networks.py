"""Two Chromiums in namespaces of their own, straight to each other and through the server, on good and bad networks."""

from __future__ import annotations

import asyncio
import statistics
import time
from contextlib import asynccontextmanager
from typing import Any

from server.media.processes import MediaProcesses
from tests.media import lab
from tests.media.chromium import first_picture

reason_not_to_run = lab.reason_not_to_run
LOOK = 5.0  # seconds
SETTLE = 4.0  # seconds until the encoders have their rate
BLACKOUT = 5.0  # seconds
ROUNDS = 5  # what one call shows differs by half from what the next one does
FULL_RATE = 1_500_000  # bits per second: VIDEO_BITS_PER_SECOND of web/shared/call.js


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


async def _good_and_lossy(media: MediaProcesses | None) -> dict[str, float]:
    """One call, without loss and then with 5% on each hop."""
    async with lab.call_between_namespaces(media) as pages:
        first = max([await first_picture(page) for page in pages.values()]) / 1000
        await asyncio.sleep(SETTLE)
        good = await _both(pages)
        await lab.lose(5)
        await asyncio.sleep(1)
        lossy = await _both(pages)
        await lab.lose(0)
    found = {"p50": good["p50"], "p95": good["p95"], "lossy_p50": lossy["p50"], "lossy_fps": lossy["fps"]}
    return {**found, "first_picture": round(first, 2)}


async def _first_second(media: MediaProcesses | None) -> dict[str, float]:
    """Of the rate that the product's pages allow themselves: what the browser may send a second after it is connected,
    and what it has sent until then. The estimate is the network's and the server's part; its encoder begins coarsely
    whatever it may send."""
    async with lab.call_between_namespaces(media, bitrate=FULL_RATE) as pages:
        page = pages["operator"]
        await asyncio.sleep(SETTLE)
        later = await lab.look(page, 3.0)
        early = await page.evaluate("state.early")
    sent = 8 * early["out_video"]["bytesSent"] / 1000
    allowed = early["pair"]["availableOutgoingBitrate"]
    return {"first_allowed": min(1.0, allowed / FULL_RATE), "first_sent": sent / later["kbps"]}


async def _back_after_blackout(media: MediaProcesses) -> float:
    """Seconds until the operator sees a new picture after the applicant's cable was out for BLACKOUT."""
    async with lab.call_between_namespaces(media, call="dark", resume=1000) as pages:
        operator = pages["operator"]
        await asyncio.sleep(1)
        since = await lab.clock(operator)
        began = time.monotonic()
        await lab.unplug("applicant", plugged=False)
        await asyncio.sleep(BLACKOUT)
        await lab.unplug("applicant", plugged=True)
        acted = 1000 * (time.monotonic() - began)
        back = await lab.picture_after(operator, since + acted + 100)
        await media.close("dark")
    return back + 0.1


async def measure() -> dict[str, Any]:
    """Medians of what ROUNDS calls straight and as many through the server showed, by turns; then the blackout.

    The other losses are measured with the product's own pages: bench/media_reconnect.py."""
    found: dict[str, Any] = {}
    rounds: dict[str, list[dict[str, float]]] = {"straight": [], "through": []}
    async with lab.cables(), _processes() as media:
        for _ in range(ROUNDS):
            for name, engine in (("straight", None), ("through", media)):
                rounds[name].append({**await _good_and_lossy(engine), **await _first_second(engine)})
        found["blackout"] = await _back_after_blackout(media)
    for name, calls in rounds.items():
        found[name] = {figure: statistics.median(call[figure] for call in calls) for figure in calls[0]}
    return found
