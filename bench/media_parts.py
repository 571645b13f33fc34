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
LAYERS = (0, 2, 1, 2)  # of the frames of L1T3, one after the other


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


def sessions_per_core(highest: int, pictures: float) -> float:
    """Sessions whose L1T3 video one core decodes up to that layer, ``pictures`` a second of it given out."""
    video = _layered(encoded_video())
    requests = io.BytesIO()
    repeat, given = 5, 0
    for _ in range(repeat):
        for index, data in enumerate(video):
            if LAYERS[index % len(LAYERS)] > highest:
                continue
            wanted = given < pictures * index / RATE
            given += wanted
            kind = decoding.RETURN if wanted else decoding.DECODE
            requests.write(decoding.REQUEST.pack(kind, 0, 1, 0, 0.0, len(data)) + data)
        given = 0
    requests.seek(0)
    before = time.process_time()
    decoding.serve(requests, _Nowhere())
    return repeat * len(video) / RATE / (time.process_time() - before)


class _Nowhere(io.BytesIO):
    """Takes the pictures and keeps none."""

    def write(self, data: Any) -> int:
        return len(data)


def _layered(video: list[tuple[bool, bytes]]) -> list[bytes]:
    """The same pictures in three temporal layers, as a browser sends them."""
    decoder = av.CodecContext.create("vp8", "r")
    encoder = av.CodecContext.create("libvpx", "w")
    encoder.width, encoder.height, encoder.pix_fmt = 640, 480, "yuv420p"
    encoder.bit_rate, encoder.framerate = 500_000, fractions.Fraction(RATE)
    encoder.time_base = fractions.Fraction(1, RATE)
    layering = (
        "ts_number_layers=3:ts_target_bitrate=200,300,500:ts_rate_decimator=4,2,1:ts_periodicity=4:"
        "ts_layer_id=0,2,1,2:ts_layering_mode=3"
    )
    encoder.options = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0", "ts-parameters": layering}
    found: list[bytes] = []
    for index, (_, data) in enumerate(video):
        for frame in decoder.decode(av.Packet(data)):
            frame.pts = index
            found += [bytes(packet) for packet in encoder.encode(frame)]
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
