"""Recordings of calls, written by the product's own muxer and sealed writer, but not in real time."""

from __future__ import annotations

import fractions
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np

from server.consultation.desk import RecordingRule
from server.media.playback import SealedRecordings
from server.media.recorder import WebmTrack
from server.media.sealed import SealedWriter, verify
from server.ports import Leg, RecordedSegment, RecordingPlan
from tests.fakes import NOON, FakeMedia

if TYPE_CHECKING:
    from tests.api.conftest import House, Person

KEY = bytes(range(32))
RATE = 10  # pictures a second
KEY_EVERY = 20  # pictures
SILENCE = b"\xfc\xff\xfe"  # an Opus packet of 20 ms
WIDTH, HEIGHT = 160, 120
UNDO_SECONDS = 5.1
SESSION_STEPS = ("greet", "purpose", "show_card", "tilt_card", "questions", "face_in_frame")
SESSION_SECONDS = len(SESSION_STEPS) + UNDO_SECONDS


def picture(number: int) -> np.ndarray:
    """A picture (BGR) that carries a number below 256 in eight blocks of black and white."""
    drawn = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    for bit in range(8):
        drawn[20:100, 20 * bit : 20 * bit + 20] = 255 if number >> bit & 1 else 0
    return drawn


def number_in(drawn: np.ndarray) -> int:
    return sum(int(drawn[40:80, 20 * bit + 5 : 20 * bit + 15].mean() > 128) << bit for bit in range(8))


def encoded(count: int) -> Iterator[tuple[int, bool, bytes]]:
    """(number, key frame, VP8) of so many numbered pictures."""
    encoder: Any = av.CodecContext.create("libvpx", "w")
    encoder.width, encoder.height, encoder.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    encoder.time_base = fractions.Fraction(1, RATE)
    encoder.options = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0", "g": str(KEY_EVERY)}
    for number in range(count):
        frame = av.VideoFrame.from_ndarray(picture(number), format="bgr24")
        frame.pts = number
        for packet in encoder.encode(frame):
            yield number, packet.is_keyframe, bytes(packet)


def write_segment(
    folder: Path,
    session: str,
    leg: Leg,
    number: int = 1,
    *,
    seconds: float = 5.0,
    began: datetime = NOON,
    previous: str = "",
    closed: bool = True,
    key: bytes = KEY,
) -> str:
    """Write one segment; its last chain value. Picture n stands at n / RATE seconds and shows n."""
    header = {"session": session, "leg": leg.value, "segment": number, "previous": previous}
    header["began"] = began.isoformat(timespec="milliseconds")
    passed = 0.0
    path = folder / f"{session}.{leg.value}.{number:04}.rec"
    writer = SealedWriter(path, key, header, sync=lambda _: None, clock=lambda: began.timestamp() + passed)
    start = time.monotonic()
    track = WebmTrack(writer, WIDTH, HEIGHT)
    for index, is_key, data in encoded(round(seconds * RATE)):
        track.put(True, round(1000 * index / RATE), is_key, data)
        for part in range(5):
            track.put(False, round(1000 * index / RATE) + 20 * part, True, SILENCE)
        passed = index / RATE
        writer.tick(start + passed)
    track.close()
    if closed:
        writer.close()
    else:
        writer.abandon()
    return verify(path).chain


class RecordingMedia(FakeMedia):
    """Leaves sealed files behind, as an engine does that records."""

    def __init__(self, house: House) -> None:
        super().__init__()
        self._house = house
        self._began: dict[str, datetime] = {}
        self._events = house.media._events  # those that the service listens to already

    async def record(self, call: str, plan: RecordingPlan) -> None:
        await super().record(call, plan)
        self._began.setdefault(call, self._house.clock.now())

    async def stop_recording(self, call: str) -> list[RecordedSegment]:
        plan = self.recordings.pop(call, None)
        if plan is None:
            return []
        began = self._began.pop(call)
        seconds = (self._house.clock.now() - began).total_seconds()
        made = []
        for leg in Leg:
            chain = write_segment(
                plan.folder, plan.session, leg, seconds=seconds, began=began, previous=plan.previous, key=plan.key
            )
            path = plan.folder / f"{plan.session}.{leg}.0001.rec"
            made.append(RecordedSegment(leg, 1, path, chain, path.stat().st_size))
        return made


async def recorded_session(house: House, folder: Path) -> tuple[Person, str]:
    """A whole session, approved and recorded into the (existing) folder: its operator, its id.

    A step each second, the decision after it, and the time to undo before the recording ends: SESSION_SECONDS.
    """
    house.media = house.desk.media = RecordingMedia(house)
    house.desk.recording_rule = RecordingRule(folder, KEY)
    house.desk.recordings = SealedRecordings(folder, KEY)
    _, operator, call = await house.in_call()
    await house.segments_begin(call)
    snapshot = await operator.ask("GET", "/api/operator")
    for step in SESSION_STEPS:
        house.clock.advance(1.0)
        await operator.ask("POST", "/api/operator/case/steps", json={"step": step, "outcome": "done"})
    await operator.ask("POST", "/api/operator/case/compare")
    await operator.ask("POST", "/api/operator/case/decision", json={"outcome": "approve"})
    await house.pass_time(UNDO_SECONDS)
    return operator, str(snapshot["case"]["id"])
