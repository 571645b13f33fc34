"""Recording what arrives, without encoding anything: one live WebM per leg and connection, in a sealed file.

The event loop lays packets down; one thread per engine takes all that lie there twenty times a second, muxes and seals
them, another one syncs (an fdatasync takes 2 to 24 ms). A thread that woke up for each packet would cost the loop more
than the packet does: both want the interpreter's lock then. What lies there is bounded: a disk that is too slow fails
the recording, as a full one does, and never blocks a call.
"""

from __future__ import annotations

import asyncio
import errno
import fractions
import logging
import os
import queue
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import av
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.stream import VideoStream

from server.media.codecs import CODECS, VP8, Codec
from server.media.frames import Assembler, EncodedFrame
from server.media.sealed import SealedWriter, open_new
from server.media.streams import Incoming

MOST_QUEUED = 4096  # packets and frames in all recordings; about 0.5 s of 100 recorded legs
LEAST_FREE = 256 << 20  # bytes; a recording does not start with less room: 69 kB/s per leg is an hour of one leg
POLL = 0.05  # seconds between the thread's rounds over packets, pieces and seals
KEY_FRAME_EVERY = 20.0  # seconds; who looks for a moment later waits for the pictures from the key frame before it on
KEY_FRAME_AGAIN = 1.0  # seconds after which a key frame that did not come is asked for again
LARGEST_STEP = 2.0  # seconds; a media clock that runs ahead of or behind the wall by more is started anew

_MILLISECOND = fractions.Fraction(1, 1000)
_LIVE = {
    "live": "1",
    "cluster_time_limit": "100",  # ms; into a stream, libavformat keeps a cluster in memory until it is whole
    "flush_packets": "1",
    "write_crc32": "0",  # as WebM has none: the seals say more, and clusters are rebased for who watches a call
    "max_interleave_delta": "50000",  # us; a leg without sound must not hold its picture back in memory
}

_log = logging.getLogger(__name__)


class Timeline:
    """Milliseconds since the recording began for one stream, monotone whatever its RTP clock does.

    RTP timestamps give the distances; the arrival time gives the start, and a new start where the two disagree by
    more than LARGEST_STEP (another SSRC, a suspended browser). Lost and reordered packets leave the clock alone.
    """

    def __init__(self, clock_rate: int, began: float, least_step: int) -> None:
        self._clock_rate = clock_rate
        self._began = began
        self._least_step = least_step
        self._base: tuple[int, float] | None = None
        self._last = -least_step

    def reset(self) -> None:
        """The next timestamp is of another clock."""
        self._base = None

    def at(self, timestamp: int, now: float) -> int:
        """Where a packet with this timestamp belongs that arrived at ``now`` (monotonic seconds)."""
        arrived = 1000 * (now - self._began)
        moment = arrived
        ticks = 0
        if self._base is not None:
            ticks = ((timestamp - self._base[0] + 0x80000000) & 0xFFFFFFFF) - 0x80000000
            moment = self._base[1] + 1000 * ticks / self._clock_rate
            if abs(moment - arrived) > 1000 * LARGEST_STEP:
                moment, ticks = arrived, 0
        if ticks >= 0:
            self._base = (timestamp, moment)
        self._last = max(round(moment), self._last + self._least_step)
        return self._last


class WebmTrack:
    """Muxes ready packets into live WebM (Matroska for H.264), written to anything with ``write``.

    Runs in the recorder's thread. The first picture must be a key frame: the muxer takes what decoders need to begin
    with from it.
    """

    def __init__(self, sink: Any, width: int, height: int, codec: Codec = VP8) -> None:
        container = av.open(sink, "w", format=codec.container, options=_LIVE)
        assert isinstance(container, OutputContainer)
        self._container = container
        video = container.add_mux_stream(codec.decoder, rate=30, width=width, height=height)
        assert isinstance(video, VideoStream)
        self._video = video
        self._video.time_base = _MILLISECOND
        audio = container.add_stream("libopus", rate=48000, layout="stereo")  # opened for its OpusHead; encodes nothing
        assert isinstance(audio, AudioStream)
        self._audio = audio

    def put(self, video: bool, milliseconds: int, key: bool, data: bytes) -> None:
        packet = av.Packet(data)
        packet.stream = self._video if video else self._audio
        packet.time_base = _MILLISECOND
        packet.pts = packet.dts = milliseconds
        packet.is_keyframe = key
        self._container.mux(packet)

    def close(self) -> None:
        self._container.close()


@dataclass(frozen=True, slots=True)
class Segment:
    """A recording of one leg's one connection, while it is written or done."""

    path: Path
    chain: str
    """Newest chain value (hex)."""
    size: int


class Recording:
    """One file that is being written. The first half runs in the event loop, the second in the thread."""

    def __init__(self, recorder: Recorder, writer: SealedWriter, path: Path, on_failed: Callable[[str], None]) -> None:
        self.path = path
        self.began = time.monotonic()
        self._failed = False
        self._overrun = False
        self._recorder = recorder
        self._writer = writer
        self._on_failed = on_failed
        self._track: WebmTrack | None = None
        self._codec = VP8
        self._video_time = Timeline(90000, self.began, least_step=1)
        self._audio_time = Timeline(48000, self.began, least_step=1)
        self._needs_key = True
        self._key_due = self.began + KEY_FRAME_AGAIN
        self._request_key_frame: Callable[[], None] = lambda: None
        self._detach: Callable[[], None] = lambda: None
        self.done: asyncio.Future[Segment] = asyncio.get_running_loop().create_future()

    # --- in the event loop -------------------------------------------------------------------------

    def attach(self, video: Incoming, audio: Incoming, request_key_frame: Callable[[], None]) -> None:
        """Take all that these streams receive from now on."""

        def gap() -> None:
            self._needs_key = True  # what follows a hole cannot be decoded: it is left out until a key frame comes
            self._key_due = time.monotonic() + KEY_FRAME_AGAIN
            request_key_frame()

        self._codec = CODECS[video.parameters.codec]
        assembler = Assembler(self._codec.depacketiser(), self.take_frame, gap)
        sound = _AudioTap(self)
        picture = _VideoTap(self, assembler)
        video.taps = (*video.taps, picture)
        audio.taps = (*audio.taps, sound)

        def detach() -> None:
            video.taps = tuple(tap for tap in video.taps if tap is not picture)
            audio.taps = tuple(tap for tap in audio.taps if tap is not sound)

        self._detach = detach
        self._request_key_frame = request_key_frame
        request_key_frame()

    def take_frame(self, frame: EncodedFrame) -> None:
        now = time.monotonic()
        if frame.key:
            self._needs_key = False
            self._key_due = now + KEY_FRAME_EVERY
        elif now >= self._key_due:
            self._key_due = now + KEY_FRAME_AGAIN
            self._request_key_frame()
        if self._needs_key:
            return
        moment = self._video_time.at(frame.timestamp, now)
        self._recorder.submit(self, (True, moment, frame.key, frame.data))

    def take_sound(self, timestamp: int, payload: bytes) -> None:
        moment = self._audio_time.at(timestamp, time.monotonic())
        self._recorder.submit(self, (False, moment, True, payload))

    def reset_video(self) -> None:
        self._video_time.reset()

    def reset_audio(self) -> None:
        self._audio_time.reset()

    async def stop(self) -> Segment:
        """Put the last seal and close the file."""
        self._detach()
        self._recorder.submit(self, None)
        return await self.done

    # --- in the thread -----------------------------------------------------------------------------

    def take(self, item: tuple[bool, int, bool, bytes] | None) -> None:
        """Mux one packet; None closes. A failure is told once."""
        if self._failed:
            if item is None:
                self._finish()
            return
        try:
            if item is None:
                if self._track is not None:
                    self._track.close()
                self._writer.close()
                self._finish()
            else:
                self._put(*item)
        except (OSError, av.FFmpegError) as error:
            self._fail(error)
            if item is None:
                self._finish()

    def _put(self, video: bool, milliseconds: int, key: bool, data: bytes) -> None:
        if self._track is None:
            size = self._size(data) if video and key else None
            if size is None:
                return  # the file begins with the first key frame
            self._track = WebmTrack(self._writer, *size, self._codec)
        self._track.put(video, milliseconds, key, data)

    def _size(self, data: bytes) -> tuple[int, int] | None:
        try:
            return self._codec.picture_size(data)
        except ValueError:
            return None

    def tick(self, now: float) -> None:
        if not self._failed:
            try:
                self._writer.tick(now)
            except OSError as error:
                self._fail(error)

    def _fail(self, error: Exception) -> None:
        self._failed = True
        _log.error("a recording cannot be written: %s", error.strerror if isinstance(error, OSError) else error)
        self._writer.abandon()
        self._recorder.call_in_loop(self._on_failed, "recording_failed")

    def _finish(self) -> None:
        segment = Segment(self.path, self._writer.chain, self._writer.size)
        self._recorder.call_in_loop(_settle, self.done, segment)

    def overrun(self) -> None:
        """In the event loop: the thread does not keep up. What was handed over is still written and sealed."""
        if not self._overrun:
            self._overrun = True
            self._detach()
            self._on_failed("recording_too_slow")


def _settle(future: asyncio.Future[Segment], segment: Segment) -> None:
    if not future.done():
        future.set_result(segment)


class _VideoTap:
    def __init__(self, recording: Recording, assembler: Assembler) -> None:
        self.push = assembler.push
        self._recording = recording
        self._assembler = assembler

    def reset(self) -> None:
        self._assembler.reset()
        self._recording.reset_video()


class _AudioTap:
    def __init__(self, recording: Recording) -> None:
        self._recording = recording

    def push(self, sequence: int, timestamp: int, last: bool, payload: bytes) -> None:
        del sequence, last
        self._recording.take_sound(timestamp, payload)

    def reset(self) -> None:
        self._recording.reset_audio()


class _Sync:
    """Brings one file to the disk beside the thread that writes it: a slow disk must not hold packets in memory."""

    def __init__(self, syncs: queue.Queue[tuple[_Sync, int] | None]) -> None:
        self._syncs = syncs
        self._waiting = False
        self._error: OSError | None = None

    def __call__(self, descriptor: int) -> None:
        if self._error is not None:
            raise self._error
        if not self._waiting:
            self._waiting = True
            self._syncs.put((self, os.dup(descriptor)))

    def run(self, descriptor: int) -> None:
        """In the other thread. An error comes to light at the next seal."""
        self._waiting = False
        try:
            os.fdatasync(descriptor)
        except OSError as error:
            self._error = error
        finally:
            os.close(descriptor)


def _run_syncs(syncs: queue.Queue[tuple[_Sync, int] | None]) -> None:
    while (entry := syncs.get()) is not None:
        sync, descriptor = entry
        sync.run(descriptor)


class Recorder:
    """The thread that writes all recordings of an engine. Made in the event loop; ended with ``aclose``."""

    def __init__(self, open_file: Callable[[Path], int] = open_new, least_free: int = LEAST_FREE) -> None:
        self._open_file = open_file
        self._least_free = least_free
        self._loop = asyncio.get_running_loop()
        self._laid: deque[tuple[Recording, tuple[bool, int, bool, bytes] | None]] = deque()
        self._wake = threading.Event()
        """Set where somebody waits for the thread: a file is to be closed, or the thread shall end."""
        self._ending = False
        self._syncs: queue.Queue[tuple[_Sync, int] | None] = queue.Queue()
        self._threads: list[threading.Thread] = []
        self._open: set[Recording] = set()

    def check_room(self, folder: Path) -> None:
        """Raises OSError where the folder is not there or its disk has too little room."""
        if shutil.disk_usage(folder).free < self._least_free:
            raise OSError(errno.ENOSPC, "too little room for a recording")

    def start(self, path: Path, key: bytes, header: dict[str, Any], on_failed: Callable[[str], None]) -> Recording:
        """Begin a file. Raises OSError where it cannot be made or the disk has too little room."""
        self.check_room(path.parent)
        began = datetime.now(UTC).isoformat(timespec="milliseconds")
        sync = _Sync(self._syncs)
        writer = SealedWriter(path, key, {**header, "began": began}, self._open_file, sync)
        recording = Recording(self, writer, path, on_failed)
        if not self._threads:
            self._threads = [
                threading.Thread(target=self._run, name="recorder", daemon=True),
                threading.Thread(target=_run_syncs, args=(self._syncs,), name="recorder sync", daemon=True),
            ]
            for thread in self._threads:
                thread.start()
        return recording

    def submit(self, recording: Recording, item: tuple[bool, int, bool, bytes] | None) -> None:
        if item is None:
            self._laid.append((recording, None))
            self._wake.set()
        elif len(self._laid) > MOST_QUEUED:
            recording.overrun()
        else:
            self._laid.append((recording, item))

    def call_in_loop(self, function: Callable[..., None], *arguments: Any) -> None:
        self._loop.call_soon_threadsafe(function, *arguments)

    def _run(self) -> None:
        while not self._ending:
            self._wake.wait(POLL)
            self._wake.clear()
            while self._laid:
                recording, item = self._laid.popleft()
                self._open.add(recording)
                recording.take(item)
                if item is None:
                    self._open.discard(recording)
            now = time.monotonic()
            for open_one in self._open:
                open_one.tick(now)

    async def aclose(self) -> None:
        """End the threads; every recording must have been stopped."""
        self._ending = True
        self._wake.set()
        self._syncs.put(None)
        for thread in self._threads:
            await asyncio.to_thread(thread.join)
        self._threads.clear()
