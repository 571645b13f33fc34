"""Two real Chromiums through bad networks and a killed media process, with one unbroken record of it all."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from server.media.call_recording import segment_files
from server.media.processes import MediaProcesses
from server.media.sealed import verify
from server.ports import PAIR, RecordingPlan
from tests.media import lab


@pytest.mark.timeout(240)
async def test_a_call_lives_through_loss_blackout_another_network_and_a_killed_process(tmp_path):
    if (reason := lab.reason_not_to_run()) is not None:
        pytest.skip(reason)
    media = MediaProcesses(1, addresses=list(lab.SERVER.values()))
    await media.start()
    await media.record("c", RecordingPlan(tmp_path, "s1", bytes(32)))
    async with lab.cables(), lab.call_between_namespaces(media, resume=1500) as pages:
        operator, applicant = pages["operator"], pages["applicant"]
        await lab.lose(5)
        lossy = await lab.look(operator, 4)
        await lab.lose(0)
        assert lossy["fps"] > 5
        assert lossy["p50"] < 1500

        await lab.unplug("applicant", plugged=False)
        await asyncio.sleep(5)
        since = await lab.clock(operator)
        await lab.unplug("applicant", plugged=True)
        assert await lab.picture_after(operator, since) < 15
        await lab.picture_after(applicant, since)

        since = await lab.clock(operator)
        await lab.move("applicant")
        assert await lab.picture_after(operator, since + 500) < 15

        since = await lab.clock(operator)
        os.kill(media._calls["c"].pid, signal.SIGKILL)
        assert await lab.picture_after(operator, since + 500) < 15
        await lab.picture_after(applicant, since + 500)
        segments = await media.stop_recording("c")
    await media.aclose()
    assert segments
    for leg in PAIR:
        chain, files = "", segment_files(tmp_path, "s1", leg)
        assert len(files) >= 2
        for path in files:
            found = verify(path, previous=chain)
            assert found.ok, path.name
            chain = found.chain
