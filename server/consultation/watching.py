"""What the applicant's video and its sender give away: passive signs that it is not a live person's before a camera.

The page tells the camera's name, and is asked once in a call for another picture size; the frames are those that the
server looks at anyhow. No sign decides alone (verification.signals); together they are the check "injection".
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from server.consultation.desk import Desk, record, session_of
from server.ports import CheckUnavailable, Leg
from server.proofing import Session
from verification.contract import CheckResult, Frame, Outcome, Sender

CHECK = "injection"
KEPT = 16
"""Frames that are looked at closely are eight (verification.signals); these are spread over what was seen."""
STAMPS = 200
"""RTP timestamps that are kept: their clock is judged."""
SIZES = ((640, 360), (480, 480), (512, 384), (480, 360), (352, 288))
"""Pictures that the camera may be asked for, in pixels: one of another shape than the present one is drawn."""
OTHER_SHAPE = 0.1
"""Share by which the shape asked for differs from the present one at least."""
SAME_SHAPE = 0.03
LOOK_SECONDS = 0.1
ANSWER_SECONDS = 6.0
"""No answer by then is none; a browser that changes its camera's size takes well under a second."""


@dataclass(slots=True)
class Watch:
    """What is known of the sender of one call."""

    call: str
    device_label: str = ""
    asked: bool = False
    request: dict[str, Any] | None = None
    """What the page shall make of its camera now; None: as it was."""
    size_answer: float | None = None
    frames: list[Frame] = field(default_factory=list)
    """Of the challenge under way, thinned out as it goes on."""
    every: int = 1
    count: int = 0
    stamps: list[int] = field(default_factory=list)
    task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Forget the frames of an earlier look."""
        self.frames, self.stamps, self.every, self.count = [], [], 1, 0

    def remember(self, frames: Sequence[Frame]) -> None:
        """Keep a bounded number of frames, spread over all that were seen."""
        for frame in frames:
            if len(self.stamps) < STAMPS:
                self.stamps.append(frame.rtp_timestamp)
            if self.count % self.every == 0:
                self.frames.append(frame)
            self.count += 1
            if len(self.frames) > KEPT:
                self.frames = self.frames[::2]
                self.every *= 2


def watch_of(desk: Desk, session: Session) -> Watch:
    """The watch of the session's call; a new one when it is another call."""
    found = desk.watches.get(session.id)
    if found is None or found.call != session.call_id:
        found = desk.watches[session.id] = Watch(session.call_id or "")
    return found


async def camera_told(desk: Desk, session: Session, call: str, label: str, resizes: bool) -> None:
    """The page says which camera it sends, and whether that can change its size. The first such word of a call asks it
    to, so that the answer of the stream can be measured."""
    if session.call_id != call:
        return
    watch = watch_of(desk, session)
    watch.device_label = label
    if resizes and not watch.asked:
        watch.asked = True
        watch.task = asyncio.create_task(_ask_size(desk, session.id, watch), name="camera-size")


async def _ask_size(desk: Desk, session_id: str, watch: Watch) -> None:
    """Ask for another shape of picture, wait for frames of it, and let the camera go back."""
    before = await _settled(desk, watch)
    if before is None:
        return
    upright = before[1] > before[0]
    shape = max(before) / min(before)
    others = [size for size in SIZES if abs(size[0] / size[1] / shape - 1) > OTHER_SHAPE and size[0] <= max(before)]
    if not others:
        return
    width, height = desk.random.choice(others)
    wanted = width / height
    watch.request = {"width": height if upright else width, "height": width if upright else height}
    await desk.tell(await session_of(desk, session_id))
    asked = time.monotonic()
    watch.size_answer = ANSWER_SECONDS
    while (waited := time.monotonic() - asked) < ANSWER_SECONDS:
        now = _size(desk, watch)
        if now is not None and abs(max(now) / min(now) / wanted - 1) < SAME_SHAPE:
            watch.size_answer = round(waited, 2)
            break
        await asyncio.sleep(LOOK_SECONDS)
    watch.request = None
    await desk.tell(await session_of(desk, session_id))


async def _settled(desk: Desk, watch: Watch) -> tuple[int, int] | None:
    """The size of the picture once the stream runs; None when it does not begin."""
    deadline = time.monotonic() + ANSWER_SECONDS
    while time.monotonic() < deadline:
        size = _size(desk, watch)
        if size is not None:
            return size
        await asyncio.sleep(LOOK_SECONDS)
    return None


def _size(desk: Desk, watch: Watch) -> tuple[int, int] | None:
    found = desk.media.statistics(watch.call, Leg.APPLICANT)
    return (found.width, found.height) if found is not None and found.width and found.height else None


async def judge(desk: Desk, session: Session, frames: Sequence[Frame]) -> CheckResult:
    """The signs that these frames and what is known of the sender give. Never raises CheckUnavailable: a check that
    could not run says so."""
    watch = watch_of(desk, session)
    shape = frames[-1].pixels.shape if frames else None
    alike = [frame for frame in frames if frame.pixels.shape == shape]
    sender = Sender(watch.device_label, watch.size_answer, tuple(watch.stamps))
    try:
        return await desk.checker.signs(alike, sender)
    except CheckUnavailable as error:
        return CheckResult(CHECK, Outcome.NOT_RUN, (error.code,), model="none")


async def keep(desk: Desk, session: Session, result: CheckResult, actor: str) -> None:
    """Record the signs, with the camera's name in the figures (deleted with them at the end of retention)."""
    signs = [{"sign": name, **figures} for name, figures in result.details.items()]
    details = {"device_label": watch_of(desk, session).device_label, "signs": signs}
    await record(desk, session.id, replace(result, details=details), actor, call=session.call_id)


async def forget(desk: Desk, session_id: str) -> None:
    """The call is over."""
    watch = desk.watches.pop(session_id, None)
    if watch is not None and watch.task is not None:
        watch.task.cancel()
        await asyncio.gather(watch.task, return_exceptions=True)
