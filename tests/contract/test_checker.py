"""The real worker pool: crashes, hangs, overload and hostile pixels cost one check each."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator

import numpy as np
import pytest

from server.checker import WorkerChecker
from server.ports import CheckUnavailable
from verification.contract import Frame, Side, UnusableInput


def _crash() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _hang() -> None:
    time.sleep(60)


def _devour() -> int:
    return len(bytearray(1 << 40))


def _pid() -> int:
    return os.getpid()


@pytest.fixture
async def checker() -> AsyncIterator[WorkerChecker]:
    pool = WorkerChecker(workers=1, seconds=8.0, queue=1, memory_mb=4096)
    try:
        yield pool
    finally:
        await pool.aclose()


async def test_a_worker_that_crashes_costs_one_check(checker: WorkerChecker) -> None:
    with pytest.raises(CheckUnavailable) as refused:
        await checker.run(_crash)
    assert refused.value.code == "check_crashed"
    assert await checker.run(_pid) != os.getpid()


async def test_a_worker_that_hangs_is_ended() -> None:
    pool = WorkerChecker(workers=1, seconds=1.0, queue=1, memory_mb=4096)
    try:
        await pool.run(_pid)
        with pytest.raises(CheckUnavailable) as refused:
            await pool.run(_hang)
        assert refused.value.code == "check_timed_out"
        assert await pool.run(_pid)
    finally:
        await pool.aclose()


async def test_a_worker_that_wants_too_much_memory_is_refused_it(checker: WorkerChecker) -> None:
    with pytest.raises(CheckUnavailable) as refused:
        await checker.run(_devour)
    assert refused.value.code == "check_crashed"
    assert await checker.run(_pid)


async def test_more_checks_than_fit_are_refused_at_once(checker: WorkerChecker) -> None:
    first = [asyncio.create_task(checker.run(_pid)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(CheckUnavailable) as refused:
        await checker.run(_pid)
    assert refused.value.code == "check_busy"
    assert len(set(await asyncio.gather(*first))) == 1


async def test_the_codes_of_unusable_input_come_back_whole(checker: WorkerChecker) -> None:
    with pytest.raises(UnusableInput) as refused:
        await checker.assess_side(b"not a picture", Side.FRONT)
    assert refused.value.code == "image_not_a_picture"


async def test_a_frame_goes_there_and_its_guidance_comes_back(checker: WorkerChecker) -> None:
    guidance = await checker.guide(Frame(np.full((480, 640, 3), 90, np.uint8), 0, 0.0))
    assert "no_face" in guidance.problems
