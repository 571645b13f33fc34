"""Worker processes for what holds a core: bounded in number, time and memory.

A worker that crashes or hangs is ended and replaced, and costs the one piece of work that it was doing.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import resource
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import Any, ParamSpec, TypeVar

from pebble import ProcessExpired, ProcessPool

from server.ports import CheckUnavailable

P = ParamSpec("P")
T = TypeVar("T")

NICENESS = 5
"""On a full machine a check takes longer rather than that calls lose packets: a third of a media process's weight. The
judge of a challenge is exempt: frames do not wait for it, and it needs a tenth of a core."""


def _start_worker(memory_mb: int) -> None:
    # An interrupt in the terminal is the server's to handle; its pool then ends the workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    limit = memory_mb * 1024 * 1024
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = "1"
    import cv2

    cv2.setNumThreads(1)


@cache
def _patient_thread() -> ThreadPoolExecutor:
    """The thread of this worker that gives way: Linux has a niceness for each thread, and none may lower its own."""

    def give_way() -> None:
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + NICENESS)

    return ThreadPoolExecutor(1, initializer=give_way)


def _patiently(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    return _patient_thread().submit(function, *args, **kwargs).result()


class Workers:
    """A pool of forkserver processes (pebble ends the single worker that exceeds its time)."""

    def __init__(self, count: int, seconds: float, queue: int, memory_mb: int) -> None:
        self.count = count
        self._seconds = seconds
        self._room = count + queue
        self._under_way = 0
        context = multiprocessing.get_context("forkserver")
        self._pool = ProcessPool(max_workers=count, context=context, initializer=_start_worker, initargs=(memory_mb,))

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a function (of a module's top level) in a worker. Raises CheckUnavailable, and what it raises."""
        with self.place():
            return await self.schedule(function, *args, **kwargs)

    async def run_at_once(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """As ``run``, without giving way to others: for what cannot be late."""
        with self.place():
            return await self._in_worker(function, *args, **kwargs)

    @contextmanager
    def place(self) -> Iterator[None]:
        """One check under way, of as many as there is room for."""
        if self._under_way >= self._room:
            raise CheckUnavailable("check_busy", "Too many checks are under way; try again in a moment.")
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1

    async def schedule(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._in_worker(_patiently, function, *args, **kwargs)

    async def _in_worker(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        try:
            future: Any = self._pool.schedule(function, args=list(args), kwargs=kwargs, timeout=self._seconds)
            result: T = await asyncio.wrap_future(future)
            return result
        except TimeoutError as error:
            raise CheckUnavailable("check_timed_out", "The check took too long and was ended.") from error
        except (ProcessExpired, MemoryError) as error:
            raise CheckUnavailable("check_crashed", "The check stopped unexpectedly; nothing else is lost.") from error

    async def aclose(self) -> None:
        self._pool.stop()  # type: ignore[no-untyped-call]  # pebble types its other methods only
        await asyncio.to_thread(self._pool.join)
