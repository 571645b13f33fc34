from __future__ import annotations

from dataclasses import replace
from datetime import date

import cv2
import numpy as np
import pytest

from verification import card, card_quality, specimen
from verification.contract import Pixels
from verification.photograph import Photograph, Shot, photograph


@pytest.fixture(scope="module")
def back() -> Pixels:
    holder = specimen.make_holder(seed=1, today=date(2026, 11, 22))
    return specimen.draw_back(holder, holder.mrz_lines(), 1)


def corner_error(found: card.Card, taken: Photograph) -> float:
    """Greatest distance of a corner, as a share of the picture's width."""
    orders = [np.roll(found.corners, turn, axis=0) for turn in range(4)]
    return float(min(np.abs(order - taken.corners).max() for order in orders)) / taken.pixels.shape[1]


SHOTS = {
    "ordinary": Shot(),
    "turned": Shot(turn=37, fill=0.55),
    "upright": Shot(turn=91, fill=0.55),
    "upside-down": Shot(turn=178),
    "tilted": Shot(tilt_x=24, tilt_y=-16),
    "dim": Shot(exposure=0.3, noise=5),
    "small": Shot(fill=0.35),
    "blurred": Shot(blur=2.2),
    "low resolution": Shot(width=640, height=480),
}


@pytest.mark.parametrize("shot", SHOTS.values(), ids=SHOTS)
def test_a_photographed_card_is_found(back: Pixels, shot: Shot) -> None:
    taken = photograph(back, shot, seed=2)
    found = card.find(taken.pixels)
    assert found
    assert not found[0].cut
    assert corner_error(found[0], taken) < 0.02


def test_a_scan_is_the_card_edge_to_edge(back: Pixels) -> None:
    found = card.find(back)
    assert found[0].whole_picture
    flat = card.straighten(back, found[0].corners)
    assert flat.shape == back.shape
    assert float(np.abs(flat.astype(int) - back.astype(int)).mean()) < 2


def test_no_card_is_found_where_there_is_none() -> None:
    random = np.random.default_rng(0)
    noise = random.normal(128, 20, (600, 800, 3)).clip(0, 255).astype(np.uint8)
    assert card.find(noise) == []
    assert card.find(np.full((600, 800, 3), 90, np.uint8)) == []


def test_straightening_lays_the_print_where_it_was_drawn(back: Pixels) -> None:
    taken = photograph(back, Shot(noise=1, light=1.0), seed=3)
    flat = card.straighten(taken.pixels, taken.corners)
    expected = cv2.resize(back, (flat.shape[1], flat.shape[0]), interpolation=cv2.INTER_AREA)
    inner = np.s_[40:-40, 40:-40]
    assert float(np.corrcoef(flat[inner].ravel(), expected[inner].ravel())[0, 1]) > 0.9
    assert flat.shape[1] / flat.shape[0] == pytest.approx(card.ASPECT, abs=0.01)


def test_a_straightened_card_is_bounded() -> None:
    corners = np.array([[0, 0], [4000, 0], [4000, 2500], [0, 2500]], np.float32)
    flat = card.straighten(np.zeros((2500, 4000, 3), np.uint8), corners)
    assert flat.shape[1] == card.FLAT_WIDTH


def quality(back: Pixels, shot: Shot) -> card_quality.CardQuality:
    taken = photograph(back, shot, seed=5)
    return card_quality.measure(card.straighten(taken.pixels, taken.corners), shot.fill * shot.width)


def test_each_fault_is_seen_and_only_where_it_is(back: Pixels) -> None:
    good = quality(back, Shot())
    assert not (good.blurred or good.glared or good.too_dark or good.too_small)
    assert quality(back, Shot(blur=4.5)).blurred
    assert quality(back, Shot(exposure=0.12)).too_dark
    assert quality(back, Shot(width=640, height=480, fill=0.6)).too_small
    glared = quality(back, Shot(glare=1.0, glare_at=(0.125, 0.5), glare_size=0.09))
    assert [index for index, region in enumerate(glared.regions) if region.glared] == [4]


def test_more_blur_never_measures_sharper(back: Pixels) -> None:
    spreads = [quality(back, replace(Shot(), blur=blur)).spread for blur in (0.6, 1.2, 2.0, 3.0, 4.5)]
    assert None not in spreads
    assert spreads == sorted(spreads, key=float)  # type: ignore[arg-type]


def test_white_paper_is_no_glare(back: Pixels) -> None:
    assert not card_quality.measure(back, 1270).glared
