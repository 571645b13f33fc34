"""Media processes die, hang and are replaced; calls go on."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import psutil
import pytest

from server.media.media_process import HUNG, STARTED, MediaProcess
from server.media.processes import MediaProcesses
from server.media.sealed import verify
from server.ports import PAIR, Leg, MediaError, RecordingPlan
from tests.media.peers import Browser, join, next_event

CALL = "c"
ROOT = Path(__file__).parents[2]
ORPHANS = """
import asyncio
from server.media.processes import MediaProcesses

async def main():
    media = MediaProcesses(2, addresses=["127.0.0.1"])
    await media.start()
    print(*media.pids, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.fixture
async def media():
    engine = MediaProcesses(2, addresses=["127.0.0.1"])
    await engine.start()
    yield engine
    await engine.aclose()


@pytest.fixture
async def pair():
    both = Browser(first_number=1000), Browser(first_number=3000)
    more: list[Browser] = []
    yield (*both, more)
    for browser in (*both, *more):
        await browser.close()


def lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def pid_of(media: MediaProcesses, call: str = CALL) -> int:
    return media._calls[call].pid


@pytest.mark.parametrize(
    ("how", "within"), [(signal.SIGKILL, 0.5), (signal.SIGSTOP, HUNG + 1.0)], ids=["killed", "hung"]
)
async def test_a_process_that_dies_is_told_and_replaced(media, pair, how, within, tmp_path):
    applicant, operator, more = pair
    events = media.events()
    await media.record(CALL, RecordingPlan(tmp_path, "s1", bytes(32)))
    await join(media, applicant, Leg.APPLICANT, CALL)
    await join(media, operator, Leg.OPERATOR, CALL)
    assert 1000 <= await operator.seen_number() < 2000
    pid = pid_of(media)
    os.kill(pid, how)
    since = time.monotonic()
    await next_event(events, "lost", Leg.APPLICANT)
    await next_event(events, "lost", Leg.OPERATOR)
    assert time.monotonic() - since < within + 2.0  # the machine may be busy; the bench has the figure
    again = Browser(first_number=5000), Browser(first_number=7000)
    more += again
    await join(media, again[0], Leg.APPLICANT, CALL)
    await join(media, again[1], Leg.OPERATOR, CALL)
    assert 5000 <= await again[1].seen_number() < 6000
    assert 7000 <= await again[0].seen_number() < 8000
    assert pid_of(media) != pid
    segments = await media.stop_recording(CALL)
    assert [(one.leg, one.number) for one in segments] == [(leg, number) for leg in PAIR for number in (1, 2)]
    for before, after in (segments[:2], segments[2:]):
        assert before.chain == verify(before.path).chain
        assert verify(after.path, previous=before.chain).ok


async def test_other_calls_do_not_notice(media, pair):
    applicant, operator, more = pair
    await join(media, applicant, Leg.APPLICANT, CALL)
    await join(media, operator, Leg.OPERATOR, CALL)
    other = Browser(first_number=5000)
    more.append(other)
    await join(media, other, Leg.APPLICANT, "other")
    assert pid_of(media, "other") != pid_of(media)
    os.kill(pid_of(media, "other"), signal.SIGKILL)
    await next_event(media.events(), "lost", Leg.APPLICANT)
    assert 1000 <= await operator.seen_number() < 2000


async def test_a_process_is_drained_without_dropping_its_call(media, pair):
    applicant, operator, more = pair
    await join(media, applicant, Leg.APPLICANT, CALL)
    await join(media, operator, Leg.OPERATOR, CALL)
    old = media._calls[CALL]
    await media.drain(old.number)
    other = Browser(first_number=5000)
    more.append(other)
    await join(media, other, Leg.APPLICANT, "other")
    assert pid_of(media, "other") != old.pid
    assert 1000 <= await operator.seen_number() < 2000
    await media.close(CALL)
    async with asyncio.timeout(10):
        assert await old._process.wait() == 0
        while old.pid in media.pids:
            await asyncio.sleep(0.01)


async def test_renewed_processes_that_still_carry_a_call_end_with_the_server(pair):
    applicant, *_ = pair
    media = MediaProcesses(2, addresses=["127.0.0.1"])
    await media.start()
    await join(media, applicant, Leg.APPLICANT, CALL)
    first = media.pids
    await media.renew()
    assert pid_of(media) in first
    assert len(set(media.pids) - set(first)) == 2
    everything = {*first, *media.pids}
    await media.aclose()
    assert not [pid for pid in everything if lives(pid)]


async def test_an_offer_that_comes_too_early_waits(pair):
    applicant, operator, _ = pair
    media = MediaProcesses(1, addresses=["127.0.0.1"])
    media.begin()
    assert media.pids == []
    await asyncio.gather(join(media, applicant, Leg.APPLICANT, CALL), join(media, operator, Leg.OPERATOR, CALL))
    assert 1000 <= await operator.seen_number() < 2000
    assert len(media.pids) == 1
    await media.aclose()


async def test_an_offer_whose_process_dies_is_answered_by_another(media, pair):
    applicant, operator, _ = pair
    await join(media, operator, Leg.OPERATOR, CALL)
    os.kill(pid_of(media), signal.SIGSTOP)
    await join(media, applicant, Leg.APPLICANT, CALL)  # it hangs while it has this offer
    await next_event(media.events(), "lost", Leg.OPERATOR)
    assert media.statistics(CALL, Leg.APPLICANT) is not None


async def test_a_process_that_cannot_start_says_so_at_once():
    process = MediaProcess(0, {"no_such_option": 1}, lambda event: None, lambda process: None)
    async with asyncio.timeout(STARTED / 2):
        with pytest.raises(ConnectionError):
            await process.start()


async def test_a_server_that_stood_still_ends_no_healthy_process(media):
    before = media.pids
    time.sleep(2 * HUNG)  # noqa: ASYNC251 - the event loop itself is what stands still
    await asyncio.sleep(HUNG)
    assert media.pids == before


async def test_media_processes_end_with_a_killed_server():
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-c", ORPHANS, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    pids = [int(pid) for pid in (await server.stdout.readline()).split()]
    assert len(pids) == 2
    server.kill()
    async with asyncio.timeout(10):
        while any(lives(pid) for pid in pids):
            await asyncio.sleep(0.05)
    _, said = await server.communicate()
    assert said == b""


async def test_limits_hold_over_all_processes(pair):
    applicant, operator, _ = pair
    media = MediaProcesses(2, addresses=["127.0.0.1"], max_calls=1)
    await media.start()
    await join(media, applicant, Leg.APPLICANT, CALL)
    with pytest.raises(MediaError) as refused:
        await join(media, operator, Leg.APPLICANT, "other")
    assert refused.value.code == "media_full"
    with pytest.raises(MediaError) as refused:
        await media.answer(CALL, Leg.OPERATOR, "hello")
    assert refused.value.code == "media_offer_invalid"
    with pytest.raises(MediaError) as refused:
        await media.frames("nobody", Leg.APPLICANT, 1, 0.1)
    assert refused.value.code == "media_not_connected"
    await media.aclose()
