"""One media process as the server sees it: started, asked, watched by its heartbeat, ended."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from server.media.messages import pack, unpack
from server.ports import Leg, LegEvent, LegStatistics, MediaError

HUNG = 1.2  # seconds without a heartbeat (one each 0.25 s); with a new process at hand a page is back within 2.5 s
STARTED = 15.0  # seconds that a process may take to its first heartbeat
ANSWERED = 15.0  # seconds that a request may take beyond what it asks for itself
ENDED = 5.0  # seconds that a process may take to end
DYING = 0.3  # seconds from the end of its pipe to its own
LOOK = 0.1  # seconds between looks at the heartbeat
STOOD_STILL = 0.3  # seconds that a look is late by when this process itself got no processor

_log = logging.getLogger(__name__)


class MediaProcess:
    """``python -m server.media.node`` behind a pipe. ``await start()`` first; end it with ``end``."""

    def __init__(
        self,
        number: int,
        options: Mapping[str, Any],
        tell: Callable[[LegEvent], None],
        lost: Callable[[MediaProcess], None],
    ) -> None:
        """``options``: the arguments of EmbeddedMedia. ``tell`` gets its events; ``lost`` is called once it is dead."""
        self.number = number
        self.calls: set[str] = set()
        self.draining = False
        self.statistics: dict[tuple[str, Leg], LegStatistics] = {}
        self.alive = False
        self._options = options
        self._tell = tell
        self._lost = lost
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
        """Raises TimeoutError where it does not come up, ConnectionError where it ends at once."""
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
            if not self.alive:
                raise ConnectionError("the media process ended at once")
        except BaseException:
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
                    self._tell(LegEvent(call, Leg(leg), kind))
                else:
                    self._reply(message, binary)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        except (ValueError, KeyError, TypeError):
            _log.exception("a media process talks nonsense; it is ended")
        await self._gone(process)

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
        looked = time.monotonic()
        while self.alive:
            await asyncio.sleep(LOOK)
            now = time.monotonic()
            late, looked = now - looked - LOOK, now
            if late > STOOD_STILL:
                continue  # this process was the one that stood still; what it did not read may lie in the pipe
            if now - self._beat_at > HUNG:
                _log.error("media process %d hangs; it is ended", self.number)
                await self._gone(process, hung=True)

    async def _gone(self, process: asyncio.subprocess.Process, *, hung: bool = False) -> None:
        """See that it is dead before another one goes on with its calls and their recordings."""
        if not self.alive:
            return
        self.alive = False
        try:
            # One whose pipe ended is dead or dying: killing it then would take its exit status from asyncio.
            await asyncio.wait_for(process.wait(), 0 if hung else DYING)
        except TimeoutError:
            process.kill()
            await process.wait()
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(ConnectionError("the media process is gone"))
        self._beaten.set()  # who waits for its start need not wait any longer
        self._lost(self)

    async def end(self) -> None:
        """Let it close its calls and end; by force where it does not. Idempotent."""
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
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
