"""What it takes to look at a recording: indexing it in place, beside making a seekable copy of it with libavformat."""

from __future__ import annotations

import asyncio
import io
import os
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import av

from server.media.playback import SealedRecordings
from server.media.recorder import WebmTrack
from server.media.sealed import SealedWriter, read
from server.ports import Leg

HOW = "make bench ONLY=playback"
MINUTES = 10
FRAMES = 30  # a second
FRAME_BYTES = 2000  # 480 kbit/s
KEY_EVERY = 20 * FRAMES  # frames, as the recorder asks for them
PART = 256 * 1024  # bytes, as they are sent
LOOKS = 50
SECRET = bytes(range(32))
KEY_FRAME = bytes((0x10, 2, 0, 0x9D, 0x01, 0x2A, 0x80, 0x02, 0xE0, 0x01))  # head of a VP8 key frame of 640x480


def _record(folder: Path) -> Path:
    """One leg of a call of MINUTES; its pictures are noise, which nobody decodes here."""
    path = folder / "s.applicant.0001.rec"
    header = {"began": datetime.now(UTC).isoformat(), "previous": ""}
    writer = SealedWriter(path, SECRET, header, sync=lambda _: None)
    track, start = WebmTrack(writer, 640, 480), time.monotonic()
    for index in range(MINUTES * 60 * FRAMES):
        key, at = index % KEY_EVERY == 0, 1000 * index // FRAMES
        track.put(True, at, key, (KEY_FRAME if key else b"\x11\0\0") + os.urandom(FRAME_BYTES))
        track.put(False, at, True, os.urandom(80))
        writer.tick(start + index / FRAMES)
    track.close()
    writer.close()
    return path


def _copy(path: Path) -> None:
    """A whole seekable copy in memory."""
    sink = io.BytesIO()
    options = {"reserve_index_space": "65536", "cues_to_front": "1"}
    with (
        av.open(io.BytesIO(b"".join(read(path, SECRET))), "r", format="matroska") as taken,
        av.open(sink, "w", format="webm", options=options) as made,
    ):
        streams = {stream.index: made.add_stream_from_template(stream) for stream in taken.streams}
        for packet in taken.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                made.mux(packet)


def _took(work: Callable[[], Any]) -> tuple[float, float]:
    """(processor seconds, peak megabytes of Python's memory) of a piece of work, each of a run of its own."""
    began = time.process_time()
    work()
    seconds = time.process_time() - began
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    return seconds, peak


async def _part_seconds(folder: Path) -> float:
    """Median time to get a part of an indexed recording, decrypted."""
    archive = SealedRecordings(folder, SECRET)
    (segment,) = await archive.segments("s")
    took = []
    for look in range(LOOKS):
        began = time.perf_counter()
        await archive.read("s", Leg.APPLICANT, 1, look * 733 * 1024 % segment.size, PART)
        took.append(time.perf_counter() - began)
    return sorted(took)[LOOKS // 2]


def _row(name: str, value: float, unit: str, baseline: float | None, goal: str, met: bool | None) -> dict[str, Any]:
    ratio = None if baseline is None else round(baseline / value, 1)
    kept = {"name": name, "value": round(value, 4), "unit": unit, "baseline": baseline and round(baseline, 4)}
    return {**kept, "ratio": ratio, "goal": goal, "met": met, "how": HOW}


def measure() -> list[dict[str, Any]]:
    """Rows for bench/results.json."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = _record(folder)
        seconds, memory = _took(lambda: asyncio.run(SealedRecordings(folder, SECRET).segments("s")))
        copied_seconds, copied_memory = _took(lambda: _copy(path))
        part = asyncio.run(_part_seconds(folder))
    what = f"opening {MINUTES} min of one end, seals verified"
    return [
        _row(
            "playback_open_cpu",
            seconds,
            f"CPU-s, {what}",
            copied_seconds,
            "no more than a copy",
            seconds <= copied_seconds,
        ),
        _row("playback_open_memory", memory, f"MB at most, {what}", copied_memory, "under 20 MB", memory < 20),
        _row("playback_part", 1000 * part, "ms for 256 kB, decrypted", None, "", None),
    ]
