"""Attack species of the card, made from specimens: portraits laid over it, keyed hands, morphs, another's card.

The signs are two. *Slip*: when the card moves in the hand, everything printed on it moves as one plane; a portrait laid
over it by software follows with the error of its tracking. *Fringe*: where a hand covers the card, edge pixels mix hand
and card; where the card was keyed in behind the hand, they mix hand and key. Both look at a sequence, never at a still.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from random import Random
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from verification import detector, face, images, species, specimen
from verification.attack_report import species_row
from verification.clips import Clip
from verification.contract import Frame, Outcome, Pixels
from verification.photograph import Shot, photograph

SLIP: Final = 0.4
"""Pixels of a card 640 wide (0.05 mm): genuine sequences gave 0.02 to 0.06, overlays 0.9 to 5.4 (docs/attacks.md)."""
FRINGE: Final = 0.8
"""Distance in Lab's a and b (8-bit) of edge pixels from the mix of hand and card: drawn hands 0.4 to 0.5, keyed 1.0 to
6.2 (docs/attacks.md). Drawn hands cast no shadow: to be measured anew on filmed ones before it counts for anything."""
TRACKING_ERROR: Final = 1.5
"""Pixels (standard deviation, picture 1000 wide) by which an overlay misses the card: a marker-based tracker."""
_FLAT: Final = (640, 404)
_VIEWS: Final = 5
_KEY: Final = (40, 30, 205)
"""BGR of the red that the card was painted in 2022."""
Floats = NDArray[np.float64]


def slip(flats: Sequence[Pixels]) -> float:
    """How far (pixels of _FLAT, 90th percentile over the views) the portrait leaves the plane of the rest of the card.

    ``flats``: the same side straightened to _FLAT, from several views; the first has to show the portrait. Raises
    ValueError where no face is found on it.
    """
    faces = detector.detect(flats[0], 640)
    if not faces:
        raise ValueError("no portrait")
    grey = [np.asarray(cv2.cvtColor(flat, cv2.COLOR_BGR2GRAY), np.uint8) for flat in flats]
    box = faces[0]
    inner = _inside(box, 0.15)
    outer = _inside(box, 0.75)
    print_mask, face_mask = np.full(grey[0].shape, 255, np.uint8), np.zeros(grey[0].shape, np.uint8)
    print_mask[outer[1] : outer[3], outer[0] : outer[2]] = 0
    print_mask[:, -160:] = 0  # the optically variable device changes by design
    face_mask[inner[1] : inner[3], inner[0] : inner[2]] = 255
    printed = cv2.goodFeaturesToTrack(grey[0], 300, 0.02, 5, mask=print_mask)
    portrait = cv2.goodFeaturesToTrack(grey[0], 80, 0.02, 4, mask=face_mask)
    if printed is None or portrait is None or len(printed) < 12 or len(portrait) < 6:
        raise ValueError("too little print")
    slips = []
    for other in grey[1:]:
        moved, there, _ = cv2.calcOpticalFlowPyrLK(grey[0], other, printed, np.zeros_like(printed), winSize=(21, 21))
        carried, held, _ = cv2.calcOpticalFlowPyrLK(grey[0], other, portrait, np.zeros_like(portrait), winSize=(21, 21))
        good, kept = there.ravel() == 1, held.ravel() == 1
        plane, _ = cv2.findHomography(printed[good], moved[good], cv2.RANSAC, 1.0)
        if plane is None or int(kept.sum()) < 4:
            continue
        expected = cv2.perspectiveTransform(portrait[kept], plane)
        offset = np.median((np.asarray(carried)[kept] - np.asarray(expected)).reshape(-1, 2), axis=0)
        slips.append(float(np.hypot(*offset)))
    if not slips:
        raise ValueError("views do not match")
    return float(np.quantile(slips, 0.9))


def fringe(free: Pixels, covered: Pixels) -> float:
    """How far the colours along a hand's edge are from mixes of hand and card (Lab a, b; median).

    ``free`` and ``covered``: the card straightened, without and with a hand over part of it. 0 where nothing covers it.
    """
    first, second = (np.asarray(cv2.cvtColor(p, cv2.COLOR_BGR2LAB), np.float32) for p in (free, covered))
    changed = (np.abs(first - second).max(axis=2) > 28).astype(np.uint8)
    hand = cv2.morphologyEx(changed, cv2.MORPH_OPEN, np.ones((7, 7), np.uint8))
    if float(hand.mean()) < 0.02:
        return 0.0
    core = cv2.erode(hand, np.ones((9, 9), np.uint8))
    ring = (cv2.dilate(hand, np.ones((5, 5), np.uint8)) - cv2.erode(hand, np.ones((3, 3), np.uint8))) > 0
    if not core.any() or not ring.any():
        return 0.0
    own = np.median(second[core > 0][:, 1:], axis=0)
    card, seen = first[ring][:, 1:], second[ring][:, 1:]
    along = card - own
    share = np.clip(((seen - own) * along).sum(axis=1) / np.maximum((along**2).sum(axis=1), 1e-3), 0, 1)
    return float(np.quantile(np.hypot(*(seen - own - share[:, None] * along).T), 0.75))


def views(card: Pixels, random: Random, overlay: Pixels | None = None) -> list[Pixels]:
    """The card straightened from _VIEWS photographs of a hand that tilts it; ``overlay``: a portrait laid over it."""
    flats = []
    for _ in range(_VIEWS):
        shot = Shot(
            width=1000, height=750, turn=random.uniform(-6, 6), tilt_x=random.uniform(-18, 18),
            tilt_y=random.uniform(-18, 18), noise=2.5, fill=random.uniform(0.62, 0.74),
        )  # fmt: skip
        taken = photograph(card, shot, random.randrange(2**31))
        pixels = taken.pixels
        if overlay is not None:
            pixels = _laid_over(pixels, overlay, card.shape, taken.corners, random)
        to = np.array([[0, 0], [_FLAT[0], 0], _FLAT, [0, _FLAT[1]]], np.float32)
        noise = np.array([[random.gauss(0, 1.0), random.gauss(0, 1.0)] for _ in range(4)], np.float32)
        flat = cv2.warpPerspective(pixels, cv2.getPerspectiveTransform(taken.corners + noise, to), _FLAT)
        flats.append(np.asarray(flat, np.uint8))
    return flats


def under_hand(flat: Pixels, random: Random, keyed: bool) -> Pixels:
    """A finger across the card; ``keyed``: the card was painted red and this one put in its place by software."""
    hand = np.zeros(flat.shape[:2], np.float32)
    x, lean = random.randint(220, 460), random.randint(-60, 60)
    cv2.line(hand, (x, _FLAT[1] + 20), (x + lean, random.randint(90, 180)), 1.0, random.randint(54, 76), cv2.LINE_AA)
    share = cv2.GaussianBlur(hand, (0, 0), 1.6)[..., None]
    skin = np.array([112, 142, 200], np.float32) + np.random.default_rng(random.randrange(2**31)).normal(
        0, 3, (*flat.shape[:2], 1)
    ).astype(np.float32)
    if not keyed:
        return np.asarray(np.clip(skin * share + flat * (1 - share), 0, 255), np.uint8)
    filmed = skin * share + np.array(_KEY, np.float32) * (1 - share)
    red = filmed[..., 2] - filmed[..., 1]
    key = np.clip((red - 95) / 60, 0, 1)[..., None]  # a keyer's soft threshold on redness
    return np.asarray(np.clip(flat * key + filmed * (1 - key), 0, 255), np.uint8)


def morph(one: Pixels, two: Pixels) -> Pixels:
    """The face half way between two: shapes averaged, textures averaged."""
    first, second = species.points_of(one), species.points_of(two)
    fit = species.similarity(second, first)
    near = np.asarray(cv2.warpAffine(two, fit, (one.shape[1], one.shape[0]), borderMode=cv2.BORDER_REPLICATE), np.uint8)
    second = species.points_of(near)
    middle = ((first + second) / 2).astype(np.float32)
    halves = species.warped(one, first, middle).astype(np.float32), species.warped(near, second, middle)
    return np.asarray((halves[0] + halves[1]) / 2, np.uint8)


def run(cast: Mapping[str, Clip], each: int, seed: int = 0) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Rows of the four card species, and the genuine cards that the signs would turn away."""
    decisions: dict[str, list[str]] = {name: [] for name in _WHAT}
    genuine: list[str] = []
    people = sorted(cast)
    for number in range(each):
        random = Random(f"card {seed}:{number}")  # noqa: S311 - a run is to be repeatable
        random.shuffle(people)
        owner, thief = cast[people[0]], cast[people[1]]
        mine, his = _still(owner), _still(thief)
        card, flat_thief = _card(mine, number), _card(his, number)
        left, top, right, bottom = specimen.PORTRAIT_BOX
        patch = flat_thief[top:bottom, left:right]
        plain = views(card, random)
        genuine.append("accepted" if _calm(plain, under_hand(plain[0], random, False)) else "referred")
        laid = views(card, random, patch)
        decisions["portrait_over_card"].append("accepted" if slip(laid) < SLIP else "referred")
        keyed = fringe(plain[0], under_hand(plain[0], random, True))
        decisions["keyed_hand_over_card"].append("accepted" if keyed < FRINGE else "referred")
        probes = [Frame(pixels, 0, 0.0) for pixels in list(thief.pixels.values())[:5]]
        decisions["other_persons_card"].append(_compared(card, probes))
        decisions["morphed_portrait"].append(_compared(_card(morph(mine, his), number), probes))
    rows = [species_row(name, what, decisions[name], note) for name, (what, note) in _WHAT.items()]
    turned = species_row(
        "bona_fide_card", "the owner's card in the hand", genuine, "slip and fringe; BPCER is 1 - this"
    )
    return rows, turned


_WHAT: Final = {
    "portrait_over_card": ("another portrait laid over the card by software", "sign: slip between portrait and print"),
    "keyed_hand_over_card": ("a card keyed in behind a real hand (2022)", "sign: colour fringe at the hand's edge"),
    "other_persons_card": ("a right card of somebody else", "face comparison alone"),
    "morphed_portrait": ("a card with a morph of owner and attacker", "face comparison alone, attacker's face"),
}


def _calm(flats: Sequence[Pixels], covered: Pixels) -> bool:
    return slip(flats) < SLIP and fringe(flats[0], covered) < FRINGE


def _compared(card: Pixels, probes: Sequence[Frame]) -> str:
    result = face.compare(images.encode_jpeg(card), probes, second_opinion=False).result
    return {Outcome.PASSED: "accepted", Outcome.FAILED: "refused"}.get(result.outcome, "referred")


def _still(clip: Clip) -> Pixels:
    return clip.pixels[clip.cast.rest[0]]


def _card(portrait: Pixels, seed: int) -> Pixels:
    drawn = specimen.draw(images.encode_jpeg(portrait, 95), seed=seed, today=date(2026, 1, 1))
    return drawn.front


def _inside(box: detector.Face, grow: float) -> tuple[int, int, int, int]:
    """The box grown on all sides by a share of its size, cut to the card: left, top, right, bottom."""
    across, down = grow * box.width, grow * box.height
    return (
        max(0, int(box.x - across)),
        max(0, int(box.y - down)),
        min(_FLAT[0], int(box.x + box.width + across)),
        min(_FLAT[1], int(box.y + box.height + down)),
    )


def _laid_over(
    pixels: Pixels, portrait: Pixels, shape: tuple[int, ...], corners: NDArray[np.float32], random: Random
) -> Pixels:
    """A portrait put over the photographed card by a tracker with TRACKING_ERROR."""
    left, top, right, bottom = specimen.PORTRAIT_BOX
    height, width = shape[:2]
    card = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    error = np.array([random.gauss(0, TRACKING_ERROR), random.gauss(0, TRACKING_ERROR)], np.float32)
    plane = np.asarray(cv2.getPerspectiveTransform(card, corners + error), np.float64)
    shift = np.array([[1, 0, left], [0, 1, top], [0, 0, 1]], np.float64)
    size = (pixels.shape[1], pixels.shape[0])
    fitted = cv2.resize(portrait, (right - left, bottom - top), interpolation=cv2.INTER_AREA)
    laid = cv2.warpPerspective(fitted, plane @ shift, size)
    mask = cv2.warpPerspective(np.full(fitted.shape[:2], 255, np.uint8), plane @ shift, size)
    share = cv2.GaussianBlur(mask, (0, 0), 0.8)[..., None] / 255.0
    return np.asarray(laid * share + pixels * (1 - share), np.uint8)
