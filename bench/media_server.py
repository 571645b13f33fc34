"""A media server alone, for the bench: an engine of the product, or aiortc's MediaRelay as the baseline.

``python -m bench.media_server --engine embedded|janus|relay``; prints {"origin", "pids"} (whose CPU time counts);
POST /offer?call=&leg= takes an offer, POST /receive?call=&leg= waits for what the server offers to that leg, POST
/accept?call=&leg=&number= takes the answer to it, POST /close?call= ends a call.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import socket
import tempfile
import time
from pathlib import Path

import aioice.ice
from aiohttp import web
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaRelay
from aiortc.mediastreams import MediaStreamTrack

from server.event_loop import new_event_loop
from server.media.embedded import EmbeddedMedia
from server.media.janus import JanusMedia
from server.media.janus_client import JanusUnavailable
from server.media.janus_configuration import JanusConfiguration
from server.ports import Leg, LegEvent, Media, MediaError, RecordingPlan


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


async def look(media: Media, call: str, rate: float) -> None:
    """Take ``rate`` frames a second of the applicant, as a check does."""
    while True:
        due = time.monotonic() + 1
        with contextlib.suppress(MediaError):
            await media.frames(call, Leg.APPLICANT, max(1, round(rate)), 1.0)
        await asyncio.sleep(max(0.1, due - time.monotonic()))


class EngineCalls:
    """An engine of the product; each call recorded and looked at if so asked."""

    def __init__(self, media: Media, rate: float, folder: str) -> None:
        self._media = media
        self._rate = rate
        self._folder = folder
        self._lookers: dict[str, asyncio.Task[None]] = {}
        self._offers: dict[tuple[str, str], asyncio.Future[LegEvent]] = {}
        self._listening = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        async for event in self._media.events():
            if event.kind == "receive":
                offer = self._offer(event.call, event.leg)
                if offer.done():
                    del self._offers[event.call, event.leg]
                self._offer(event.call, event.leg).set_result(event)

    def _offer(self, call: str, leg: str) -> asyncio.Future[LegEvent]:
        return self._offers.setdefault((call, leg), asyncio.get_running_loop().create_future())

    async def receive(self, call: str, leg: str) -> LegEvent:
        """The newest offer of a connection to receive over; waits for the first."""
        return await self._offer(call, leg)

    async def accept(self, call: str, leg: str, number: int, sdp: str) -> None:
        await self._media.accept(call, Leg(leg), number, sdp)

    async def answer(self, call: str, leg: str, sdp: str) -> str:
        if self._rate and call not in self._lookers:
            self._lookers[call] = asyncio.create_task(look(self._media, call, self._rate))
        if self._folder:
            await self._media.record(call, RecordingPlan(Path(self._folder), call, bytes(32)))
        return await self._media.answer(call, Leg(leg), sdp)

    async def close(self, call: str) -> None:
        if (task := self._lookers.pop(call, None)) is not None:
            task.cancel()
        for leg in Leg:
            self._offers.pop((call, leg), None)
        await self._media.close(call)


async def serve(calls: RelayCalls | EngineCalls, options: argparse.Namespace, pids: list[int]) -> None:
    async def offer(request: web.Request) -> web.Response:
        return web.Response(text=await calls.answer(request.query["call"], request.query["leg"], await request.text()))

    async def receive(request: web.Request) -> web.Response:
        assert isinstance(calls, EngineCalls)
        event = await calls.receive(request.query["call"], request.query["leg"])
        return web.json_response({"sdp": event.sdp, "number": event.number})

    async def accept(request: web.Request) -> web.Response:
        assert isinstance(calls, EngineCalls)
        asked = request.query
        await calls.accept(asked["call"], asked["leg"], int(asked["number"]), await request.text())
        return web.Response()

    async def closed(request: web.Request) -> web.Response:
        await calls.close(request.query["call"])
        return web.Response()

    app = web.Application()
    app.router.add_post("/offer", offer)
    app.router.add_post("/receive", receive)
    app.router.add_post("/accept", accept)
    app.router.add_post("/close", closed)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, options.address, 0)
    await site.start()
    origin = f"http://{options.address}:{runner.addresses[0][1]}"
    print(json.dumps({"origin": origin, "pids": pids}), flush=True)
    await asyncio.Event().wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def main(options: argparse.Namespace) -> None:
    if options.engine == "embedded":
        media = EmbeddedMedia(addresses=[options.address], max_calls=1000, least_free=0)
        await serve(EngineCalls(media, options.look, options.record), options, [os.getpid()])
    elif options.engine == "relay":
        aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: [options.address]
        await serve(RelayCalls(), options, [os.getpid()])
    else:
        with tempfile.TemporaryDirectory() as folder:
            port = free_port()
            configuration = JanusConfiguration(options.address, "bench", api_port=port)
            configuration.write(Path(folder))
            process = await asyncio.create_subprocess_exec(
                "janus", "-F", folder, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
            )
            janus = JanusMedia(f"ws://127.0.0.1:{port}", "bench", configuration.admin_key)
            async with asyncio.timeout(15):
                while True:
                    try:
                        await janus.start()
                    except JanusUnavailable:
                        await asyncio.sleep(0.2)
                    else:
                        break
            try:
                # a recording's cost is this process's, whose child Janus is; relaying is Janus's alone
                counted = os.getpid() if options.look or options.record else process.pid
                await serve(EngineCalls(janus, options.look, options.record), options, [counted])
            finally:
                await janus.aclose()
                process.terminate()
                await process.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", choices=("embedded", "janus", "relay"), default="embedded")
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--look", type=float, default=0.0, help="frames a second to take of each call")
    parser.add_argument("--record", default="", help="folder to record each call in")
    chosen = parser.parse_args()
    factory = asyncio.new_event_loop if chosen.engine == "relay" else new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner, contextlib.suppress(KeyboardInterrupt):
        runner.run(main(chosen))
