"""Enlarged stills of security features, cut from frames of the live video."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from verification import card, security_features
from verification.card_plane import portrait_certainty
from verification.contract import Pixels, Side
from verification.images import encode_jpeg
from verification.security_features import Feature

_SHARPNESS_WIDTH: Final = 640
"""Pixels to which a card is brought before its sharpness is compared with another's."""


@dataclass(frozen=True, slots=True)
class Still:
    """``index``: of the frame it was cut from; ``found``: the side was seen, otherwise the whole frame is shown."""

    jpeg: bytes
    found: bool
    index: int


def take(frames: Sequence[Pixels], features: Sequence[Feature]) -> list[Still]:
    """Each feature's place in the sharpest frame that shows its side of the card. Raises ValueError without frames.

    0.2 to 0.4 s a frame.
    """
    if not frames:
        raise ValueError("no frames")
    sharpest: dict[Side, tuple[float, int, Pixels]] = {}
    for index, pixels in enumerate(frames):
        shown = lay(pixels)
        if shown is not None:
            side, flat = shown
            sharpness = _sharpness(flat)
            if side not in sharpest or sharpness > sharpest[side][0]:
                sharpest[side] = (sharpness, index, flat)
    stills = []
    for feature in features:
        found = sharpest.get(feature.side)
        if found is None:
            stills.append(Still(encode_jpeg(frames[-1]), False, len(frames) - 1))
        else:
            stills.append(Still(security_features.still(found[2], feature), True, found[1]))
    return stills


def lay(pixels: Pixels) -> tuple[Side, Pixels] | None:
    """The card in a picture, straightened and upright, and which side it is; None without a card.

    A front is known, and turned, by its portrait; a back is what has none, turned so that the end with the more upright
    strokes is below: that is the machine readable zone.
    """
    best: tuple[float, Pixels] | None = None
    first_plain: Pixels | None = None
    for one in card.find(pixels):
        if one.cut or one.whole_picture:
            continue
        flat = card.straighten(pixels, one.corners)
        for turned in (flat, np.ascontiguousarray(flat[::-1, ::-1])):
            certain = portrait_certainty(turned)
            if certain and (best is None or certain > best[0]):
                best = (certain, turned)
        first_plain = flat if first_plain is None else first_plain
    if best is not None:
        return Side.FRONT, best[1]
    if first_plain is None:
        return None
    return Side.BACK, np.ascontiguousarray(first_plain[::-1, ::-1]) if _zone_above(first_plain) else first_plain


def _zone_above(flat: Pixels) -> bool:
    strokes = np.abs(cv2.Sobel(cv2.cvtColor(flat, cv2.COLOR_BGR2GRAY), cv2.CV_32F, 1, 0))
    third = flat.shape[0] // 3
    return bool(strokes[:third].mean() > strokes[-third:].mean())


def _sharpness(flat: Pixels) -> float:
    height = round(_SHARPNESS_WIDTH / card.ASPECT)
    small = cv2.resize(flat, (_SHARPNESS_WIDTH, height), interpolation=cv2.INTER_AREA)
    return float(cv2.Laplacian(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), cv2.CV_32F).var())
