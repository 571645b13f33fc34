"""Pictures as people and attackers send them, through HTTP to the real workers."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from PIL import Image

from server.checker import WorkerChecker
from tests.api.conftest import PICTURE, House, Person
from tests.fakes import NOON
from verification import specimen

PORTRAIT = Path(__file__).resolve().parents[1] / "data" / "obama.jpg"
FRONT = "/api/session/evidence/front"


@pytest.fixture
async def real(house: House) -> AsyncIterator[House]:
    """The house with the real worker pool."""
    pool = WorkerChecker(workers=1, seconds=60.0, queue=4, memory_mb=4096)
    house.desk.checker = pool
    try:
        yield house
    finally:
        await pool.aclose()


@pytest.fixture(scope="module")
def card() -> specimen.Specimen:
    return specimen.draw(PORTRAIT.read_bytes(), seed=3, today=NOON.date())


def as_jpeg(picture: Image.Image, **how: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, "JPEG", **how)
    return out.getvalue()


async def refused(applicant: Person, picture: bytes) -> str:
    return await applicant.refused("PUT", FRONT, 422, data=picture, headers=PICTURE)


@pytest.mark.timeout(240)
async def test_pictures_that_cannot_be_judged_say_why_and_the_session_stays_usable(
    real: House, card: specimen.Specimen
) -> None:
    applicant = await real.applicant()
    huge = io.BytesIO()
    Image.new("1", (10_000, 6_000)).save(huge, "PNG")
    animated = io.BytesIO()
    frames = [Image.new("RGB", (400, 300), colour) for colour in ("red", "blue")]
    frames[0].save(animated, "WEBP", save_all=True, append_images=frames[1:])
    for picture, code in (
        (b"", "image_empty"),
        (b"GIF89a" + b"x" * 500, "image_type_unsupported"),
        (b"hello " * 100, "image_not_a_picture"),
        (card.front_photo_jpeg[: len(card.front_photo_jpeg) // 2], "image_truncated"),
        (huge.getvalue(), "image_too_many_pixels"),
        (animated.getvalue(), "image_animated"),
    ):
        assert await refused(applicant, picture) == code
    plain = await applicant.ask("PUT", FRONT, data=as_jpeg(Image.new("RGB", (1200, 900), "grey")), headers=PICTURE)
    assert not plain["reading"]["usable"]
    assert plain["reading"]["problems"]

    sideways = Image.open(io.BytesIO(card.front_photo_jpeg)).rotate(90, expand=True)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise to stand upright
    turned = await applicant.ask("PUT", FRONT, data=as_jpeg(sideways, exif=exif, quality=92), headers=PICTURE)
    assert turned["reading"]["usable"], turned["reading"]
    back = "/api/session/evidence/back"
    read = await applicant.ask("PUT", back, data=card.back_photo_jpeg, headers=PICTURE)
    assert read["reading"]["usable"], read["reading"]
    assert len(read["reading"]["mrz_lines"]) == 3
    assert read["session"]["can_confirm"]
