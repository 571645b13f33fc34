"""The shutter that presses itself: of a card that is held still in the frame, and of nothing else."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import pytest_asyncio
from numpy.typing import NDArray
from playwright.async_api import Browser, Page, async_playwright, expect

from tests.browser.chromium import CAMERA_HEIGHT, CAMERA_WIDTH, launch
from tests.browser.citizen_stub import CitizenStub, session
from tests.browser.desk_stub import ORIGIN
from verification.contract import Pixels
from verification.specimen import draw

pytestmark = pytest.mark.asyncio(loop_scope="module")

FACES = Path(__file__).parents[1] / "data"
WIDTH, HEIGHT = 224, 141
CARD_SHARE = 0.8
TABLES = ((40, 42, 45), (215, 220, 222), (70, 95, 130))
JUDGE = """async (pictures) => {
  const { sidesFound, laplacianVariance, Steadiness } = await import("/applicant/steady.js");
  return pictures.map((text) => {
    const luma = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    const judge = new Steadiness();
    const looks = Array.from({ length: 6 }, () => judge.see(luma.slice(), %d, %d));
    return looks.map((look) => look.ready);
  });
}""" % (WIDTH, HEIGHT)  # noqa: UP031 - the braces are JavaScript's


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cards() -> tuple[Pixels, Pixels]:
    specimen = draw((FACES / "obama.jpg").read_bytes(), seed=5, today=date(2026, 11, 22))
    return specimen.front, specimen.back


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def camera(cards: tuple[Pixels, Pixels], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A camera before which the card is laid: the viewfinder shows the middle of its picture."""
    finder = round(CAMERA_WIDTH / 1.585)
    seen = np.full((CAMERA_HEIGHT, CAMERA_WIDTH, 3), TABLES[0], np.uint8)
    top = (CAMERA_HEIGHT - finder) // 2
    seen[top : top + finder] = laid(cards[0], TABLES[0], (CAMERA_WIDTH, finder))
    _, jpeg = cv2.imencode(".jpg", seen)
    path = tmp_path_factory.mktemp("camera") / "card.mjpeg"
    path.write_bytes(jpeg.tobytes() * 40)
    return path


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chromium(camera: Path) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright, launch(playwright, camera) as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="module")
async def page(chromium: Browser) -> AsyncIterator[Page]:
    context = await chromium.new_context(viewport={"width": 360, "height": 640})
    page = await context.new_page()
    page.set_default_timeout(20_000)
    yield page
    await context.close()


def laid(
    card: Pixels,
    table: tuple[int, int, int],
    size: tuple[int, int],
    *,
    scale: float = 1.0,
    shift: tuple[float, float] = (0, 0),
    turn: float = 0.0,
) -> Pixels:
    """The viewfinder's picture of a card on a table; ``shift`` in shares of the picture, ``turn`` in degrees."""
    width, height = size
    high, wide = card.shape[:2]
    fit = width * CARD_SHARE * scale / wide
    move = cv2.getRotationMatrix2D((wide / 2, high / 2), turn, fit)
    move[:, 2] += (width * (0.5 + shift[0]) - wide / 2, height * (0.5 + shift[1]) - high / 2)
    random = np.random.default_rng(11)
    seen = cv2.warpAffine(card, move, size, flags=cv2.INTER_AREA, borderValue=table).astype(np.float32)
    picture: Pixels = np.clip(seen * 0.85 + random.normal(0, 3, seen.shape), 0, 255).astype(np.uint8)
    return picture


def luma(picture: NDArray[Any]) -> str:
    small: NDArray[Any] = cv2.resize(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), (WIDTH, HEIGHT))
    return base64.b64encode(small.tobytes()).decode()


async def ready(page: Page, pictures: Sequence[NDArray[Any]]) -> list[list[bool]]:
    """For each picture, held for six looks: whether the shutter is pressed at that look."""
    stub = CitizenStub()
    await stub.attach(page)
    await page.goto(f"{ORIGIN}/")
    answer: list[list[bool]] = await page.evaluate(JUDGE, [luma(picture) for picture in pictures])
    return answer


async def test_a_card_in_the_frame_is_taken_once_it_rests(page: Page, cards: tuple[Pixels, Pixels]) -> None:
    random = np.random.default_rng(2)
    size = (896, 565)
    held = [
        laid(
            cards[number % 2],
            TABLES[number % 3],
            size,
            scale=float(random.uniform(0.96, 1.03)),
            shift=(float(random.uniform(-0.015, 0.015)), float(random.uniform(-0.015, 0.015))),
            turn=float(random.uniform(-1.2, 1.2)),
        )
        for number in range(24)
    ]
    looks = await ready(page, held)
    assert sum(look[-1] for look in looks) >= 22
    assert not any(any(look[:4]) for look in looks), "pressed before the hand can have come to rest"


async def test_nothing_else_is_taken(page: Page, cards: tuple[Pixels, Pixels]) -> None:
    size = (896, 565)
    others: list[NDArray[Any]] = [np.full((565, 896, 3), table, np.uint8) for table in TABLES]
    others += [laid(cards[0], table, size, scale=0.5, turn=12) for table in TABLES]
    others += [cv2.GaussianBlur(laid(cards[1], table, size), (0, 0), 9) for table in TABLES]
    for name in ("obama.jpg", "obama2.jpg", "biden.jpg"):
        face = cv2.imread(str(FACES / name))
        assert face is not None
        others.append(cv2.resize(face[: round(face.shape[1] / 1.585)], size))
    assert not any(any(look) for look in await ready(page, others))


async def test_the_page_takes_the_picture_by_itself(page: Page) -> None:
    stub = CitizenStub(session=session("consented"))
    await stub.attach(page)
    await page.goto(f"{ORIGIN}/")
    await page.get_by_test_id("device-continue").click()
    taken = await stub.asked("evidence/front")
    picture = cv2.imdecode(np.frombuffer(taken, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert picture.shape[1] == CAMERA_WIDTH
    assert abs(picture.shape[1] / picture.shape[0] - 1.585) < 0.02
    await expect(page.get_by_test_id("card-usable")).to_be_visible()
    assert stub.complaints == []
