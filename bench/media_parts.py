"""Parts of the media path alone: recording, decoding, joins and leaves."""

from __future__ import annotations

import asyncio
import fractions
import io
import tempfile
import time
from pathlib import Path
from typing import Any

import av
import numpy as np
import psutil
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaRecorder
from aiortc.mediastreams import AudioStreamTrack, MediaStreamError, VideoStreamTrack

from bench.media_load import encoded_video
from server.media import decoding
from server.media.embedded import EmbeddedMedia
from server.media.recorder import WebmTrack
from server.media.sealed import SealedWriter
from server.ports import Leg

RATE = 30
SECONDS = 20
WARM_UP = 100  # joins before memory is looked at: caches, arenas
JOINS = 500


def recording_cpu() -> tuple[float, float]:
    """CPU s per second of one leg: (ours, aiortc's MediaRecorder with the same picture and sound)."""
    video = encoded_video()
    with tempfile.TemporaryDirectory() as folder:
        writer = SealedWriter(Path(folder) / "a.rec", bytes(32), {})
        track = WebmTrack(writer, 640, 480)
        before = time.process_time()
        for index in range(RATE * SECONDS):
            key, data = video[index % len(video)]
            track.put(True, 1000 * index // RATE, key, data)
            for sound in range(index * 50 // RATE, (index + 1) * 50 // RATE):
                track.put(False, 20 * sound, True, bytes(80))
            writer.tick(time.monotonic() + index / RATE)
        track.close()
        writer.close()
        ours = (time.process_time() - before) / SECONDS
        theirs = asyncio.run(_media_recorder(str(Path(folder) / "b.mp4")))
    return ours, theirs


class _Picture(VideoStreamTrack):
    """The decoded pictures of the load, as fast as they are taken."""

    def __init__(self, frames: list[av.VideoFrame]) -> None:
        super().__init__()
        self._frames = frames
        self._count = 0

    async def recv(self) -> av.VideoFrame:
        if self._count >= RATE * 4:
            raise MediaStreamError
        frame = self._frames[self._count % len(self._frames)]
        frame.pts, frame.time_base = self._count * 3000, fractions.Fraction(1, 90000)
        self._count += 1
        return frame


class _Silence(AudioStreamTrack):
    def __init__(self) -> None:
        super().__init__()
        self._count = 0

    async def recv(self) -> av.AudioFrame:
        if self._count >= 50 * 4:
            raise MediaStreamError
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 960), np.int16), format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 48000, self._count * 960, fractions.Fraction(1, 48000)
        self._count += 1
        return frame


async def _media_recorder(path: str) -> float:
    decoder = av.CodecContext.create("vp8", "r")
    frames = [frame for _, data in encoded_video() for frame in decoder.decode(av.Packet(data))]
    recorder = MediaRecorder(path)
    recorder.addTrack(_Picture(frames))
    recorder.addTrack(_Silence())
    before = time.process_time()
    await recorder.start()
    await asyncio.gather(*(context.task for context in recorder._MediaRecorder__tracks.values()))
    await recorder.stop()
    return (time.process_time() - before) / 4


def sessions_per_core() -> tuple[float, float]:
    """Sessions whose video one core decodes with 3 pictures a second: (every frame, the base layer of L1T3 alone)."""
    video = encoded_video()
    found = []
    for step in (1, 4):  # the base layer of L1T3 is every fourth frame; it is coded anew so that it stands alone
        frames = video if step == 1 else _every(video, step)
        requests = io.BytesIO()
        repeat = 5
        for _ in range(repeat):
            for index, (_, data) in enumerate(frames):
                wanted = index % round(RATE / 3 / step) == 0
                kind = decoding.RETURN if wanted else decoding.DECODE
                requests.write(decoding.REQUEST.pack(kind, 1, 0, 0.0, len(data)) + data)
        requests.seek(0)
        before = time.process_time()
        decoding.serve(requests, _Nowhere())
        seconds = repeat * len(video) / RATE
        found.append(seconds / (time.process_time() - before))
    return found[0], found[1]


class _Nowhere(io.BytesIO):
    """Takes the pictures and keeps none."""

    def write(self, data: Any) -> int:
        return len(data)


def _every(video: list[tuple[bool, bytes]], step: int) -> list[tuple[bool, bytes]]:
    decoder = av.CodecContext.create("vp8", "r")
    encoder = av.CodecContext.create("libvpx", "w")
    encoder.width, encoder.height, encoder.pix_fmt = 640, 480, "yuv420p"
    encoder.bit_rate, encoder.framerate = 250_000, fractions.Fraction(RATE, step)
    encoder.time_base = fractions.Fraction(1, RATE)
    encoder.options = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}
    found: list[tuple[bool, bytes]] = []
    for index, (_, data) in enumerate(video):
        for frame in decoder.decode(av.Packet(data)):
            if index % step == 0:
                frame.pts = index
                found += [(bool(packet.is_keyframe), bytes(packet)) for packet in encoder.encode(frame)]
    return found


def memory_growth() -> float:
    """Kilobytes of memory that one join and leave leaves behind, over JOINS of them."""
    return asyncio.run(_memory_growth())


async def _memory_growth() -> float:
    media = EmbeddedMedia(addresses=["127.0.0.1"])
    process = psutil.Process()
    start = 0
    for count in range(WARM_UP + JOINS):
        if count == WARM_UP:
            start = process.memory_info().rss
        peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        for kind in ("audio", "video"):
            peer.addTransceiver(kind, direction="sendrecv")
        await peer.setLocalDescription(await peer.createOffer())
        answer = await media.answer(f"call {count}", Leg.APPLICANT, peer.localDescription.sdp)
        await peer.setRemoteDescription(RTCSessionDescription(sdp=answer, type="answer"))
        await media.close(f"call {count}")
        await peer.close()
    grown = process.memory_info().rss - start
    await media.aclose()
    return grown / JOINS / 1000
