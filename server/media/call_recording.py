"""A call's recording: a file per leg and connection, each leg's files one chain, across reconnects and processes."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any

from server.media.recorder import Recorder, Recording
from server.media.sealed import NotASealedFile, verify
from server.media.translator import Terminal
from server.ports import ENDS, Leg, RecordedSegment, RecordingPlan

_SESSION = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)

_log = logging.getLogger(__name__)


def segment_files(folder: Path, session: str, leg: Leg) -> list[Path]:
    """The files of one leg in the order in which they were recorded. Raises ValueError for an impossible session id."""
    if not _SESSION.fullmatch(session):
        raise ValueError("session id")
    return sorted(folder.glob(f"{session}.{leg.value}.[0-9][0-9][0-9][0-9].rec"))


def newest_segments(plan: RecordingPlan) -> dict[Leg, int]:
    """The number of each leg's newest segment in the plan's folder, 0 where there is none. Reads the folder."""
    return {
        leg: max((_number(path) for path in segment_files(plan.folder, plan.session, leg)), default=0) for leg in ENDS
    }


def segments_after(
    plan: RecordingPlan, before: Mapping[Leg, int], sealed: Sequence[RecordedSegment]
) -> list[RecordedSegment]:
    """Every segment of the plan with a number above ``before``, by leg and in order.

    Those that are not among the ``sealed`` were left by a process that died: their seals are read from the files.
    """
    known = {(segment.leg, segment.number): segment for segment in sealed}
    found: list[RecordedSegment] = []
    for leg in ENDS:
        for path in segment_files(plan.folder, plan.session, leg):
            number = _number(path)
            if number <= before.get(leg, 0):
                continue
            segment = known.get((leg, number))
            if segment is None:
                try:
                    segment = RecordedSegment(leg, number, path, verify(path).chain, path.stat().st_size)
                except NotASealedFile:
                    continue  # killed before its header was written: there is nothing in it
            found.append(segment)
    return found


def _number(path: Path) -> int:
    return int(path.suffixes[-2][1:])


class _LegRecording:
    """One leg's chain of segments. Begins and ends one after the other, whatever the order of connections."""

    def __init__(self, recorder: Recorder, plan: RecordingPlan, leg: Leg, tell: Callable[[Leg, str], None]) -> None:
        self.segments: list[RecordedSegment] = []
        self._recorder = recorder
        self._plan = plan
        self._leg = leg
        self._tell = tell
        self._number = 0
        self._chain = plan.previous
        self._lock = asyncio.Lock()
        self._current: tuple[Terminal, Recording] | None = None

    def continue_from(self, files: list[Path]) -> None:
        """Go on behind the segments of an earlier process (run outside the event loop: it reads them)."""
        for path in files:
            self._number = _number(path)
            try:
                self._chain = verify(path).chain
            except NotASealedFile:
                _log.warning("a recording's segment was cut off before its header was written")

    async def begin(self, terminal: Terminal) -> None:
        async with self._lock:
            await self._stop()
            if terminal.closed:
                return
            self._number += 1
            path = self._plan.folder / f"{self._plan.session}.{self._leg.value}.{self._number:04}.rec"
            header = {
                "session": self._plan.session,
                "leg": self._leg.value,
                "segment": self._number,
                "previous": self._chain,
            }
            try:
                recording = self._recorder.start(path, self._plan.key, header, self._failed)
            except OSError:
                _log.exception("a recording cannot be begun")
                self._failed("recording_failed")
                return
            video, audio = terminal.incoming["video"], terminal.incoming["audio"]
            recording.attach(video, audio, terminal.request_key_frame)
            self._current = (terminal, recording)
            self._tell(self._leg, "recording")

    async def end(self, terminal: Terminal | None) -> None:
        """End the segment of this terminal, or whatever is there."""
        async with self._lock:
            if self._current is not None and terminal in (None, self._current[0]):
                await self._stop()

    async def _stop(self) -> None:
        if self._current is None:
            return
        (_, recording), self._current = self._current, None
        done = await recording.stop()
        self._chain = done.chain
        self.segments.append(RecordedSegment(self._leg, self._number, done.path, done.chain, done.size))

    def _failed(self, why: str) -> None:
        _log.error("recording failed: %s", why)
        self._tell(self._leg, "recording_failed")


class CallRecording:
    """All ends of a call. Connections that only receive are passed over."""

    def __init__(self, recorder: Recorder, plan: RecordingPlan, tell: Callable[[Leg, str], None]) -> None:
        self._legs = {leg: _LegRecording(recorder, plan, leg, tell) for leg in ENDS}
        self._tasks: set[asyncio.Task[None]] = set()

    @classmethod
    async def prepare(cls, recorder: Recorder, plan: RecordingPlan, tell: Callable[[Leg, str], None]) -> CallRecording:
        """Look what is there already. Raises OSError where the folder cannot be used or has too little room."""
        recorder.check_room(plan.folder)
        recording = cls(recorder, plan, tell)
        for leg, one in recording._legs.items():
            await asyncio.to_thread(one.continue_from, segment_files(plan.folder, plan.session, leg))
        return recording

    def begin(self, leg: Leg, terminal: Terminal) -> None:
        if leg in self._legs:
            self._run(self._legs[leg].begin(terminal))

    def end(self, leg: Leg, terminal: Terminal) -> None:
        if leg in self._legs:
            self._run(self._legs[leg].end(terminal))

    def _run(self, step: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(step)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> list[RecordedSegment]:
        """End what is being recorded; the segments written, by leg and in order."""
        while self._tasks:
            await asyncio.wait(list(self._tasks))
        for leg in self._legs.values():
            await leg.end(None)
        return [segment for leg in self._legs.values() for segment in leg.segments]
