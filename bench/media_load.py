"""Synthetic browsers that load a media server: 640x480 VP8 at 30 frames/s and 500 kbit/s, 50 Opus packets/s, each way.

aiortc does SDP, ICE and DTLS. What is sent is protected before the clock starts, and of what arrives every eighth
packet is opened, so that the load of a hundred calls leaves most of the machine to the server: its last bytes name the
packet that it was. Run by bench/media.py; prints one JSON line.
"""

from __future__ import annotations

import argparse
import asyncio
import fractions
import json
import os
import random
import select
import socket
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
TAIL = struct.Struct("!LHH")
"""A mark; whose packet, which one."""
MAGIC = 0x5AFE5AFE
RATE = 30
BITRATE = 500_000
ROUND = 0.002
"""Seconds between looks at the sockets; latencies are as coarse."""
OPENED = 7
"""Mask of the sequence numbers whose packets are opened."""
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
        self._made: dict[int, bytes] = {}
        """Sequence number -> datagram of the video, to be sent again."""
        self.sent = self.received = self.frames = 0

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
        pair = dtls.transport._connection._nominated[1]
        self._protocol = pair.protocol
        self.socket = socket.socket(fileno=os.dup(pair.protocol.transport.get_extra_info("socket").fileno()))
        self.socket.connect(pair.remote_addr)
        self._address = pair.remote_addr
        self._protect, self._unprotect, self._unprotect_rtcp = (
            dtls._tx_srtp.protect,
            dtls._rx_srtp.unprotect,
            dtls._rx_srtp.unprotect_rtcp,
        )
        self.ready.set()

    def take_socket(self) -> None:
        """From now on nobody else reads it."""
        transport = self._protocol.transport
        transport._loop._remove_reader(transport._sock_fd)

    def take(self, now: float, sent_at: list[list[float]], latencies: list[float]) -> None:
        """Count one datagram that has arrived."""
        try:
            data = self.socket.recv(2048, socket.MSG_DONTWAIT)
        except (BlockingIOError, ConnectionRefusedError):
            return
        if not 127 < data[0] < 192:
            self._protocol.datagram_received(data, self._address)
            return
        if 191 < data[1] < 224:
            self._on_rtcp(data)
            return
        self.received += 1
        if data[1] & 0x80 and len(data) > 150:
            self.frames += 1
        if data[3] & OPENED:
            return
        try:
            magic, whose, which = TAIL.unpack_from(self._unprotect(data)[-TAIL.size :])
        except pylibsrtp.Error:
            return
        if magic == MAGIC:
            latencies.append(now - sent_at[whose][which])

    def _on_rtcp(self, data: bytes) -> None:
        try:
            plain = self._unprotect_rtcp(data)
        except pylibsrtp.Error:
            return
        position = 0
        while position + 8 <= len(plain):
            first, kind, words = struct.unpack_from("!BBH", plain, position)
            if kind == 205 and first & 0x1F == 1:
                for offset in range(position + 12, position + 4 + 4 * words, 4):
                    number, mask = struct.unpack_from("!HH", plain, offset)
                    for lost in [number, *((number + 1 + bit) & 0xFFFF for bit in range(16) if mask >> bit & 1)]:
                        if lost in self._made:
                            self.socket.send(self._made[lost])
            position += 4 + 4 * words

    def make(self, warm: float, seconds: float, whose: int) -> list[tuple[float, bytes]]:
        """Everything that it will send: (seconds from the start, datagram). Its video begins some time in ``warm``, so
        that key frames do not come from all at once."""
        found: list[tuple[float, bytes]] = []

        def packet(kind: str, due: float, stamp: int, marker: int, payload: bytes) -> None:
            payload_type, ssrc = self._agreed[kind]
            number = self._numbers[kind] = (self._numbers[kind] + 1) & 0xFFFF
            raw = RTP.pack(0x80, marker | payload_type, number, stamp & 0xFFFFFFFF, ssrc) + payload
            made = self._protect(raw)
            if kind == "video":
                self._made[number] = made
            found.append((due, made))

        def tail() -> bytes:
            return TAIL.pack(MAGIC, whose, len(found))

        begin, stamp = random.random() * warm, random.getrandbits(31)
        for index in range(int(50 * (warm + seconds))):
            packet("audio", (index + begin % 1) / 50, stamp + 960 * index, 0, SOUND[: -TAIL.size] + tail())
        stamp = random.getrandbits(31)
        for index in range(int(RATE * (warm - begin + seconds))):
            _, data = self._video[index % len(self._video)]
            payloads = Vp8Encoder._packetize(data + bytes(TAIL.size), index & 0x7FFF)
            for place, payload in enumerate(payloads):
                last = place == len(payloads) - 1
                made = payload[: -TAIL.size] + tail() if last else payload
                packet("video", begin + index / RATE, stamp + 90000 // RATE * index, 0x80 if last else 0, made)
        return found


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


def drive(browsers: list[SyntheticBrowser], pids: list[int], calls: int, warm: float, seconds: float) -> dict[str, Any]:
    """Send from all browsers for ``warm`` + ``seconds``; figures of the second part. Holds the event loop up."""
    plan: list[tuple[float, int, int, bytes]] = []
    sent_at: list[list[float]] = []
    for whose, browser in enumerate(browsers):
        made = browser.make(warm, seconds, whose) if browser.sends else []
        sent_at.append([0.0] * len(made))
        plan += [(due, whose, which, datagram) for which, (due, datagram) in enumerate(made)]
    plan.sort(key=lambda one: one[0])
    waiting = select.epoll()
    by_socket: dict[int, SyntheticBrowser] = {}
    for browser in browsers:
        browser.take_socket()
        waiting.register(browser.socket, select.EPOLLIN)
        by_socket[browser.socket.fileno()] = browser
    latencies: list[float] = []

    def counted() -> tuple[float, ...]:
        totals = [sum(getattr(browser, name) for browser in browsers) for name in ("sent", "received", "frames")]
        return (*totals, cpu_seconds(pids), time.process_time(), time.monotonic())

    start, position = time.monotonic(), 0
    before: tuple[float, ...] = ()
    while (now := time.monotonic()) < start + warm + seconds:
        if not before and now >= start + warm:
            latencies.clear()
            before = counted()
        while position < len(plan) and start + plan[position][0] <= now:
            _, whose, which, datagram = plan[position]
            browser = browsers[whose]
            sent_at[whose][which] = time.monotonic()
            browser.socket.send(datagram)
            browser.sent += 1
            position += 1
        for number, _ in waiting.poll(0, len(browsers)):
            by_socket[number].take(time.monotonic(), sent_at, latencies)
        time.sleep(max(0.0, now + ROUND - time.monotonic()))
    sent, received, frames, used, own, elapsed = (a - b for a, b in zip(counted(), before, strict=True))
    waiting.close()
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
        result = drive(browsers, options.pids, options.calls, options.warm, options.seconds)
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
