"""The judge of a tilted card, and the stills of its features, on rendered pictures of a card in a hand."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from verification import card_plane, feature_stills, security_features, specimen
from verification.card_challenge import Kind, Script, Step
from verification.contract import Outcome, Pixels, Side, UnusableInput
from verification.photograph import Shot, photograph
from verification.portrait import cut_portrait
from verification.security_features import Feature
from verification.tilt_trials import TODAY, Actor, Person, Tally, actors, as_text, play

DATA = Path(__file__).resolve().parents[1] / "data"
SIZE = (640, 360)
HOLDER = specimen.make_holder(seed=2, today=TODAY)


@pytest.fixture(scope="module")
def face() -> Pixels:
    return cut_portrait(np.asarray(cv2.imread(str(DATA / "biden.jpg")), np.uint8))


@pytest.fixture(scope="module")
def front(face: Pixels) -> Pixels:
    return specimen.draw_front(HOLDER, face, 2)


def script(*kinds: Kind) -> Script:
    return Script(tuple(Step(kind, 8.0, 0.6) for kind in kinds), 1.0)


def test_who_does_what_is_asked_passes_and_who_lays_a_picture_over_it_does_not(face: Pixels) -> None:
    genuine = play(Person(Actor.GENUINE, HOLDER, face, 3, SIZE), script(Kind.TILT_LEFT, Kind.FINGER_RIGHT))
    assert (genuine.outcome, genuine.reasons) == (Outcome.PASSED, ())
    laid_over = play(Person(Actor.OVERLAY, HOLDER, face, 3, SIZE), script(Kind.TILT_LEFT, Kind.TILT_UP))
    assert laid_over.outcome is Outcome.FAILED and "tilt_not_one_plane" in laid_over.reasons


def test_the_tables_rows_carry_their_bounds() -> None:
    tally = Tally(sequences=4, outcomes={"passed": 4}, steps=16, answered=12, reasons={"tilt_not_answered": 2})
    row = tally.row(Actor.STILL)
    assert (row["passed_share"], row["steps_answered"]) == (1.0, 0.75)
    assert row["passed_bounds"][0] < 0.5 and row["passed_bounds"][1] == 1.0
    assert actors([]) == tuple(Actor) and actors(["copy"]) == (Actor.COPY,)
    with pytest.raises(UnusableInput, match="genuine"):
        actors(["nobody"])
    assert "still" in as_text([row]) and "tilt_not_answered 2" in as_text([row])


def test_a_film_of_another_script_fails(face: Pixels) -> None:
    filmed = play(Person(Actor.REPLAY, HOLDER, face, 4, SIZE), script(Kind.TILT_UP), script(Kind.TILT_DOWN))
    assert (filmed.outcome, filmed.reasons) == (Outcome.FAILED, ("tilt_wrong_movement",))


def test_a_picture_without_a_card_or_without_a_portrait_is_no_reference(front: Pixels) -> None:
    back = specimen.draw_back(HOLDER, HOLDER.mrz_lines(), 2)
    shot = Shot(width=800, height=450, fill=0.5)
    assert card_plane.refer(photograph(back, shot, 1).pixels) is None
    assert card_plane.refer(np.full((450, 800, 3), 90, np.uint8)) is None
    found = card_plane.refer(photograph(front, shot, 1).pixels)
    assert found is not None
    upside_down = np.ascontiguousarray(photograph(front, shot, 1).pixels[::-1, ::-1])
    turned = card_plane.refer(upside_down)
    assert turned is not None and np.abs(turned[0].flat.astype(int) - found[0].flat).mean() < 8, "not upright"
    assert card_plane.follow(found[0], upside_down) is not None
    assert card_plane.follow(found[0], np.full((450, 800, 3), 90, np.uint8)) is None


def test_a_feature_is_cut_from_the_sharpest_frame_that_shows_its_side(front: Pixels) -> None:
    portrait = next(one for one in security_features.load("kazakhstan_id").features if one.kind == "portrait")
    blurred, sharp = (
        photograph(front, Shot(width=1000, height=600, fill=0.6, blur=blur), 1).pixels for blur in (3.0, 0.5)
    )
    empty = np.full((600, 1000, 3), 90, np.uint8)
    (still,) = feature_stills.take([empty, blurred, sharp], [portrait])
    assert (still.found, still.index) == (True, 2)
    cut = np.asarray(cv2.imdecode(np.frombuffer(still.jpeg, np.uint8), cv2.IMREAD_COLOR))
    assert cut.shape[1] == 900 and cut.shape[0] > cut.shape[1]
    (none,) = feature_stills.take([empty], [portrait])
    assert not none.found and none.index == 0
    with pytest.raises(ValueError, match="frames"):
        feature_stills.take([], [portrait])


def test_the_back_is_known_by_having_no_portrait_and_turned_by_its_zone(front: Pixels) -> None:
    back = specimen.draw_back(HOLDER, HOLDER.mrz_lines(), 2)
    shot = Shot(width=1000, height=600, fill=0.6)
    of_back = Feature("ground", "fine_lines", Side.BACK, False, (0.0, 0.1, 0.55, 0.55), "closer", {})
    upright = feature_stills.lay(photograph(back, shot, 1).pixels)
    turned = feature_stills.lay(np.ascontiguousarray(photograph(back, shot, 1).pixels[::-1, ::-1]))
    assert upright is not None and turned is not None
    assert upright[0] is turned[0] is Side.BACK
    as_large = cv2.resize(turned[1], upright[1].shape[1::-1]).astype(int)
    assert np.abs(upright[1] - as_large).mean() < 0.7 * np.abs(upright[1] - as_large[::-1, ::-1]).mean()
    (still,) = feature_stills.take([photograph(front, shot, 1).pixels], [of_back])
    assert not still.found
