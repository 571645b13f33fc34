"""Two real browsers whose call is carried by Debian's Janus: seen, looked at, recorded, and taken up again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.browser.journey import PATIENCE, Opened, by
from tests.media.janus_server import running_janus

DATA = Path(__file__).resolve().parents[1] / "data"

pytestmark = pytest.mark.timeout(180)


async def test_a_call_through_janus_is_compared_recorded_and_taken_up_again(tmp_path: Path) -> None:
    async with running_janus() as there, Opened() as stack:
        settings = {"BETPE_MEDIA": "janus", "BETPE_JANUS_URL": there.url}
        settings |= {"BETPE_JANUS_SECRET": there.secret, "BETPE_JANUS_ADMIN_KEY": there.admin_key}
        journey, front, back = await stack.open(tmp_path, DATA / "obama.jpg", DATA / "obama2.jpg", settings=settings)
        await journey.sign_in()
        await journey.apply(front, back)
        await journey.meet()
        session = await journey.session_id()
        await journey.consultant.keyboard.press("KeyC")
        await expect(by(journey.consultant, "stills").locator("img").first).to_be_visible(timeout=PATIENCE)
        assert await journey.compare() == "passed"
        await journey.citizen.reload()
        await journey.meet()
        case = (await journey.operator_snapshot())["case"]
        assert case["id"] == session and case["recording"]
        answer = await journey.citizen.request.post(journey.served.url + "/api/session/leave")
        assert answer.status == 200
        record = json.loads(await journey.served.command("dossier", "--", session))
        print(journey.stages.seconds, record["recordings"])
    assert record["chain"]["verified"]
    legs = [one["file"].split(".")[1] for one in record["recordings"]]
    assert legs.count("applicant") == 2 and legs.count("operator") >= 1
    assert all(one["verified"] and one["complete"] for one in record["recordings"])
