"""The portrait against the live face: who is who, what is refused, and that the best score never decides."""

from __future__ import annotations

import dataclasses
import io
import pickle
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from skimage import data as pictures

from verification import calibration, face, images, quality, quality_landmarks
from verification.contract import CheckResult, Frame, Outcome, Pixels, UnusableInput
from verification.detector import detect

DATA = Path(__file__).parent.parent / "data"


def _read(name: str) -> bytes:
    return (DATA / name).read_bytes()


@cache
def _pixels(name: str) -> Pixels:
    if name == "astronaut":
        return np.ascontiguousarray(pictures.astronaut()[:, :, ::-1])  # type: ignore[no-untyped-call]
    return images.decode(_read(name))


@cache
def _head(name: str, side: int = 300) -> Pixels:
    """The face with its surroundings, square, ``side`` pixels."""
    pixels = _pixels(name)
    found = detect(pixels)[0]
    reach = int(found.width * 0.9)
    x, y = int(found.x + found.width / 2), int(found.y + found.height / 2)
    padded = cv2.copyMakeBorder(pixels, reach, reach, reach, reach, cv2.BORDER_REPLICATE)
    cut = padded[y : y + 2 * reach, x : x + 2 * reach]
    return np.asarray(cv2.resize(cut, (side, side), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _frame(pixels: Pixels, size: int = 480, at: tuple[int, int] | None = None) -> Frame:
    """A 640x480 grey room with the picture in it."""
    room = np.full((480, 640, 3), 110, np.uint8)
    picture = cv2.resize(pixels, (size, size), interpolation=cv2.INTER_AREA)
    x, y = at or ((640 - size) // 2, (480 - size) // 2)
    room[y : y + size, x : x + size] = picture[: 480 - y, : 640 - x]
    return Frame(room, 0, 0.0)


def _row(*names: str) -> Pixels:
    return np.ascontiguousarray(np.hstack([_head(name, 240) for name in names]))


def test_the_same_person_on_two_days_passes() -> None:
    comparison = face.compare(_read("obama.jpg"), [_read("obama2.jpg")])
    assert comparison.result.outcome is Outcome.PASSED
    assert comparison.result.check == "face_match"
    assert comparison.result.reasons == ("same_person",)
    assert comparison.result.score is not None
    assert comparison.result.threshold is not None
    assert comparison.result.score >= comparison.result.threshold
    assert comparison.result.fmr == calibration.ACCEPT_FMR
    assert comparison.result.details["calibration"] == calibration.load().sha256
    assert comparison.result.model
    assert comparison.result.version
    assert comparison.result.milliseconds > 0
    assert comparison.second.check == "face_second_opinion"
    assert comparison.second.outcome is Outcome.PASSED
    assert comparison.second.score is not None
    assert comparison.second.threshold is not None
    assert comparison.second.score <= comparison.second.threshold
    assert comparison.best == 0
    assert comparison.probe_jpeg is not None
    assert len(detect(images.decode(comparison.probe_jpeg))) == 1


@pytest.mark.parametrize("portrait", ["obama.jpg", "obama2.jpg"])
def test_another_person_fails(portrait: str) -> None:
    comparison = face.compare(_read(portrait), [_read("biden.jpg")])
    assert comparison.result.outcome is Outcome.FAILED
    assert comparison.result.reasons == ("different_person",)
    assert comparison.second.outcome is Outcome.FAILED


def test_a_third_person_fails_on_either_side() -> None:
    astronaut = images.encode_jpeg(_pixels("astronaut"))
    assert face.compare(astronaut, [_read("obama2.jpg")]).result.outcome is Outcome.FAILED
    assert face.compare(_read("obama.jpg"), [astronaut]).result.outcome is Outcome.FAILED


def test_a_comparison_crosses_a_process_boundary() -> None:
    comparison = face.compare(_read("obama.jpg"), [_read("obama2.jpg")], second_opinion=False)
    assert pickle.loads(pickle.dumps(comparison)) == comparison


def test_without_the_second_opinion_the_result_says_so() -> None:
    comparison = face.compare(_read("obama.jpg"), [_read("obama2.jpg")], second_opinion=False)
    assert comparison.result.outcome is Outcome.PASSED
    assert comparison.result.reasons == ("same_person", "second_opinion_not_run")
    assert comparison.second.outcome is Outcome.NOT_RUN


def _rule(accept: float, refer: float, same: float = 0.5, different: float = 0.7) -> calibration.Calibration:
    given = calibration.load()
    return dataclasses.replace(
        given,
        accept=calibration.Zone(accept, 0.001, 0.04),
        refer=calibration.Zone(refer, 0.01, 0.01),
        second=calibration.SecondZones(same, 0.001, different, 0.01),
    )


def _second_says(outcome: Outcome) -> CheckResult:
    return CheckResult("face_second_opinion", outcome)


@pytest.mark.parametrize(
    ("score", "second", "outcome", "reason"),
    [
        (3.5, Outcome.PASSED, Outcome.PASSED, "same_person"),
        (3.5, Outcome.INCONCLUSIVE, Outcome.PASSED, "same_person"),
        (3.5, Outcome.FAILED, Outcome.INCONCLUSIVE, "engines_disagree"),
        (2.5, Outcome.PASSED, Outcome.INCONCLUSIVE, "score_in_between"),
        (2.5, Outcome.FAILED, Outcome.INCONCLUSIVE, "score_in_between"),
        (1.0, Outcome.FAILED, Outcome.FAILED, "different_person"),
        (1.0, Outcome.INCONCLUSIVE, Outcome.FAILED, "different_person"),
        (1.0, Outcome.PASSED, Outcome.INCONCLUSIVE, "engines_disagree"),
    ],
)
def test_three_zones_and_the_second_engines_objection(
    score: float, second: Outcome, outcome: Outcome, reason: str
) -> None:
    verdict = face._decide(score, _second_says(second), _rule(accept=3.0, refer=2.0))
    assert (verdict.outcome, verdict.reasons) == (outcome, (reason,))


_ORDER = [Outcome.FAILED, Outcome.INCONCLUSIVE, Outcome.PASSED]


@given(st.floats(-3, 9), st.floats(-3, 9), st.sampled_from(_ORDER), st.sampled_from(_ORDER))
def test_more_evidence_of_another_person_never_gives_a_better_outcome(
    one: float, other: float, first: Outcome, second: Outcome
) -> None:
    rule = _rule(accept=3.0, refer=2.0)
    worse = face._decide(min(one, other), _second_says(min(first, second, key=_ORDER.index)), rule)
    better = face._decide(max(one, other), _second_says(max(first, second, key=_ORDER.index)), rule)
    assert _ORDER.index(worse.outcome) <= _ORDER.index(better.outcome)


def test_the_second_engine_that_objects_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    strict = _rule(accept=3.0, refer=2.0, same=0.01, different=0.02)  # for which nobody is the same person
    monkeypatch.setattr(calibration, "load", lambda path: strict)
    comparison = face.compare(_read("obama.jpg"), [_read("obama2.jpg")])
    assert comparison.second.outcome is Outcome.FAILED
    assert comparison.result.outcome is Outcome.INCONCLUSIVE
    assert comparison.result.reasons == ("engines_disagree",)


def test_a_small_printed_portrait_is_enough() -> None:
    small = np.asarray(cv2.resize(_head("obama.jpg"), (120, 120), interpolation=cv2.INTER_AREA), dtype=np.uint8)
    comparison = face.compare(images.encode_jpeg(small, 60), [_frame(_head("obama2.jpg"))])
    assert comparison.result.outcome is Outcome.PASSED


def test_the_portrait_is_found_on_a_whole_card() -> None:
    card = np.full((1000, 1586, 3), (200, 190, 170), np.uint8)
    card[300:620, 90:330] = cv2.resize(_head("obama.jpg"), (240, 320), interpolation=cv2.INTER_AREA)
    comparison = face.compare(images.encode_jpeg(card), [_frame(_head("obama2.jpg"))], second_opinion=False)
    assert comparison.result.outcome is Outcome.PASSED


def test_a_portrait_that_is_all_face_is_found() -> None:
    tight = _head("biden.jpg")[70:-60, 75:-75]
    comparison = face.compare(images.encode_jpeg(tight), [_read("biden.jpg")], second_opinion=False)
    assert comparison.result.outcome is Outcome.PASSED


def test_no_face_on_either_side() -> None:
    wall = images.encode_jpeg(np.full((400, 400, 3), 128, np.uint8))
    nobody = face.compare(wall, [_read("obama2.jpg")])
    assert nobody.result.outcome is Outcome.INCONCLUSIVE
    assert nobody.result.reasons == ("no_face_in_portrait",)
    assert nobody.result.score is None
    absent = face.compare(_read("obama.jpg"), [wall, wall])
    assert absent.result.reasons == ("no_face_in_probe",)
    assert absent.best is None
    assert absent.probe_jpeg is None
    assert [probe.quality for probe in absent.probes] == [0.0, 0.0]
    assert absent.second.outcome is Outcome.NOT_RUN


def test_a_chin_and_a_collar_are_no_face() -> None:
    whole = _pixels("biden.jpg")  # 396 pixels wide: 297 of its height have the shape of a camera's picture
    (found,) = detect(whole)
    middle, chin = round(found.y + found.height / 2), round(found.y + found.height)
    taken_for_one = 0
    for top in range(middle, chin, 6):
        probe = np.asarray(cv2.resize(whole[top : top + 297], (640, 480)), dtype=np.uint8)
        taken_for_one += len(detect(probe))
        comparison = face.compare(_read("obama.jpg"), [images.encode_jpeg(probe)], second_opinion=False)
        assert comparison.result.outcome is Outcome.INCONCLUSIVE, "who stands too near is not somebody else"
    assert taken_for_one > 0


def test_no_probe_at_all_is_inconclusive() -> None:
    assert face.compare(_read("obama.jpg"), []).result.reasons == ("no_face_in_probe",)


def test_five_faces() -> None:
    crowd = images.encode_jpeg(_row("obama.jpg", "biden.jpg", "astronaut", "obama2.jpg", "biden.jpg"))
    portrait = face.compare(crowd, [_read("obama2.jpg")])
    assert portrait.result.outcome is Outcome.INCONCLUSIVE
    assert portrait.result.reasons == ("several_faces_in_portrait",)
    probe = face.compare(_read("obama.jpg"), [crowd])
    assert probe.result.reasons == ("several_faces_in_probe",)
    assert "several_faces" in probe.probes[0].problems


def test_a_face_too_poor_to_compare() -> None:
    dark = (_pixels("obama2.jpg") * 0.05).astype(np.uint8)
    tiny = _frame(_head("obama2.jpg"), 70)
    for probe in (images.encode_jpeg(dark), tiny):
        comparison = face.compare(_read("obama.jpg"), [probe], second_opinion=False)
        assert comparison.result.outcome is Outcome.INCONCLUSIVE
        assert comparison.result.reasons[0] in ("probe_quality_low", "no_face_in_probe")


def test_the_best_frame_is_chosen_by_quality() -> None:
    good = _frame(_head("obama2.jpg"), 380)
    blurred = Frame(np.asarray(cv2.GaussianBlur(good.pixels, (0, 0), 7), dtype=np.uint8), 0, 0.0)
    small = _frame(_head("obama2.jpg"), 110)
    comparison = face.compare(_read("obama.jpg"), [blurred, good, small], second_opinion=False)
    assert comparison.best == 1
    assert comparison.probes[1].quality > comparison.probes[0].quality


def test_the_highest_score_of_many_never_decides() -> None:
    frames = [_frame(_head("obama2.jpg"), size) for size in (470, 460, 450, 440, 430, 420)]
    comparison = face.compare(_read("obama.jpg"), frames, second_opinion=False)
    scores = [probe.score for probe in comparison.probes if probe.score is not None]
    assert comparison.result.score is not None
    assert min(scores) < comparison.result.score < max(scores)


def test_two_people_taking_turns_before_the_camera_are_inconclusive() -> None:
    frames = [_frame(_head("obama2.jpg")), _frame(_head("biden.jpg"))]
    comparison = face.compare(_read("obama.jpg"), frames)
    assert comparison.result.outcome is Outcome.INCONCLUSIVE
    assert comparison.result.reasons == ("probes_differ",)


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_a_rotated_photograph_is_turned_upright(orientation: int) -> None:
    undo = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
    lying = Image.open(io.BytesIO(_read("obama2.jpg"))).transpose(undo[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    target = io.BytesIO()
    lying.save(target, "JPEG", exif=exif, quality=92)
    comparison = face.compare(_read("obama.jpg"), [target.getvalue()], second_opinion=False)
    assert comparison.result.outcome is Outcome.PASSED


@pytest.mark.parametrize(
    ("data", "code"),
    [(b"", "image_empty"), (b"no picture", "image_not_a_picture"), (_read("obama.jpg")[:9000], "image_truncated")],
)
def test_what_cannot_be_read_is_refused_on_either_side(data: bytes, code: str) -> None:
    for portrait, probe in ((data, _read("obama.jpg")), (_read("obama.jpg"), data)):
        with pytest.raises(UnusableInput) as caught:
            face.compare(portrait, [probe])
        assert caught.value.code == code


def test_guidance_for_a_good_picture() -> None:
    guidance = face.guide(_frame(_head("obama.jpg")))
    assert guidance.problems == ()
    assert guidance.face_box is not None
    x, y, width, height = guidance.face_box
    assert 0.2 < x < x + width < 0.8
    assert 0 < y < y + height < 1
    assert all(0 <= value <= 1 for value in guidance.components.values())


def _lit_from_behind() -> Frame:
    frame = _frame((_head("obama.jpg") * 0.3).astype(np.uint8), 300)
    pixels = frame.pixels.copy()
    pixels[:, :170] = pixels[:, 470:] = pixels[:90] = pixels[390:] = 245
    return Frame(pixels, 0, 0.0)


def _brighter(pixels: Pixels) -> Pixels:
    return np.asarray(cv2.convertScaleAbs(pixels, None, 1.9, 60), dtype=np.uint8)


def _moved(pixels: Pixels) -> Pixels:
    return np.asarray(cv2.blur(pixels, (45, 1)), dtype=np.uint8)


def _turned() -> Frame:
    tilt = cv2.getRotationMatrix2D((320, 240), 35, 1.0)
    turned = cv2.warpAffine(_frame(_head("obama.jpg"), 400).pixels, tilt, (640, 480), borderMode=cv2.BORDER_REPLICATE)
    return Frame(np.asarray(turned, dtype=np.uint8), 0, 0.0)


@pytest.mark.parametrize(
    ("code", "frame"),
    [
        ("no_face", lambda: Frame(np.full((480, 640, 3), 90, np.uint8), 0, 0.0)),
        ("several_faces", lambda: Frame(_row("obama.jpg", "biden.jpg", "astronaut"), 0, 0.0)),
        ("come_closer", lambda: _frame(_head("obama.jpg"), 120)),
        ("too_close", lambda: Frame(np.ascontiguousarray(_head("obama.jpg", 1000)[240:-240, 180:-180]), 0, 0.0)),
        ("move_to_centre", lambda: _frame(_head("obama.jpg"), 300, (0, 100))),
        ("more_light", lambda: Frame((_frame(_head("obama.jpg")).pixels * 0.35).astype(np.uint8), 0, 0.0)),
        ("less_light", lambda: Frame(_brighter(_frame(_head("biden.jpg")).pixels), 0, 0.0)),
        ("light_from_front", _lit_from_behind),
        ("look_straight", _turned),
        ("hold_still", lambda: Frame(_moved(_frame(_head("obama.jpg")).pixels), 0, 0.0)),
    ],
)
def test_guidance_names_the_problem(code: str, frame: object) -> None:
    assert callable(frame)
    guidance = face.guide(frame())
    assert code in guidance.problems
    assert set(guidance.problems) <= {*quality.PROBLEMS, *quality_landmarks.PROBLEMS}
