"""Whole pictures of cards through the whole reader."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from verification import document, matcher_sface, specimen, tesseract, zone
from verification.__main__ import app
from verification.contract import DocumentReading, Outcome, Pixels, Side, UnusableInput
from verification.images import encode_jpeg
from verification.photograph import Shot, photograph
from verification.portrait import cut_portrait, only_face

DATA = Path(__file__).resolve().parents[1] / "data"
TODAY = date(2026, 11, 22)
CHECKS = ("document_front", "document_back", "mrz", "printed_text", "barcode", "iin", "expiry", "portrait")


@pytest.fixture(scope="module")
def face() -> Pixels:
    return cut_portrait(cv2.imread(str(DATA / "biden.jpg")))


@pytest.fixture(scope="module")
def card() -> specimen.Specimen:
    return specimen.draw((DATA / "biden.jpg").read_bytes(), seed=4, today=TODAY)


@pytest.fixture(scope="module")
def reading(card: specimen.Specimen) -> DocumentReading:
    return document.read(card.front_photo_jpeg, card.back_photo_jpeg, TODAY)


def outcomes(reading: DocumentReading) -> dict[str, Outcome]:
    return {check.check: check.outcome for check in reading.checks}


def reasons(reading: DocumentReading, check: str) -> tuple[str, ...]:
    return next(result.reasons for result in reading.checks if result.check == check)


def back_with(lines: tuple[str, ...], holder: specimen.Holder) -> bytes:
    return photograph(specimen.draw_back(holder, lines, 4), Shot(), seed=4).jpeg


def test_the_zone_and_what_follows_from_it(card: specimen.Specimen, reading: DocumentReading) -> None:
    assert reading.mrz_lines == card.mrz_lines
    assert tuple(check.check for check in reading.checks) == CHECKS
    needed = {"document_front", "document_back", "mrz", "barcode", "iin", "expiry", "portrait"}
    assert {check for check in needed if outcomes(reading)[check] is not Outcome.PASSED} == set()
    holder, values = card.holder, reading.attributes
    assert values["iin"] == holder.iin
    assert values["document_number"] == holder.document_number
    assert values["birth_date"] == holder.birth_date.isoformat()
    assert values["expiry_date"] == holder.expires.isoformat()
    assert (values["sex"], values["issuing_state"]) == (holder.sex, "KAZ")
    assert reading.portrait_jpeg is not None


@pytest.mark.skipif(tesseract.language() is None, reason="printed names need the system's tesseract with kaz or rus")
def test_printed_names_agree_with_the_zone(card: specimen.Specimen, reading: DocumentReading) -> None:
    assert outcomes(reading)["printed_text"] is Outcome.PASSED
    assert document.overall(reading) is Outcome.PASSED
    assert reading.attributes["patronymic"] == card.holder.patronymic


def test_without_a_reader_of_cyrillic_names_are_not_passed(
    card: specimen.Specimen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tesseract, "language", lambda: None)
    reading = document.read(card.front_jpeg, card.back_jpeg, TODAY)
    assert outcomes(reading)["printed_text"] is Outcome.INCONCLUSIVE
    assert reasons(reading, "printed_text") == ("printed_name_not_read",)
    assert reading.attributes["iin"] == card.holder.iin


def test_the_portrait_is_the_face_that_was_printed(reading: DocumentReading, face: Pixels) -> None:
    assert reading.portrait_jpeg is not None
    portrait = cv2.imdecode(np.frombuffer(reading.portrait_jpeg, np.uint8), cv2.IMREAD_COLOR)
    vectors = [matcher_sface.embed(matcher_sface.align(picture, only_face(picture))) for picture in (portrait, face)]
    assert float(vectors[0] @ vectors[1]) > 0.8


def test_an_expired_card_fails_on_its_expiry(card: specimen.Specimen) -> None:
    late = document.read(card.front_jpeg, card.back_jpeg, card.holder.expires + timedelta(days=1))
    assert outcomes(late)["expiry"] is Outcome.FAILED
    assert reasons(late, "expiry") == ("document_expired",)
    assert document.overall(late) is Outcome.FAILED


@pytest.mark.parametrize(("row", "place"), [(0, 8), (0, 14), (1, 3), (1, 14), (1, 29)])
def test_one_wrong_digit_fails_the_zone(card: specimen.Specimen, row: int, place: int) -> None:
    lines = list(card.mrz_lines)
    lines[row] = lines[row][:place] + str((int(lines[row][place]) + 1) % 10) + lines[row][place + 1 :]
    seen = zone.read_zone(specimen.draw_back(card.holder, tuple(lines), 4))
    assert seen is not None
    assert seen.wrong
    assert not seen.proven


def test_a_wrong_digit_is_not_taken_for_a_bad_picture(card: specimen.Specimen) -> None:
    lines = list(card.mrz_lines)
    lines[1] = lines[1][:29] + str((int(lines[1][29]) + 3) % 10)
    side = document.assess(back_with(tuple(lines), card.holder), Side.BACK)
    assert side.usable  # a better picture would not help
    assert "document_number" not in side.attributes  # only the bar code's IIN is believed
    whole = document.read(card.front_jpeg, back_with(tuple(lines), card.holder), TODAY)
    assert reasons(whole, "mrz") == ("mrz_check_digit_wrong",)
    assert document.overall(whole) is Outcome.FAILED


def test_the_back_of_another_card_does_not_go_with_the_front(card: specimen.Specimen) -> None:
    other = specimen.make_holder(seed=31, today=TODAY)
    back = encode_jpeg(specimen.draw_back(other, other.mrz_lines(), 31))
    reading = document.read(card.front_jpeg, back, TODAY)
    assert outcomes(reading)["printed_text"] is Outcome.FAILED
    assert "printed_iin_mismatch" in reasons(reading, "printed_text")


@pytest.mark.skipif(tesseract.language() is None, reason="printed names need the system's tesseract with kaz or rus")
def test_the_zones_own_name_is_not_taken_for_print(card: specimen.Specimen, face: Pixels) -> None:
    other = specimen.make_holder(surname="СОВСЕМИНОЙ", given_names="ТҰРАРБЕК", iin=card.holder.iin, seed=8, today=TODAY)
    front = encode_jpeg(specimen.draw_front(other, face, 8))
    reading = document.read(front, card.back_jpeg, TODAY)
    assert reasons(reading, "printed_text") == ("printed_name_mismatch",)


def test_another_bar_code_does_not_go_with_the_zone(card: specimen.Specimen) -> None:
    other = specimen.make_holder(seed=31, today=TODAY)
    back = encode_jpeg(specimen.draw_back(other, card.mrz_lines, 31))
    reading = document.read(card.front_jpeg, back, TODAY)
    assert reasons(reading, "barcode") == ("barcode_mismatch",)


def test_washed_out_digits_are_not_guessed(card: specimen.Specimen) -> None:
    back = specimen.draw_back(card.holder, card.mrz_lines, 4)
    for across in np.linspace(0.2, 0.8, 4):
        shot = Shot(glare=0.9, glare_at=(float(across), 0.72), glare_size=0.09)
        seen = zone.read_zone(photograph(back, shot, seed=8).pixels)
        assert seen is None or not seen.proven or seen.mrz.lines == card.mrz_lines


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_a_side_is_read_however_it_lies(card: specimen.Specimen, turn: int) -> None:
    taken = photograph(card.back, Shot(turn=turn + 4, fill=0.6), seed=turn)
    side = document.assess(taken.jpeg, Side.BACK)
    assert side.usable
    assert side.mrz_lines == card.mrz_lines


def test_a_front_upside_down_is_laid_upright(card: specimen.Specimen) -> None:
    taken = photograph(card.front, Shot(turn=176), seed=6)
    side = document.assess(taken.jpeg, Side.FRONT)
    assert side.usable
    assert side.attributes["iin"] == card.holder.iin


def test_what_is_no_card_is_said_to_be_none() -> None:
    random = np.random.default_rng(0)
    desk = encode_jpeg(random.normal(128, 12, (600, 800, 3)).clip(0, 255).astype(np.uint8))
    for side in Side:
        seen = document.assess(desk, side)
        assert not seen.usable
        assert seen.problems == ("not_a_card",)
        assert seen.attributes == {}


@pytest.mark.parametrize(
    ("shot", "problem"),
    [
        (Shot(blur=6.0), "blur"),
        (Shot(width=640, height=480, fill=0.3), "too_small"),
        (Shot(exposure=0.08, noise=4), "too_dark"),
    ],
)
def test_a_bad_picture_of_the_front_says_why(card: specimen.Specimen, shot: Shot, problem: str) -> None:
    side = document.assess(photograph(card.front, shot, seed=1).jpeg, Side.FRONT)
    assert not side.usable
    assert problem in side.problems


def test_a_front_in_place_of_the_back_has_no_zone(card: specimen.Specimen) -> None:
    side = document.assess(card.front_photo_jpeg, Side.BACK)
    assert not side.usable
    assert side.problems[-1] == "mrz_unreadable"


def test_a_second_person_on_the_card_is_seen(card: specimen.Specimen, face: Pixels) -> None:
    front = card.front.copy()
    front[140:526, 900:1200] = cv2.resize(face, (300, 386))
    side = document.assess(encode_jpeg(front), Side.FRONT)
    assert "several_faces" in side.problems


def test_pictures_that_cannot_be_decoded_are_refused() -> None:
    with pytest.raises(UnusableInput):
        document.assess(b"", Side.FRONT)
    with pytest.raises(UnusableInput):
        document.read(b"\xff\xd8\xff\xe0 cut short", b"", TODAY)


def test_a_still_of_a_live_frame_shows_the_card_flat(card: specimen.Specimen) -> None:
    taken = photograph(card.front, Shot(width=1280, height=720, fill=0.4, turn=170), seed=3)
    jpeg, found = document.card_still(taken.pixels)
    assert found
    flat = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    expected = cv2.resize(card.front, (flat.shape[1], flat.shape[0]), interpolation=cv2.INTER_AREA)
    inner = np.s_[20:-20, 20:-20]
    assert float(np.corrcoef(flat[inner].ravel(), expected[inner].ravel())[0, 1]) > 0.8
    plain = np.full((480, 640, 3), 80, np.uint8)
    assert document.card_still(plain)[1] is False


def test_the_command(card: specimen.Specimen, tmp_path: Path) -> None:
    front, back = tmp_path / "front.jpg", tmp_path / "back.jpg"
    front.write_bytes(card.front_jpeg)
    back.write_bytes(card.back_jpeg)
    ran = CliRunner().invoke(app, ["document", str(front), str(back), "--json"])
    answer = json.loads(ran.output)
    assert answer["mrz_lines"] == list(card.mrz_lines)
    assert [check["check"] for check in answer["checks"]] == list(CHECKS)
    assert ran.exit_code == {"passed": 0, "failed": 1, "inconclusive": 3}[answer["outcome"]]
    back.write_bytes(b"")
    refused = CliRunner().invoke(app, ["document", str(front), str(back), "--json"])
    assert refused.exit_code == 2
    assert json.loads(refused.output)["error"]["code"] == "image_empty"
