"""A media server alone, for the bench: the product's embedded engine, or aiortc's MediaRelay as the baseline.

``python -m bench.media_server --engine embedded|relay``; prints its origin; POST /offer?call=&leg= takes an offer.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable

import aioice.ice
from aiohttp import web
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaRelay
from aiortc.mediastreams import MediaStreamTrack

from server.media.embedded import EmbeddedMedia
from server.ports import Leg, MediaError

try:
    import uvloop
except ImportError:  # not on this platform: asyncio's own loop
    uvloop = None  # type: ignore[assignment]


class RelayCalls:
    """The usual way with aiortc: decode everything, encode everything again."""

    def __init__(self) -> None:
        self._calls: dict[str, dict[str, tuple[RTCPeerConnection, dict[str, MediaStreamTrack]]]] = {}
        self._relay = MediaRelay()

    async def answer(self, call: str, leg: str, sdp: str) -> str:
        pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        tracks: dict[str, MediaStreamTrack] = {}
        pc.on("track", lambda track: tracks.__setitem__(track.kind, track))
        await pc.setRemoteDescription(RTCSessionDescription(sdp=sdp, type="offer"))
        for transceiver in pc.getTransceivers():
            transceiver.direction = "sendrecv"
        others = self._calls.setdefault(call, {})
        for other, theirs in others.values():
            for sender, source in ((pc, theirs), (other, tracks)):
                for transceiver in sender.getTransceivers():
                    transceiver.sender.replaceTrack(self._relay.subscribe(source[transceiver.kind], buffered=False))
        others[leg] = (pc, tracks)
        await pc.setLocalDescription(await pc.createAnswer())
        return str(pc.localDescription.sdp)

    async def close(self, call: str) -> None:
        for pc, _ in self._calls.pop(call, {}).values():
            await pc.close()


async def look(media: EmbeddedMedia, call: str, rate: float) -> None:
    """Take ``rate`` frames a second of the applicant, as a check does."""
    while True:
        try:
            due = time.monotonic() + 1
            await media.frames(call, Leg.APPLICANT, max(1, round(rate)), 1.0)
            await asyncio.sleep(max(0.0, due - time.monotonic()))
        except MediaError:
            await asyncio.sleep(0.2)


async def main(options: argparse.Namespace) -> None:
    answer: Callable[[str, str, str], Awaitable[str]]
    close: Callable[[str], Awaitable[None]]
    lookers: dict[str, asyncio.Task[None]] = {}
    if options.engine == "embedded":
        media = EmbeddedMedia(addresses=[options.address], max_calls=1000)

        async def answer_embedded(call: str, leg: str, sdp: str) -> str:
            if options.look and call not in lookers:
                lookers[call] = asyncio.create_task(look(media, call, options.look))
            return await media.answer(call, Leg(leg), sdp)

        async def close_embedded(call: str) -> None:
            if (task := lookers.pop(call, None)) is not None:
                task.cancel()
            await media.close(call)

        answer, close = answer_embedded, close_embedded
    else:
        aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: [options.address]
        relay = RelayCalls()
        answer, close = relay.answer, relay.close

    async def offer(request: web.Request) -> web.Response:
        return web.Response(text=await answer(request.query["call"], request.query["leg"], await request.text()))

    async def closed(request: web.Request) -> web.Response:
        await close(request.query["call"])
        return web.Response()

    app = web.Application()
    app.router.add_post("/offer", offer)
    app.router.add_post("/close", closed)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, options.address, options.port)
    await site.start()
    print(f"http://{options.address}:{runner.addresses[0][1]}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", choices=("embedded", "relay"), default="embedded")
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--look", type=float, default=0.0)
    if uvloop is not None:
        uvloop.install()
    asyncio.run(main(parser.parse_args()))
