"""One media process per core behind the Media port. A call lives in one; a process that dies takes only its calls.

A process that ends, or sends no heartbeat for HUNG seconds, is replaced. Its legs are told as ``lost``: their pages
offer anew and are answered by another process, where a recording goes on as the next segment of its chain.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any

from server.media.call_recording import newest_segments, segments_after
from server.media.media_process import ANSWERED, MediaProcess
from server.media.messages import unpack_frames
from server.ports import Leg, LegEvent, LegStatistics, MediaError, RecordedSegment, RecordingPlan
from verification.contract import Frame

PLACED = 10.0  # seconds that an offer waits for a process that is coming up
RETRY = 2.0  # seconds until a process that did not come up is tried again
AFTER_LOSS = 2.0  # seconds until a dead process is replaced: its calls go first, and a start takes a core for a second
ATTEMPTS = 2  # at an offer whose process dies while it answers
MOST_EVENTS = 1024

_NOTHING_YET = LegStatistics(False, 0.0, 0, 0, 0, 0.0)
_log = logging.getLogger(__name__)


class MediaProcesses:
    """server.ports.Media over ``count`` processes. ``start`` or ``begin`` first; end it with ``aclose``."""

    def __init__(
        self,
        count: int,
        *,
        addresses: Sequence[str] | None = None,
        ports: tuple[int, int] | None = None,
        announced: str | None = None,
        loopback: bool = False,
        max_calls: int = 100,
    ) -> None:
        """As EmbeddedMedia; ``max_calls`` in all, ``ports`` are shared out evenly. ``count`` is at least 1."""
        self._options = {
            "addresses": None if addresses is None else list(addresses),
            "announced": announced,
            "loopback": loopback,
            "max_calls": max_calls,
        }
        self._ports = ports
        self.count = count
        self._max_calls = max_calls
        self._processes: dict[int, MediaProcess] = {}
        """The one in each place that takes new calls."""
        self._leaving: set[MediaProcess] = set()
        """Those that end with their last call."""
        self._able = asyncio.Event()
        self._calls: dict[str, MediaProcess] = {}
        self._plans: dict[str, RecordingPlan] = {}
        self._recorded_before: dict[str, dict[Leg, int]] = {}
        """Call -> the number of each leg's newest segment when its recording was asked for."""
        self._legs: dict[str, set[Leg]] = {}
        self._answering: set[tuple[str, Leg]] = set()
        """Ends whose offer is being answered: if the process dies, another one answers the same offer."""
        self._events: asyncio.Queue[LegEvent] = asyncio.Queue(MOST_EVENTS)
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False

    def begin(self) -> None:
        """Bring the processes up in the background; offers wait for the first one."""
        for number in range(self.count):
            self._run(self._fill(number))

    async def start(self) -> None:
        """Bring the processes up. Raises TimeoutError, ConnectionError."""
        await asyncio.gather(*(self._put(number) for number in range(self.count)))

    @property
    def pids(self) -> list[int]:
        """Process ids of all that live, those that only wait for their last call too."""
        return [one.pid for one in (*self._processes.values(), *self._leaving) if one.alive and one.pid]

    def can_carry(self) -> bool:
        """See server.ports.Carrying."""
        return self._able.is_set()

    # --- the port ----------------------------------------------------------------------------------

    async def answer(self, call: str, leg: Leg, sdp: str) -> str:
        """See server.ports.Media.answer. The first leg of a call chooses the process with the fewest calls."""
        self._answering.add((call, leg))
        try:
            for _ in range(ATTEMPTS):
                process = await self._place(call, leg)
                with contextlib.suppress(ConnectionError):
                    result, _ = await process.ask("answer", call, leg=str(leg), sdp=sdp)
                    self._legs.setdefault(call, set()).add(leg)
                    return str(result)
        except MediaError:
            if not self._legs.get(call):
                self._forget(call)
            raise
        finally:
            self._answering.discard((call, leg))
        raise MediaError("media_unavailable", "The media processes are being replaced; offer again.")

    async def _place(self, call: str, leg: Leg) -> MediaProcess:
        """The process of a call, chosen now where it has none that lives."""
        process = self._calls.get(call)
        if process is not None and process.alive:
            return process
        if process is None and len(self._calls) >= self._max_calls:
            raise MediaError("media_full", "The server carries as many calls as it may.")
        try:
            async with asyncio.timeout(PLACED):
                await self._able.wait()
        except TimeoutError as error:
            raise MediaError("media_unavailable", "The media processes are being replaced; offer again.") from error
        process = self._calls.get(call)
        if process is not None and process.alive:
            return process  # the other end's offer chose while this one waited
        if process is None and len(self._calls) >= self._max_calls:
            raise MediaError("media_full", "The server carries as many calls as it may.")
        process = min((one for one in self._processes.values() if one.alive), key=lambda one: len(one.calls))
        self._calls[call] = process
        process.calls.add(call)
        plan = self._plans.get(call)
        if plan is not None:
            self._run(self._go_on_recording(process, call, leg, plan))
        return process

    async def _go_on_recording(self, process: MediaProcess, call: str, leg: Leg, plan: RecordingPlan) -> None:
        """In the process that a call has now. It takes as long as the answer does, so both are asked for at once."""
        try:
            await self._record_in(process, call, plan)
        except MediaError:
            if process.alive:  # else its next one is asked
                self.tell(LegEvent(call, leg, "recording_failed"))

    async def accept(self, call: str, leg: Leg, number: int, sdp: str) -> None:
        """See server.ports.Media.accept: the processes offer nothing, one connection carries both directions."""
        raise MediaError("media_superseded", "The server did not offer this connection.")

    async def add_candidate(self, call: str, leg: Leg, candidate: Mapping[str, Any], receiving: int = 0) -> None:
        """See server.ports.Media.add_candidate."""
        process = self._calls.get(call)
        if process is not None and not receiving:
            with contextlib.suppress(ConnectionError):
                await process.ask("candidate", call, leg=str(leg), candidate=dict(candidate))

    async def request_keyframe(self, call: str, leg: Leg) -> None:
        """See server.ports.Media.request_keyframe."""
        process = self._calls.get(call)
        if process is not None:
            with contextlib.suppress(ConnectionError):
                await process.ask("keyframe", call, leg=str(leg))

    async def frames(self, call: str, leg: Leg, count: int, within: float) -> list[Frame]:
        """See server.ports.Media.frames."""
        process = self._calls.get(call)
        if process is None:
            raise MediaError("media_not_connected", "That end of the call is not connected.")
        try:
            heads, binary = await process.ask(
                "frames", call, ANSWERED + within, leg=str(leg), count=count, within=within
            )
        except ConnectionError as error:
            raise MediaError("media_not_connected", "That end of the call is not connected.") from error
        return unpack_frames(heads, binary)

    def statistics(self, call: str, leg: Leg) -> LegStatistics | None:
        """See server.ports.Media.statistics; at most a quarter of a second old."""
        process = self._calls.get(call)
        if process is None or leg not in self._legs.get(call, set()):
            return None
        return process.statistics.get((call, leg), _NOTHING_YET)

    async def events(self) -> AsyncIterator[LegEvent]:
        """See server.ports.Media.events; ``lost`` is told for each leg of a process that died."""
        while True:
            yield await self._events.get()

    async def record(self, call: str, plan: RecordingPlan) -> None:
        """See server.ports.Media.record."""
        if call in self._plans:
            return
        before = await asyncio.to_thread(newest_segments, plan)
        self._plans[call] = plan
        self._recorded_before.setdefault(call, before)
        process = self._calls.get(call)
        if process is None or not process.alive:
            return  # the process that is chosen next begins with it
        try:
            await self._record_in(process, call, plan)
        except MediaError:
            if process.alive:
                self._plans.pop(call, None)
                self._recorded_before.pop(call, None)
                raise

    async def _record_in(self, process: MediaProcess, call: str, plan: RecordingPlan) -> None:
        try:
            await process.ask(
                "record",
                call,
                folder=str(plan.folder),
                session=plan.session,
                key=plan.key.hex(),
                previous=plan.previous,
            )
        except ConnectionError as error:
            raise MediaError("media_recording_failed", "The media process is being replaced.") from error

    async def stop_recording(self, call: str) -> list[RecordedSegment]:
        """See server.ports.Media.stop_recording; those of a process that died are read from the folder."""
        process = self._calls.get(call)
        plan = self._plans.pop(call, None)
        before = self._recorded_before.pop(call, {})
        if plan is None:
            return []
        sealed: list[RecordedSegment] = []
        if process is not None:
            with contextlib.suppress(ConnectionError):
                found, _ = await process.ask("stop_recording", call)
                sealed = [RecordedSegment(Leg(leg), n, Path(path), chain, size) for leg, n, path, chain, size in found]
        return await asyncio.to_thread(segments_after, plan, before, sealed)

    async def hang_up(self, call: str, leg: Leg) -> None:
        """See server.ports.Media.hang_up."""
        process = self._calls.get(call)
        self._legs.get(call, set()).discard(leg)
        if process is not None:
            with contextlib.suppress(ConnectionError):
                await process.ask("hang_up", call, leg=str(leg))

    async def close(self, call: str) -> None:
        """See server.ports.Media.close."""
        process = self._calls.get(call)
        self._plans.pop(call, None)
        self._recorded_before.pop(call, None)
        if process is not None:
            with contextlib.suppress(ConnectionError):
                await process.ask("close", call)
        self._forget(call)

    async def aclose(self) -> None:
        """End every process."""
        self._closing = True
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(process.end() for process in (*self._processes.values(), *self._leaving)))

    # --- processes ---------------------------------------------------------------------------------

    async def _put(self, number: int) -> None:
        """Start a process and give it a place; the one that had the place ends with its last call."""
        options: dict[str, Any] = dict(self._options)
        if self._ports is not None:
            low, high = self._ports
            share = (high - low + 1) // self.count
            options["ports"] = [low + number * share, low + (number + 1) * share - 1]
        process = MediaProcess(number, options, self.tell, self._lost)
        await process.start()
        old = self._processes.get(number)
        self._processes[number] = process
        self._able.set()
        if old is not None and old.alive:
            old.draining = True
            self._leaving.add(old)
            self._retire_if_empty(old)

    async def _fill(self, number: int) -> None:
        """Put a process into a place, however often that takes."""
        while True:
            try:
                return await self._put(number)
            except (TimeoutError, OSError):
                _log.exception("media process %d does not come up", number)
            await asyncio.sleep(RETRY)

    async def drain(self, number: int) -> None:
        """Replace a process without dropping a call: new calls go to a new one, the old ends with its last call.

        Raises TimeoutError where the new one does not come up; the old one goes on then.
        """
        await self._put(number)

    async def renew(self) -> None:
        """``drain`` each, one after the other (server.ports.Renewable). Raises TimeoutError."""
        for number in range(self.count):
            await self.drain(number)

    def _retire_if_empty(self, process: MediaProcess) -> None:
        if process.draining and not process.calls and not self._closing:
            self._run(self._retire(process))

    async def _retire(self, process: MediaProcess) -> None:
        await process.end()
        self._leaving.discard(process)

    def _forget(self, call: str) -> None:
        process = self._calls.pop(call, None)
        self._legs.pop(call, None)
        if process is not None:
            process.calls.discard(call)
            self._retire_if_empty(process)

    def tell(self, event: LegEvent) -> None:
        if event.kind == "closed":
            self._legs.get(event.call, set()).discard(event.leg)
        if self._events.full():
            self._events.get_nowait()
        self._events.put_nowait(event)

    def _lost(self, process: MediaProcess) -> None:
        """A process is dead: tell its legs and put another in its place."""
        if self._closing:
            return
        calls, process.calls = process.calls, set()
        _log.error("media process %d is gone with %d calls", process.number, len(calls))
        if not any(one.alive for one in self._processes.values()):
            self._able.clear()
        for call in calls:
            for leg in sorted(self._legs.pop(call, set())):
                if (call, leg) not in self._answering:
                    self.tell(LegEvent(call, leg, "lost"))
        self._run(self._replace(process))

    async def _replace(self, process: MediaProcess) -> None:
        await self._retire(process)
        if self._processes.get(process.number) is process:
            if any(one.alive for one in self._processes.values()):
                await asyncio.sleep(AFTER_LOSS)
            await self._fill(process.number)

    def _run(self, step: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(step)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
