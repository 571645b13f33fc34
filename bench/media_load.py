"""Synthetic browsers that load a media server: 640x480 VP8 at 30 frames/s and 500 kbit/s, 50 Opus packets/s, each way.

aiortc does SDP, ICE and DTLS; then a ticker sends ready-made RTP, so that a hundred browsers fit into one core. The
last bytes of each packet carry the time of sending. Run by bench/media.py; prints one JSON line.
"""

from __future__ import annotations

import argparse
import asyncio
import fractions
import json
import os
import random
import struct
import time
from typing import Any

import aiohttp
import aioice.ice
import av
import numpy as np
import psutil
import pylibsrtp
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.codecs.vpx import Vp8Encoder

RTP = struct.Struct("!BBHLL")
TAIL = struct.Struct("!Ld")
MAGIC = 0x5AFE5AFE
RATE = 30
BITRATE = 500_000
TICK = 0.01
SOUND = bytes((0x78,)) + random.Random(1).randbytes(79)


def encoded_video(seconds: int = 4) -> list[tuple[bool, bytes]]:
    """(key frame, bytes) of a moving picture, at BITRATE."""
    encoder = av.CodecContext.create("libvpx", "w")
    encoder.width, encoder.height, encoder.pix_fmt = 640, 480, "yuv420p"
    encoder.bit_rate = BITRATE
    encoder.framerate, encoder.time_base = RATE, fractions.Fraction(1, RATE)
    encoder.options = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0", "minrate": str(BITRATE)}
    encoder.options |= {"maxrate": str(BITRATE), "g": str(RATE * seconds)}
    noise = np.random.default_rng(1).integers(0, 40, (480, 640, 3), dtype=np.uint8)
    across = np.linspace(60, 200, 640)[None, :, None]
    found: list[tuple[bool, bytes]] = []
    for index in range(RATE * seconds):
        picture = (np.roll(noise, 3 * index, 1) + across).clip(0, 255).astype(np.uint8)
        picture[100:300, 100 + 5 * (index % 60) : 200 + 5 * (index % 60)] = (40, 120, 220)
        frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
        frame.pts = index
        found += [(bool(packet.is_keyframe), bytes(packet)) for packet in encoder.encode(frame)]
    return found


class SyntheticBrowser:
    """One peer connection that sends, receives and counts."""

    def __init__(self, video: list[tuple[bool, bytes]], send: bool = True, receive: bool = True) -> None:
        self._video = video
        self.sends = send
        self._receives = receive
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.ready = asyncio.Event()
        self._agreed: dict[str, tuple[int, int]] = {}
        self._numbers = {"audio": random.randrange(30000), "video": random.randrange(30000)}
        self._stamps = {"audio": random.getrandbits(31), "video": random.getrandbits(31)}
        self._sent: list[tuple[int, bytes] | None] = [None] * 512
        self._next_video = self._next_audio = 0.0
        self._index = 0
        self._picture = 0
        self.sent = self.received = self.frames = self.bytes = 0
        self.latencies: list[float] = []

    def transceivers(self) -> None:
        direction = "sendrecv" if self.sends and self._receives else "sendonly"
        for kind in ("audio", "video"):
            self.pc.addTransceiver(kind, direction=direction)
        self.take_over()

    def take_over(self) -> None:
        for transceiver in self.pc.getTransceivers():

            async def send(parameters: Any, transceiver: Any = transceiver) -> None:
                self._agreed[transceiver.kind] = (parameters.codecs[0].payloadType, transceiver.sender._ssrc)
                self._check()

            async def receive(_: Any) -> None:
                self._check()

            transceiver.sender.send = send
            transceiver.receiver.receive = receive

    def _check(self) -> None:
        if self.ready.is_set() or (self.sends and len(self._agreed) < 2):
            return
        dtls = self.pc.getTransceivers()[0].receiver.transport
        connection = dtls.transport._connection
        pair = connection._nominated[1]
        self._send, self._address = pair.protocol.transport.sendto, pair.remote_addr
        self._protect, self._unprotect, self._unprotect_rtcp = (
            dtls._tx_srtp.protect,
            dtls._rx_srtp.unprotect,
            dtls._rx_srtp.unprotect_rtcp,
        )
        for protocol in {pair.protocol, *connection._protocols}:
            original = protocol.datagram_received

            def received(data: bytes, addr: Any, original: Any = original) -> None:
                if 127 < data[0] < 192:
                    self._on_media(data)
                else:
                    original(data, addr)

            protocol.datagram_received = received
        self.ready.set()

    def _on_media(self, data: bytes) -> None:
        if 191 < data[1] < 224:
            self._on_rtcp(data)
            return
        self.bytes += len(data)
        try:
            packet = self._unprotect(data)
        except pylibsrtp.Error:
            return
        self.received += 1
        if packet[1] & 0x80 and len(packet) > 140:
            self.frames += 1
        magic, sent_at = TAIL.unpack_from(packet, len(packet) - TAIL.size)
        if magic == MAGIC:
            self.latencies.append(time.monotonic() - sent_at)

    def _on_rtcp(self, data: bytes) -> None:
        try:
            plain = self._unprotect_rtcp(data)
        except pylibsrtp.Error:
            return
        position = 0
        while position + 8 <= len(plain):
            first, kind, words = struct.unpack_from("!BBH", plain, position)
            if kind == 206 and first & 0x1F in (1, 4):
                self._index = 0  # the first frame is a key frame
            elif kind == 205 and first & 0x1F == 1:
                for offset in range(position + 12, position + 4 + 4 * words, 4):
                    number, mask = struct.unpack_from("!HH", plain, offset)
                    for lost in [number, *((number + 1 + bit) & 0xFFFF for bit in range(16) if mask >> bit & 1)]:
                        kept = self._sent[lost % 512]
                        if kept is not None and kept[0] == lost:
                            self._send(self._protect(kept[1]), self._address)
            position += 4 + 4 * words

    def _packet(self, kind: str, marker: int, payload: bytes) -> None:
        payload_type, ssrc = self._agreed[kind]
        number = self._numbers[kind] = (self._numbers[kind] + 1) & 0xFFFF
        raw = RTP.pack(0x80, marker | payload_type, number, self._stamps[kind] & 0xFFFFFFFF, ssrc) + payload
        if kind == "video":
            self._sent[number % 512] = (number, raw)
        self._send(self._protect(raw), self._address)
        self.sent += 1

    def tick(self, now: float) -> None:
        if not self._next_video:  # the first tick comes when all have joined: no backlog then
            self._next_video = now + random.random() / RATE
            self._next_audio = now + random.random() / 50
        while now >= self._next_audio:
            self._next_audio += 0.02
            self._stamps["audio"] += 960
            self._packet("audio", 0, SOUND[: -TAIL.size] + TAIL.pack(MAGIC, time.monotonic()))
        while now >= self._next_video:
            self._next_video += 1 / RATE
            _, data = self._video[self._index]
            self._index = (self._index + 1) % len(self._video)
            self._stamps["video"] += 90000 // RATE
            self._picture = (self._picture + 1) & 0x7FFF
            payloads = Vp8Encoder._packetize(data + TAIL.pack(MAGIC, time.monotonic()), self._picture)
            for place, payload in enumerate(payloads):
                self._packet("video", 0x80 if place == len(payloads) - 1 else 0, payload)


async def join(session: aiohttp.ClientSession, origin: str, call: str, leg: str, video: Any) -> SyntheticBrowser:
    """A browser that has joined a call of a server that answers POST /offer."""
    browser = SyntheticBrowser(video)
    browser.transceivers()
    await browser.pc.setLocalDescription(await browser.pc.createOffer())
    offer = browser.pc.localDescription.sdp
    async with session.post(f"{origin}/offer?call={call}&leg={leg}", data=offer) as response:
        answer = await response.text()
        if response.status != 200:
            raise RuntimeError(answer)
    await browser.pc.setRemoteDescription(RTCSessionDescription(sdp=answer, type="answer"))
    await asyncio.wait_for(browser.ready.wait(), 30)
    return browser


async def receive(session: aiohttp.ClientSession, origin: str, call: str, leg: str) -> SyntheticBrowser:
    """The second connection of a browser: the server offers it, and sends what the other end sends."""
    browser = SyntheticBrowser([], send=False)
    async with session.post(f"{origin}/receive?call={call}&leg={leg}") as response:
        offered = await response.json()
    await browser.pc.setRemoteDescription(RTCSessionDescription(sdp=offered["sdp"], type="offer"))
    browser.take_over()
    await browser.pc.setLocalDescription(await browser.pc.createAnswer())
    address = f"{origin}/accept?call={call}&leg={leg}&number={offered['number']}"
    async with session.post(address, data=browser.pc.localDescription.sdp) as response:
        response.raise_for_status()
    await asyncio.wait_for(browser.ready.wait(), 30)
    return browser


def cpu_seconds(pids: list[int]) -> float:
    """User and system time of processes and their children."""
    total = 0.0
    for pid in pids:
        process = psutil.Process(pid)
        for one in (process, *process.children(recursive=True)):
            times = one.cpu_times()
            total += times.user + times.system
    return total


def quantile(values: list[float], share: float) -> float | None:
    """Milliseconds."""
    ordered = sorted(values)
    return round(1000 * ordered[min(len(ordered) - 1, int(len(ordered) * share))], 2) if ordered else None


async def drive(
    browsers: list[SyntheticBrowser], pids: list[int], calls: int, warm: float, seconds: float
) -> dict[str, Any]:
    """Send from all browsers for ``warm`` + ``seconds``; figures of the second part."""
    running = True

    async def ticker() -> None:
        due = time.monotonic()
        while running:
            now = time.monotonic()
            for browser in browsers:
                if browser.sends:
                    browser.tick(now)
            due += TICK
            if (wait := due - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            else:
                due = time.monotonic()
                await asyncio.sleep(0)

    task = asyncio.create_task(ticker())
    await asyncio.sleep(warm)
    for browser in browsers:
        browser.latencies.clear()
    sent, received = sum(b.sent for b in browsers), sum(b.received for b in browsers)
    frames = sum(b.frames for b in browsers)
    used, own, since = cpu_seconds(pids), time.process_time(), time.monotonic()
    await asyncio.sleep(seconds)
    elapsed = time.monotonic() - since
    used, own = cpu_seconds(pids) - used, time.process_time() - own
    sent, received = sum(b.sent for b in browsers) - sent, sum(b.received for b in browsers) - received
    frames = sum(b.frames for b in browsers) - frames
    running = False
    await task
    latencies = [latency for browser in browsers for latency in browser.latencies]
    return {
        "calls": calls,
        "cpu": round(used / elapsed / calls, 5),
        "cores": round(used / elapsed, 3),
        "generator_cores": round(own / elapsed, 3),
        "delivered": round(received / max(1, sent), 4),
        "frames_per_second": round(frames / elapsed / calls / 2, 1),
        "p50_ms": quantile(latencies, 0.5),
        "p95_ms": quantile(latencies, 0.95),
        "rss_mb": round(sum(psutil.Process(pid).memory_info().rss for pid in pids) / 1e6, 1),
    }


async def main(options: argparse.Namespace) -> None:
    video = encoded_video()
    address = options.origin.split("//")[1].split(":")[0]
    aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: [address]
    async with aiohttp.ClientSession() as session:
        before = cpu_seconds(options.pids)
        browsers = [
            await join(session, options.origin, f"{os.getpid()}-{call}", leg, video)
            for call in range(options.calls)
            for leg in ("applicant", "operator")
        ]
        if "a=recvonly" in browsers[0].pc.remoteDescription.sdp:
            browsers += [
                await receive(session, options.origin, f"{os.getpid()}-{call}", leg)
                for call in range(options.calls)
                for leg in ("applicant", "operator")
            ]
        setup = (cpu_seconds(options.pids) - before) / options.calls
        result = await drive(browsers, options.pids, options.calls, options.warm, options.seconds)
        print(json.dumps({**result, "setup_cpu_ms": round(1000 * setup, 1)}), flush=True)
        for call in range(options.calls):
            async with session.post(f"{options.origin}/close?call={os.getpid()}-{call}") as response:
                await response.read()
        await asyncio.gather(*(browser.pc.close() for browser in browsers))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--origin", required=True)
    parser.add_argument("--pids", type=int, nargs="+", required=True)
    parser.add_argument("--calls", type=int, default=4)
    parser.add_argument("--warm", type=float, default=2.0)
    parser.add_argument("--seconds", type=float, default=8.0)
    asyncio.run(main(parser.parse_args()))
