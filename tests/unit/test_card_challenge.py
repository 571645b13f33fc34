"""What is asked of the card, how it leans, what a finger does: without rendering a picture where none is needed."""

from __future__ import annotations

import pickle
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verification import card_challenge, card_plane, finger, tilt
from verification.card_challenge import FINGERS, TILTS, Kind, Script, Step
from verification.contract import Frame, Outcome, Pixels
from verification.photograph import Shot, card_corners
from verification.tilt_judge import STRAIGHT, Judge

FLAT = np.zeros((801, 1270, 3), np.uint8)
GREY: Pixels = np.full((tilt.FLAT[1], tilt.FLAT[0], 3), 120, np.uint8)


@given(st.integers(0, 10_000))
def test_a_script_has_three_tilts_and_a_finger_in_any_order(seed: int) -> None:
    script = card_challenge.choose(Random(seed))
    kinds = [step.kind for step in script.steps]
    assert len(set(kinds)) == 4
    assert sum(kind in TILTS for kind in kinds) == 3 and sum(kind in FINGERS for kind in kinds) == 1
    assert script.entropy_bits == pytest.approx(7.58, abs=0.01)


def test_every_script_is_drawn() -> None:
    drawn = {tuple(step.kind for step in card_challenge.choose(Random(seed)).steps) for seed in range(4000)}
    assert len(drawn) == 192


@settings(deadline=None)
@given(st.sampled_from([(0.0, -1.0), (0.0, 1.0), (1.0, 0.0), (-1.0, 0.0)]), st.floats(8, 30), st.floats(-35, 35))
def test_the_nearer_edge_is_told_at_any_turn_in_the_picture(
    direction: tuple[float, float], angle: float, turn: float
) -> None:
    shot = Shot(width=1280, height=720, fill=0.45, turn=turn, tilt_x=direction[0] * angle, tilt_y=direction[1] * angle)
    left, up = card_plane.lean(card_corners(FLAT, shot), (1280, 720))
    along_card = np.radians(turn)
    own = (-direction[1], direction[0])  # nearer left, nearer top, along the card's own sides
    expected = (
        own[0] * np.cos(along_card) - own[1] * np.sin(along_card),
        own[0] * np.sin(along_card) + own[1] * np.cos(along_card),
    )
    assert (left, up) == (
        pytest.approx(expected[0] * angle, abs=0.35 * angle),
        pytest.approx(expected[1] * angle, abs=0.35 * angle),
    )


def masks(places: list[float | None], width: float = 0.09, gap: tuple[float, float] | None = None) -> list[finger.Mask]:
    """A finger from below with its middle at those places; ``gap``: columns where something lies over it."""
    made = []
    columns = (np.arange(finger.CELLS[0]) + 0.5) / finger.CELLS[0]
    for place in places:
        mask = np.zeros(finger.CELLS[::-1], bool)
        if place is not None:
            mask[6:, np.abs(columns - place) < width / 2] = True
        if gap is not None:
            mask[5:18, (columns > gap[0]) & (columns < gap[1])] = False
        made.append(mask)
    return made


ACROSS: list[float | None] = [None, None, *np.linspace(-0.05, 1.05, 9), None]


def test_a_finger_from_side_to_side_is_a_whole_way() -> None:
    assert finger.way(masks(ACROSS), 1).whole
    assert not finger.way(masks(ACROSS), -1).whole
    assert finger.way(masks(ACROSS[::-1]), -1).whole


@pytest.mark.parametrize(
    "places",
    [
        [0.5] * 8,
        [None] * 8,
        list(np.linspace(0.0, 0.5, 8)),
        [0.1, 0.9, 0.1, 0.9, 0.1, 0.9],
        [0.0, None, None, None, 1.0],
    ],
)
def test_what_is_no_way_across_is_none(places: list[float | None]) -> None:
    assert not finger.way(masks(places), 1).whole


def test_a_picture_that_stays_before_the_finger_leaves_a_hole() -> None:
    found = finger.way(masks(ACROSS, gap=(0.04, 0.28)), 1)
    assert found.travelled >= finger.TRAVELLED and found.crossed < finger.CROSSED


def test_a_card_that_changes_all_over_is_no_finger() -> None:
    covers = masks(ACROSS)
    for number, mask in enumerate(covers):
        mask[number % 3 : number % 3 + 4, : 38 - number] = True  # something larger moves beside it
    assert not finger.way(covers, 1).whole


def test_what_does_not_move_is_left_out() -> None:
    covers = masks(ACROSS)
    for mask in covers:
        mask[14:22, 32:39] = True  # the device's other colour
    assert finger.way(covers, 1).whole


class Told(Judge):
    """A judge that is told what it sees: the leans of a card, or nothing; the sequence's end is judged as ever."""

    def __init__(self, script: Script) -> None:
        super().__init__(script)
        self.seen: tuple[float, float] | None = (0.0, 0.0)
        self.plane = 1.0
        self.flat = GREY

    def _look(self, pixels: Pixels) -> card_plane.Seen | None:
        self._reference = card_plane.Reference(
            GREY, GREY[..., 0], np.zeros((0, 2), np.float32), np.zeros((0, 32), np.uint8)
        )
        return None if self.seen is None else card_plane.Seen(self.seen, self.flat, self.plane)

    def at(self, second: float, seen: tuple[float, float] | None) -> None:
        self.seen = seen
        self.feed(Frame(GREY, 0, second))


AWAY = {
    Kind.TILT_LEFT: (15.0, 0.0),
    Kind.TILT_RIGHT: (-15.0, 0.0),
    Kind.TILT_UP: (0.0, 15.0),
    Kind.TILT_DOWN: (0.0, -15.0),
}


def asked(*kinds: Kind) -> Told:
    return Told(Script(tuple(Step(kind, 8.0, 0.6) for kind in kinds), 1.0))


def calm(judge: Told, second: float, lean: tuple[float, float] = (0.0, 0.0)) -> float:
    """Hold the card still until the next step may be shown, and show it; when that was."""
    while not judge.ready:
        judge.at(second, lean)
        second += 0.3
        assert second < 60
    judge.show(second)
    return second


@pytest.mark.parametrize("kind", TILTS)
def test_the_asked_tilt_is_answered_and_any_other_is_another_movement(kind: Kind) -> None:
    for other in TILTS:
        judge = asked(kind, Kind.TILT_LEFT)
        second = calm(judge, 0.0, (3.0, -2.0))
        for number in range(3):
            judge.at(second + 0.3 * (number + 1), (AWAY[other][0] + 3.0, AWAY[other][1] - 2.0))
        assert [one.outcome for one in judge.outcomes] == [Outcome.PASSED if kind is other else Outcome.FAILED]
        if kind is not other:
            assert judge.complete and judge.result().outcome is Outcome.FAILED
            assert "tilt_wrong_movement" in judge.result().reasons


def test_a_card_held_still_is_not_answered_and_one_that_is_gone_is_lost() -> None:
    for seen, reason, said in (
        ((0.0, 0.0), "not_answered", "tilt_not_answered"),
        (None, "card_lost", "tilt_card_not_seen"),
    ):
        judge = asked(Kind.TILT_UP)
        second = calm(judge, 0.0)
        while not judge.complete:
            second += 0.3
            judge.at(second, seen)
        assert [one.reason for one in judge.outcomes] == [reason]
        assert judge.result().outcome is Outcome.INCONCLUSIVE and said in judge.result().reasons


def test_no_step_begins_while_the_card_leans_or_moves() -> None:
    judge = asked(Kind.TILT_UP)
    for number in range(20):
        judge.at(0.3 * number, (STRAIGHT + 2, 0.0))
        assert not judge.ready
    for number in range(20, 40):
        judge.at(0.3 * number, (6.0 * (number % 2), 0.0))
        assert not judge.ready
    with pytest.raises(ValueError, match="due"):
        asked(Kind.TILT_UP).show(0.0)


def test_a_movement_before_it_was_asked_counts_for_nothing() -> None:
    judge = asked(Kind.TILT_LEFT)
    second = calm(judge, 0.0)
    judge.at(second - 0.1, AWAY[Kind.TILT_LEFT])
    assert judge.outcomes == []


def test_a_part_that_moves_by_itself_fails_the_whole() -> None:
    for plane, outcome in ((0.7, Outcome.FAILED), (0.83, Outcome.INCONCLUSIVE), (1.0, Outcome.PASSED)):
        judge = asked(Kind.TILT_LEFT)
        judge.plane = plane
        second = calm(judge, 0.0)
        judge.at(second + 0.3, AWAY[Kind.TILT_LEFT])
        assert judge.result().outcome is outcome  # too little was seen to say anything of the light


def test_the_judge_survives_the_way_to_another_process() -> None:
    judge = asked(Kind.TILT_LEFT, Kind.TILT_UP)
    calm(judge, 0.0)
    again = pickle.loads(pickle.dumps(judge))
    assert again.script == judge.script and again.next_step is None


def test_a_finger_asked_for_is_seen_in_what_covers_the_card() -> None:
    for kind, outcome in ((Kind.FINGER_RIGHT, Outcome.PASSED), (Kind.FINGER_LEFT, Outcome.FAILED)):
        judge = asked(kind)
        second = calm(judge, 0.0)
        for place in [*np.linspace(-0.05, 1.05, 10), *[None] * 30]:
            judge.flat = GREY.copy()
            if place is not None:
                middle = round(float(place) * tilt.FLAT[0])
                judge.flat[100:, max(0, middle - 30) : max(0, middle + 30)] = (110, 140, 200)
            second += 0.3
            judge.at(second, (0.0, 0.0))
        assert [one.outcome for one in judge.outcomes] == [outcome]
