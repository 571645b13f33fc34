from __future__ import annotations

from datetime import date
from pathlib import Path

import cv2
import numpy as np
import pytest

from verification import specimen, tilt
from verification.contract import Outcome, Pixels
from verification.portrait import cut_portrait
from verification.tilt_sequence import Kind, render

DATA = Path(__file__).resolve().parents[1] / "data"
LEFT, TOP, RIGHT, BOTTOM = specimen.VARIABLE_BOX
DEVICE = (LEFT / specimen.WIDTH, TOP / specimen.HEIGHT, RIGHT / specimen.WIDTH, BOTTOM / specimen.HEIGHT)


@pytest.fixture(scope="module")
def sequences() -> dict[Kind, list[Pixels]]:
    face = cut_portrait(np.asarray(cv2.imread(str(DATA / "biden.jpg")), np.uint8))
    holder = specimen.make_holder(seed=2, today=date(2026, 11, 22))
    return {kind: render(holder, face, kind, seed=2, count=7) for kind in Kind}


def test_a_genuine_card_tilted_in_a_hand_passes(sequences: dict[Kind, list[Pixels]]) -> None:
    result = tilt.judge(sequences[Kind.GENUINE], [DEVICE])
    assert (result.outcome, result.reasons) == (Outcome.PASSED, ())
    assert result.details["frames"] == 7


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (Kind.COPY, "tilt_light_does_not_move"),
        (Kind.OVERLAY, "tilt_not_one_plane"),
        (Kind.STILL, "tilt_too_small"),
    ],
)
def test_what_is_no_tilted_card_does_not(sequences: dict[Kind, list[Pixels]], kind: Kind, reason: str) -> None:
    result = tilt.judge(sequences[kind], [DEVICE])
    assert result.outcome is Outcome.INCONCLUSIVE
    assert reason in result.reasons


def test_a_region_without_a_device_shows_no_movement(sequences: dict[Kind, list[Pixels]]) -> None:
    elsewhere = (0.6, 0.05, 0.8, 0.35)
    assert "tilt_light_does_not_move" in tilt.judge(sequences[Kind.GENUINE], [elsewhere]).reasons


def test_too_few_frames_say_so(sequences: dict[Kind, list[Pixels]]) -> None:
    empty = [np.full((720, 1280, 3), 90, np.uint8)] * 6
    for frames in ([], empty, sequences[Kind.GENUINE][:3]):
        result = tilt.judge(frames, [DEVICE])
        assert (result.outcome, result.reasons) == (Outcome.INCONCLUSIVE, ("tilt_card_not_seen",))
