"""Recordings of calls, written by the product's own muxer and sealed writer, but not in real time."""

from __future__ import annotations

import fractions
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np

from server.consultation.desk import RecordingRule
from server.media.playback import SealedRecordings
from server.media.recorder import WebmTrack
from server.media.sealed import SealedWriter, verify
from server.ports import PAIR, Leg, RecordedSegment, RecordingPlan
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


class SegmentWriter:
    """A segment that is being written. Picture n stands at n / RATE seconds and shows n."""

    def __init__(
        self,
        folder: Path,
        session: str,
        leg: Leg,
        number: int = 1,
        *,
        began: datetime = NOON,
        previous: str = "",
        key: bytes = KEY,
    ) -> None:
        header = {"session": session, "leg": leg.value, "segment": number, "previous": previous}
        header["began"] = began.isoformat(timespec="milliseconds")
        self.path = folder / f"{session}.{leg.value}.{number:04}.rec"
        self.count = 0
        self._began = began
        self._start = time.monotonic()
        self._writer = SealedWriter(self.path, key, header, sync=lambda _: None, clock=self._now)
        self._track = WebmTrack(self._writer, WIDTH, HEIGHT)
        self._encoder: Any = av.CodecContext.create("libvpx", "w")
        self._encoder.width, self._encoder.height, self._encoder.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        self._encoder.time_base = fractions.Fraction(1, RATE)
        self._encoder.options = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0", "g": str(KEY_EVERY)}

    def _now(self) -> float:
        return self._began.timestamp() + self.count / RATE

    def write(self, pictures: int) -> None:
        """So many more numbered pictures, with the sound of their time."""
        for _ in range(pictures):
            frame = av.VideoFrame.from_ndarray(picture(self.count), format="bgr24")
            frame.pts = self.count
            at = round(1000 * self.count / RATE)
            for packet in self._encoder.encode(frame):
                self._track.put(True, at, packet.is_keyframe, bytes(packet))
            for part in range(5):
                self._track.put(False, at + 20 * part, True, SILENCE)
            self.count += 1
            self._writer.tick(self._start + self.count / RATE)

    def close(self, *, in_order: bool = True) -> str:
        """The last chain value. ``in_order``: with the last seal, as when no process was killed."""
        self._track.close()
        if in_order:
            self._writer.close()
        else:
            self._writer.abandon()
        return verify(self.path).chain


def write_segment(
    folder: Path, session: str, leg: Leg, number: int = 1, *, seconds: float = 5.0, closed: bool = True, **how: Any
) -> str:
    """Write one whole segment; its last chain value."""
    writer = SegmentWriter(folder, session, leg, number, **how)
    writer.write(round(seconds * RATE))
    return writer.close(in_order=closed)


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
        for leg in PAIR:
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
