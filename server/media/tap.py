"""Looking at a leg's video: frames are put together in the event loop and decoded in a worker process.

Only while somebody asks (and LINGER seconds after, so that repeated looks do not cost a key frame each). The newest
frame wins: a picture is returned from the first frame that is complete after it was asked for.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from server.media.codecs import CODECS, Codec
from server.media.decoding import DECODE, FORGET, HELLO, NAMES, PICTURE, REPLY, REQUEST, RETURN
from server.media.frames import Assembler, EncodedFrame
from server.media.layers import Layers
from server.media.streams import Incoming
from verification.contract import Frame

LINGER = 5.0  # seconds a tap stays open after the last look; the panel looks every 0.2 to 1 s while a check runs
ASK_AGAIN = 1.0
"""Seconds after which a key frame that did not come is asked for again: libwebrtc ignores a request that reaches it
within 300 ms of the last, and the first second of a call has several."""
MOST_UNWRITTEN = 4 << 20  # bytes waiting for the worker; more, and decoding starts anew from a key frame

_log = logging.getLogger(__name__)


class Decoder:
    """One worker process for many taps; started by the first look, started again after it died."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()
        self._ready = asyncio.Event()
        self._taps: dict[int, Tap] = {}
        self._last_id = 0
        self._closed = False

    async def start(self) -> None:
        """Make sure that the worker runs and has loaded its libraries (about 0.3 s the first time)."""
        async with self._starting:
            if self._closed or (self._reader is not None and not self._reader.done()):
                return
            await self._reap()
            self._ready.clear()
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "server.media.decoding",
                env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                start_new_session=True,  # Ctrl-C is for the server; this ends when its pipe does
            )
            self._reader = asyncio.create_task(self._read(self._process))
            await self._ready.wait()

    def register(self, tap: Tap) -> int:
        self._last_id += 1
        self._taps[self._last_id] = tap
        return self._last_id

    def forget(self, tap_id: int) -> None:
        self._taps.pop(tap_id, None)
        self._write(REQUEST.pack(FORGET, 0, tap_id, 0, 0.0, 0))

    def submit(self, tap_id: int, codec: Codec, frame: EncodedFrame, received_at: float, wanted: bool) -> bool:
        """Hand a frame over; False if the worker is too far behind (or dead), then a key frame must come next."""
        kind = RETURN if wanted else DECODE
        header = REQUEST.pack(kind, NAMES.index(codec.name), tap_id, frame.timestamp, received_at, len(frame.data))
        return self._write(header + frame.data)

    def _write(self, message: bytes) -> bool:
        process = self._process
        if process is None or process.stdin is None or process.stdin.is_closing():
            return False
        if process.stdin.transport.get_write_buffer_size() > MOST_UNWRITTEN:
            return False
        process.stdin.write(message)
        return True

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        try:
            while True:
                kind, tap_id, timestamp, received_at, width, height = REPLY.unpack(
                    await process.stdout.readexactly(REPLY.size)
                )
                body = await process.stdout.readexactly(width * height * 3) if kind == PICTURE else b""
                if kind == HELLO:
                    self._ready.set()
                tap = self._taps.get(tap_id)
                if tap is None:
                    continue
                if kind == PICTURE:
                    pixels = np.frombuffer(body, np.uint8).reshape(height, width, 3)
                    tap.deliver(Frame(pixels, timestamp, received_at))
                else:
                    tap.restart()
        except asyncio.IncompleteReadError:
            if not self._closed:
                _log.warning("the decoding worker ended; it is started again at the next look")
        finally:
            self._ready.set()
            for tap in list(self._taps.values()):
                tap.restart()

    async def _reap(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            await process.stdin.wait_closed()
        try:
            await asyncio.wait_for(process.wait(), 2.0)
        except TimeoutError:
            process.kill()
            await process.wait()

    async def aclose(self) -> None:
        self._closed = True
        async with self._starting:
            await self._reap()
            if self._reader is not None:
                await self._reader


class Tap:
    """The way from one leg's video stream to pictures."""

    def __init__(self, decoder: Decoder, incoming: Incoming, request_key_frame: Callable[[], None]) -> None:
        self._decoder = decoder
        self._incoming = incoming
        self._request_key_frame = request_key_frame
        self._waiting: list[asyncio.Future[Frame | None]] = []
        self._looks = 0
        self._id: int | None = None
        self._codec = CODECS[incoming.parameters.codec]
        self._layers = Layers()
        self._assembler = self._new_assembler()
        self._needs_key = True
        self._key_asked = 0.0
        self._asked = False
        self._linger: asyncio.TimerHandle | None = None
        self._closed = False

    async def look(self, count: int, within: float) -> list[Frame]:
        """Up to ``count`` frames spread over ``within`` seconds, fewer where the video stands still."""
        await self._decoder.start()
        deadline = time.monotonic() + within
        frames: list[Frame] = []
        self._layers.look(count, within, time.monotonic())
        self._looks += 1
        try:
            self._open()
            while len(frames) < count and not self._closed:
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    break
                frame = await self._next(remaining)
                if frame is None:
                    break
                frames.append(frame)
                now = time.monotonic()
                pause = (deadline - now) / (count - len(frames) + 1)
                # Where frames come slower than they are wanted, a pause would miss every second one.
                if len(frames) < count and pause > self._layers.interval(now):
                    await asyncio.sleep(pause)
        finally:
            self._looks -= 1
            if not self._looks and not self._closed:
                self._linger = asyncio.get_running_loop().call_later(LINGER, self._detach)
        return frames

    async def _next(self, timeout: float) -> Frame | None:
        future: asyncio.Future[Frame | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        self._asked = False
        try:
            return await asyncio.wait_for(future, timeout)
        except TimeoutError:
            return None
        finally:
            if future in self._waiting:
                self._waiting.remove(future)

    def _open(self) -> None:
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
        if self._id is None:
            self._id = self._decoder.register(self)
            self._assembler = self._new_assembler()
            self._incoming.taps = (*self._incoming.taps, self._assembler)
            self.restart()

    def _new_assembler(self) -> Assembler:
        return Assembler(self._codec.depacketiser(), self._on_frame, self.restart)

    def _on_frame(self, frame: EncodedFrame) -> None:
        if self._id is None:
            return
        now = time.monotonic()
        if self._needs_key and not frame.key:
            if now - self._key_asked > ASK_AGAIN:
                self.restart()
            return
        if not self._layers.takes(frame, now):
            return
        wanted = bool(self._waiting) and not self._asked
        if self._decoder.submit(self._id, self._codec, frame, now, wanted):
            self._needs_key = False
            self._asked = self._asked or wanted
        else:
            self.restart()

    def restart(self) -> None:
        """Begin again from a key frame."""
        self._needs_key = True
        self._asked = False
        if self._id is not None:
            self._key_asked = time.monotonic()
            self._request_key_frame()

    def deliver(self, frame: Frame) -> None:
        waiting, self._waiting = self._waiting, []
        self._asked = False
        for future in waiting:
            if not future.done():
                future.set_result(frame)

    def _detach(self) -> None:
        self._linger = None
        self._incoming.taps = tuple(tap for tap in self._incoming.taps if tap is not self._assembler)
        if self._id is not None:
            self._decoder.forget(self._id)
            self._id = None

    def close(self) -> None:
        """Free everything; who waits gets nothing more."""
        self._closed = True
        if self._linger is not None:
            self._linger.cancel()
        self._detach()
        for future in self._waiting:
            if not future.done():
                future.set_result(None)
        self._waiting.clear()
