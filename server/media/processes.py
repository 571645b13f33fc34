"""One media process per core behind the Media port. A call lives in one; a process that dies takes only its calls.

A process that ends, or sends no heartbeat for HUNG seconds, is replaced. Its legs are told as ``lost``: their pages
offer anew and are answered by another process, where a recording goes on as the next segment of its chain.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import logging
import os
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from server.media.messages import pack, unpack, unpack_frames
from server.ports import Leg, LegEvent, LegStatistics, MediaError, RecordedSegment, RecordingPlan
from verification.contract import Frame

HUNG = 1.2  # seconds without a heartbeat (one each 0.25 s); with a new process at hand a page is back within 2.5 s
STARTED = 15.0  # seconds that a process may take to its first heartbeat
ANSWERED = 15.0  # seconds that a request may take beyond what it asks for itself
ENDED = 5.0  # seconds that a process may take to end
MOST_EVENTS = 1024

_NOTHING_YET = LegStatistics(False, 0.0, 0, 0, 0, 0.0)
_log = logging.getLogger(__name__)


class _Process:
    """One media process as the server sees it."""

    def __init__(self, number: int, fleet: MediaProcesses, options: Mapping[str, Any]) -> None:
        self.number = number
        self.calls: set[str] = set()
        self.draining = False
        self.statistics: dict[tuple[str, Leg], LegStatistics] = {}
        self.alive = False
        self._fleet = fleet
        self._options = options
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[tuple[Any, bytes]]] = {}
        self._process: asyncio.subprocess.Process | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._beaten = asyncio.Event()
        self._beat_at = 0.0

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    async def start(self) -> None:
        """Raises TimeoutError where it does not come up."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "server.media.node",
            json.dumps(self._options),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the server; this ends when its pipe does
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
        self.alive = True
        self._tasks = [asyncio.create_task(self._read(self._process))]
        try:
            await asyncio.wait_for(self._beaten.wait(), STARTED)
        except TimeoutError:
            await self.end()
            raise
        self._tasks.append(asyncio.create_task(self._watch(self._process)))

    async def ask(self, what: str, call: str, patience: float = ANSWERED, **fields: Any) -> tuple[Any, bytes]:
        """A request's result and binary part. Raises MediaError; ConnectionError where the process is gone."""
        process = self._process
        if not self.alive or process is None or process.stdin is None:
            raise ConnectionError("the media process is gone")
        number = next(self._ids)
        future = self._waiting[number] = asyncio.get_running_loop().create_future()
        process.stdin.write(pack({"id": number, "do": what, "call": call, **fields}))
        try:
            return await asyncio.wait_for(future, patience)
        except TimeoutError as error:
            raise ConnectionError("the media process does not answer") from error
        finally:
            del self._waiting[number]

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        try:
            while True:
                message, binary = await unpack(process.stdout)
                if "beat" in message:
                    self._beat_at = time.monotonic()
                    self._beaten.set()
                    self.statistics = {
                        (call, Leg(leg)): LegStatistics(*figures) for call, leg, figures in message["beat"]
                    }
                elif "event" in message:
                    call, leg, kind = message["event"]
                    self._fleet.tell(LegEvent(call, Leg(leg), kind))
                else:
                    self._reply(message, binary)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        except (ValueError, KeyError, TypeError):
            _log.exception("a media process talks nonsense; it is ended")
            process.kill()
        self._gone()

    def _reply(self, message: dict[str, Any], binary: bytes) -> None:
        future = self._waiting.get(message["id"])
        if future is None or future.done():
            return
        if "error" in message:
            code, text = message["error"]
            future.set_exception(MediaError(code, text))
        else:
            future.set_result((message["result"], binary))

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        while self.alive:
            await asyncio.sleep(HUNG / 4)
            if time.monotonic() - self._beat_at > HUNG:
                _log.error("media process %d hangs; it is ended", self.number)
                process.kill()
                self._gone()

    def _gone(self) -> None:
        if self.alive:
            self.alive = False
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(ConnectionError("the media process is gone"))
            self._fleet.lost(self)

    async def end(self) -> None:
        """Let it close its calls and end; by force where it does not."""
        self.alive = False
        process = self._process
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), ENDED)
        except TimeoutError:
            process.kill()
            await process.wait()
        with contextlib.suppress(ConnectionError):
            await process.stdin.wait_closed()
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class MediaProcesses:
    """server.ports.Media over ``count`` processes. ``await start()`` first; end it with ``aclose``."""

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
        self._count = count
        self._max_calls = max_calls
        self._processes: list[_Process] = []
        self._calls: dict[str, _Process] = {}
        self._plans: dict[str, RecordingPlan] = {}
        self._legs: dict[str, set[Leg]] = {}
        self._events: asyncio.Queue[LegEvent] = asyncio.Queue(MOST_EVENTS)
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False

    async def start(self) -> None:
        """Bring the processes up. Raises TimeoutError."""
        self._processes = list(await asyncio.gather(*(self._started(number) for number in range(self._count))))

    async def _started(self, number: int) -> _Process:
        options: dict[str, Any] = dict(self._options)
        if self._ports is not None:
            low, high = self._ports
            share = (high - low + 1) // self._count
            options["ports"] = [low + number * share, low + (number + 1) * share - 1]
        process = _Process(number, self, options)
        await process.start()
        return process

    # --- the port ----------------------------------------------------------------------------------

    async def answer(self, call: str, leg: Leg, sdp: str) -> str:
        """See server.ports.Media.answer. The first leg of a call chooses the process with the fewest calls."""
        process = await self._place(call)
        try:
            result, _ = await process.ask("answer", call, leg=str(leg), sdp=sdp)
        except ConnectionError as error:
            raise MediaError("media_full", "The media process is being replaced; offer again.") from error
        except MediaError:
            if not self._legs.get(call):
                self._forget(call)
            raise
        self._legs.setdefault(call, set()).add(leg)
        return str(result)

    async def _place(self, call: str) -> _Process:
        process = self._calls.get(call)
        if process is not None and process.alive:
            return process
        if process is None and len(self._calls) >= self._max_calls:
            raise MediaError("media_full", "The server carries as many calls as it may.")
        able = [one for one in self._processes if one.alive and not one.draining]
        if not able:
            raise MediaError("media_full", "The media processes are being replaced; offer again.")
        process = min(able, key=lambda one: len(one.calls))
        self._calls[call] = process
        process.calls.add(call)
        plan = self._plans.get(call)
        if plan is not None:
            await self._record_in(process, call, plan)
        return process

    async def add_candidate(self, call: str, leg: Leg, candidate: Mapping[str, Any]) -> None:
        """See server.ports.Media.add_candidate."""
        process = self._calls.get(call)
        if process is not None:
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
        self._plans[call] = plan
        process = self._calls.get(call)
        if process is not None:
            try:
                await self._record_in(process, call, plan)
            except MediaError:
                del self._plans[call]
                raise

    async def _record_in(self, process: _Process, call: str, plan: RecordingPlan) -> None:
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
        """See server.ports.Media.stop_recording; segments of a process that died are only in the folder."""
        process = self._calls.get(call)
        if self._plans.pop(call, None) is None or process is None:
            return []
        with contextlib.suppress(ConnectionError):
            found, _ = await process.ask("stop_recording", call)
            return [RecordedSegment(Leg(leg), n, Path(path), chain, size) for leg, n, path, chain, size in found]
        return []

    async def close(self, call: str) -> None:
        """See server.ports.Media.close."""
        process = self._calls.get(call)
        self._plans.pop(call, None)
        self._forget(call)
        if process is not None:
            with contextlib.suppress(ConnectionError):
                await process.ask("close", call)

    async def aclose(self) -> None:
        """End every process."""
        self._closing = True
        await asyncio.gather(*(process.end() for process in self._processes))
        while self._tasks:
            await asyncio.wait(list(self._tasks))

    # --- processes ---------------------------------------------------------------------------------

    async def drain(self, number: int) -> None:
        """Replace a process without dropping a call: new calls go to a new one, the old ends with its last call."""
        old = self._processes[number]
        self._processes[number] = await self._started(number)
        old.draining = True
        self._retire_if_empty(old)

    def _retire_if_empty(self, process: _Process) -> None:
        if process.draining and not process.calls:
            self._run(process.end())

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

    def lost(self, process: _Process) -> None:
        """A process is gone: tell its legs and put another in its place."""
        if self._closing:
            return
        calls, process.calls = process.calls, set()
        _log.error("media process %d is gone with %d calls", process.number, len(calls))
        for call in calls:
            for leg in sorted(self._legs.pop(call, set())):
                self.tell(LegEvent(call, leg, "lost"))
        self._run(self._replace(process))

    async def _replace(self, process: _Process) -> None:
        await process.end()
        if process in self._processes and not self._closing:
            self._processes[self._processes.index(process)] = await self._started(process.number)

    def _run(self, step: Any) -> None:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(step)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
