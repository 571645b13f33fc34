"""A browser's stand-in: an aiortc peer whose picture is a running number and whose sound is one tone."""

from __future__ import annotations

import asyncio
import fractions
import itertools
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress

import aioice.ice
import av
import numpy as np
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from aiortc.rtp import RTCP_PSFB_APP, RtcpPsfbPacket, unpack_remb_fci

from server.ports import Leg, LegEvent, MediaError

BITS = 14
WIDTH, HEIGHT = 320, 240
RATE = 30
SAMPLES = 960  # per 20 ms at 48 kHz


def paint_number(number: int) -> np.ndarray:
    """A picture (BGR) that carries a number: black and white blocks in two rows, over a grey field."""
    picture = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    for bit in range(BITS):
        row, column = divmod(bit, BITS // 2)
        block = picture[60 + 60 * row : 100 + 60 * row, 10 + 44 * column : 46 + 44 * column]
        block[:] = 255 if number >> bit & 1 else 0
    return picture


def read_number(picture: np.ndarray) -> int:
    number = 0
    for bit in range(BITS):
        row, column = divmod(bit, BITS // 2)
        block = picture[70 + 60 * row : 90 + 60 * row, 20 + 44 * column : 36 + 44 * column]
        number |= int(block.mean() > 128) << bit
    return number


class _Paced(MediaStreamTrack):
    """Delivers a frame each ``step`` seconds; none while paused."""

    def __init__(self, step: float) -> None:
        super().__init__()
        self._step = step
        self._start = 0.0
        self.count = 0
        self._target = 0
        self._reached = asyncio.Event()

    async def pace(self) -> int:
        if self.readyState != "live":
            raise MediaStreamError
        if not self._start:
            self._start = time.monotonic()
        await asyncio.sleep(max(0.0, self._start + self.count * self._step - time.monotonic()))
        self.count += 1
        if self.count >= self._target:
            self._reached.set()
        return self.count

    async def sent(self, count: int) -> None:
        """Return when so many frames have gone."""
        self._target = count
        self._reached.clear()
        await self._reached.wait()


class NumberedVideo(_Paced):
    kind = "video"

    def __init__(self, first: int) -> None:
        super().__init__(1 / RATE)
        self.number = first

    async def recv(self) -> av.VideoFrame:
        count = await self.pace()
        self.number += 1
        frame = av.VideoFrame.from_ndarray(paint_number(self.number), format="bgr24")
        frame.pts = count * 90000 // RATE
        frame.time_base = fractions.Fraction(1, 90000)
        return frame


class Tone(_Paced):
    kind = "audio"

    def __init__(self, frequency: float) -> None:
        super().__init__(SAMPLES / 48000)
        self.frequency = frequency

    async def recv(self) -> av.AudioFrame:
        start = (await self.pace() - 1) * SAMPLES
        wave = 8000 * np.sin(2 * np.pi * self.frequency * (start + np.arange(SAMPLES)) / 48000)
        frame = av.AudioFrame.from_ndarray(wave.astype(np.int16)[None], format="s16", layout="mono")
        frame.sample_rate = 48000
        frame.pts = start
        frame.time_base = fractions.Fraction(1, 48000)
        return frame


class Browser:
    """One end of a call as a page would hold it."""

    def __init__(
        self,
        first_number: int = 0,
        frequency: float | None = None,
        address: str = "127.0.0.1",
        codec: str | None = None,
    ) -> None:
        """``codec``: the only one that it speaks; None: VP8 first, then H.264."""
        self._address = address
        self.frequency = frequency or (440.0 if first_number < 2000 else 880.0)
        self._video = NumberedVideo(first_number)
        self._audio = Tone(self.frequency)
        self._pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._pc.addTrack(self._audio)
        self._pc.addTrack(self._video)
        if codec is not None:
            capabilities = RTCRtpSender.getCapabilities("video").codecs
            wanted = {f"video/{codec}".lower(), "video/rtx"}
            self._pc.getTransceivers()[1].setCodecPreferences(
                [known for known in capabilities if known.mimeType.lower() in wanted]
            )
        self._receiver: RTCPeerConnection | None = None
        """The connection that the server offered, where it does."""
        self._receiving = asyncio.Lock()
        self._closed = False
        self._seen: asyncio.Queue[int] = asyncio.Queue(1)
        self._heard: list[np.ndarray] = []
        self._heard_enough = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._pc.on("track", self._on_track)
        self._sockets: list[tuple[object, object]] = []

    @property
    def number(self) -> int:
        return self._video.number

    @property
    def state(self) -> str:
        return self._pc.connectionState

    async def offer(self) -> str:
        with self._own_address():
            await self._pc.setLocalDescription(await self._pc.createOffer())
        return self._pc.localDescription.sdp

    @contextmanager
    def _own_address(self) -> Iterator[None]:
        addresses, aioice.ice.get_host_addresses = aioice.ice.get_host_addresses, lambda **_: [self._address]
        try:
            yield
        finally:
            aioice.ice.get_host_addresses = addresses

    async def accept(self, answer: str) -> None:
        await self._pc.setRemoteDescription(RTCSessionDescription(sdp=answer, type="answer"))

    async def receive(self, offer: str) -> str:
        """The answer to the server's offer of a connection over which this peer receives from now on; "" from one that
        has left."""
        async with self._receiving:
            if self._closed:
                return ""
            before, receiver = self._receiver, RTCPeerConnection(RTCConfiguration(iceServers=[]))
            self._receiver = receiver
            if before is not None:
                await before.close()
            receiver.on("track", self._on_track)
            await receiver.setRemoteDescription(RTCSessionDescription(sdp=offer, type="offer"))
            with self._own_address():
                await receiver.setLocalDescription(await receiver.createAnswer())
            return receiver.localDescription.sdp

    def _on_track(self, track: MediaStreamTrack) -> None:
        watch = self._watch if track.kind == "video" else self._listen
        self._tasks.append(asyncio.create_task(watch(track)))

    async def _watch(self, track: MediaStreamTrack) -> None:
        try:
            while True:
                frame = await track.recv()
                if self._seen.full():
                    self._seen.get_nowait()
                self._seen.put_nowait(read_number(frame.to_ndarray(format="bgr24")))
        except MediaStreamError:
            return

    async def _listen(self, track: MediaStreamTrack) -> None:
        try:
            while True:
                frame = await track.recv()
                samples = frame.to_ndarray().reshape(-1, len(frame.layout.channels))[:, 0].astype(float)
                if np.abs(samples).max() > 1000:
                    self._heard = [*self._heard[-24:], samples]
                if len(self._heard) >= 25:
                    self._heard_enough.set()
        except MediaStreamError:
            return

    async def seen_number(self, at_least: int = 0) -> int:
        """The number in the newest picture of the other side, from now on."""
        async with asyncio.timeout(15):
            while self._seen.full():
                self._seen.get_nowait()
            while (number := await self._seen.get()) < at_least:
                pass
            return number

    async def heard_frequency(self) -> float:
        """The strongest frequency (Hz) in half a second of the other side's sound."""
        async with asyncio.timeout(15):
            await self._heard_enough.wait()
        samples = np.concatenate(self._heard)
        spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
        return float(np.argmax(spectrum) * 48000 / len(samples))

    async def sent_seconds(self, seconds: float) -> None:
        """Wait until so much more video has been sent."""
        async with asyncio.timeout(15 + seconds):
            await self._video.sent(self._video.count + int(seconds * RATE))

    def go_dark(self) -> None:
        """Nothing that this peer sends reaches anyone any more."""
        for transport in self._transports():
            self._sockets.append((transport, transport.sendto))
            transport.sendto = lambda *_: None

    def lose(self, one_in: int) -> None:
        """From now on one in so many RTP packets of those that it is sent is lost."""
        count = itertools.count(1)
        receiver = self._pc if self._receiver is None else self._receiver
        for protocol in receiver.getTransceivers()[0].receiver.transport.transport._connection._protocols:

            def take(data, addr, datagram_received=protocol.datagram_received) -> None:
                media = 127 < data[0] < 192 and not 191 < data[1] < 224
                if not media or next(count) % one_in:
                    datagram_received(data, addr)

            protocol.datagram_received = take

    def allowances(self) -> asyncio.Queue[int]:
        """What its browser is told from now on to send at most, bits per second (REMB)."""
        told: asyncio.Queue[int] = asyncio.Queue()
        sender = self._pc.getTransceivers()[1].sender
        handle = sender._handle_rtcp_packet

        async def look(packet) -> None:
            if isinstance(packet, RtcpPsfbPacket) and packet.fmt == RTCP_PSFB_APP:
                told.put_nowait(unpack_remb_fci(packet.fci)[0])
            await handle(packet)

        sender._handle_rtcp_packet = look
        return told

    def come_back(self) -> None:
        for transport, sendto in self._sockets:
            transport.sendto = sendto
        self._sockets.clear()

    def _transports(self) -> list:
        connections = [self._pc] if self._receiver is None else [self._pc, self._receiver]
        ices = [one.getTransceivers()[0].receiver.transport.transport._connection for one in connections]
        return [protocol.transport for ice in ices for protocol in ice._protocols]

    async def close(self) -> None:
        self._video.stop()
        self._audio.stop()
        self._closed = True
        await self._pc.close()
        async with self._receiving:
            if self._receiver is not None:
                await self._receiver.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class Pages:
    """A media engine whose ``receive`` offers are answered by the browsers that joined; all else is the engine's."""

    def __init__(self, media) -> None:
        self._media = media
        self._browsers: dict[tuple[str, Leg], Browser] = {}
        self._events: asyncio.Queue[LegEvent] = asyncio.Queue()
        self.offered: list[LegEvent] = []
        """What was to be received, in order."""
        self._listening = asyncio.create_task(self._listen())

    def __getattr__(self, name: str):
        return getattr(self._media, name)

    def attend(self, browser: Browser, leg: Leg, call: str) -> None:
        self._browsers[call, leg] = browser

    async def events(self) -> AsyncIterator[LegEvent]:
        while True:
            yield await self._events.get()

    async def _listen(self) -> None:
        async for event in self._media.events():
            if event.kind == "receive":
                self.offered.append(event)
                answer = await self._browsers[event.call, event.leg].receive(event.sdp)
                if not answer:
                    continue
                with suppress(MediaError):  # it was replaced meanwhile
                    await self._media.accept(event.call, event.leg, event.number, answer)
            else:
                self._events.put_nowait(event)

    async def leave(self) -> None:
        self._listening.cancel()
        await asyncio.wait([self._listening])


async def join(media, browser: Browser, leg: Leg, call: str) -> None:
    if isinstance(media, Pages):
        media.attend(browser, leg, call)
    await browser.accept(await media.answer(call, leg, await browser.offer()))


async def next_event(events, kind: str, leg: Leg, timeout: float = 10.0) -> None:
    async with asyncio.timeout(timeout):
        async for event in events:
            if event.kind == kind and event.leg == leg:
                return
