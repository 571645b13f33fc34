"""Six whole sessions in real browsers where the liveness challenge is required: the right person, and five deceivers.

One server, one consultant and one browser of citizens serve all of them, one citizen after another, each with a card of
another number (who was refused has to wait before trying again). The right person is
a clip of a real moving face that does what the page asks (tests/browser/actor.py says what of it is computed).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.browser import actor
from tests.browser.actor import Reel
from tests.browser.journey import TRIES, Journey, Opened, cards

DATA = Path(__file__).resolve().parents[1] / "data"
PORTRAIT = DATA / "obama.jpg"
SAME_PERSON = DATA / "obama2.jpg"
OTHER_PERSON = DATA / "biden.jpg"
CLIP = "liveportrait_d10"
SCREENSHOTS = os.environ.get("BETPE_SCREENSHOTS")
"""A folder for pictures of the pages; none by default."""
SETTINGS = {"BETPE_LIVENESS": "required", "BETPE_UNDO_SECONDS": "2"}

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(420)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Opened]:
    """The service with its consultant, signed in and ready."""
    folder = tmp_path_factory.mktemp("house")
    async with Opened() as stack:
        await stack.start(folder, SETTINGS)
        await (await stack.admit(folder)).sign_in()
        yield stack


@pytest_asyncio.fixture(loop_scope="module")
async def hall(house: Opened) -> AsyncIterator[Opened]:
    """The house, with nobody in the call when a session is over, however it ended."""
    yield house
    api = house.served.url + "/api/operator"
    case = (await (await house.consultant.request.get(api)).json())["case"]
    if case is not None and not case["wrapping"]:
        body = {"outcome": "reject", "reason_code": "applicant_stopped", "note": "", "override_reason": ""}
        await house.consultant.request.post(f"{api}/case/decision", data=body)
        await asyncio.sleep(float(SETTINGS["BETPE_UNDO_SECONDS"]) + 1)
    if case is not None:
        await house.consultant.request.post(f"{api}/case/wrap-up", data={"note": ""})
    for context in house.phone.contexts:
        await context.close()


@pytest.fixture(scope="module")
def clip() -> Path:
    """A real moving face. The one thing that these tests cannot bring along."""
    folder = actor.clips_folder()
    file = folder / f"{CLIP}.mp4"
    if not file.is_file():
        pytest.skip(f"no clip of a real moving face: {CLIP}.mp4 is not in BETPE_CLIPS, nor in ../shared/data/video")
    return file


async def in_call(hall: Opened, folder: Path, reel: Reel, card: tuple[Path, Path]) -> Journey:
    journey = await hall.admit(folder, reel, Path(SCREENSHOTS) if SCREENSHOTS else None)
    await journey.apply(*card)
    await journey.meet()
    return journey


async def refused(journey: Journey) -> None:
    """No way leads to an approval; the consultant rejects, and nothing was issued."""
    await journey.try_to_approve_by_every_way()
    await journey.reject()
    await journey.wrap_up()
    assert await journey.session_state() == "rejected"


async def test_the_card_of_another_person(hall: Opened, tmp_path: Path) -> None:
    """The front with the right face, the back of somebody else's card."""
    card = await cards(PORTRAIT, tmp_path, "other_card", seed=11)
    journey = await in_call(hall, tmp_path, actor.held_still(SAME_PERSON), card)
    assert await journey.compare() == "passed", await journey.check("face_match")
    blocking = await journey.blocking()
    assert "failed" in (blocking.get("printed_text"), blocking.get("iin"), blocking.get("barcode")), blocking
    await refused(journey)


async def test_an_expired_card(hall: Opened, tmp_path: Path) -> None:
    card = await cards(PORTRAIT, tmp_path, "expired_card", seed=12)
    journey = await in_call(hall, tmp_path, actor.held_still(SAME_PERSON), card)
    assert await journey.compare() == "passed", await journey.check("face_match")
    assert (await journey.blocking())["expiry"] == "failed"
    assert (await journey.check("expiry"))["reasons"] == ["document_expired"]
    await refused(journey)


async def test_another_person(hall: Opened, tmp_path: Path) -> None:
    card = await cards(PORTRAIT, tmp_path, "none", seed=13)
    journey = await in_call(hall, tmp_path, actor.held_still(OTHER_PERSON), card)
    assert await journey.compare() in ("failed", "inconclusive")
    assert (await journey.blocking())["face_match"] in ("failed", "inconclusive")
    await refused(journey)


async def test_a_photograph_held_to_the_camera(hall: Opened, tmp_path: Path) -> None:
    """The face is the right one; it does nothing that is asked."""
    card = await cards(PORTRAIT, tmp_path, "none", seed=14)
    journey = await in_call(hall, tmp_path, actor.held_still(SAME_PERSON), card)
    assert await journey.interview() == "passed", await journey.check("face_match")
    challenge = await journey.challenge()
    assert challenge["outcome"] != "passed", challenge
    blocking = await journey.blocking()
    assert blocking["liveness"] == challenge["outcome"]
    assert set(blocking) <= {"liveness", "injection"}
    await refused(journey)


@pytest.mark.real_faces
async def test_a_recording_that_does_not_follow(hall: Opened, tmp_path: Path, clip: Path) -> None:
    """The right person, recorded: she turns, talks and blinks, but not when she is asked."""
    card = await cards(actor.portrait(clip, tmp_path / "portrait.jpg"), tmp_path, "none", seed=15)
    reel = await asyncio.to_thread(actor.replayed, clip)
    journey = await in_call(hall, tmp_path, reel, card)
    assert await journey.interview() == "passed", await journey.check("face_match")
    challenge = await journey.challenge(actor.needs_of(CLIP))
    assert challenge["outcome"] != "passed", challenge
    blocking = await journey.blocking()
    assert blocking["liveness"] == challenge["outcome"]
    assert set(blocking) <= {"liveness", "injection"}
    await refused(journey)


@pytest.mark.real_faces
async def test_the_right_person(hall: Opened, tmp_path: Path, clip: Path) -> None:
    portrait = actor.portrait(clip, tmp_path / "portrait.jpg")
    card, reel = await asyncio.gather(
        cards(portrait, tmp_path, "none", seed=2), asyncio.to_thread(actor.performer, clip)
    )
    journey = await in_call(hall, tmp_path, reel, card)
    assert await journey.interview() == "passed", await journey.check("face_match")
    challenge = await journey.passed_challenge(actor.needs_of(CLIP), TRIES)
    assert challenge["outcome"] == "passed", challenge
    assert set(challenge["images"]) <= {f"step_{number}" for number in range(1, 8)}
    assert challenge["images"]
    await journey.examine()
    assert await journey.blocking() == {}
    await journey.approve()
    await journey.wrap_up()
    collected = await journey.collect()
    assert collected["p12"].stat().st_size > 1000
    assert await journey.session_state() == "issued"
