from __future__ import annotations

import io
import json
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from verification import barcode, iin, mrz, specimen
from verification.__main__ import app
from verification.contract import UnusableInput
from verification.images import decode
from verification.photograph import Shot, card_corners, photograph
from verification.romanise import distance, latin

DATA = Path(__file__).resolve().parents[1] / "data"
TODAY = date(2026, 11, 22)


@pytest.fixture(scope="module")
def drawn() -> specimen.Specimen:
    return specimen.draw((DATA / "biden.jpg").read_bytes(), seed=4, today=TODAY)


def test_a_specimen_keeps_every_rule_and_is_nobody(drawn: specimen.Specimen) -> None:
    number = iin.parse(drawn.holder.iin)
    zone = mrz.parse(drawn.mrz_lines)
    assert zone.valid
    assert zone.format is mrz.Format.TD1
    assert 1800 <= number.birth_date.year < 1900
    assert zone.optional == drawn.holder.iin
    assert zone.birth_date == drawn.holder.iin[:6]
    assert (zone.sex, drawn.holder.sex) == (number.sex, number.sex)
    assert drawn.holder.expires > TODAY


def test_the_bar_code_is_the_iin(drawn: specimen.Specimen) -> None:
    assert barcode.iins(barcode.read(drawn.back)) == (drawn.holder.iin,)


def test_the_same_seed_draws_the_same_card(drawn: specimen.Specimen) -> None:
    again = specimen.draw((DATA / "biden.jpg").read_bytes(), seed=4, today=TODAY)
    other = specimen.draw((DATA / "biden.jpg").read_bytes(), seed=5, today=TODAY)
    assert again.front_jpeg == drawn.front_jpeg
    assert again.back_photo_jpeg == drawn.back_photo_jpeg
    assert other.holder != drawn.holder


def test_both_versions_are_pictures_that_the_service_takes(drawn: specimen.Specimen) -> None:
    assert decode(drawn.front_jpeg).shape == (specimen.HEIGHT, specimen.WIDTH, 3)
    assert decode(drawn.front_photo_jpeg).shape == decode(drawn.back_photo_jpeg).shape == (1200, 1600, 3)


@pytest.mark.parametrize("seed", range(40))
def test_every_made_up_holder_has_a_valid_zone(seed: int) -> None:
    holder = specimen.make_holder(seed=seed, today=TODAY)
    assert mrz.parse(holder.mrz_lines()).valid
    assert iin.parse(holder.iin).birth_date.year < 1900
    assert distance(holder.surname, mrz.parse(holder.mrz_lines()).surname) == 0


def test_given_values_are_used() -> None:
    holder = specimen.make_holder(
        surname="Сейдахметова",
        given_names="Мадина",
        patronymic="",
        iin="880412401006",
        document_number="041236587",
        expires=date(2031, 4, 11),
        seed=0,
        today=TODAY,
    )
    assert holder.mrz_lines() == (
        "IDKAZ0412365878880412401006<<<",
        "8804123F3104116KAZ<<<<<<<<<<<2",
        "SEIDAKHMETOVA<<MADINA<<<<<<<<<",
    )
    assert holder.patronymic == ""


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"iin": "880412401007"}, "iin_check_digit_wrong"),
        ({"iin": "88"}, "iin_malformed"),
        ({"document_number": "1234567890"}, "specimen_field_invalid"),
        ({"document_number": "12-4"}, "specimen_field_invalid"),
        ({"surname": "漢字"}, "specimen_field_invalid"),
        ({"sex": "Q"}, "specimen_field_invalid"),
    ],
)
def test_what_no_card_can_hold_is_refused(values: dict[str, str], code: str) -> None:
    with pytest.raises(UnusableInput) as refused:
        specimen.make_holder(**values, seed=0, today=TODAY)  # type: ignore[arg-type]
    assert refused.value.code == code


def test_a_picture_without_a_face_is_refused() -> None:
    blank = io.BytesIO()
    Image.new("RGB", (320, 320), "grey").save(blank, "JPEG")
    with pytest.raises(UnusableInput) as refused:
        specimen.draw(blank.getvalue(), seed=0, today=TODAY)
    assert refused.value.code == "no_face"


def test_a_photograph_shows_the_card_where_it_says() -> None:
    card = np.full((specimen.HEIGHT, specimen.WIDTH, 3), 255, np.uint8)
    shot = Shot(turn=20, tilt_x=15, noise=0, light=1.0, blur=0)
    taken = photograph(card, shot, seed=1)
    np.testing.assert_allclose(taken.corners, card_corners(card, shot))
    middle = taken.corners.mean(axis=0)
    for corner in taken.corners:
        inside = (corner + (middle - corner) * 0.1).round().astype(int)
        outside = (corner - (middle - corner) * 0.1).round().astype(int)
        assert taken.pixels[inside[1], inside[0]].min() > 240
        assert taken.pixels[outside[1], outside[0]].max() < 200


@pytest.mark.parametrize(
    ("name", "spelled", "apart"),
    [
        ("СЕЙДАХМЕТОВА", "SEIDAKHMETOVA", 0),
        ("СЕЙДАХМЕТОВА", "SEYDAHMETOVA", 0),
        ("ҚҰРМАНҒАЛИЕВ", "KURMANGALIYEV", 0),
        ("ҮЛГІБАЕВ", "ULGIBAYEV", 0),
        ("ЩУКИН", "SHCHUKIN", 0),
        ("ИГОРЬ", "IGOR", 0),
        ("IVANOV", "IVANOV", 0),
        ("ИВАНОВ", "IVANOVA", 1),
        ("ИВАНОВ", "PETROV", 4),
    ],
)
def test_spellings(name: str, spelled: str, apart: int) -> None:
    assert distance(name, spelled) == apart


def test_latin_is_a_spelling_of_every_kazakh_letter() -> None:
    letters = "АӘБВГҒДЕЁЖЗИЙКҚЛМНҢОӨПРСТУҰҮФХҺЦЧШЩЪЫІЬЭЮЯ"
    assert latin(letters).isascii()
    assert distance(letters, latin(letters)) == 0


def test_the_command_writes_four_pictures(tmp_path: Path) -> None:
    arguments = [
        "specimen",
        "--portrait",
        str(DATA / "obama.jpg"),
        "--out",
        str(tmp_path / "card"),
        "--seed",
        "9",
        "--json",
    ]
    ran = CliRunner().invoke(app, arguments)
    answer = json.loads(ran.output)
    assert ran.exit_code == 0
    assert sorted(path.name for path in (tmp_path / "card").iterdir()) == [
        "back.png",
        "back_photo.jpg",
        "front.png",
        "front_photo.jpg",
    ]
    assert mrz.parse(answer["mrz_lines"]).optional == answer["attributes"]["iin"]


def test_the_command_says_in_json_what_it_cannot_use(tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("no picture")
    ran = CliRunner().invoke(
        app, ["specimen", "--portrait", str(tmp_path / "text.jpg"), "--out", str(tmp_path), "--json"]
    )
    assert ran.exit_code == 2
    assert json.loads(ran.output)["error"]["code"] == "image_not_a_picture"
