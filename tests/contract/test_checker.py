"""The real worker pool: crashes, hangs, overload and hostile pixels cost one check each."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from server.checker import MatcherRefused, WorkerChecker
from server.ports import CheckUnavailable
from server.workers import NICENESS
from verification import calibration, images
from verification.contract import Frame, Outcome, Side, UnusableInput

FACES = Path(__file__).parent.parent / "data"


def _crash() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _hang() -> None:
    time.sleep(60)


def _devour() -> int:
    return len(bytearray(1 << 40))


def _pid() -> int:
    return os.getpid()


def _niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


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


async def test_checks_give_way_to_the_calls_and_what_cannot_be_late_does_not(checker: WorkerChecker) -> None:
    own = _niceness()
    assert await checker.run(_niceness) == own + NICENESS
    assert await checker.run_at_once(_niceness) == own
    assert await checker.run(_niceness) == own + NICENESS


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


async def one_by_one(frames: list[Frame]) -> AsyncIterator[Frame]:
    for frame in frames:
        yield frame


def _calibration(folder: Path, **changes: object) -> Path:
    """The product's own calibration with something else in it."""
    shutil.copy(calibration.BUILT_IN.parent / "face_cohort.npz", folder)
    path = folder / "calibration.json"
    path.write_text(json.dumps(json.loads(calibration.BUILT_IN.read_text()) | changes))
    return path


async def test_comparisons_use_the_calibration_of_the_deployment_and_name_it(tmp_path: Path) -> None:
    strict = _calibration(tmp_path, thresholds={"0.01": 98.0, "0.001": 99.0, "0.0001": 100.0})
    pool = WorkerChecker(workers=1, seconds=30.0, queue=1, memory_mb=4096, calibration=strict)
    portrait = (FACES / "obama.jpg").read_bytes()
    frames = [Frame(images.decode((FACES / "obama2.jpg").read_bytes()), 0, 0.0)]
    try:
        matcher = await pool.matcher()
        result = (await pool.compare(portrait, one_by_one(frames))).result
        assert (result.threshold, result.fmr) == (99.0, matcher.fmr)
        assert result.details["calibration"] == matcher.calibration == calibration.load(strict).sha256
        assert result.version == matcher.version
        assert result.details["licence"] == matcher.licence == "Apache-2.0"
    finally:
        await pool.aclose()


async def test_a_calibration_that_changes_under_the_service_stops_comparisons(tmp_path: Path) -> None:
    path = _calibration(tmp_path)
    pool = WorkerChecker(workers=1, seconds=30.0, queue=1, memory_mb=4096, calibration=path)
    try:
        await pool.matcher()
        with pytest.raises(CheckUnavailable):
            await pool.run(_crash)  # the next worker reads the file anew
        _calibration(tmp_path, thresholds={"0.01": 0.0, "0.001": 0.1, "0.0001": 0.2})
        with pytest.raises(CheckUnavailable) as refused:
            await pool.compare((FACES / "obama.jpg").read_bytes(), one_by_one([]))
        assert refused.value.code == "matcher_unusable"
    finally:
        await pool.aclose()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"format": "another/1"}, "calibration_malformed"),
        ({"matcher": {"files": [{"name": "yunet-2023mar-int8bq", "sha256": "0" * 64}]}}, "calibration_other_model"),
        ({"data": {"pairs_sha256": "", "impostor_comparisons": 12}}, "calibration_insufficient"),
    ],
)
async def test_a_matcher_that_cannot_be_used_is_refused(tmp_path: Path, changes: dict[str, object], code: str) -> None:
    pool = WorkerChecker(1, 30.0, 1, 4096, _calibration(tmp_path, **changes))
    try:
        with pytest.raises(MatcherRefused) as refused:
            await pool.matcher()
        assert refused.value.code == code
    finally:
        await pool.aclose()


async def test_the_cards_own_checks_go_there_and_back(checker: WorkerChecker) -> None:
    frame = Frame(np.full((360, 640, 3), 90, np.uint8), 0, 0.0)
    drawn = await checker.new_tilt("KAZ")
    assert drawn.due is None and drawn.result is None
    looked = await checker.follow_challenge(drawn.state, [frame], None, last=False)
    assert (looked.face, looked.steps, looked.result) == (False, (), None)
    ended = await checker.follow_challenge(looked.state, [frame], None, last=True)
    assert ended.result is not None and ended.result.check == "tilt"
    assert ended.result.outcome is Outcome.INCONCLUSIVE and "tilt_card_not_seen" in ended.result.reasons

    catalogue, features = await checker.pick_features("KAZ")
    assert catalogue == "kazakhstan-id" and len({one.kind for one in features}) == len(features) >= 3
    assert (await checker.pick_features("UTO"))[0] == "generic-id1"
    stills = await checker.feature_stills([frame, frame], features)
    assert [(still.found, still.index) for still in stills] == [(False, 1)] * len(features)
