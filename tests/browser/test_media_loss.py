"""Two real browsers in a call whose media process is killed, then one that hangs: the same call goes on."""

from __future__ import annotations

import asyncio
import json
import signal
from itertools import pairwise
from pathlib import Path

import pytest

from tests.browser.journey import Opened
from tests.browser.losses import AGAIN_SECONDS, lose_process, media_processes

DATA = Path(__file__).resolve().parents[1] / "data"

pytestmark = pytest.mark.timeout(240)


async def test_a_call_goes_on_when_its_media_process_is_killed_and_when_one_hangs(tmp_path: Path) -> None:
    async with Opened() as stack:
        journey, front, back = await stack.open(tmp_path, DATA / "obama.jpg", DATA / "obama2.jpg")
        await journey.sign_in()
        await journey.apply(front, back)
        await journey.meet()
        session = await journey.session_id()
        call = (await journey.operator_snapshot())["case"]["call_id"]
        for how in (signal.SIGKILL, signal.SIGSTOP):
            seconds, words = await lose_process(journey, how)
            print(f"{how.name}: citizen back after {seconds[0]:.2f} s, consultant {seconds[1]:.2f} s, {words}")
            assert max(seconds) < 10, "the bench has the figures; this only says that nobody had to do anything"
            assert all(any(said) for said in words), "a word stood where the picture was"
        case = (await journey.operator_snapshot())["case"]
        assert (case["id"], case["call_id"], case["state"]) == (session, call, "in_call")
        assert case["recording"]
        async with asyncio.timeout(AGAIN_SECONDS):
            while len(media_processes(journey.served)) < 2:
                await asyncio.sleep(0.1)

        answer = await journey.citizen.request.post(journey.served.url + "/api/session/leave")
        assert answer.status == 200
        record = json.loads(await journey.served.command("dossier", "--", session))
        assert record["chain"]["verified"]
        for leg in ("applicant", "operator"):
            segments = [one for one in record["recordings"] if f".{leg}." in one["file"]]
            assert len(segments) >= 3
            assert all(one["verified"] for one in segments), segments
            for before, after in pairwise(segments):
                assert after["previous"] == before["chain"]
        (stopped,) = [event for event in record["events"] if event["kind"] == "recording_stopped"]
        assert {one["file"] for one in stopped["data"]["segments"]} == {one["file"] for one in record["recordings"]}
