"""The side of a card with the machine readable zone: the zone tells where the card is and which way is up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from verification import barcode, card, card_quality
from verification.card import Card, Points
from verification.card_quality import CardQuality
from verification.contract import Pixels
from verification.mrz import Format
from verification.zone import ZoneReading, read_zone

# Where three lines of OCR-B stand on an ID-1 card, fractions of its width and height (Doc 9303 part 5, figure 3:
# 30 characters of 2.54 mm in the middle, in the lower 23.2 mm).
_ZONE_LEFT: Final = 0.055
_ZONE_RIGHT: Final = 0.945
_ZONE_TOP: Final = 0.63
_ZONE_BOTTOM: Final = 0.87


@dataclass(frozen=True, slots=True)
class Back:
    """``flat``: the card, upright and straightened where it was found, else the picture turned upright."""

    flat: Pixels
    found: Card | None
    quality: CardQuality
    zone: ZoneReading | None
    barcodes: tuple[str, ...]


def look(pixels: Pixels) -> Back:
    """Find and read the zone and the bar code, at any rotation. About a second."""
    cards = card.find(pixels)
    zone = read_zone(pixels)
    chosen = _holding(cards, zone)
    if chosen is None and zone is not None and zone.proven and zone.mrz.format is Format.TD1:
        chosen = _from_zone(zone, pixels)
    if chosen is None:
        flat, taken = _turned(pixels, zone), float(max(pixels.shape[:2]))
    else:
        corners = _upright_corners(chosen.corners, zone)
        flat = card.straighten(pixels, corners)
        taken = float(max(np.linalg.norm(corners[1] - corners[0]), np.linalg.norm(corners[2] - corners[3])))
        if zone is None or not zone.proven:
            again = read_zone(flat)
            if again is not None and (zone is None or again.proven):
                zone = again
                if float((again.quad[1] - again.quad[0])[0]) < 0:
                    flat = np.ascontiguousarray(flat[::-1, ::-1])
    texts = barcode.read(flat) or barcode.read(pixels)
    return Back(flat, chosen, card_quality.measure(flat, taken), zone, texts)


def problems(back: Back) -> tuple[str, ...]:
    """Why this picture cannot be used; codes of ``contract.SideReading``, most important first.

    A zone that is read clearly needs no better picture, whether its check digits are right or wrong. Where it is not,
    what is measured on the picture tells why.
    """
    if back.zone is not None and (back.zone.proven or back.zone.wrong):
        return ()
    found = []
    if back.found is None and back.zone is None:
        return ("not_a_card",)
    if back.found is None or back.found.cut:
        found.append("cut_off")
    if back.quality.too_small:
        found.append("too_small")
    if back.quality.blurred:
        found.append("blur")
    if back.quality.glared:
        found.append("glare")
    if back.quality.too_dark:
        found.append("too_dark")
    found.append("mrz_unreadable")
    return tuple(found)


def _holding(cards: list[Card], zone: ZoneReading | None) -> Card | None:
    """The first card on which the zone has the place and width of a zone; without a zone, the likeliest card."""
    if zone is None:
        return cards[0] if cards else None
    target = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    for candidate in cards:
        corners = _upright_corners(candidate.corners, zone)
        homography = cv2.getPerspectiveTransform(corners, target)
        place = cv2.perspectiveTransform(zone.quad.reshape(-1, 1, 2), homography).reshape(-1, 2)
        low, high = place.min(axis=0), place.max(axis=0)
        if low[0] > -0.02 and high[0] < 1.02 and high[0] - low[0] > 0.75 and low[1] > 0.45 and high[1] < 1.02:
            return candidate
    return None


def _from_zone(zone: ZoneReading, pixels: Pixels) -> Card | None:
    """The card's outline worked out from where its zone is. None where it would leave the picture."""
    on_card = np.array(
        [[_ZONE_LEFT, _ZONE_TOP], [_ZONE_RIGHT, _ZONE_TOP], [_ZONE_RIGHT, _ZONE_BOTTOM], [_ZONE_LEFT, _ZONE_BOTTOM]],
        np.float32,
    )
    # An affine map: three lines are too low a figure to tell the perspective of the whole card.
    affine, _ = cv2.estimateAffine2D(on_card, zone.quad)
    if affine is None:
        return None
    whole = np.array([[0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 1, 1]], np.float64)
    corners = (whole @ np.asarray(affine, np.float64).T).astype(np.float32)
    height, width = pixels.shape[:2]
    slack = 0.02 * max(width, height)
    if (corners < -slack).any() or (corners > np.array([width, height]) + slack).any():
        return None
    return Card(corners, 0.0)


def _upright_corners(corners: Points, zone: ZoneReading | None) -> Points:
    up = np.array([0.0, -1.0]) if zone is None else zone.quad[0] + zone.quad[1] - zone.quad[2] - zone.quad[3]
    card_up = corners[0] + corners[1] - corners[2] - corners[3]
    return corners if float(card_up @ up) >= 0 else np.ascontiguousarray(np.roll(corners, 2, axis=0))


def _turned(pixels: Pixels, zone: ZoneReading | None) -> Pixels:
    """The picture by quarter turns so that the zone reads rightwards, at most ``card.FLAT_WIDTH`` wide."""
    turned = pixels
    if zone is not None:
        along = zone.quad[1] - zone.quad[0]
        quarters = round(float(np.degrees(np.arctan2(along[1], along[0]))) / 90)
        turned = np.ascontiguousarray(np.rot90(pixels, quarters % 4))
    scale = card.FLAT_WIDTH / turned.shape[1]
    if scale >= 1:
        return turned
    return np.asarray(cv2.resize(turned, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
