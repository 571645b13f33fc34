"""Passive signs: each moves the way it should, and none of them alone decides."""

from __future__ import annotations

import math
from pathlib import Path
from random import Random

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from verification import detector, measures, quality_landmarks, signals, species
from verification.contract import Frame, Outcome, Pixels, Sender

DATA = Path(__file__).parent.parent / "data"


def portrait(name: str = "obama.jpg") -> Pixels:
    """The picture in a 640 x 480 frame that it fades into."""
    pixels = cv2.imread(str(DATA / name))
    assert pixels is not None
    scale = 330 / pixels.shape[0]
    small = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    ground = cv2.resize(cv2.GaussianBlur(small, (0, 0), 40), (640, 480)).astype(np.float32)
    height, width = small.shape[:2]
    left, top = (640 - width) // 2, (480 - height) // 2
    x, y = np.arange(width), np.arange(height)
    fade = np.outer(np.clip(np.minimum(y, y[::-1]) / 24, 0, 1), np.clip(np.minimum(x, x[::-1]) / 24, 0, 1))[..., None]
    window = ground[top : top + height, left : left + width]
    window[...] = small * fade + window * (1 - fade)
    return np.asarray(ground, np.uint8)


def stream(pixels: Pixels, count: int = 45, noise: float = 2.0, jitter: int = 40) -> list[Frame]:
    """A camera that looks at it: noise, and a clock that is not quite regular."""
    random = np.random.default_rng(0)
    frames = []
    for number in range(count):
        noisy = np.clip(pixels + random.normal(0, noise, pixels.shape) + random.normal(0, 1), 0, 255).astype(np.uint8)
        stamp = number * 6000 + int(random.integers(-jitter, jitter + 1)) + 500
        frames.append(Frame(noisy, stamp, number / 15))
    return frames


def value(found: tuple[signals.Signal, ...], name: str) -> float:
    return next(s.value for s in found if s.name == name)


def test_an_ordinary_picture_has_no_alarm() -> None:
    found = signals.observe(stream(portrait()))
    assert {s.name for s in found} >= {"moire", "frame_around_face", "gamut", "sharpness", "frozen", "repeated", "seam"}
    assert value(found, "frozen") == 0.0
    assert value(found, "clock_too_regular") > 0.05


def test_a_screen_shows_its_grid_and_its_frame() -> None:
    plain = signals.observe(stream(portrait(), 8))
    screen = signals.observe(stream(species.on_screen(portrait(), 0), 8))
    assert value(screen, "moire") > value(plain, "moire") + 3
    paper = species.held(species.on_paper(portrait(), Random(1)), 0, 0, 1.0, Random(1))
    assert value(signals.observe(stream(paper, 8)), "gamut") < value(plain, "gamut")


def test_a_rim_round_the_face_is_seen() -> None:
    framed = portrait()
    cv2.rectangle(framed, (215, 40), (425, 440), (250, 250, 250), 10)
    plain, rim = (signals.observe(stream(p, 8)) for p in (portrait(), framed))
    assert value(rim, "frame_around_face") >= 3 > value(plain, "frame_around_face")


def test_a_frozen_picture_and_a_loop_are_counted() -> None:
    held = portrait()
    frames = [Frame(held, n * 6000, n / 15) for n in range(45)]
    assert value(signals.observe(frames), "frozen") == 1.0
    assert value(signals.observe(frames), "clock_too_regular") == 0.0
    still = portrait()
    moving = [np.roll(still, shift, axis=1) for shift in range(0, 60, 2)]
    loop = [Frame(moving[n % 30], n * 6000, n / 15) for n in range(90)]
    once = [Frame(np.roll(still, n, axis=1), n * 6000, n / 15) for n in range(90)]
    assert value(signals.observe(loop), "repeated") > 0.6
    assert value(signals.observe(once), "repeated") < 0.1


def test_a_patch_over_the_face_leaves_an_edge() -> None:
    plain = portrait("biden.jpg")
    ring = species.points_of(plain)[list(signals._INNER_RING), :2].astype(np.int32)
    mask = np.zeros(plain.shape[:2], np.uint8)
    cv2.fillPoly(mask, [ring], 1)
    patched = np.where(mask[..., None] > 0, np.clip(plain.astype(int) + 40, 0, 255), plain).astype(np.uint8)
    without, with_patch = (signals.observe(stream(p, 3)) for p in (plain, patched))
    assert value(with_patch, "seam") > value(without, "seam") + 0.5


@pytest.mark.parametrize(
    ("label", "virtual"),
    [
        ("OBS Virtual Camera", True), ("ManyCam Virtual Webcam", True), ("Dummy video device (0x0000)", True),
        ("obs-camera", True), ("DroidCam Source 3", True), ("v4l2loopback", True),
        ("Integrated Camera (04f2:b6d9)", False), ("FaceTime HD Camera", False), ("camera2 1, facing front", False),
        ("Logitech HD Pro Webcam C920", False), ("Obsidian Webcam", False), ("", False),
    ],
)  # fmt: skip
def test_virtual_cameras_are_known_by_name(label: str, virtual: bool) -> None:
    assert signals.is_virtual_camera(label) is virtual
    found = signals.observe(stream(portrait(), 3), Sender(device_label=label))
    assert any(s.name == "virtual_camera" and s.suspicion == 1.0 for s in found) is virtual


def test_a_camera_that_does_not_answer_is_noted() -> None:
    found = signals.observe(stream(portrait(), 3), Sender(size_answer=math.inf))
    assert next(s for s in found if s.name == "camera_did_not_answer").suspicion == 1.0
    found = signals.observe(stream(portrait(), 3), Sender(size_answer=0.4))
    assert next(s for s in found if s.name == "camera_did_not_answer").suspicion == 0.0


@pytest.mark.parametrize("name", list(signals.LIMITS))
def test_no_sign_alone_refers_and_two_strong_ones_do(name: str) -> None:
    limit = signals.LIMITS[name]
    alarm = signals.signal(name, limit.alarming)
    assert alarm.suspicion == 1.0
    assert signals.signal(name, limit.calm).suspicion == 0.0
    assert limit.weight < signals.REFER
    assert signals.check([alarm]).outcome is Outcome.PASSED
    two = [signals.signal(n, signals.LIMITS[n].alarming) for n in ("moire", "frame_around_face")]
    assert signals.check(two).outcome is Outcome.INCONCLUSIVE
    assert signals.check(two).reasons == ("sign_moire", "sign_frame_around_face")


@given(st.dictionaries(st.sampled_from(list(signals.LIMITS)), st.floats(0, 1), min_size=1), st.floats(0, 1))
def test_more_suspicion_is_never_less_risk(shares: dict[str, float], more: float) -> None:
    def at(name: str, share: float) -> signals.Signal:
        limit = signals.LIMITS[name]
        return signals.signal(name, limit.calm + share * (limit.alarming - limit.calm))

    low = signals.risk([at(n, s * more) for n, s in shares.items()])
    high = signals.risk([at(n, s) for n, s in shares.items()])
    assert 0 <= low <= high <= 1
    assert signals.check([at(n, s) for n, s in shares.items()]).outcome is not Outcome.FAILED


def test_nothing_seen_is_not_a_pass() -> None:
    black = [Frame(np.zeros((480, 640, 3), np.uint8), 0, 0.0)]
    result = signals.check(signals.observe(black))
    assert (result.outcome, result.reasons) == (Outcome.INCONCLUSIVE, ("no_signals",))


def test_landmarks_see_shut_eyes_open_mouth_and_a_mask() -> None:
    plain = cv2.imread(str(DATA / "biden.jpg"))
    assert plain is not None
    face = detector.detect(plain)[0]
    values, problems = quality_landmarks.components(Frame(plain, 0, 0.0), face)
    assert problems == ()
    assert values["mouth_closed"] > 0.8
    points = species.points_of(plain)
    masked = plain.copy()
    cv2.fillPoly(masked, [points[[50, 2, 280, 397, 152, 172], :2].astype(np.int32)], (200, 160, 90))
    cover, said = quality_landmarks.components(Frame(masked, 0, 0.0), face)
    assert cover["face_occlusion_prevention"] < 0.3 < values["face_occlusion_prevention"]
    assert "uncover_face" in said
    shut, lid = points.copy(), np.array([0.0, 0.3])
    for upper, lower in ((159, 145), (158, 153), (160, 144), (386, 374), (385, 380), (387, 373)):
        middle = (points[upper, :2] + points[lower, :2]) / 2
        shut[upper, :2], shut[lower, :2] = middle - lid, middle + lid
    seen = measures.of_landmarks(shut, 1.0, plain, 1, Frame(plain, 0, 0.0))
    assert max(seen.right_eye, seen.left_eye) < quality_landmarks.EYES_SHUT
    assert quality_landmarks.components(Frame(np.zeros_like(plain), 0, 0.0), face) == ({}, ())


def test_each_sign_names_its_model_and_its_measured_error() -> None:
    result = signals.check((signals.signal("moire", 20.0), signals.signal("virtual_camera", 1.0)))
    assert set(result.details) == {"moire", "virtual_camera"}
    assert all(figures["model"] for figures in result.details.values())
    assert (result.details["moire"]["against"], result.details["virtual_camera"]["error"]) == ("screen_replay", None)


def test_a_clock_is_judged_whatever_frames_are_left_out() -> None:
    random = np.random.default_rng(1)
    steps = random.integers(1, 4, 40).cumsum()
    perfect = [int(step) * 3000 for step in steps]
    assert signals.jitter(perfect) == 0.0
    shaken = [stamp + int(random.integers(-90, 91)) for stamp in perfect]
    assert signals.jitter(shaken) > 0.2
    assert math.isnan(signals.jitter(perfect[:5]))
